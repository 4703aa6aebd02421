"""All that is stored on an account: shown to whom it belongs, and erased."""

from typing import Final

from nexevo_async.sandbox import (
    conversations,
    feedback,
    idempotency,
    ledger,
    payments,
    plans,
    router,
    sessions,
    two_factor,
)
from nexevo_async.sandbox.accounts import user_json, user_row
from nexevo_async.sandbox.call import Answer, Call, answer
from nexevo_async.sandbox.keyring import keys_of, revoke_all
from nexevo_async.sandbox.keys import key_as_json
from nexevo_async.sandbox.membership import (
    leave_all,
    memberships_of,
    organizations_blocking,
    require_person,
)
from nexevo_async.sandbox.money import written
from nexevo_async.sandbox.refusal import RefusalError

_ERASURES: Final = (
    "DELETE FROM password_resets WHERE user_id = :user_id",
    "DELETE FROM conversations WHERE account_id = :user_id",
    "DELETE FROM conversation_models WHERE account_id = :user_id",
    "DELETE FROM feedback WHERE account_id = :user_id",
    """UPDATE keys SET name = '', alert_webhook_url = NULL, alert_webhook_secret = NULL
       WHERE user_id = :user_id AND organization_id IS NULL""",
    """UPDATE users SET email = NULL, password_hash = NULL, full_name = NULL, deactivated_at = :now
       WHERE user_id = :user_id""",
)


def export(call: Call) -> Answer:
    """Give all that is stored on the caller, secrets aside."""
    require_person(call)
    db, user_id = call.db, call.caller.user_id
    return answer(
        {
            "user": user_json(user_row(db, user_id)),
            "api_keys": [key_as_json(db, row, call.now) for row in keys_of(db, user_id)],
            "organizations": [dict(row) for row in memberships_of(db, user_id)],
            "conversations": conversations.export(db, user_id),
            "conversation_models": router.export(db, user_id),
            "feedback": feedback.export(db, user_id),
            "billing": {
                "balance_usd": written(ledger.balance(db, user_id)),
                "plan": plans.plan_of(db, user_id).name,
                "entries": ledger.export(db, user_id),
            },
            "exported_at": call.now,
        }
    )


def deactivate(call: Call) -> Answer:
    """Close the account: what was paid for stays on the books, without a name."""
    require_person(call)
    db, user_id = call.db, call.caller.user_id
    call.proof.checked(user_row(db, user_id))
    owned = organizations_blocking(db, user_id)
    if owned:
        raise RefusalError(
            409,
            f"The account owns {', '.join(owned)}, which has other members. Make another member "
            "the owner first: organizations.transfer_owner.",
        )
    leave_all(db, user_id, call.now)
    revoke_all(db, user_id, call.now)
    sessions.end_all(db, user_id)
    two_factor.forget(db, user_id)
    idempotency.forget(db, user_id)
    payments.forget(db, user_id)
    for erasure in _ERASURES:
        db.execute(erasure, {"user_id": user_id, "now": call.now})
    return Answer()
