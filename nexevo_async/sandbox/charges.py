"""Charges for completions: reserved before a model is asked, and settled when it has answered.

A reservation is the most that a call may come to. What is reserved counts as spent wherever a
limit is looked at, so that no number of calls at once passes it. The charge is booked at the time
at which the call was admitted: it counts in the month whose limits admitted it.
"""

import sqlite3
from decimal import Decimal
from typing import Any

from nexevo_async.sandbox import alerts, ledger, plans
from nexevo_async.sandbox.caller import Caller
from nexevo_async.sandbox.clock import month_end
from nexevo_async.sandbox.ledger import month_of
from nexevo_async.sandbox.money import EXACT, written
from nexevo_async.sandbox.pricing import Price
from nexevo_async.sandbox.refusal import RefusalError


def reserve(
    db: sqlite3.Connection,
    caller: Caller,
    generation_id: str,
    *,
    model: str,
    price: Price,
    input_tokens: int,
    most_output_tokens: int,
    now: str,
) -> None:
    """Set aside the most that a completion may cost, under its id.

    Args:
        db: The database.
        caller: Who is to pay.
        generation_id: What to settle it by.
        model: What the request named.
        price: What that costs.
        input_tokens: Tokens of the request.
        most_output_tokens: Tokens that the answer cannot pass.
        now: The time.

    Raises:
        RefusalError: the key's cap, the plan's quota or the balance does not allow it.
    """
    plan = plans.plan_of(db, caller.account_id)
    most = price.cost(input_tokens, most_output_tokens, plan.factor)
    if most:
        plans.book_fee(db, caller.account_id, plan, now)
        _within_cap(db, caller.key_id, most, now)
        if plan.monthly_quota_usd is not None:
            _within_quota(db, caller.account_id, plan.monthly_quota_usd, most, now)
        _within_balance(db, caller.account_id, most)
    db.execute(
        "INSERT INTO reservations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            generation_id,
            caller.account_id,
            caller.key_id,
            written(most),
            now,
            model,
            price.tier,
            written(price.prompt),
            written(price.completion),
            written(plan.factor),
            input_tokens,
        ),
    )


def settle(
    db: sqlite3.Connection,
    generation_id: str,
    output_tokens: int,
    *,
    input_tokens: int | None = None,
    now: str,
) -> bool:
    """Charge for what was given, and let go of the rest; once, whatever is asked later.

    Args:
        db: The database.
        generation_id: The id of the reservation.
        output_tokens: Tokens of the answer that were given.
        input_tokens: Tokens of the request; None is what was reserved for.
        now: The time.

    Returns:
        Whether an alert is due.
    """
    held: sqlite3.Row | None = db.execute(
        "SELECT * FROM reservations WHERE generation_id = ?", (generation_id,)
    ).fetchone()
    if held is None:
        return False
    release(db, generation_id)
    price = Price(held["tier"], Decimal(held["prompt_usd"]), Decimal(held["completion_usd"]))
    asked: int = held["input_tokens"] if input_tokens is None else input_tokens
    tokens = asked, output_tokens
    ledger.book(
        db,
        ledger.Entry(
            entry_id=generation_id,
            kind="charge",
            account_id=held["account_id"],
            key_id=held["key_id"],
            amount_usd=price.cost(*tokens, Decimal(held["factor"])),
            list_usd=price.cost(*tokens),
            at=held["at"],
            tier=held["tier"],
            model=held["model"],
            input_tokens=asked,
            output_tokens=output_tokens,
        ),
    )
    return alerts.note(db, held["key_id"], month_of(held["at"]), now)


def is_reserved(db: sqlite3.Connection, generation_id: str) -> bool:
    """Say whether a completion is yet to be settled."""
    found = db.execute(
        "SELECT 1 FROM reservations WHERE generation_id = ?", (generation_id,)
    ).fetchone()
    return found is not None


def release(db: sqlite3.Connection, generation_id: str) -> None:
    """Let go of what was set aside for a completion that failed."""
    db.execute("DELETE FROM reservations WHERE generation_id = ?", (generation_id,))


def release_all(db: sqlite3.Connection) -> None:
    """Let go of what a process had set aside that is no more."""
    db.execute("DELETE FROM reservations")


def refusal_of_spent_cap(db: sqlite3.Connection, key_id: str, now: str) -> RefusalError | None:
    """Give the refusal of every request of a key whose cap is spent."""
    cap = _cap_of(db, key_id)
    if cap is None or ledger.spent(db, key_id, month_of(now)) < cap:
        return None
    return _cap_refusal(db, key_id, cap, now, "has spent its cap")


def _cap_of(db: sqlite3.Connection, key_id: str) -> Decimal | None:
    row = db.execute(
        "SELECT monthly_spend_cap_usd FROM keys WHERE key_id = ?", (key_id,)
    ).fetchone()
    cap = None if row is None else row["monthly_spend_cap_usd"]
    return None if cap is None else Decimal(cap)


def _within_cap(db: sqlite3.Connection, key_id: str, most: Decimal, now: str) -> None:
    cap = _cap_of(db, key_id)
    if cap is not None and _committed(db, "key_id", key_id, most, now) > cap:
        raise _cap_refusal(
            db, key_id, cap, now, f"has not the {written(most)} USD left that this may cost"
        )


def _within_quota(
    db: sqlite3.Connection, account_id: str, quota: Decimal, most: Decimal, now: str
) -> None:
    if _committed(db, "account_id", account_id, most, now) > quota:
        raise RefusalError(
            429,
            f"The plan's quota of {written(quota)} USD a month does not leave the "
            f"{written(most)} USD that this may cost, until {month_end(now)}.",
            type="tenant_monthly_quota_exceeded",
            details=_limit(db, account_id, quota, now),
        )


def _within_balance(db: sqlite3.Connection, account_id: str, most: Decimal) -> None:
    reserved = _reserved(db, "account_id", account_id)
    available = EXACT.subtract(ledger.balance(db, account_id), reserved)
    if most > available:
        raise RefusalError(
            402,
            f"The balance leaves {written(available)} USD, and this may cost {written(most)} USD. "
            "Pay in with billing.topup or billing.checkout.",
        )


def _committed(db: sqlite3.Connection, column: str, who: str, most: Decimal, now: str) -> Decimal:
    month = month_of(now)
    settled = ledger.spent(db, who, month)
    return EXACT.add(EXACT.add(settled, _reserved(db, column, who, month)), most)


def _reserved(db: sqlite3.Connection, column: str, who: str, month: str = "") -> Decimal:
    (total,) = db.execute(
        f"SELECT exact_sum(most_usd) FROM reservations WHERE {column} = ?"  # noqa: S608 - names of ours
        " AND substr(at, 1, length(?)) = ?",
        (who, month, month),
    ).fetchone()
    return Decimal(total or 0)


def _cap_refusal(
    db: sqlite3.Connection, key_id: str, cap: Decimal, now: str, problem: str
) -> RefusalError:
    return RefusalError(
        402,
        f"The key {problem} of {written(cap)} USD, until {month_end(now)}. "
        "Raise or clear the cap with another key, or a login.",
        type="spend_cap_exceeded",
        details=_limit(db, key_id, cap, now),
    )


def _limit(db: sqlite3.Connection, who: str, limit: Decimal, now: str) -> dict[str, Any]:
    return {
        "limit": written(limit),
        "spent": written(ledger.spent(db, who, month_of(now))),
        "resets_at": month_end(now),
    }
