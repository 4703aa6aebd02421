"""Accounts and logins."""

from nexevo_async.sandbox import sessions, two_factor
from nexevo_async.sandbox.accounts import create_user, user_json, user_named, user_row
from nexevo_async.sandbox.call import Answer, Call, answer
from nexevo_async.sandbox.membership import require_person
from nexevo_async.sandbox.password_reset import set_password
from nexevo_async.sandbox.refusal import RefusalError


def register(call: Call) -> Answer:
    """Open an account, and begin a session."""
    user_id = create_user(
        call.db,
        email=call.body["email"],
        hashed_password=call.proof.hashed,
        full_name=call.body.get("full_name"),
        now=call.now,
    )
    return _session(call, user_id)


def login(call: Call) -> Answer:
    """Begin a session."""
    user = call.proof.checked(user_named(call.db, call.body["email"]))
    if user["two_fa_enabled_at"] is not None:
        code: str | None = call.body.get("totp_code")
        if code is None:
            raise RefusalError(
                401,
                "This account asks for a second factor: send totp_code.",
                type="two_factor_required",
            )
        two_factor.use(call, user, code)
    return _session(call, user["user_id"])


def logout(call: Call) -> Answer:
    """End the caller's session."""
    if not sessions.is_session(call.caller):
        raise RefusalError(400, "An API key is no session that ends: keys.revoke revokes it.")
    sessions.end(call.db, call.caller.key_id)
    return Answer()


def me(call: Call) -> Answer:
    """Give the caller's account."""
    require_person(call)
    return answer(user_json(user_row(call.db, call.caller.user_id)))


def update_profile(call: Call) -> Answer:
    """Change what was given; null clears."""
    require_person(call)
    if "full_name" in call.body:
        call.db.execute(
            "UPDATE users SET full_name = ? WHERE user_id = ?",
            (call.body["full_name"], call.caller.user_id),
        )
    return me(call)


def change_password(call: Call) -> Answer:
    """Set another password, and end the other sessions."""
    require_person(call)
    user_id = call.caller.user_id
    call.proof.checked(user_row(call.db, user_id))
    set_password(call, user_id, keep=call.caller.key_id)
    return Answer()


def _session(call: Call, user_id: str) -> Answer:
    token = sessions.begin(call.db, user_id, call.now)
    session = {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": sessions.LIFETIME_S,
        "user": user_json(user_row(call.db, user_id)),
    }
    return answer(session, user_id=user_id)
