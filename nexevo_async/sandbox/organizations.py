"""Organizations: people who share keys, and one of whom is the owner.

What the contract leaves open, and how it is here: who does not belong to an organization gets 404,
who lacks the role 403. A second invitation to an address takes the place of the first. Whoever is
invited has no ``user_id`` yet; in its place in a path stands the address. Anybody but the owner may
leave. Who is removed loses access, and the organization keeps the keys that they made for it. Such
a key acts for nobody: it uses models, and reads what a developer reads.
"""

import secrets
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from nexevo_async.sandbox.accounts import normalized
from nexevo_async.sandbox.call import Answer, Call, answer
from nexevo_async.sandbox.clock import later
from nexevo_async.sandbox.ids import new_id
from nexevo_async.sandbox.membership import EVERYBODY, MANAGERS, require, require_person
from nexevo_async.sandbox.outbox import Mail
from nexevo_async.sandbox.paging import page
from nexevo_async.sandbox.refusal import RefusalError, invalid
from nexevo_async.sandbox.sessions import token_hash

INVITATION_S: Final = 7 * 86_400
_START: Final = -1
_END: Final = 2**62
_ORGANIZATION: Final = (
    "SELECT organizations.*, members.role, (SELECT user_id FROM members WHERE"
    " org_id = organizations.org_id AND role = 'owner') AS owner_user_id"
    " FROM organizations LEFT JOIN members"
    " ON members.org_id = organizations.org_id AND members.user_id = :user_id"
)
_MEMBER: Final = (
    "SELECT members.*, coalesce(members.email, users.email) AS address"
    " FROM members LEFT JOIN users USING (user_id)"
)


def create(call: Call) -> Answer:
    """Make an organization, which the caller owns."""
    require_person(call)
    org_id = new_id("org_")
    call.db.execute(
        "INSERT INTO organizations (org_id, name, created_at) VALUES (?, ?, ?)",
        (org_id, call.body["name"], call.now),
    )
    call.db.execute(
        "INSERT INTO members (org_id, user_id, role, joined_at) VALUES (?, ?, 'owner', ?)",
        (org_id, call.caller.user_id, call.now),
    )
    return answer({"organization": _organization(call, org_id)})


def list_(call: Call) -> Answer:
    """Give the caller's organizations, newest first."""

    def fetch(after: int | None, limit: int) -> Sequence[sqlite3.Row]:
        return call.db.execute(
            f"{_ORGANIZATION} WHERE organizations.seq < :after AND"
            " CASE WHEN :own IS NULL THEN role IS NOT NULL ELSE organizations.org_id = :own END"
            " ORDER BY organizations.seq DESC LIMIT :limit",
            {
                "user_id": call.caller.user_id,
                "own": call.caller.organization_id,
                "after": _END if after is None else after,
                "limit": limit,
            },
        ).fetchall()

    return page(call, fetch, lambda row: _organization_as_json(call, row))


def get(call: Call) -> Answer:
    """Give an organization."""
    require(call, call.ids[0])
    return answer(_organization(call, call.ids[0]))


def invite_member(call: Call) -> Answer:
    """Invite an address; a second invitation takes the place of the first."""
    (org_id,) = call.ids
    require(call, org_id, MANAGERS)
    role = _assignable(call)
    email = normalized(call.body["email"])
    if not call.body["email"].isprintable():  # a header of the mail holds it
        raise invalid("email", "An e-mail address has no control characters.")
    joined = call.db.execute(
        "SELECT 1 FROM members JOIN users USING (user_id) WHERE org_id = ? AND users.email = ?",
        (org_id, email),
    ).fetchone()
    if joined is not None:
        raise RefusalError(409, f"{email} is a member already; update_member changes the role.")
    token = "inv-" + secrets.token_urlsafe(24)
    call.db.execute("DELETE FROM members WHERE org_id = ? AND email = ?", (org_id, email))
    call.db.execute(
        "INSERT INTO members (org_id, email, role, token_hash, expires_at) VALUES (?, ?, ?, ?, ?)",
        (org_id, email, role, token_hash(token), later(call.now, INVITATION_S)),
    )
    name = _organization(call, org_id)["name"]
    mail = Mail(
        to=email,
        subject=f"You are invited to {' '.join(name.split())}",
        body=f"Join {name} as {role} with this token, within 7 days: {token}",
        token=token,
    )
    return answer(_member_as_json(_member(call, org_id, email)), mails=[mail])


