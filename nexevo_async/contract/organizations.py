from datetime import datetime
from typing import Annotated, Final, Literal, TypeAlias, TypedDict

import attrs
import msgspec

from nexevo_async.contract.auth import Email
from nexevo_async.contract.model import Model
from nexevo_async.contract.operation import Operation
from nexevo_async.contract.page import PageQuery

OrganizationRole: TypeAlias = Literal["owner", "admin", "developer"]
ROLES: Final = ("owner", "admin", "developer")


@attrs.frozen(kw_only=True)
class Organization(Model):
    """People who share keys and billing.

    Attributes:
        org_id: Its id [D].
        name: Its name [P].
        role: The caller's role in it; new roles may come [P].
        owner_user_id: Its one owner [P].
        created_at: When it was made, in UTC [P].
    """

    org_id: str
    name: str | None = None
    role: OrganizationRole | str | None = None
    owner_user_id: str | None = None
    created_at: datetime | None = None


@attrs.frozen(kw_only=True)
class NewOrganization(Model):
    """An organization that was just made.

    Attributes:
        organization: It [D].
    """

    organization: Organization


@attrs.frozen(kw_only=True)
class Member(Model):
    """Somebody in an organization, or invited to it.

    Attributes:
        user_id: The account; None while the member is invited [P].
        email: The address [P].
        role: The role; new roles may come [P].
        status: ``invited`` or ``active``; new ones may come [P].
        joined_at: When the invitation was accepted, in UTC [P].
    """

    user_id: str | None = None
    email: str | None = None
    role: OrganizationRole | str | None = None
    status: Literal["invited", "active"] | str | None = None
    joined_at: datetime | None = None


class OrganizationBody(TypedDict):
    """The body of create."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class InviteBody(TypedDict):
    """The body of invite_member; ownership is only transferred."""

    email: Email
    role: OrganizationRole


class AcceptBody(TypedDict):
    """The body of accept_invitation."""

    token: str


class RoleBody(TypedDict):
    """The body of update_member."""

    role: OrganizationRole


class TransferBody(TypedDict):
    """The body of transfer_owner."""

    new_owner_user_id: str


CREATE: Final = Operation(
    name="organizations.create",
    method="POST",
    path="/organizations",
    answer=NewOrganization,
    body=OrganizationBody,
    summary="Make an organization; the caller owns it.",
)
LIST: Final = Operation(
    name="organizations.list",
    method="GET",
    path="/organizations",
    answer=Organization,
    query=PageQuery,
    page="organizations",
    resend="idempotent",
    summary="List the organizations that the caller belongs to.",
)
GET: Final = Operation(
    name="organizations.get",
    method="GET",
    path="/organizations/{org_id}",
    answer=Organization,
    envelope="organization",
    resend="idempotent",
    summary="Give an organization.",
)
INVITE_MEMBER: Final = Operation(
    name="organizations.invite_member",
    method="POST",
    path="/organizations/{org_id}/members",
    answer=Member,
    body=InviteBody,
    envelope="member",
    summary="Invite somebody by mail.",
)
ACCEPT_INVITATION: Final = Operation(
    name="organizations.accept_invitation",
    method="POST",
    path="/organizations/invitations/accept",
    answer=Member,
    body=AcceptBody,
    envelope="member",
    summary="Join an organization with the token of the mail.",
)
LIST_MEMBERS: Final = Operation(
    name="organizations.list_members",
    method="GET",
    path="/organizations/{org_id}/members",
    answer=Member,
    query=PageQuery,
    page="members",
    resend="idempotent",
    summary="List the members of an organization, and who is invited.",
)
UPDATE_MEMBER: Final = Operation(
    name="organizations.update_member",
    method="PATCH",
    path="/organizations/{org_id}/members/{user_id}",
    answer=Member,
    body=RoleBody,
    envelope="member",
    resend="idempotent",
    summary="Change a member's role.",
)
REMOVE_MEMBER: Final = Operation[None](
    name="organizations.remove_member",
    method="DELETE",
    path="/organizations/{org_id}/members/{user_id}",
    answer=None,
    status=204,
    resend="idempotent",
    summary="Remove a member.",
)
TRANSFER_OWNER: Final = Operation(
    name="organizations.transfer_owner",
    method="POST",
    path="/organizations/{org_id}/transfer-owner",
    answer=Organization,
    body=TransferBody,
    envelope="organization",
    summary="Make another member the owner; the old owner becomes admin.",
)

OPERATIONS: Final = (
    CREATE,
    LIST,
    GET,
    INVITE_MEMBER,
    ACCEPT_INVITATION,
    LIST_MEMBERS,
    UPDATE_MEMBER,
    REMOVE_MEMBER,
    TRANSFER_OWNER,
)
