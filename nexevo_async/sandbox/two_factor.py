"""The second factor, by RFC 6238: SHA-1, 6 digits, a step of 30 s, and one step of tolerance."""

import base64
import hmac
import secrets
import sqlite3
from typing import TYPE_CHECKING, Any, Final

from nexevo_async.sandbox.accounts import user_row
from nexevo_async.sandbox.call import Answer, Call, answer
from nexevo_async.sandbox.clock import epoch_seconds
from nexevo_async.sandbox.membership import require_person
from nexevo_async.sandbox.refusal import RefusalError, WrongGuessError
from nexevo_async.sandbox.sessions import token_hash

if TYPE_CHECKING:
    from pyotp.totp import TOTP

_ISSUER: Final = "Nexevo"
_STEP_S: Final = 30
_SECRET_BYTES: Final = 20
_RECOVERY_CODES: Final = 10
_RECOVERY_CODE_BYTES: Final = 10


def status(call: Call) -> Answer:
    """Say whether there is a second factor."""
    return answer(_status(call, _caller(call)))


def setup(call: Call) -> Answer:
    """Give a secret, in the place of an earlier one that was never enabled."""
    user = _caller(call, enabled=False)
    secret = base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode()
    url = _totp(secret).provisioning_uri(name=user["email"], issuer_name=_ISSUER)
    call.db.execute(
        "UPDATE users SET totp_secret = ?, totp_last_step = 0 WHERE user_id = ?",
        (call.seal.seal(secret.encode()), user["user_id"]),
    )
    return answer({"secret": secret, "otpauth_url": url})


def enable(call: Call) -> Answer:
    """Switch the second factor on, for whoever has the secret, and give the recovery codes."""
    user = _caller(call, enabled=False)
    if user["totp_secret"] is None:
        raise RefusalError(409, "There is no secret yet: call two_fa_setup first.")
    _use_totp(call, user, call.body["code"])
    codes = [_recovery_code() for _ in range(_RECOVERY_CODES)]
    call.db.executemany(
        "INSERT INTO recovery_codes VALUES (?, ?)",
        [(user["user_id"], _recovery_hash(code)) for code in codes],
    )
    call.db.execute(
        "UPDATE users SET two_fa_enabled_at = ? WHERE user_id = ?", (call.now, user["user_id"])
    )
    return answer({"enabled": True, "recovery_codes": codes})


def disable(call: Call) -> Answer:
    """Switch the second factor off."""
    user = _caller(call, enabled=True)
    call.proof.checked(user)
    use(call, user, call.body["code"])
    forget(call.db, user["user_id"])
    return answer(_status(call, _caller(call)))


def forget(db: sqlite3.Connection, user_id: str) -> None:
    """Delete a user's secret and recovery codes."""
    db.execute("DELETE FROM recovery_codes WHERE user_id = ?", (user_id,))
    db.execute(
        "UPDATE users SET totp_secret = NULL, two_fa_enabled_at = NULL WHERE user_id = ?",
        (user_id,),
    )


def use(call: Call, user: sqlite3.Row, code: str) -> None:
    """Take a code of the app, or a recovery code, each of which is good for once.

    Raises:
        RefusalError: the code is wrong, or was used.
    """
    digest = _recovery_hash(code)
    rows = call.db.execute(
        "SELECT hash FROM recovery_codes WHERE user_id = ?", (user["user_id"],)
    ).fetchall()
    if not any(hmac.compare_digest(row["hash"], digest) for row in rows):
        _use_totp(call, user, code)
        return
    call.db.execute(
        "DELETE FROM recovery_codes WHERE user_id = ? AND hash = ?", (user["user_id"], digest)
    )


def _use_totp(call: Call, user: sqlite3.Row, code: str) -> None:
    totp = _totp(call.seal.unseal(user["totp_secret"]).decode())
    given = code.replace(" ", "").encode()
    now = epoch_seconds(call.now) // _STEP_S
    good = [
        step
        for step in (now - 1, now, now + 1)
        if hmac.compare_digest(totp.at(step * _STEP_S).encode(), given)
        and step > user["totp_last_step"]
    ]
    if not good:
        raise WrongGuessError("two_factor_invalid", "The code is wrong, too old, or was used.")
    call.db.execute(
        "UPDATE users SET totp_last_step = ? WHERE user_id = ?", (good[0], user["user_id"])
    )


def _totp(secret: str) -> "TOTP":
    try:
        from pyotp.totp import TOTP  # noqa: PLC0415 - an extra, which most sandboxes do without
    except ImportError:
        raise RefusalError(
            501, "Second factors need an extra in the sandbox: pip install 'nexevo[sandbox]'"
        ) from None
    return TOTP(secret)


def _caller(call: Call, *, enabled: bool | None = None) -> sqlite3.Row:
    require_person(call)
    user = user_row(call.db, call.caller.user_id)
    is_enabled = user["two_fa_enabled_at"] is not None
    if enabled is not None and enabled != is_enabled:
        raise RefusalError(409, f"The second factor is {'on already' if is_enabled else 'not on'}.")
    return user


def _status(call: Call, user: sqlite3.Row) -> dict[str, Any]:
    (left,) = call.db.execute(
        "SELECT count(*) FROM recovery_codes WHERE user_id = ?", (user["user_id"],)
    ).fetchone()
    enabled_at = user["two_fa_enabled_at"]
    return {
        "enabled": enabled_at is not None,
        "enabled_at": enabled_at,
        "recovery_codes_left": left,
    }


def _recovery_code() -> str:
    text = base64.b32encode(secrets.token_bytes(_RECOVERY_CODE_BYTES)).decode().lower()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def _recovery_hash(code: str) -> bytes:
    return token_hash("".join(c for c in code.lower() if c.isalnum()))
