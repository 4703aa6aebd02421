from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final, Literal, TypedDict

import attrs
import msgspec

from nexevo_async.contract.model import Model
from nexevo_async.contract.operation import Operation

# More would be a report of a year, and then some.
_MOST_DAYS: Final = 366


@attrs.frozen(kw_only=True)
class Balance(Model):
    """What is left to spend.

    Attributes:
        balance_usd: The balance in USD, with all its digits [D].
    """

    balance_usd: Decimal


@attrs.frozen(kw_only=True)
class TierUsage(Model):
    """What a tier cost [P].

    Attributes:
        cost: In USD, with all its digits.
        requests: Completions.
        input_tokens: Tokens of the requests.
        output_tokens: Tokens of the answers.
    """

    cost: Decimal | None = None
    requests: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


@attrs.frozen(kw_only=True)
class DailyUsage(TierUsage):
    """What a day cost [P].

    Attributes:
        date: The UTC day, as ``2026-04-27``.
        cost: In USD, with all its digits.
        requests: Completions.
        input_tokens: Tokens of the requests.
        output_tokens: Tokens of the answers.
    """

    date: str | None = None


@attrs.frozen(kw_only=True)
class Usage(Model):
    """What the last days cost.

    Attributes:
        days: How many days are reported [P].
        total: What they cost in USD [P].
        daily: A row for each UTC day, oldest first [P].
        by_tier: The same by tier: ``fast``, ``balanced``, ``passthrough`` and ``byok`` [D: the
            names; P: what each holds].
    """

    days: int | None = None
    total: Decimal | None = None
    daily: list[DailyUsage] | None = None
    by_tier: dict[str, TierUsage] | None = None


@attrs.frozen(kw_only=True)
class Plan(Model):
    """The account's plan [P].

    Attributes:
        plan: Its name.
        monthly_quota_usd: What may be spent in a month; None without a quota.
        rate_limit_rpm: Requests that a key may send a minute.
    """

    plan: str | None = None
    monthly_quota_usd: Decimal | None = None
    rate_limit_rpm: int | None = None


@attrs.frozen(kw_only=True)
class PlanHint(Model):
    """A plan that would have cost less.

    Attributes:
        recommend_plan: Its name [D].
        savings_pct: By how many per cent [D].
        reason: Why, in words [P].
    """

    recommend_plan: str
    savings_pct: float
    reason: str | None = None


@attrs.frozen(kw_only=True)
class UpgradeHint(Model):
    """Whether another plan would have cost less.

    Attributes:
        hint: That plan; None where there is none [D].
    """

    hint: PlanHint | None = None


@attrs.frozen(kw_only=True)
class Topup(Model):
    """A payment into the balance [P].

    Attributes:
        topup_id: Its id.
        status: Such as ``succeeded``; new ones may come.
        amount_usd: What was paid in.
        balance_usd: The balance after it.
    """

    topup_id: str | None = None
    status: Literal["succeeded"] | str | None = None
    amount_usd: Decimal | None = None
    balance_usd: Decimal | None = None


@attrs.frozen(kw_only=True)
class CheckoutSession(Model):
    """A page on which to pay.

    Attributes:
        checkout_url: Where to send who pays [D].
        session_id: Its id [P].
        amount_usd: What is to be paid [P].
        status: ``open`` or ``paid``; new ones may come [P].
    """

    checkout_url: str
    session_id: str | None = None
    amount_usd: Decimal | None = None
    status: Literal["open", "paid"] | str | None = None


@attrs.frozen(kw_only=True)
class SpendCapDetails(Model):
    """What a gateway says of a cap that is spent, beside its message [P].

    Attributes:
        limit: The cap in USD.
        spent: What the key has spent this month, in USD.
        resets_at: When the month ends.
    """

    limit: Decimal | None = None
    spent: Decimal | None = None
    resets_at: datetime | None = None


class UsageQuery(TypedDict, total=False):
    """How far back the report looks; the gateway's default is 7 days."""

    days: Annotated[int, msgspec.Meta(ge=1, le=_MOST_DAYS)]


class PaymentBody(TypedDict):
    """The body of topup and of checkout.

    Attributes:
        amount_usd: A number above 0 [D].
        idempotency_key: The same key never charges twice [D].
    """

    amount_usd: Decimal
    idempotency_key: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


BALANCE: Final = Operation(
    name="billing.balance",
    method="GET",
    path="/billing/balance",
    answer=Balance,
    envelope="balance",
    resend="idempotent",
    documented="D",
    summary="Give the balance.",
)
USAGE: Final = Operation(
    name="billing.usage",
    method="GET",
    path="/billing/usage",
    answer=Usage,
    query=UsageQuery,
    envelope="usage",
    resend="idempotent",
    summary="Report what the last days cost, by day and by tier.",
)
GET_PLAN: Final = Operation(
    name="billing.get_plan",
    method="GET",
    path="/billing/plan",
    answer=Plan,
    resend="idempotent",
    summary="Give the account's plan.",
)
UPGRADE_HINT: Final = Operation(
    name="billing.upgrade_hint",
    method="GET",
    path="/billing/upgrade-hint",
    answer=UpgradeHint,
    resend="idempotent",
    summary="Say whether another plan would have cost less.",
)
TOPUP: Final = Operation(
    name="billing.topup",
    method="POST",
    path="/billing/topup",
    answer=Topup,
    body=PaymentBody,
    envelope="topup",
    resend="keyed",
    documented="D",
    summary="Pay into the balance.",
)
CHECKOUT: Final = Operation(
    name="billing.checkout",
    method="POST",
    path="/billing/checkout",
    answer=CheckoutSession,
    body=PaymentBody,
    envelope="session",
    resend="keyed",
    documented="D",
    summary="Open a page on which to pay into the balance.",
)

OPERATIONS: Final = (BALANCE, USAGE, GET_PLAN, UPGRADE_HINT, TOPUP, CHECKOUT)