def accept_invitation(call: Call) -> Answer:
    """Join an organization.

    Whoever has the token but not the address is told nothing of the organization.
    """
    require_person(call)
    invitation = call.db.execute(
        "SELECT * FROM members WHERE token_hash = ? AND expires_at > ? AND email ="
        " (SELECT email FROM users WHERE user_id = ?)",
        (token_hash(call.body["token"]), call.now, call.caller.user_id),
    ).fetchone()
    if invitation is None:
        raise RefusalError(
            404,
            "No invitation to your address has this token. It may be 7 days old, used, "
            "or replaced by a later one: ask for another.",
            param="token",
        )
    call.db.execute(
        "UPDATE members SET user_id = ?, email = NULL, joined_at = ?, token_hash = NULL,"
        " expires_at = NULL WHERE seq = ?",
        (call.caller.user_id, call.now, invitation["seq"]),
    )
    return answer(_member_as_json(_member(call, invitation["org_id"], call.caller.user_id)))


def list_members(call: Call) -> Answer:
    """Give the members and the invited, in the order in which they came."""
    (org_id,) = call.ids
    require(call, org_id)

    def fetch(after: int | None, limit: int) -> Sequence[sqlite3.Row]:
        return call.db.execute(
            f"{_MEMBER} WHERE org_id = ? AND seq > ? ORDER BY seq LIMIT ?",
            (org_id, _START if after is None else after, limit),
        ).fetchall()

    return page(call, fetch, _member_as_json)


def update_member(call: Call) -> Answer:
    """Change a role; the owner's changes by transfer alone."""
    org_id, who = call.ids
    require(call, org_id, MANAGERS)
    role = _assignable(call)
    member = _not_owner(_member(call, org_id, who))
    call.db.execute("UPDATE members SET role = ? WHERE seq = ?", (role, member["seq"]))
    return answer(_member_as_json(_member(call, org_id, who)))


def remove_member(call: Call) -> Answer:
    """Remove a member, or withdraw an invitation; who is no owner may leave."""
    org_id, who = call.ids
    leaves = who == call.caller.user_id and call.caller.organization_id is None
    require(call, org_id, EVERYBODY if leaves else MANAGERS)
    member = _not_owner(_member(call, org_id, who))
    call.db.execute("DELETE FROM members WHERE seq = ?", (member["seq"],))
    return Answer()


def transfer_owner(call: Call) -> Answer:
    """Make another member the owner, and the owner an admin."""
    (org_id,) = call.ids
    require(call, org_id, ("owner",))
    heir = _member(call, org_id, call.body["new_owner_user_id"])
    if heir["user_id"] is None:
        raise RefusalError(409, f"{heir['address']} has not joined yet.")
    if heir["role"] == "owner":
        raise RefusalError(409, "The caller is the owner already.")
    call.db.execute(
        "UPDATE members SET role = 'admin' WHERE org_id = ? AND role = 'owner'", (org_id,)
    )
    call.db.execute("UPDATE members SET role = 'owner' WHERE seq = ?", (heir["seq"],))
    return answer(_organization(call, org_id))


def _assignable(call: Call) -> str:
    role: str = call.body["role"]
    if role == "owner":
        raise invalid("role", "An organization has one owner: transfer_owner makes another.")
    return role


def _not_owner(member: sqlite3.Row) -> sqlite3.Row:
    if member["role"] == "owner":
        raise RefusalError(409, "This member is the owner: only transfer_owner changes that.")
    return member


def _organization(call: Call, org_id: str) -> dict[str, Any]:
    row: sqlite3.Row = call.db.execute(
        f"{_ORGANIZATION} WHERE organizations.org_id = :org_id",
        {"user_id": call.caller.user_id, "org_id": org_id},
    ).fetchone()
    return _organization_as_json(call, row)


def _organization_as_json(call: Call, row: sqlite3.Row) -> dict[str, Any]:
    return {
        "org_id": row["org_id"],
        "name": row["name"],
        "role": row["role"] if call.caller.organization_id is None else "developer",
        "owner_user_id": row["owner_user_id"],
        "created_at": row["created_at"],
    }


def _member(call: Call, org_id: str, who: str) -> sqlite3.Row:
    # An address has an @, and an id has none. The account behind an invited address stays unsaid:
    # whoever invites would learn whether the address is registered.
    row: sqlite3.Row | None = call.db.execute(
        f"{_MEMBER} WHERE org_id = ? AND (members.user_id = ? OR members.email = ?)",
        (org_id, who, who),
    ).fetchone()
    if row is None:
        raise RefusalError(404, f"There is no member {who!r} in this organization.")
    return row


def _member_as_json(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "user_id": row["user_id"],
        "email": row["address"],
        "role": row["role"],
        "status": "invited" if row["user_id"] is None else "active",
        "joined_at": row["joined_at"],
    }
