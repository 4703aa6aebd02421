import asyncio
import functools
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from os import PathLike, fspath
from typing import Final, TypeVar

from nexevo_async.errors import ConfigurationError
from nexevo_async.sandbox.money import ExactSum
from nexevo_async.sandbox.sealing import Seal, new_seal, seal_beside

T = TypeVar("T")

_CLOSED: Final = "the sandbox's store is closed"

SCHEMA_VERSION: Final = 4

# An account_id is that of a user or of an organization.
# AUTOINCREMENT: a number is never given twice, so that a cursor stays where it was when the row
# it names is gone.
_SCHEMA: Final = """
CREATE TABLE users (
    user_id TEXT PRIMARY KEY,
    email TEXT UNIQUE,
    password_hash TEXT,
    full_name TEXT,
    created_at TEXT NOT NULL,
    deactivated_at TEXT,
    totp_secret BLOB,
    totp_last_step INTEGER NOT NULL DEFAULT 0,
    two_fa_enabled_at TEXT
);
CREATE TABLE recovery_codes (
    user_id TEXT NOT NULL REFERENCES users,
    hash BLOB NOT NULL,
    PRIMARY KEY (user_id, hash)
) WITHOUT ROWID;
CREATE TABLE sessions (
    session_id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users,
    prefix TEXT NOT NULL,
    hash BLOB NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
);
CREATE INDEX sessions_by_prefix ON sessions (prefix);
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE TABLE password_resets (
    user_id TEXT PRIMARY KEY REFERENCES users,
    prefix TEXT NOT NULL,
    hash BLOB NOT NULL,
    expires_at TEXT NOT NULL
);
CREATE INDEX password_resets_by_prefix ON password_resets (prefix);
CREATE TABLE sealed_with (digest BLOB NOT NULL);
CREATE TABLE keys (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    key_id TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL REFERENCES users,
    organization_id TEXT REFERENCES organizations (org_id),
    name TEXT NOT NULL,
    prefix TEXT NOT NULL,
    hash BLOB NOT NULL,
    monthly_spend_cap_usd TEXT,
    alert_webhook_url TEXT,
    alert_webhook_secret BLOB,
    geo_policy TEXT NOT NULL DEFAULT 'any',
    created_at TEXT NOT NULL,
    last_used_at TEXT,
    revoked_at TEXT
);
CREATE INDEX keys_by_prefix ON keys (prefix);
CREATE INDEX keys_by_user ON keys (user_id, seq);
CREATE INDEX keys_by_organization ON keys (organization_id, seq);
CREATE TABLE organizations (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    org_id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    created_at TEXT NOT NULL
);
CREATE TABLE members (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    org_id TEXT NOT NULL REFERENCES organizations (org_id),
    user_id TEXT REFERENCES users,
    email TEXT COLLATE NOCASE,
    role TEXT NOT NULL,
    joined_at TEXT,
    token_hash BLOB UNIQUE,
    expires_at TEXT,
    UNIQUE (org_id, user_id),
    UNIQUE (org_id, email)
);
CREATE INDEX members_by_user ON members (user_id, seq);
CREATE UNIQUE INDEX one_owner ON members (org_id) WHERE role = 'owner';
CREATE TABLE conversations (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation_id TEXT NOT NULL UNIQUE,
    account_id TEXT NOT NULL,
    title TEXT,
    metadata TEXT,
    message_count INTEGER NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
);
CREATE INDEX conversations_by_account ON conversations (account_id, seq);
CREATE TABLE messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id TEXT NOT NULL UNIQUE,
    conversation_id TEXT NOT NULL
        REFERENCES conversations (conversation_id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    content TEXT NOT NULL,
    created_at TEXT NOT NULL
);
CREATE INDEX messages_by_conversation ON messages (conversation_id, seq);
CREATE TABLE generations (
    generation_id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    model TEXT NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    created_at TEXT NOT NULL
);
CREATE TABLE entries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    entry_id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    account_id TEXT NOT NULL,
    at TEXT NOT NULL,
    key_id TEXT,
    tier TEXT,
    model TEXT,
    list_usd TEXT,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL
);
CREATE INDEX entries_by_account ON entries (account_id, at);
CREATE TABLE postings (
    entry INTEGER NOT NULL REFERENCES entries (seq),
    book TEXT NOT NULL,
    amount_usd TEXT NOT NULL,
    PRIMARY KEY (entry, book)
) WITHOUT ROWID;
CREATE TABLE books (
    book TEXT PRIMARY KEY,
    balance_usd TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE months (
    who TEXT NOT NULL,
    month TEXT NOT NULL,
    spent_usd TEXT NOT NULL,
    PRIMARY KEY (who, month)
) WITHOUT ROWID;
CREATE TABLE reservations (
    generation_id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    most_usd TEXT NOT NULL,
    at TEXT NOT NULL,
    model TEXT NOT NULL,
    tier TEXT NOT NULL,
    prompt_usd TEXT NOT NULL,
    completion_usd TEXT NOT NULL,
    factor TEXT NOT NULL,
    input_tokens INTEGER NOT NULL
);
CREATE INDEX reservations_by_account ON reservations (account_id);
CREATE INDEX reservations_by_key ON reservations (key_id);
CREATE TABLE payments (
    payment_id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    account_id TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    amount_usd TEXT NOT NULL,
    status TEXT NOT NULL,
    balance_usd TEXT,
    created_at TEXT NOT NULL,
    UNIQUE (account_id, idempotency_key)
);
CREATE TABLE plans (
    account_id TEXT PRIMARY KEY,
    plan TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE alerts (
    key_id TEXT NOT NULL REFERENCES keys (key_id),
    month TEXT NOT NULL,
    threshold_pct INTEGER NOT NULL,
    alert_id TEXT NOT NULL UNIQUE,
    body BLOB NOT NULL,
    tries INTEGER NOT NULL,
    due_at TEXT,
    PRIMARY KEY (key_id, month, threshold_pct)
);
CREATE INDEX alerts_by_due_at ON alerts (due_at);
CREATE TABLE choices (
    generation_id TEXT PRIMARY KEY REFERENCES generations ON DELETE CASCADE,
    model TEXT NOT NULL,
    rivals TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX choices_by_model ON choices (model);
CREATE TABLE conversation_models (
    account_id TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    model TEXT NOT NULL,
    PRIMARY KEY (account_id, conversation_id)
) WITHOUT ROWID;
CREATE TABLE feedback (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    generation_id TEXT NOT NULL UNIQUE REFERENCES generations ON DELETE CASCADE,
    feedback_id TEXT NOT NULL UNIQUE,
    account_id TEXT NOT NULL,
    model TEXT NOT NULL,
    rating INTEGER NOT NULL,
    comment TEXT,
    tags TEXT NOT NULL,
    created_at TEXT NOT NULL
);
CREATE INDEX feedback_by_account ON feedback (account_id, created_at);
CREATE INDEX feedback_by_model ON feedback (model, rating);
CREATE TABLE idempotency (
    key_id TEXT NOT NULL,
    operation TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    user_id TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    headers TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (key_id, operation, idempotency_key)
) WITHOUT ROWID;
"""


