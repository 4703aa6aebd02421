from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final, Literal, NotRequired, TypeAlias, TypedDict

import attrs
import msgspec

from nexevo_async.contract.model import Model, hidden
from nexevo_async.contract.operation import Operation
from nexevo_async.contract.page import PageQuery

GeoPolicy: TypeAlias = Literal["cn-only", "overseas-only", "any"]
GEO_POLICIES: Final = ("cn-only", "overseas-only", "any")
NAME_LENGTH: Final = 100


@attrs.frozen(kw_only=True)
class Key(Model):
    """An API key, without the key itself.

    Attributes:
        key_id: Its id [D].
        name: Its name, to tell it from others [P].
        prefix: Its first 10 characters [P].
        monthly_spend_cap_usd: What it may spend in a month; None without a cap [P].
        month_spend_usd: What it has spent this month [P].
        alert_webhook_url: Who is told when the cap comes near [P].
        alert_webhook_secret: With what these messages are signed; only in the answer that sets the
            URL [P].
        geo_policy: Where its models may run; new policies may come [P].
        organization_id: The organization that it belongs to [P].
        created_at: When it was made, in UTC [P].
        last_used_at: When it was last used, in UTC [P].
        revoked_at: When it was revoked, in UTC; None while it works [P].
    """

    key_id: str
    name: str | None = None
    prefix: str | None = None
    monthly_spend_cap_usd: Decimal | None = None
    month_spend_usd: Decimal | None = None
    alert_webhook_url: str | None = None
    alert_webhook_secret: str | None = hidden()
    geo_policy: GeoPolicy | str | None = None
    organization_id: str | None = None
    created_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


@attrs.frozen(kw_only=True)
class NewKey(Model):
    """A key that was just made.

    Attributes:
        full_key: The whole ``sk-xc-…``, shown this once; only its hash is stored [D].
        key: What is stored of it [D].
    """

    full_key: str = hidden(required=True)
    key: Key


Cap = Annotated[str, msgspec.Meta(pattern=r"^[0-9]+(\.[0-9]+)?$", max_length=40)]


class KeyBody(TypedDict):
    """The body of create.

    Attributes:
        name: 1 to 100 characters [D].
        monthly_spend_cap_usd: A decimal string [P].
        geo_policy: Where its models may run [P].
        organization_id: The organization that it belongs to [P].
    """

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_LENGTH)]
    monthly_spend_cap_usd: NotRequired[Cap | None]
    geo_policy: NotRequired[GeoPolicy | None]
    organization_id: NotRequired[str | None]


class SpendCapBody(TypedDict, total=False):
    """The body of update_spend_cap: a decimal string, or ``clear`` [D]."""

    monthly_spend_cap_usd: Cap | None
    clear: bool


class AlertWebhookBody(TypedDict, total=False):
    """The body of update_alert_webhook.

    Attributes:
        url: HTTPS only [D].
        clear: True takes the URL away [P].
    """

    url: Annotated[str, msgspec.Meta(pattern="^https://", max_length=2048)] | None
    clear: bool


class GeoPolicyBody(TypedDict):
    """The body of update_geo_policy."""

    policy: GeoPolicy


CREATE: Final = Operation(
    name="keys.create",
    method="POST",
    path="/keys",
    answer=NewKey,
    body=KeyBody,
    documented="D",
    summary="Make an API key.",
)
LIST: Final = Operation(
    name="keys.list",
    method="GET",
    path="/keys",
    answer=Key,
    query=PageQuery,
    page="keys",
    resend="idempotent",
    summary="List API keys, newest first.",
)
GET: Final = Operation(
    name="keys.get",
    method="GET",
    path="/keys/{key_id}",
    answer=Key,
    envelope="key",
    resend="idempotent",
    summary="Give an API key.",
)
REVOKE: Final = Operation[None](
    name="keys.revoke",
    method="DELETE",
    path="/keys/{key_id}",
    answer=None,
    status=204,
    resend="idempotent",
    summary="Revoke an API key.",
)
UPDATE_SPEND_CAP: Final = Operation(
    name="keys.update_spend_cap",
    method="PATCH",
    path="/keys/{key_id}/spend-cap",
    answer=Key,
    body=SpendCapBody,
    envelope="key",
    resend="idempotent",
    documented="D",
    summary="Set or clear what an API key may spend in a month.",
)
UPDATE_ALERT_WEBHOOK: Final = Operation(
    name="keys.update_alert_webhook",
    method="PATCH",
    path="/keys/{key_id}/alert-webhook",
    answer=Key,
    body=AlertWebhookBody,
    envelope="key",
    resend="idempotent",
    summary="Set or clear who is told when an API key's cap comes near.",
)
UPDATE_GEO_POLICY: Final = Operation(
    name="keys.update_geo_policy",
    method="PATCH",
    path="/keys/{key_id}/geo-policy",
    answer=Key,
    body=GeoPolicyBody,
    envelope="key",
    resend="idempotent",
    summary="Set where an API key's models may run.",
)

OPERATIONS: Final = (
    CREATE,
    LIST,
    GET,
    REVOKE,
    UPDATE_SPEND_CAP,
    UPDATE_ALERT_WEBHOOK,
    UPDATE_GEO_POLICY,
)
