"""People who share an organization, and a stranger to it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sandbox_support import Api, Reply


class Person(NamedTuple):
    """Somebody with an account, who acts with a key of their own."""

    api: Api
    user_id: str
    email: str


async def person(api: Api, name: str) -> Person:
    email = f"{name}@team.test"
    made = (await api.post("/_sandbox/users", {"email": email, "password": "pass-word"})).json
    mine = Api(api.session, api.base_url, made["token"])
    return Person(mine, made["user"]["user_id"], email)


async def organization(owner: Api, name: str = "Acme Inc") -> str:
    made = await owner.post("/organizations", {"name": name})
    return str(made.json["organization"]["org_id"])


async def invite(by: Api, org_id: str, email: str, role: str = "developer") -> str:
    """Invite somebody and give the token of the mail."""
    reply = await by.post(f"/organizations/{org_id}/members", {"email": email, "role": role})
    assert reply.status == 200, reply.text
    return str((await outbox(by))[-1]["token"])


async def accept(api: Api, token: str) -> Reply:
    return await api.post("/organizations/invitations/accept", {"token": token})


async def join(by: Api, org_id: str, who: Person, role: str = "developer") -> None:
    reply = await accept(who.api, await invite(by, org_id, who.email, role))
    assert reply.status == 200, reply.text


async def outbox(api: Api) -> Any:
    return (await api.get("/_sandbox/outbox")).json["outbox"]


async def new_key(api: Api, **members: Any) -> tuple[Api, Any]:
    """Make a key and give who acts with it, and what is known of it."""
    made = await api.post("/keys", {"name": "k"} | members)
    assert made.status == 200, made.text
    return Api(api.session, api.base_url, made.json["full_key"]), made.json["key"]


class Team(NamedTuple):
    """An organization with people of each role and a key of its own, and a stranger to it."""

    org_id: str
    key_id: str
    owner: Person
    admin: Person
    developer: Person
    spare: Person
    stranger: Person
    organization_key: Api

    def acting(self, role: str) -> Api:
        actor: Person | Api = getattr(self, role)
        return actor if isinstance(actor, Api) else actor.api

    async def roles(self) -> dict[str, str]:
        members = await self.owner.api.get(f"/organizations/{self.org_id}/members?limit=100")
        return {m["email"].partition("@")[0]: m["role"] for m in members.json["members"]}


PEOPLE = ("owner", "admin", "developer", "spare", "stranger")


async def team_of(people: Sequence[Person]) -> Team:
    owner, admin, developer, spare, stranger = people
    org_id = await organization(owner.api)
    await join(owner.api, org_id, admin, "admin")
    await join(owner.api, org_id, developer)
    await join(owner.api, org_id, spare)
    organization_key, key = await new_key(owner.api, organization_id=org_id)
    return Team(org_id, key["key_id"], owner, admin, developer, spare, stranger, organization_key)


async def team(api: Api) -> Team:
    return await team_of([await person(api, name) for name in PEOPLE])
