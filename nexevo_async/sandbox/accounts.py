"""Users; no password is stored."""

import sqlite3
from typing import Any

from nexevo_async.sandbox.gate import unknown_key
from nexevo_async.sandbox.ids import new_id
from nexevo_async.sandbox.refusal import RefusalError, invalid


def normalized(email: str) -> str:
    """Give an address as it is stored and compared: nobody means two people by its case."""
    return email.strip().lower()


def create_user(
    db: sqlite3.Connection,
    *,
    email: str,
    hashed_password: str,
    now: str,
    full_name: str | None = None,
) -> str:
    """Store a user and give its id.

    Raises:
        RefusalError: the address is taken, or is none.
    """
    user_id, address = new_id("u_"), normalized(email)
    if not address.isprintable():  # a mail's header holds it
        raise invalid("email", "An e-mail address has no control characters.")
    try:
        db.execute(
            "INSERT INTO users (user_id, email, password_hash, full_name, created_at)"
            " VALUES (?, ?, ?, ?, ?)",
            (user_id, address, hashed_password, full_name, now),
        )
    except sqlite3.IntegrityError:
        raise RefusalError(409, f"{address} has an account already.") from None
    return user_id


def user_named(db: sqlite3.Connection, email: str) -> sqlite3.Row | None:
    """Give what is stored of the user who has that address."""
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM users WHERE email = ?", (normalized(email),)
    ).fetchone()
    return row


def user_row(db: sqlite3.Connection, user_id: str) -> sqlite3.Row:
    """Give what is stored of a user.

    Raises:
        RefusalError: the account was closed, by a call that ran meanwhile.
    """
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM users WHERE user_id = ? AND deactivated_at IS NULL", (user_id,)
    ).fetchone()
    if row is None:
        raise unknown_key()
    return row


def user_json(row: sqlite3.Row) -> dict[str, Any]:
    """Give a user as the contract has it."""
    return {
        "user_id": row["user_id"],
        "email": row["email"],
        "full_name": row["full_name"],
        "two_fa_enabled": row["two_fa_enabled_at"] is not None,
        "created_at": row["created_at"],
    }
