"""Logins, and the tokens by which the gateway knows them; of a token only a hash is stored."""

import hashlib
import hmac
import secrets
import sqlite3
from typing import Final

from nexevo_async.sandbox.caller import Caller
from nexevo_async.sandbox.clock import later
from nexevo_async.sandbox.ids import new_id
from nexevo_async.sandbox.refusal import RefusalError

LIFETIME_S: Final = 86_400
_TOKEN_PREFIX: Final = "nxs-"  # noqa: S105 - what every session's token begins with
_ID_PREFIX: Final = "sess_"
# What is looked up is no secret; the rest of the token is, and is compared in constant time.
_LOOKED_UP: Final = len(_TOKEN_PREFIX) + 8


def begin(db: sqlite3.Connection, user_id: str, now: str) -> str:
    """Begin a session and give its token."""
    token = _TOKEN_PREFIX + secrets.token_urlsafe(32)
    db.execute(
        "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?)",
        (
            new_id(_ID_PREFIX),
            user_id,
            token[:_LOOKED_UP],
            token_hash(token),
            now,
            later(now, LIFETIME_S),
        ),
    )
    return token


def session_caller(db: sqlite3.Connection, token: str, now: str) -> Caller | None:
    """Give who calls with a token; None where there is no such session.

    Raises:
        RefusalError: the session has expired.
    """
    digest = token_hash(token)
    for row in db.execute(
        "SELECT * FROM sessions WHERE prefix = ?", (token[:_LOOKED_UP],)
    ).fetchall():
        if hmac.compare_digest(row["hash"], digest):
            if row["expires_at"] <= now:
                raise RefusalError(
                    401, "The session has expired: log in again.", type="token_expired"
                )
            return Caller(row["user_id"], row["session_id"])
    return None


def is_session(caller: Caller) -> bool:
    """Say whether a caller came with a session's token, and not with an API key."""
    return caller.key_id.startswith(_ID_PREFIX)


def end(db: sqlite3.Connection, session_id: str) -> None:
    """End a session."""
    db.execute("DELETE FROM sessions WHERE session_id = ?", (session_id,))


def end_all(db: sqlite3.Connection, user_id: str, *, but: str | None = None) -> None:
    """End all sessions of a user, but perhaps one."""
    db.execute("DELETE FROM sessions WHERE user_id = ? AND session_id IS NOT ?", (user_id, but))


def token_hash(token: str) -> bytes:
    """Give what is stored of a random token; nobody guesses one, so that a fast hash will do."""
    return hashlib.sha256(token.encode()).digest()
