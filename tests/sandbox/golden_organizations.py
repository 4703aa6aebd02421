"""The golden answers of ``organizations.*``, written by hand from the contract."""

from collections.abc import Awaitable, Callable
from typing import Any

from sandbox_support import TIME, Api, Reply, an_id
from team_support import Person, accept, invite, join, organization, person


def org(**members: Any) -> dict[str, Any]:
    return {
        "org_id": an_id("org_"),
        "name": "Acme Inc",
        "role": "owner",
        "owner_user_id": an_id("u_"),
        "created_at": TIME,
    } | members


def member(who: Person | None = None, **members: Any) -> dict[str, Any]:
    return {
        "user_id": who and who.user_id,
        "email": who and who.email,
        "role": "developer",
        "status": "active",
        "joined_at": TIME,
    } | members


async def _with_developer(api: Api) -> tuple[str, Person]:
    org_id, developer = await organization(api), await person(api, "dev")
    await join(api, org_id, developer)
    return org_id, developer


async def create(api: Api) -> tuple[Reply, Any]:
    return await api.post("/organizations", {"name": "Acme Inc"}), {"organization": org()}


async def list_(api: Api) -> tuple[Reply, Any]:
    await organization(api, "first")
    await organization(api, "second")
    return await api.get("/organizations"), {
        "organizations": [org(name="second"), org(name="first")],
        "has_more": False,
        "next_cursor": None,
    }


async def get(api: Api) -> tuple[Reply, Any]:
    org_id, developer = await _with_developer(api)
    reply = await developer.api.get(f"/organizations/{org_id}")
    return reply, org(org_id=org_id, role="developer")


async def invite_member(api: Api) -> tuple[Reply, Any]:
    org_id = await organization(api)
    invited = {"email": "dev@acme.com", "role": "admin"}
    reply = await api.post(f"/organizations/{org_id}/members", invited)
    return reply, member(**invited, status="invited", joined_at=None)


async def accept_invitation(api: Api) -> tuple[Reply, Any]:
    developer = await person(api, "dev")
    token = await invite(api, await organization(api), developer.email)
    return await accept(developer.api, token), member(developer)


async def list_members(api: Api) -> tuple[Reply, Any]:
    org_id, developer = await _with_developer(api)
    await invite(api, org_id, "next@acme.com", "admin")
    owner = member(user_id=an_id("u_"), email="owner@sandbox.test", role="owner")
    invited = member(email="next@acme.com", role="admin", status="invited", joined_at=None)
    return await developer.api.get(f"/organizations/{org_id}/members"), {
        "members": [owner, member(developer), invited],
        "has_more": False,
        "next_cursor": None,
    }


async def update_member(api: Api) -> tuple[Reply, Any]:
    org_id, developer = await _with_developer(api)
    path = f"/organizations/{org_id}/members/{developer.user_id}"
    return await api.call("PATCH", path, {"role": "admin"}), member(developer, role="admin")


async def remove_member(api: Api) -> tuple[Reply, Any]:
    org_id, developer = await _with_developer(api)
    path = f"/organizations/{org_id}/members/{developer.user_id}"
    return await api.call("DELETE", path), None


async def transfer_owner(api: Api) -> tuple[Reply, Any]:
    org_id, developer = await _with_developer(api)
    heir = {"new_owner_user_id": developer.user_id}
    reply = await api.post(f"/organizations/{org_id}/transfer-owner", heir)
    return reply, org(org_id=org_id, role="admin", owner_user_id=developer.user_id)


GOLDEN: dict[str, Callable[[Api], Awaitable[tuple[Reply, Any]]]] = {
    "organizations.create": create,
    "organizations.list": list_,
    "organizations.get": get,
    "organizations.invite_member": invite_member,
    "organizations.accept_invitation": accept_invitation,
    "organizations.list_members": list_members,
    "organizations.update_member": update_member,
    "organizations.remove_member": remove_member,
    "organizations.transfer_owner": transfer_owner,
}
