"""Who belongs to an organization, and as what."""

import sqlite3
from collections.abc import Sequence
from typing import Final

from nexevo_async.sandbox import payments
from nexevo_async.sandbox.call import Call
from nexevo_async.sandbox.refusal import RefusalError, not_found

MANAGERS: Final = ("owner", "admin")
EVERYBODY: Final = (*MANAGERS, "developer")
# What remains has no name: it is what the books refer to.
_END: Final = (
    "DELETE FROM members WHERE org_id = :org_id",
    "DELETE FROM conversations WHERE account_id = :org_id",
    "UPDATE feedback SET comment = NULL, tags = '[]' WHERE account_id = :org_id",
    "UPDATE organizations SET name = '' WHERE org_id = :org_id",
    """UPDATE keys SET name = '', alert_webhook_url = NULL, alert_webhook_secret = NULL,
       revoked_at = coalesce(revoked_at, :now) WHERE organization_id = :org_id""",
)


def require(call: Call, org_id: str, roles: Sequence[str] = EVERYBODY) -> str:
    """Give the caller's role in an organization.

    Raises:
        RefusalError: the caller does not belong to it, or has none of the roles.
    """
    role = _role_in(call, org_id)
    if role is None:
        raise not_found("organization", org_id)
    if role not in roles:
        raise RefusalError(
            403, f"{call.operation.name} is for {' and '.join(roles)}; the caller is {role}."
        )
    return role


def require_person(call: Call) -> None:
    """Let an organization's key do nothing but what a developer does within the organization.

    Raises:
        RefusalError: the caller is such a key.
    """
    if call.caller.organization_id is not None:
        raise RefusalError(
            403,
            f"{call.operation.name} is for people: an organization's key uses models and reads "
            "within its organization. Take a key of your own, or a login.",
        )


def _role_in(call: Call, org_id: str) -> str | None:
    caller = call.caller
    if caller.organization_id is not None:
        return "developer" if caller.organization_id == org_id else None
    row = call.db.execute(
        "SELECT role FROM members WHERE org_id = ? AND user_id = ?", (org_id, caller.user_id)
    ).fetchone()
    return None if row is None else str(row["role"])


def memberships_of(db: sqlite3.Connection, user_id: str) -> Sequence[sqlite3.Row]:
    """Give the organizations of a user, with the user's role in each, oldest first."""
    return db.execute(
        "SELECT org_id, name, role, joined_at FROM members JOIN organizations USING (org_id)"
        " WHERE user_id = ? ORDER BY organizations.seq",
        (user_id,),
    ).fetchall()


def organizations_blocking(db: sqlite3.Connection, user_id: str) -> Sequence[str]:
    """Give the organizations that a user owns and that have other members."""
    rows = db.execute(
        "SELECT org_id FROM members AS mine WHERE user_id = ? AND role = 'owner' AND EXISTS"
        " (SELECT 1 FROM members WHERE org_id = mine.org_id AND user_id <> mine.user_id)",
        (user_id,),
    ).fetchall()
    return [row["org_id"] for row in rows]


def leave_all(db: sqlite3.Connection, user_id: str, now: str) -> None:
    """Take a user out of all organizations; those that are left without a member end.

    The address must still be known, for the invitations that were sent to it.
    """
    owned = db.execute(
        "SELECT org_id FROM members WHERE user_id = ? AND role = 'owner'", (user_id,)
    ).fetchall()
    for row in owned:
        for statement in _END:
            db.execute(statement, {"org_id": row["org_id"], "now": now})
        payments.forget(db, row["org_id"])
    db.execute(
        "DELETE FROM members"
        " WHERE user_id = :id OR email = (SELECT email FROM users WHERE user_id = :id)",
        {"id": user_id},
    )
