import hmac
import secrets
from typing import Final

from nexevo_async.sandbox import sessions
from nexevo_async.sandbox.accounts import user_named
from nexevo_async.sandbox.call import Answer, Call
from nexevo_async.sandbox.clock import later
from nexevo_async.sandbox.outbox import Mail
from nexevo_async.sandbox.refusal import RefusalError
from nexevo_async.sandbox.sessions import token_hash

LIFETIME_S: Final = 3_600
_TOKEN_PREFIX: Final = "reset-"  # noqa: S105 - what every such token begins with
_LOOKED_UP: Final = len(_TOKEN_PREFIX) + 8


def request(call: Call) -> Answer:
    """Send a mail, where there is an account; the token of an earlier one dies."""
    token = _TOKEN_PREFIX + secrets.token_urlsafe(32)
    user = user_named(call.db, call.body["email"])
    if user is None:
        return Answer()
    call.db.execute(
        "INSERT OR REPLACE INTO password_resets VALUES (?, ?, ?, ?)",
        (user["user_id"], token[:_LOOKED_UP], token_hash(token), later(call.now, LIFETIME_S)),
    )
    mail = Mail(
        to=user["email"],
        subject="Set a new password",
        body=f"Set a new password with this token, within the hour: {token}",
        token=token,
    )
    return Answer(mails=[mail])


def confirm(call: Call) -> Answer:
    """Set the password of whoever got the mail, and end all sessions."""
    token: str = call.body["token"]
    digest = token_hash(token)
    rows = call.db.execute(
        "SELECT * FROM password_resets WHERE prefix = ? AND expires_at > ?",
        (token[:_LOOKED_UP], call.now),
    ).fetchall()
    reset = next((row for row in rows if hmac.compare_digest(row["hash"], digest)), None)
    if reset is None:
        raise RefusalError(
            400,
            "The token is wrong, was used, is an hour old, or was replaced by a later mail's. "
            "Ask for another mail.",
            param="token",
        )
    set_password(call, reset["user_id"])
    return Answer()


def set_password(call: Call, user_id: str, *, keep: str | None = None) -> None:
    """Set a password, after which no session but ``keep`` and no mail's token works."""
    call.db.execute(
        "UPDATE users SET password_hash = ? WHERE user_id = ?", (call.proof.hashed, user_id)
    )
    call.db.execute("DELETE FROM password_resets WHERE user_id = ?", (user_id,))
    sessions.end_all(call.db, user_id, but=keep)
