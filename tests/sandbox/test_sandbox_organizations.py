"""Organizations: one owner at all times, and members who were asked and agreed."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from sandbox_support import Api
from team_support import accept, invite, join, new_key, organization, outbox, person, team

from nexevo_async.sandbox.membership import leave_all, memberships_of, organizations_blocking
from nexevo_async.sandbox.organizations import INVITATION_S
from nexevo_async.testing import Sandbox

pytestmark = pytest.mark.usefixtures("cheap_hashes")
NO_SUCH_INVITATION = (404, "not_found", "token")


async def members(api: Api, org_id: str) -> list[tuple[str, str, str]]:
    listed = (await api.get(f"/organizations/{org_id}/members?limit=100")).json["members"]
    return [(member["email"], member["role"], member["status"]) for member in listed]


async def test_invitation_goes_by_mail_and_is_good_once(api: Api):
    org_id, dev = await organization(api), await person(api, "dev")
    token = await invite(api, org_id, dev.email)
    (mail,) = await outbox(api)
    assert mail.keys() == {"to", "subject", "body", "token"}
    assert (mail["to"], mail["subject"]) == (dev.email, "You are invited to Acme Inc")
    assert token in mail["body"]
    assert (await dev.api.get(f"/organizations/{org_id}")).status == 404
    joined = await accept(dev.api, token)
    assert (joined.json["status"], joined.json["role"]) == ("active", "developer")
    assert (await dev.api.get(f"/organizations/{org_id}")).status == 200
    assert (await accept(dev.api, token)).error == NO_SUCH_INVITATION


async def test_invitation_is_for_its_address_in_any_case(api: Api):
    org_id, dev = await organization(api), await person(api, "dev")
    token = await invite(api, org_id, dev.email.upper())
    thief = await person(api, "thief")
    assert (await accept(thief.api, token)).error == NO_SUCH_INVITATION
    assert (await accept(api, token)).error == NO_SUCH_INVITATION
    assert (await accept(dev.api, token + "x")).error == NO_SUCH_INVITATION
    assert (await accept(dev.api, token)).json["email"] == dev.email


@pytest.mark.parametrize(("after", "status"), [(INVITATION_S - 60, 200), (INVITATION_S, 404)])
async def test_invitation_is_good_for_7_days(sandbox: Sandbox, api: Api, after: int, status: int):
    dev = await person(api, "dev")
    token = await invite(api, await organization(api), dev.email)
    sandbox.advance_clock(after)
    assert (await accept(dev.api, token)).status == status


async def test_second_invitation_takes_the_place_of_the_first(api: Api):
    org_id, dev = await organization(api), await person(api, "dev")
    first = await invite(api, org_id, dev.email)
    second = await invite(api, org_id, dev.email, "admin")
    assert (await members(api, org_id))[1:] == [(dev.email, "admin", "invited")]
    assert (await accept(dev.api, first)).error == NO_SUCH_INVITATION
    assert (await accept(dev.api, second)).json["role"] == "admin"


async def test_member_is_not_invited_again(api: Api):
    org_id, dev = await organization(api), await person(api, "dev")
    await join(api, org_id, dev)
    for email in (dev.email, dev.email.upper(), "owner@sandbox.test"):
        invited = {"email": email, "role": "admin"}
        reply = await api.post(f"/organizations/{org_id}/members", invited)
        assert reply.error == (409, "conflict", None)
    assert len(await outbox(api)) == 1


async def test_nobody_learns_from_an_invitation_who_has_an_account(api: Api):
    org_id, dev = await organization(api), await person(api, "dev")
    replies = [
        await api.post(f"/organizations/{org_id}/members", {"email": email, "role": "developer"})
        for email in (dev.email, "nobody@team.test")
    ]
    listed = (await api.get(f"/organizations/{org_id}/members")).json["members"][1:]
    for registered, unknown in ([reply.json for reply in replies], listed):
        assert registered | {"email": None} == unknown | {"email": None}


async def test_invited_person_is_addressed_by_mail(api: Api):
    org_id, dev = await organization(api), await person(api, "dev")
    token = await invite(api, org_id, dev.email)
    path = f"/organizations/{org_id}/members/{dev.email}"
    changed = await api.call("PATCH", path, {"role": "admin"})
    assert (changed.json["role"], changed.json["status"]) == ("admin", "invited")
    assert (await api.call("DELETE", path)).status == 204
    assert (await accept(dev.api, token)).error == NO_SUCH_INVITATION
    assert (await api.call("DELETE", path)).error == (404, "not_found", None)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"email": "a@b.test", "role": "owner"}, "role"),
        ({"email": "a@b.test", "role": "boss"}, "role"),
        ({"email": "a@b.test"}, "role"),
        ({"email": "a b@b.test", "role": "admin"}, "email"),
        ({"email": "a@b.test\nBcc: c@d.test", "role": "admin"}, "email"),
        ({"email": "a@b.test\n", "role": "admin"}, "email"),
        ({"email": "a\x00@b.test", "role": "admin"}, "email"),
        ({"email": "a@" + "b" * 254, "role": "admin"}, "email"),
        ({"email": None, "role": "admin"}, "email"),
    ],
)
async def test_wrong_invitation_is_422_and_sends_nothing(api: Api, body: Any, param: str):
    org_id = await organization(api)
    reply = await api.post(f"/organizations/{org_id}/members", body)
    assert reply.error == (422, "validation_error", param)
    assert await outbox(api) == []
    assert len(await members(api, org_id)) == 1


@pytest.mark.parametrize("name", ["", "x" * 101, None])
async def test_name_has_1_to_100_characters(api: Api, name: Any):
    reply = await api.post("/organizations", {"name": name})
    assert reply.error == (422, "validation_error", "name")


async def test_name_does_not_break_the_mails_subject(api: Api):
    await invite(api, await organization(api, "Acme\r\nBcc: x@y.test"), "dev@team.test")
    assert (await outbox(api))[0]["subject"] == "You are invited to Acme Bcc: x@y.test"


async def test_owner_stays_until_the_transfer(api: Api):
    them = await team(api)
    path = f"/organizations/{them.org_id}/members"
    for by in (them.owner, them.admin):
        owner = f"{path}/{them.owner.user_id}"
        assert (await by.api.call("PATCH", owner, {"role": "admin"})).error[:2] == (409, "conflict")
        assert (await by.api.call("DELETE", owner)).error == (409, "conflict", None)
        spare = f"{path}/{them.spare.user_id}"
        refused = await by.api.call("PATCH", spare, {"role": "owner"})
        assert refused.error == (422, "validation_error", "role")
    assert Counter((await them.roles()).values()) == {"owner": 1, "admin": 1, "developer": 2}


async def test_transfer_makes_the_old_owner_an_admin(api: Api):
    them = await team(api)
    path = f"/organizations/{them.org_id}/transfer-owner"
    heir = {"new_owner_user_id": them.developer.user_id}
    moved = await them.owner.api.post(path, heir)
    assert (moved.json["role"], moved.json["owner_user_id"]) == ("admin", them.developer.user_id)
    assert (await them.owner.api.post(path, heir)).error == (403, "permission_denied", None)
    seen = (await them.developer.api.get(f"/organizations/{them.org_id}")).json
    assert (seen["role"], seen["owner_user_id"]) == ("owner", them.developer.user_id)
    assert await them.roles() == {
        "owner": "admin", "admin": "admin", "developer": "owner", "spare": "developer"
    }  # fmt: skip


async def test_only_a_member_becomes_the_owner(api: Api):
    them = await team(api)
    await invite(them.owner.api, them.org_id, them.stranger.email)
    for heir, status in (
        ("u_nobody", 404),
        (them.stranger.user_id, 404),
        (them.stranger.email, 409),
        (them.owner.user_id, 409),
    ):
        reply = await them.owner.api.post(
            f"/organizations/{them.org_id}/transfer-owner", {"new_owner_user_id": heir}
        )
        assert reply.error[0] == status
    assert (await them.roles())["owner"] == "owner"


async def test_one_owner_under_50_transfers_at_once(api: Api):
    them = await team(api)
    heirs = [them.owner, them.admin, them.developer, them.spare]
    path = f"/organizations/{them.org_id}"

    async def transfer(number: int) -> int:
        by, heir = heirs[number % 4], heirs[(number * 7 + 1) % 4]
        body = {"new_owner_user_id": heir.user_id}
        return int((await by.api.post(f"{path}/transfer-owner", body)).status)

    async def owners() -> int:
        return Counter((await them.roles()).values())["owner"]

    results = await asyncio.gather(
        *(transfer(number) for number in range(50)), *(owners() for _ in range(20))
    )
    statuses, counts = results[:50], results[50:]
    assert set(statuses) <= {200, 403, 409}
    assert statuses.count(200) >= 2
    assert set(counts) == {1}
    assert await owners() == 1


async def test_who_leaves_or_is_removed_sees_nothing_more(api: Api):
    them = await team(api)
    path = f"/organizations/{them.org_id}"
    leaving = f"{path}/members/{them.developer.user_id}"
    assert (await them.developer.api.call("DELETE", leaving)).status == 204
    removed = f"{path}/members/{them.spare.user_id}"
    assert (await them.admin.api.call("DELETE", removed)).status == 204
    for gone in (them.developer, them.spare):
        assert (await gone.api.get(path)).error == (404, "not_found", None)
        assert (await gone.api.get(f"/keys/{them.key_id}")).error == (404, "not_found", None)
        assert (await gone.api.get("/organizations")).json["organizations"] == []
        assert (await gone.api.get("/models")).status == 200
    await join(them.owner.api, them.org_id, them.spare, "admin")
    assert (await them.roles())["spare"] == "admin"


async def test_lists_are_paged(api: Api):
    ids = [await organization(api, str(number)) for number in range(3)]
    for number in range(4):
        await invite(api, ids[0], f"{number}@team.test")
    for path, name, field, expected in (
        ("/organizations", "organizations", "name", ["2", "1", "0"]),
        (
            f"/organizations/{ids[0]}/members",
            "members",
            "email",
            ["owner@sandbox.test", *(f"{number}@team.test" for number in range(4))],
        ),
    ):
        found, cursor = [], ""
        while cursor is not None:
            page = (await api.get(f"{path}?limit=2{cursor and f'&cursor={cursor}'}")).json
            assert len(page[name]) <= 2
            found += [item[field] for item in page[name]]
            cursor = page["next_cursor"]
        assert found == expected


async def test_an_account_that_closes_leaves_its_organizations(sandbox: Sandbox, api: Api):
    them = await team(api)
    alone = await organization(them.admin.api, "Alone")
    own, _ = await new_key(them.admin.api, organization_id=alone)
    await own.conversation(title="gone with it")
    await invite(them.owner.api, await organization(them.owner.api), them.admin.email)

    def leave(db: Any) -> Any:
        admin, owner = them.admin.user_id, them.owner.user_id
        assert organizations_blocking(db, owner) == [them.org_id]
        assert organizations_blocking(db, admin) == []
        before = [(row["name"], row["role"]) for row in memberships_of(db, admin)]
        leave_all(db, admin, "2030-01-01T00:00:00.000000Z")
        return before, memberships_of(db, admin)

    before, after = sandbox._run(lambda gateway: gateway.store.run(leave))
    assert before == [("Acme Inc", "admin"), ("Alone", "owner")]
    assert after == []
    assert "admin" not in await them.roles()
    assert (await own.get("/models")).status == 401
    assert (await them.organization_key.get("/models")).status == 200
