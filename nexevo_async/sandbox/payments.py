"""Payments into an account's book, each of which an idempotency key stands for.

The key belongs to the account: the same payment is the same whichever of the account's API keys
sends it.
"""

import sqlite3
from decimal import Decimal
from typing import Final, Literal, TypeAlias

from nexevo_async.sandbox import ledger
from nexevo_async.sandbox.call import Call
from nexevo_async.sandbox.ids import new_id
from nexevo_async.sandbox.money import checked, written
from nexevo_async.sandbox.refusal import RefusalError, invalid, not_found

PaymentKind: TypeAlias = Literal["topup", "checkout"]
OPEN: Final = "open"
EXPIRED: Final = "expired"
_DONE: Final[dict[PaymentKind, str]] = {"topup": "succeeded", "checkout": "paid"}
_PREFIX: Final[dict[PaymentKind, str]] = {"topup": "tu_", "checkout": "cs_"}


def payment_for(call: Call, kind: PaymentKind) -> sqlite3.Row:
    """Give the payment that a call asks for, made now or when the call came first.

    Raises:
        RefusalError: the amount cannot be paid, or the key stands for another payment.
    """
    if isinstance(call.raw["amount_usd"], str):
        raise invalid("amount_usd", "The amount is a JSON number, not a string.")
    amount, key = checked(call.body["amount_usd"]), call.body["idempotency_key"]
    if not key.isprintable():
        raise invalid("idempotency_key", "An idempotency_key is printable.")
    account_id = call.caller.account_id
    known: sqlite3.Row | None = call.db.execute(
        "SELECT * FROM payments WHERE account_id = ? AND idempotency_key = ?", (account_id, key)
    ).fetchone()
    if known is None:
        payment_id = new_id(_PREFIX[kind])
        call.db.execute(
            "INSERT INTO payments VALUES (?, ?, ?, ?, ?, ?, NULL, ?)",
            (payment_id, kind, account_id, key, written(amount), OPEN, call.now),
        )
        return payment(call.db, payment_id)
    if (known["kind"], Decimal(known["amount_usd"])) != (kind, amount):
        raise RefusalError(
            409,
            "This idempotency_key was used for another payment. Use a fresh key for each payment.",
            type="idempotency_key_reused",
        )
    return known


def payment(db: sqlite3.Connection, payment_id: str) -> sqlite3.Row:
    """Give a payment.

    Raises:
        RefusalError: there is none of that id.
    """
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM payments WHERE payment_id = ?", (payment_id,)
    ).fetchone()
    if row is None:
        raise not_found("payment", payment_id)
    return row


def paid(db: sqlite3.Connection, payment_id: str, now: str) -> sqlite3.Row:
    """Have a payment be made, unless it was or can no longer be, and give it."""
    open_ = payment(db, payment_id)
    if open_["status"] != OPEN:
        return open_
    ledger.book(
        db,
        ledger.Entry(
            entry_id=payment_id,
            kind=open_["kind"],
            account_id=open_["account_id"],
            amount_usd=Decimal(open_["amount_usd"]),
            at=now,
        ),
    )
    db.execute(
        "UPDATE payments SET status = ?, balance_usd = ? WHERE payment_id = ?",
        (
            _DONE[open_["kind"]],
            written(ledger.balance(db, open_["account_id"])),
            payment_id,
        ),
    )
    return payment(db, payment_id)


def forget(db: sqlite3.Connection, account_id: str) -> None:
    """Forget what an account called its payments, and close those that were not made."""
    db.execute(
        "UPDATE payments SET idempotency_key = payment_id,"
        " status = CASE status WHEN ? THEN ? ELSE status END WHERE account_id = ?",
        (OPEN, EXPIRED, account_id),
    )
