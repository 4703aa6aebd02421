"""Who may do what in an organization: every role, and every call."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from sandbox_support import Api, api_of
from team_support import PEOPLE, Person, Team, invite, new_key, person, team_of

from nexevo_async.contract.table import OPERATIONS
from nexevo_async.testing import Sandbox

ROLES = ("owner", "admin", "developer", "organization_key", "stranger")
READS = (200, 200, 200, 200, 404)
MANAGES = (200, 200, 403, 403, 404)
REMOVES = (204, 204, 403, 403, 404)

CALLS: dict[str, tuple[tuple[int, ...], str, str, Any]] = {
    "organizations.get": (READS, "GET", "/organizations/{org_id}", None),
    "organizations.list_members": (READS, "GET", "/organizations/{org_id}/members", None),
    "organizations.invite_member": (
        MANAGES, "POST", "/organizations/{org_id}/members",
        {"email": "next@team.test", "role": "admin"},
    ),
    "organizations.update_member": (
        MANAGES, "PATCH", "/organizations/{org_id}/members/{spare}", {"role": "admin"},
    ),
    "organizations.remove_member": (
        REMOVES, "DELETE", "/organizations/{org_id}/members/{spare}", None,
    ),
    "organizations.transfer_owner": (
        (200, 403, 403, 403, 404), "POST", "/organizations/{org_id}/transfer-owner",
        {"new_owner_user_id": "{spare}"},
    ),
    "keys.create": (
        (200, 200, 403, 403, 404), "POST", "/keys", {"name": "k", "organization_id": "{org_id}"},
    ),
    "keys.get": (READS, "GET", "/keys/{key_id}", None),
    "keys.revoke": (REMOVES, "DELETE", "/keys/{key_id}", None),
    "keys.update_spend_cap": (
        MANAGES, "PATCH", "/keys/{key_id}/spend-cap", {"monthly_spend_cap_usd": "1"},
    ),
    "keys.update_alert_webhook": (
        MANAGES, "PATCH", "/keys/{key_id}/alert-webhook", {"url": "https://x.test"},
    ),
    "keys.update_geo_policy": (
        MANAGES, "PATCH", "/keys/{key_id}/geo-policy", {"policy": "cn-only"},
    ),
}  # fmt: skip
# Of these each caller gets an answer of their own, which the tests below compare.
BY_CALLER = {"keys.list", "organizations.list", "organizations.create"}
ORGANIZATION_KEY_MAY_NOT = {"organizations.create", "organizations.accept_invitation"}


@pytest.fixture(scope="module")
def company() -> Iterator[tuple[Sandbox, dict[str, Person]]]:
    with Sandbox() as sandbox:
        yield sandbox, {}


@pytest.fixture
async def team(company: tuple[Sandbox, dict[str, Person]]) -> AsyncIterator[Team]:
    sandbox, people = company
    async with api_of(sandbox) as api:
        for name in PEOPLE:
            if name not in people:
                people[name] = await person(api, name)
            people[name].api.session = api.session
        yield await team_of([people[name] for name in PEOPLE])


def test_the_table_has_every_call():
    rooms = ("keys.", "organizations.")
    names = {operation.name for operation in OPERATIONS if operation.name.startswith(rooms)}
    assert names == CALLS.keys() | BY_CALLER | ORGANIZATION_KEY_MAY_NOT


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("call", CALLS)
async def test_role_may_or_may_not(team: Team, role: str, call: str):
    expected, method, path, body = CALLS[call]
    ids = {"org_id": team.org_id, "key_id": team.key_id, "spare": team.spare.user_id}
    filled = body and {name: value.format(**ids) for name, value in body.items()}
    before = await team.roles(), await keys_of(team)
    reply = await team.acting(role).call(method, path.format(**ids), filled)
    assert reply.status == expected[ROLES.index(role)], reply.text
    if reply.status == 403:
        assert reply.error == (403, "permission_denied", None)
    if reply.status == 404:
        assert reply.error == (404, "not_found", None)
    if reply.status >= 400:
        assert (await team.roles(), await keys_of(team)) == before


async def keys_of(team: Team) -> Any:
    keys = (await team.owner.api.get("/keys?limit=100")).json["keys"]
    return [key | {"last_used_at": None} for key in keys]


@pytest.mark.parametrize("role", ROLES)
async def test_each_sees_what_they_share(team: Team, role: str):
    api = team.acting(role)
    own = {"owner": "owner", "admin": "admin", "stranger": None}.get(role, "developer")
    keys = (await api.get("/keys?limit=100")).json["keys"]
    assert (team.key_id in [key["key_id"] for key in keys]) == (role != "stranger")
    organizations = (await api.get("/organizations?limit=100")).json["organizations"]
    roles = [o["role"] for o in organizations if o["org_id"] == team.org_id]
    assert roles == ([] if own is None else [own])


async def test_organizations_key_acts_within_it_alone(team: Team):
    api = team.organization_key
    _, personal = await new_key(team.owner.api)
    other = (await team.owner.api.post("/organizations", {"name": "Other"})).json["organization"]
    for path in (f"/keys/{personal['key_id']}", f"/organizations/{other['org_id']}"):
        assert (await team.owner.api.get(path)).status == 200
        assert (await api.get(path)).error == (404, "not_found", None)
    listed = (await api.get("/keys")).json["keys"]
    assert [key["key_id"] for key in listed] == [team.key_id]
    listed = (await api.get("/organizations")).json["organizations"]
    assert [organization["org_id"] for organization in listed] == [team.org_id]


async def test_organizations_key_is_nobodys_account(team: Team):
    token = await invite(team.owner.api, team.org_id, "new@team.test")
    for method, path, body in (
        ("POST", "/organizations", {"name": "Mine"}),
        ("POST", "/organizations/invitations/accept", {"token": token}),
        ("POST", "/keys", {"name": "personal"}),
        ("GET", "/auth/me", None),
        ("PATCH", "/auth/me", {"full_name": "Mallory"}),
        ("GET", "/auth/export", None),
        ("GET", "/auth/2fa", None),
        ("POST", "/auth/2fa/setup", None),
        ("POST", "/auth/deactivate", {"password": "pass-word"}),
        ("DELETE", f"/organizations/{team.org_id}/members/{team.owner.user_id}", None),
    ):
        reply = await team.organization_key.call(method, path, body)
        assert reply.error == (403, "permission_denied", None), path


async def test_what_is_made_with_organizations_keys_is_shared_and_apart(team: Team):
    conv_id = await team.organization_key.conversation(title="ours")
    private = await team.owner.api.conversation(title="mine")
    colleague, _ = await new_key(team.admin.api, organization_id=team.org_id)
    await colleague.pay_in()
    generation = (await team.organization_key.chat()).json["nexevo"]["generation_id"]
    thumb = {"generation_id": generation, "rating": 1}
    assert (await colleague.get(f"/conversations/{conv_id}")).json["title"] == "ours"
    assert (await colleague.post("/feedback", thumb)).status == 200
    for stranger in (team.owner.api, team.developer.api, team.stranger.api):
        assert (await stranger.get(f"/conversations/{conv_id}")).status == 404
        assert (await stranger.post("/feedback", thumb)).status == 404
    assert (await team.organization_key.get(f"/conversations/{private}")).status == 404


async def test_persons_key_has_the_rights_of_the_person_and_loses_them(team: Team):
    second, _ = await new_key(team.admin.api)
    path = f"/organizations/{team.org_id}"
    assert (await second.get(path)).json["role"] == "admin"
    made, _ = await new_key(second, organization_id=team.org_id)
    role = {"role": "developer"}
    await team.owner.api.call("PATCH", f"{path}/members/{team.admin.user_id}", role)
    assert (await second.get(path)).json["role"] == "developer"
    reply = await second.post("/keys", {"name": "k", "organization_id": team.org_id})
    assert reply.error == (403, "permission_denied", None)
    await team.owner.api.call("DELETE", f"{path}/members/{team.admin.user_id}")
    assert (await second.get(path)).error == (404, "not_found", None)
    assert (await second.get(f"/keys/{team.key_id}")).error == (404, "not_found", None)
    # The key that the former admin made is the organization's, and stays.
    assert (await made.get("/models")).status == 200


async def test_session_has_the_rights_of_the_person(team: Team):
    for who, status in ((team.admin, 200), (team.developer, 403), (team.stranger, 404)):
        login = {"email": who.email, "password": "pass-word"}
        token = (await who.api.post("/auth/login", login)).json["access_token"]
        session = Api(who.api.session, who.api.base_url, token)
        path = f"/keys/{team.key_id}/geo-policy"
        assert (await session.call("PATCH", path, {"policy": "cn-only"})).status == status
        await session.pay_in()
        assert (await session.chat(model="gpt-4o")).status == 200
    assert (await team.organization_key.chat(model="gpt-4o")).status == 403
