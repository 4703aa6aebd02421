"""Plans: what they cost, what they take off, and which would have cost less."""

import sqlite3
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from nexevo_async.sandbox import ledger
from nexevo_async.sandbox.clock import days_before
from nexevo_async.sandbox.money import EXACT, plain, written

_HINT_DAYS: Final = 30


PlanName: TypeAlias = Literal["payg", "pro", "scale", "free"]


class Plan(NamedTuple):
    """What an account has agreed to.

    Attributes:
        name: Its name.
        fee_usd: Its price a month, booked with the month's first completion.
        factor: What remains of each charge.
        monthly_quota_usd: What may be spent in a month; None without a quota.
    """

    name: PlanName
    fee_usd: Decimal
    factor: Decimal
    monthly_quota_usd: Decimal | None = None

    def cost(self, list_usd: Decimal) -> Decimal:
        """Give what a month costs whose charges come to so much without a discount."""
        return EXACT.add(self.fee_usd, EXACT.multiply(list_usd, self.factor))


# Of two that cost the same, the first is the better.
PLANS: Final = {
    plan.name: plan
    for plan in (
        Plan("payg", Decimal(0), Decimal(1)),
        Plan("pro", Decimal(20), Decimal("0.80")),
        Plan("scale", Decimal(200), Decimal("0.65")),
        Plan("free", Decimal(0), Decimal(1), Decimal(5)),
    )
}
_DEFAULT: Final = PLANS["payg"]


def plan_of(db: sqlite3.Connection, account_id: str) -> Plan:
    """Give an account's plan."""
    row = db.execute("SELECT plan FROM plans WHERE account_id = ?", (account_id,)).fetchone()
    return _DEFAULT if row is None else PLANS[row["plan"]]


def choose(db: sqlite3.Connection, account_id: str, name: PlanName) -> None:
    """Put an account on a plan."""
    db.execute("INSERT OR REPLACE INTO plans VALUES (?, ?)", (account_id, name))


def book_fee(db: sqlite3.Connection, account_id: str, plan: Plan, now: str) -> None:
    """Book the month's fee, if it has one and it was not booked yet."""
    entry_id = f"fee {account_id} {plan.name} {ledger.month_of(now)}"
    if plan.fee_usd and not ledger.is_booked(db, entry_id):
        ledger.book(
            db,
            ledger.Entry(
                entry_id=entry_id,
                kind="fee",
                account_id=account_id,
                amount_usd=plan.fee_usd,
                at=now,
            ),
        )


def hint(db: sqlite3.Connection, account_id: str, now: str) -> dict[str, Any] | None:
    """Give the plan that would have cost least over the last 30 days, if that is another one."""
    list_usd = ledger.list_total(db, account_id, days_before(now, _HINT_DAYS))
    current = plan_of(db, account_id)
    fitting = [p for p in PLANS.values() if (p.monthly_quota_usd or list_usd) >= list_usd]
    best = min(fitting, key=lambda plan: plan.cost(list_usd))
    now_usd, best_usd = current.cost(list_usd), best.cost(list_usd)
    saved = EXACT.multiply(EXACT.subtract(now_usd, best_usd), 100)
    savings_pct = int(EXACT.divide_int(saved, now_usd)) if now_usd else 0
    if not savings_pct:
        return None
    return {
        "recommend_plan": best.name,
        "savings_pct": savings_pct,
        "reason": (
            f"{_HINT_DAYS} days as the last would cost {written(plain(best_usd))} USD on "
            f"{best.name}, and {written(plain(now_usd))} USD on {current.name}."
        ),
    }
