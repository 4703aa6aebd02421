"""The books, without a gateway around them."""

import contextlib
import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from ledger_support import balanced, opened

from nexevo_async.sandbox import ledger, plans
from nexevo_async.sandbox.billing import usage_of
from nexevo_async.sandbox.ledger import Entry
from nexevo_async.sandbox.money import EXACT

KEYS = {f"key_{n}": f"{'org' if n % 3 else 'u'}_{n % 5}" for n in range(12)}
TIERS = ("fast", "balanced", "passthrough", "byok")
NOW = "2026-04-27T12:00:00.000000Z"


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    with contextlib.closing(opened(":memory:")) as made:
        yield made


def amount_of(random_: random.Random) -> Decimal:
    return Decimal(random_.randrange(10 ** random_.randrange(1, 19))).scaleb(-10)


def test_ten_thousand_charges_sum_to_the_balance_and_to_the_report(db: sqlite3.Connection):
    random_ = random.Random(4)  # noqa: S311 - the same each time
    owed: Counter[tuple[str, ...]] = Counter()
    counts: Counter[tuple[str, ...]] = Counter()
    for account in sorted(set(KEYS.values())):
        ledger.credit(db, account, Decimal(10**12), NOW)
    for number in range(10_000):
        key, tier = random_.choice(sorted(KEYS)), random_.choice(TIERS)
        day, amount = f"2026-04-{random_.randrange(21, 28)}", amount_of(random_)
        ledger.book(
            db,
            Entry(
                entry_id=f"gen_{number}",
                kind="charge",
                account_id=KEYS[key],
                amount_usd=amount,
                at=f"{day}T{random_.randrange(12):02}:00:00.000000Z",
                key_id=key,
                tier=tier,
                list_usd=amount,
                input_tokens=number,
                output_tokens=1,
            ),
        )
        units = int(amount.scaleb(10))  # the oracle counts whole units
        for group in ((), (day,), (tier,), (key,), (KEYS[key],), (day, tier, key, KEYS[key])):
            owed[group] += units
            counts[group] += 1

    def reported(*by: str, **some: Any) -> dict[tuple[str, ...], int]:
        rows = ledger.totals(db, by, **some)
        assert all(row["requests"] == counts[tuple(row[name] for name in by)] for row in rows)
        return {
            tuple(row[name] for name in by): int(Decimal(row["cost"]).scaleb(10, EXACT))
            for row in rows
        }

    for by in (("date",), ("tier",), ("key_id",), ("account_id",)):
        names = reported(*by)
        assert names == {group: owed[group] for group in names}
        assert sum(names.values()) == owed[()]
    all_four = reported("date", "tier", "key_id", "account_id")
    assert all_four == {group: owed[group] for group in all_four}
    assert len(all_four) > 300

    for account in set(KEYS.values()):
        spent = Decimal(owed[account,]).scaleb(-10)
        assert ledger.balance(db, account) == 10**12 - spent
        assert ledger.spent(db, account, "2026-04") == spent
        report = usage_of(db, account, 7, NOW)
        assert Decimal(report["total"]) == spent
        for rows in (report["daily"], report["by_tier"].values()):
            assert sum(Decimal(row["cost"]) for row in rows) == spent
            assert sum(row["requests"] for row in rows) == counts[account,]
    for key in KEYS:
        assert ledger.spent(db, key, "2026-04") == Decimal(owed[key,]).scaleb(-10)
    balanced(db)


@pytest.mark.parametrize("digits", ["999999999999.999999999999999999", "0.000000000000000001"])
def test_no_amount_is_rounded(db: sqlite3.Connection, digits: str):
    ledger.credit(db, "u_1", Decimal(digits), NOW)
    ledger.credit(db, "u_1", Decimal("0.000000000000000001"), NOW)
    charge = Entry(
        entry_id="gen_1",
        kind="charge",
        account_id="u_1",
        amount_usd=Decimal(digits),
        at=NOW,
        key_id="key_1",
        tier="fast",
    )
    ledger.book(db, charge)
    assert str(ledger.balances(db)["u_1"]) == "0.000000000000000001"
    (row,) = ledger.totals(db, ["tier"])
    assert row["cost"] == digits
    balanced(db)


def test_an_entry_is_booked_once(db: sqlite3.Connection):
    entry = Entry(entry_id="tu_1", kind="topup", account_id="u_1", amount_usd=Decimal(1), at=NOW)
    ledger.book(db, entry)
    with pytest.raises(sqlite3.IntegrityError):
        ledger.book(db, entry)


def charged(db: sqlite3.Connection, number: int, list_usd: str, at: str = NOW) -> None:
    amount = EXACT.multiply(Decimal(list_usd), plans.plan_of(db, "u_1").factor)
    entry = Entry(
        entry_id=f"gen_{number}",
        kind="charge",
        account_id="u_1",
        amount_usd=amount,
        list_usd=Decimal(list_usd),
        at=at,
        tier="fast",
    )
    ledger.book(db, entry)


@pytest.mark.parametrize(
    ("plan", "list_usd", "recommended", "savings_pct"),
    [
        ("payg", "0", None, None),
        ("payg", "100", None, None),  # 20 + 80 on pro: no less
        ("payg", "101", None, None),  # less by 0.198 %
        ("payg", "125", "pro", 4),  # 120 for 125
        ("payg", "1200", "pro", 18),  # 980 for 1,200, and as much on scale
        ("payg", "10000", "scale", 33),  # 6,700 for 10,000
        ("pro", "2000", "scale", 7),  # 1,500 for 1,620: 7.4 %
        ("pro", "10", "payg", 64),  # 10 for 28: 64.3 %
        ("scale", "0", "payg", 100),
        ("free", "4", None, None),  # payg costs as much
        ("free", "1000", "pro", 18),
    ],
)
def test_the_hint_names_the_plan_that_would_have_cost_less(
    db: sqlite3.Connection,
    plan: plans.PlanName,
    list_usd: str,
    recommended: str | None,
    savings_pct: int | None,
):
    plans.choose(db, "u_1", plan)
    charged(db, 1, list_usd)
    charged(db, 2, "100000", at="2026-03-28T11:59:59.000000Z")  # more than 30 days ago
    hint = plans.hint(db, "u_1", NOW)
    if recommended is None:
        assert hint is None
    else:
        assert hint is not None
        assert (hint["recommend_plan"], hint["savings_pct"]) == (recommended, savings_pct)


def test_a_fee_is_booked_once_a_month(db: sqlite3.Connection):
    for at in (NOW, "2026-04-30T23:59:59.999999Z", "2026-05-01T00:00:00.000000Z"):
        plans.book_fee(db, "u_1", plans.PLANS["pro"], at)
        plans.book_fee(db, "u_1", plans.PLANS["payg"], at)
    assert ledger.balance(db, "u_1") == -40
    balanced(db)
