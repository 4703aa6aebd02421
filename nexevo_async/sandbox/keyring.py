"""API keys as they are stored: of the key itself no more than a prefix and a hash."""

import hashlib
import hmac
import secrets
import sqlite3
from collections.abc import Sequence
from typing import Final

from nexevo_async.sandbox.caller import Caller
from nexevo_async.sandbox.ids import new_id

_PREFIX_LENGTH: Final = 10


def new_api_key() -> str:
    """Give a fresh key."""
    return "sk-xc-" + secrets.token_urlsafe(24)


def create_key(
    db: sqlite3.Connection,
    *,
    user_id: str,
    name: str,
    secret: str,
    now: str,
    organization_id: str | None = None,
    monthly_spend_cap_usd: str | None = None,
    geo_policy: str = "any",
) -> str:
    """Store a key's hash and give the key's id."""
    key_id = new_id("key_")
    db.execute(
        "INSERT INTO keys (key_id, user_id, organization_id, name, prefix, hash,"
        " monthly_spend_cap_usd, geo_policy, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            key_id,
            user_id,
            organization_id,
            name,
            secret[:_PREFIX_LENGTH],
            _digest(secret),
            monthly_spend_cap_usd,
            geo_policy,
            now,
        ),
    )
    return key_id


def key_caller(db: sqlite3.Connection, secret: str, now: str) -> Caller | None:
    """Give who calls with a key, and note that it was used; None where no such key works."""
    row = key_row(db, secret)
    if row is None:
        return None
    db.execute("UPDATE keys SET last_used_at = ? WHERE seq = ?", (now, row["seq"]))
    return Caller(row["user_id"], row["key_id"], row["organization_id"])


def key_row(db: sqlite3.Connection, secret: str) -> sqlite3.Row | None:
    """Give what is stored of a key that works."""
    digest = _digest(secret)
    rows: Sequence[sqlite3.Row] = db.execute(
        "SELECT * FROM keys WHERE prefix = ? AND revoked_at IS NULL", (secret[:_PREFIX_LENGTH],)
    ).fetchall()
    return next((row for row in rows if hmac.compare_digest(row["hash"], digest)), None)


def keys_of(db: sqlite3.Connection, user_id: str) -> Sequence[sqlite3.Row]:
    """Give a user's own keys, oldest first: an organization's are not theirs."""
    return db.execute(
        "SELECT * FROM keys WHERE user_id = ? AND organization_id IS NULL ORDER BY seq", (user_id,)
    ).fetchall()


def revoke_all(db: sqlite3.Connection, user_id: str, now: str) -> None:
    """Revoke a user's own keys; those of an organization stay, for its members need them."""
    db.execute(
        "UPDATE keys SET revoked_at = ?"
        " WHERE user_id = ? AND organization_id IS NULL AND revoked_at IS NULL",
        (now, user_id),
    )


def geo_policy_of(db: sqlite3.Connection, caller: Caller) -> str:
    """Give where the caller's models may run; a session has no policy."""
    row = db.execute("SELECT geo_policy FROM keys WHERE key_id = ?", (caller.key_id,)).fetchone()
    return "any" if row is None else str(row["geo_policy"])


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