class Store:
    """The state, in SQLite, which one thread alone touches.

    Args:
        path: The database file; None for memory.
    """

    def __init__(self, path: str | PathLike[str] | None) -> None:
        self._path = None if path is None else fspath(path)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="nexevo-sandbox-store")
        self._db: sqlite3.Connection | None = None
        self._seal: Seal | None = None

    @property
    def seal(self) -> Seal:
        """With what is sealed that must not lie in the file in clear."""
        if self._seal is None:
            raise RuntimeError(_CLOSED)
        return self._seal

    async def open(self) -> None:
        """Open the database, and make its tables where it is new.

        Raises:
            ConfigurationError: the file cannot be used.
        """
        await self._on_thread(self._open)

    async def close(self) -> None:
        """Close the database and end its thread."""
        await self._on_thread(self._close)
        await asyncio.to_thread(self._thread.shutdown)  # it waits for the thread

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do some work in one transaction; an exception rolls it back.

        Work that has begun ends even when the caller is cancelled: all of it is stored, or none.
        """
        return await self._on_thread(functools.partial(self._transaction, work))

    def _on_thread(self, work: Callable[[], T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        db = self._db
        if db is None:
            raise RuntimeError(_CLOSED)
        db.execute("BEGIN")
        try:
            result = work(db)
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")
        return result

    def _open(self) -> None:
        try:
            db = sqlite3.connect(self._path or ":memory:", isolation_level=None)
        except sqlite3.Error as error:
            raise self._refused(f"cannot be opened ({error})") from None
        try:
            self._set_up(db)
        except sqlite3.OperationalError as error:
            db.close()
            raise self._refused(f"is in use, by another sandbox perhaps ({error})") from None
        except sqlite3.DatabaseError as error:
            db.close()
            raise self._refused(f"is no SQLite database ({error})") from None
        except BaseException:
            db.close()
            raise
        self._db = db

    def _set_up(self, db: sqlite3.Connection) -> None:
        db.row_factory = sqlite3.Row
        db.create_aggregate("exact_sum", 1, ExactSum)
        # A second sandbox on the same file would not see this one's limits and running calls.
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA busy_timeout = 0")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if version != SCHEMA_VERSION and (version or tables):
            raise self._refused(
                f"has schema version {version}, and this sandbox reads version "
                f"{SCHEMA_VERSION} only"
            )
        # In WAL mode what was committed outlives the process without a sync each time.
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA foreign_keys = ON")
        # What was erased is overwritten, and not merely forgotten where it was.
        db.execute("PRAGMA secure_delete = ON")
        db.execute("BEGIN EXCLUSIVE")
        if version == 0:
            for statement in _SCHEMA.split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        self._seal = self._own_seal(db, is_new=version == 0)
        db.execute("COMMIT")

    def _own_seal(self, db: sqlite3.Connection, *, is_new: bool) -> Seal:
        if self._path is None:
            return new_seal()
        try:
            seal = seal_beside(self._path, make=is_new)
        except OSError as error:
            raise self._refused(
                f"needs its secret, and {error.filename} cannot be used ({error.strerror})"
            ) from None
        digest = seal.digest(b"")
        if is_new:
            db.execute("INSERT INTO sealed_with VALUES (?)", (digest,))
        elif db.execute("SELECT digest FROM sealed_with").fetchone()["digest"] != digest:
            raise self._refused("was not sealed with the secret in the file beside it")
        return seal

    def _refused(self, problem: str) -> ConfigurationError:
        return ConfigurationError(
            f"The sandbox's database file {self._path} {problem}. "
            "Give another file, or none to keep the state in memory."
        )

    def _close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None


def erase(db: sqlite3.Connection) -> None:
    """Delete every row."""
    for table in (
        "idempotency",
        "alerts",
        "plans",
        "payments",
        "reservations",
        "months",
        "books",
        "postings",
        "entries",
        "feedback",
        "conversation_models",
        "choices",
        "generations",
        "messages",
        "conversations",
        "password_resets",
        "sessions",
        "recovery_codes",
        "keys",
        "members",
        "organizations",
        "users",
    ):
        db.execute(f"DELETE FROM {table}")  # noqa: S608 - names of ours
