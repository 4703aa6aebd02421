from typing import Unpack, final

from nexevo_async.config import CallOptions
from nexevo_async.contract import checks
from nexevo_async.contract import organizations as contract
from nexevo_async.contract.organizations import (
    Member,
    NewOrganization,
    Organization,
    OrganizationRole,
)
from nexevo_async.pagination import AsyncPage
from nexevo_async.services.caller import Caller, body


@final
class Organizations:
    """Teams: owner, admin and developer share keys and billing under an organization [D].

    Each has exactly one owner, who can be replaced by `transfer_owner` alone. Owner and admin
    manage members and keys; a developer uses keys and reads [P].
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def create(self, name: str, **options: Unpack[CallOptions]) -> NewOrganization:
        """Make an organization; the caller owns it [D: the call; P: its path].

        Args:
            name: Its name; the sandbox takes 1 to 100 characters [P].
            **options: See `CallOptions`.

        Returns:
            The organization under ``organization``, with its ``org_id`` [D].

        Raises:
            TypeError: The name is not a string.
            UnprocessableEntityError: The name is empty or too long.

        Example:
            >>> org = await client.organizations.create("Acme Inc")
            >>> org["organization"]["name"]
            'Acme Inc'
        """
        return await self._caller.one(
            contract.CREATE,
            contract.CREATE.path,
            body=body({"name": checks.string("name", name)}, options),
            options=options,
        )

    async def list(
        self, limit: int = 20, cursor: str | None = None, **options: Unpack[CallOptions]
    ) -> AsyncPage[Organization]:
        """List the organizations that the caller belongs to [P].

        Args:
            limit: Organizations a page, 1 to 100.
            cursor: ``next_cursor`` of the page before, to go on from there.
            **options: See `CallOptions`.

        Returns:
            A page; ``async for`` over it walks all pages.

        Raises:
            TypeError: An argument has the wrong type.

        Example:
            >>> _ = await client.organizations.create("Acme Inc")
            >>> page = await client.organizations.list()
            >>> "Acme Inc" in [org.name for org in page.data]
            True
        """
        query = {"limit": checks.whole("limit", limit), "cursor": cursor}
        return await self._caller.page(
            contract.LIST, contract.LIST.path, query=query, options=options
        )

    async def get(self, org_id: str, **options: Unpack[CallOptions]) -> Organization:
        """Give an organization [P].

        Args:
            org_id: The organization.
            **options: See `CallOptions`.

        Returns:
            The organization, with the caller's role in it.

        Raises:
            ValueError: The id is empty or leads to another path.
            NotFoundError: There is no such organization, or the caller is not in it.

        Example:
            >>> new = await client.organizations.create("Acme Inc")
            >>> org = await client.organizations.get(new.organization.org_id)
            >>> org.role
            'owner'
        """
        return await self._caller.one(contract.GET, contract.GET.at(org_id), options=options)

    async def invite_member(
        self, org_id: str, *, email: str, role: OrganizationRole, **options: Unpack[CallOptions]
    ) -> Member:
        """Invite somebody by mail [D: the call; P: its path].

        Args:
            org_id: The organization.
            email: Whom to invite [D].
            role: ``admin`` or ``developer`` [D]; an owner comes by `transfer_owner` alone.
            **options: See `CallOptions`. A lost answer leaves open whether the mail was sent.

        Returns:
            The member, whose ``status`` is ``invited`` until the invitation is accepted [P].

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: The role is none of the three, or the id leads to another path.
            NotFoundError: There is no such organization, or the caller is not in it.
            PermissionDeniedError: The caller is neither owner nor admin.

        Example:
            >>> org = await client.organizations.create("Acme Inc")
            >>> member = await client.organizations.invite_member(
            ...     org["organization"]["org_id"], email="dev@acme.com", role="developer"
            ... )
            >>> member.status
            'invited'
        """
        return await self._caller.one(
            contract.INVITE_MEMBER,
            contract.INVITE_MEMBER.at(org_id),
            body=body({"email": checks.string("email", email), "role": _role(role)}, options),
            options=options,
        )

    async def accept_invitation(self, *, token: str, **options: Unpack[CallOptions]) -> Member:
        """Join an organization with the token of the mail [P].

        Args:
            token: What the mail holds.
            **options: See `CallOptions`.

        Returns:
            The caller as a member, whose ``status`` is ``active``.

        Raises:
            TypeError: The token is not a string.
            APIStatusError: The token was used, or is none.

        Example:
            >>> from nexevo_async import APIStatusError
            >>> try:
            ...     await client.organizations.accept_invitation(token="not-from-a-mail")
            ... except APIStatusError as error:
            ...     print("ask for another invitation")
            ask for another invitation
        """
        return await self._caller.one(
            contract.ACCEPT_INVITATION,
            contract.ACCEPT_INVITATION.path,
            body=body({"token": checks.string("token", token)}, options),
            options=options,
        )

    async def list_members(
        self,
        org_id: str,
        limit: int = 20,
        cursor: str | None = None,
        **options: Unpack[CallOptions],
    ) -> AsyncPage[Member]:
        """List the members of an organization, and who is invited [D: the call; P: its path].

        Args:
            org_id: The organization.
            limit: Members a page, 1 to 100 [P].
            cursor: ``next_cursor`` of the page before, to go on from there [P].
            **options: See `CallOptions`.

        Returns:
            A page; ``async for`` over it walks all pages.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: The id is empty or leads to another path.
            NotFoundError: There is no such organization, or the caller is not in it.

        Example:
            >>> org = await client.organizations.create("Acme Inc")
            >>> members = await client.organizations.list_members(org.organization.org_id)
            >>> [member.role for member in members.data]
            ['owner']
        """
        query = {"limit": checks.whole("limit", limit), "cursor": cursor}
        return await self._caller.page(
            contract.LIST_MEMBERS, contract.LIST_MEMBERS.at(org_id), query=query, options=options
        )

    async def update_member(
        self, org_id: str, user_id: str, *, role: OrganizationRole, **options: Unpack[CallOptions]
    ) -> Member:
        """Change a member's role [P].

        Args:
            org_id: The organization.
            user_id: The member; not the owner, who can only be replaced by `transfer_owner`.
            role: ``admin`` or ``developer``.
            **options: See `CallOptions`.

        Returns:
            The changed member.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: The role is none of the three, or an id leads to another path.
            NotFoundError: There is no such organization or member.
            PermissionDeniedError: The caller is neither owner nor admin.
            ConflictError: The member is the owner.

        Example:
            >>> from nexevo_async import NotFoundError
            >>> org = await client.organizations.create("Acme Inc")
            >>> try:
            ...     await client.organizations.update_member(
            ...         org.organization.org_id, "u_nobody", role="admin"
            ...     )
            ... except NotFoundError as error:
            ...     print("no such member")
            no such member
        """
        return await self._caller.one(
            contract.UPDATE_MEMBER,
            contract.UPDATE_MEMBER.at(org_id, user_id),
            body=body({"role": _role(role)}, options),
            options=options,
        )

    async def remove_member(
        self, org_id: str, user_id: str, **options: Unpack[CallOptions]
    ) -> None:
        """Remove a member [D: the feature; P: the call].

        Args:
            org_id: The organization.
            user_id: The member; not the owner, who can only be replaced by `transfer_owner`.
            **options: See `CallOptions`.

        Raises:
            ValueError: An id is empty or leads to another path.
            NotFoundError: There is no such organization or member.
            PermissionDeniedError: The caller is neither owner nor admin.
            ConflictError: The member is the owner.

        Example:
            >>> from nexevo_async import NotFoundError
            >>> org = await client.organizations.create("Acme Inc")
            >>> try:
            ...     await client.organizations.remove_member(org.organization.org_id, "u_nobody")
            ... except NotFoundError as error:
            ...     print("no such member")
            no such member
        """
        await self._caller.nothing(
            contract.REMOVE_MEMBER, contract.REMOVE_MEMBER.at(org_id, user_id), options=options
        )

    async def transfer_owner(
        self, org_id: str, *, new_owner_user_id: str, **options: Unpack[CallOptions]
    ) -> Organization:
        """Make another member the owner; the old owner becomes admin [D: the call; P: its path].

        Args:
            org_id: The organization.
            new_owner_user_id: An active member [D].
            **options: See `CallOptions`. A lost answer leaves open who owns it; `get` tells.

        Returns:
            The organization.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: The id is empty or leads to another path.
            NotFoundError: There is no such organization or member.
            PermissionDeniedError: The caller is not the owner.

        Example:
            >>> from nexevo_async import NotFoundError
            >>> org = await client.organizations.create("Acme Inc")
            >>> try:
            ...     await client.organizations.transfer_owner(
            ...         org["organization"]["org_id"], new_owner_user_id="u_nobody"
            ...     )
            ... except NotFoundError as error:
            ...     print("no such member")
            no such member
        """
        return await self._caller.one(
            contract.TRANSFER_OWNER,
            contract.TRANSFER_OWNER.at(org_id),
            body=body(
                {"new_owner_user_id": checks.string("new_owner_user_id", new_owner_user_id)},
                options,
            ),
            options=options,
        )


def _role(value: object) -> str:
    return checks.one_of("role", value, contract.ROLES)
