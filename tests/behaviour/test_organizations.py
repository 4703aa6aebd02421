import pytest

from nexevo_async import (
    APIStatusError,
    AsyncNexevo,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
)
from nexevo_async.testing import Sandbox

PASSWORD = "correct horse battery"


async def person(client: AsyncNexevo, email: str) -> tuple[AsyncNexevo, str]:
    session = await client.auth.register(email=email, password=PASSWORD)
    assert session.user is not None
    assert session.user.user_id
    return client.with_options(api_key=session["access_token"]), session.user.user_id


async def joined(
    client: AsyncNexevo, sandbox: Sandbox, org_id: str, email: str, role: str
) -> tuple[AsyncNexevo, str]:
    somebody, user_id = await person(client, email)
    invited = await client.organizations.invite_member(org_id, email=email, role=role)  # type: ignore[arg-type]
    assert (invited.email, invited.role, invited.status) == (email, role, "invited")
    (token,) = [mail["token"] for mail in sandbox.outbox if mail["to"] == email]
    member = await somebody.organizations.accept_invitation(token=token)
    assert (member.user_id, member.status) == (user_id, "active")
    assert member.joined_at is not None
    return somebody, user_id


async def test_an_organization_from_create_to_another_owner(client: AsyncNexevo, sandbox: Sandbox):
    new = await client.organizations.create("Acme Inc")
    org_id = new["organization"]["org_id"]
    org = await client.organizations.get(org_id)
    assert (org.name, org.role) == ("Acme Inc", "owner")
    assert org_id in [o.org_id async for o in await client.organizations.list(limit=1)]

    admin, admin_id = await joined(client, sandbox, org_id, "admin@acme.com", "admin")
    developer, developer_id = await joined(client, sandbox, org_id, "dev@acme.com", "developer")
    members = await client.organizations.list_members(org_id)
    assert {m.role for m in members.data} == {"owner", "admin", "developer"}

    with pytest.raises(PermissionDeniedError):
        await developer.organizations.invite_member(org_id, email="x@acme.com", role="developer")
    promoted = await admin.organizations.update_member(org_id, developer_id, role="admin")
    assert promoted.role == "admin"
    with pytest.raises(PermissionDeniedError):
        await admin.organizations.transfer_owner(org_id, new_owner_user_id=admin_id)

    moved = await client.organizations.transfer_owner(org_id, new_owner_user_id=admin_id)
    assert (moved.owner_user_id, moved.role) == (admin_id, "admin")
    assert (await admin.organizations.get(org_id)).role == "owner"
    with pytest.raises(APIStatusError):
        await client.organizations.remove_member(org_id, admin_id)
    assert await admin.organizations.remove_member(org_id, developer_id) is None
    with pytest.raises(NotFoundError):
        await developer.organizations.get(org_id)


async def test_an_owner_stays_while_others_depend_on_it(client: AsyncNexevo, sandbox: Sandbox):
    owner, _ = await person(client, "owner@acme.com")
    org_id = (await owner.organizations.create("Acme Inc")).organization.org_id
    await joined(owner, sandbox, org_id, "dev@acme.com", "developer")
    with pytest.raises(ConflictError):
        await owner.auth.deactivate(password=PASSWORD)


async def test_a_key_of_an_organization(client: AsyncNexevo):
    org_id = (await client.organizations.create("Acme Inc")).organization.org_id
    new = await client.keys.create("shared", organization_id=org_id)
    assert new.key.organization_id == org_id
    await client.with_options(api_key=new.full_key).models.list()


async def test_others_see_nothing(client: AsyncNexevo):
    org_id = (await client.organizations.create("Acme Inc")).organization.org_id
    stranger, stranger_id = await person(client, "stranger@example.com")
    for call in (
        stranger.organizations.get(org_id),
        stranger.organizations.list_members(org_id),
        stranger.organizations.transfer_owner(org_id, new_owner_user_id=stranger_id),
        stranger.organizations.invite_member(org_id, email="x@acme.com", role="admin"),
        client.organizations.remove_member(org_id, stranger_id),
    ):
        with pytest.raises(NotFoundError):
            await call
