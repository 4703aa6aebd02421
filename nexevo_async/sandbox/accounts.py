"""Users, and the keys by which the gateway knows them; neither password nor key is stored."""

import base64
import hashlib
import hmac
import secrets
import sqlite3
from decimal import Decimal
from typing import Final, NamedTuple

from nexevo_async.sandbox.ids import new_id

# 16 MiB and about 40 ms a password: OWASP's least for n would double the sandbox's start.
_COST: Final = {"n": 2**14, "r": 8, "p": 1}
_PREFIX_LENGTH: Final = 10


class Caller(NamedTuple):
    """Who sends a request."""

    user_id: str
    key_id: str


def new_api_key() -> str:
    """Give a fresh key."""
    return "sk-xc-" + secrets.token_urlsafe(24)


def password_hash(password: str) -> str:
    """Give the salted scrypt hash of a password; takes about 40 ms."""
    salt = secrets.token_bytes(16)
    digest = hashlib.scrypt(password.encode(), salt=salt, **_COST)
    encoded = (base64.b64encode(part).decode() for part in (salt, digest))
    return "$".join(("scrypt", *map(str, _COST.values()), *encoded))


def create_user(
    db: sqlite3.Connection,
    *,
    email: str,
    hashed_password: str,
    now: str,
    full_name: str | None = None,
    balance_usd: Decimal = Decimal(0),
) -> str:
    """Store a user and give its id.

    Raises:
        sqlite3.IntegrityError: the address is taken.
    """
    user_id = new_id("u_")
    db.execute(
        "INSERT INTO users VALUES (?, ?, ?, ?, ?, ?)",
        (user_id, email, hashed_password, full_name, str(balance_usd), now),
    )
    return user_id


def user_named(db: sqlite3.Connection, email: str) -> str | None:
    """Give the id of the user who has that address."""
    row = db.execute("SELECT user_id FROM users WHERE email = ?", (email,)).fetchone()
    return None if row is None else str(row["user_id"])


def create_key(db: sqlite3.Connection, *, user_id: str, name: str, secret: str, now: str) -> str:
    """Store a key's hash and give the key's id."""
    key_id = new_id("key_")
    db.execute(
        "INSERT INTO keys (key_id, user_id, name, prefix, hash, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (key_id, user_id, name, secret[:_PREFIX_LENGTH], _digest(secret), now),
    )
    return key_id


def caller_of(db: sqlite3.Connection, secret: str) -> Caller | None:
    """Give the owner of a key; None where there is no such key."""
    digest = _digest(secret)
    for row in db.execute(
        "SELECT user_id, key_id, hash FROM keys WHERE prefix = ?", (secret[:_PREFIX_LENGTH],)
    ):
        if hmac.compare_digest(row["hash"], digest):
            return Caller(row["user_id"], row["key_id"])
    return None


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
