"""Billing: what an account has, spends and pays in.

What the contract leaves open, and how it is here: an organization's key sees and fills the book of
its organization; anybody else's is the caller's own.
"""

import sqlite3
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from nexevo_async.sandbox import checkout, ledger, plans
from nexevo_async.sandbox.call import Answer, Call, answer
from nexevo_async.sandbox.clock import days_before
from nexevo_async.sandbox.money import EXACT, written
from nexevo_async.sandbox.payments import paid, payment_for
from nexevo_async.sandbox.pricing import TIERS

_DEFAULT_DAYS: Final = 7
_NOTHING: Final = {"cost": "0", "requests": 0, "input_tokens": 0, "output_tokens": 0}


def balance(call: Call) -> Answer:
    """Give the balance."""
    return answer({"balance_usd": written(ledger.balance(call.db, call.caller.account_id))})


def usage(call: Call) -> Answer:
    """Report the charges of the last UTC days, by day and by tier."""
    days: int = call.query.get("days", _DEFAULT_DAYS)
    return answer(usage_of(call.db, call.caller.account_id, days, call.now))


def usage_of(db: sqlite3.Connection, account_id: str, days: int, now: str) -> dict[str, Any]:
    """Give the report on an account, today included."""
    dates = [days_before(now, age)[:10] for age in reversed(range(days))]

    def by(column: str) -> dict[str, dict[str, Any]]:
        rows = ledger.totals(db, [column], account_id, since=dates[0])
        return {row[column]: _counts(row) for row in rows}

    daily, by_tier = by("date"), by("tier")
    total = Decimal(0)
    for day in daily.values():
        total = EXACT.add(total, Decimal(day["cost"]))
    return {
        "days": days,
        "total": written(total),
        "daily": [{"date": date, **daily.get(date, _NOTHING)} for date in dates],
        "by_tier": {tier: by_tier.get(tier, _NOTHING) for tier in TIERS},
    }


def _counts(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in _NOTHING}


def get_plan(call: Call) -> Answer:
    """Give the plan."""
    plan = plans.plan_of(call.db, call.caller.account_id)
    quota = plan.monthly_quota_usd
    return answer(
        {
            "plan": plan.name,
            "monthly_quota_usd": None if quota is None else written(quota),
            "rate_limit_rpm": call.site.rate_limit_rpm,
        }
    )


def upgrade_hint(call: Call) -> Answer:
    """Name the plan that would have cost less."""
    return answer({"hint": plans.hint(call.db, call.caller.account_id, call.now)})


def topup(call: Call) -> Answer:
    """Pay in at once, as if from a card that is known."""
    row = paid(call.db, payment_for(call, "topup")["payment_id"], call.now)
    return answer(
        {
            "topup_id": row["payment_id"],
            "status": row["status"],
            "amount_usd": row["amount_usd"],
            "balance_usd": row["balance_usd"],
        }
    )


def open_checkout(call: Call) -> Answer:
    """Give a page on which to pay in."""
    row = payment_for(call, "checkout")
    return answer(
        {
            "checkout_url": checkout.url_of(call.site, row["payment_id"]),
            "session_id": row["payment_id"],
            "amount_usd": row["amount_usd"],
            "status": row["status"],
        }
    )
