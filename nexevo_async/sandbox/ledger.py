"""The books: every amount leaves one book and reaches another, to the last digit.

A book is an account's, or one of the gateway's own two: what was paid in, and what was earned.
Entries are never changed. The running balances are written in the same transaction as the entry
that moves them, and so is what a key and an account spent in a month.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

import attrs

from nexevo_async.sandbox.ids import new_id
from nexevo_async.sandbox.money import EXACT, written

PAYMENTS: Final = "payments"
REVENUE: Final = "revenue"
Kind: TypeAlias = Literal["credit", "topup", "checkout", "charge", "fee"]
_PAID_IN: Final = frozenset({"credit", "topup", "checkout"})
# What a charge came to is what its entry moved into the revenue.
_CHARGES: Final = (
    "FROM entries JOIN postings ON postings.entry = entries.seq AND book = 'revenue'"
    " WHERE kind = 'charge'"
)
_TOTALS: Final = (
    "exact_sum(amount_usd) AS cost, count(*) AS requests,"
    " coalesce(sum(input_tokens), 0) AS input_tokens,"
    " coalesce(sum(output_tokens), 0) AS output_tokens"
)


@attrs.frozen(kw_only=True)
class Entry:
    """What moved money.

    Attributes:
        entry_id: What it is known by: a generation's id, or a payment's. It is booked once.
        kind: What it is.
        account_id: Whose money it is: a user's, or an organization's.
        amount_usd: How much, 0 or more; the kind says which way.
        at: When it was admitted, in RFC 3339.
        key_id: The API key that spent it.
        tier: How a charge was priced.
        model: What was charged for.
        list_usd: What a charge would be without the plan's discount.
        input_tokens: Tokens of the request.
        output_tokens: Tokens of the answer.
    """

    entry_id: str
    kind: Kind
    account_id: str
    amount_usd: Decimal
    at: str
    key_id: str | None = None
    tier: str | None = None
    model: str | None = None
    list_usd: Decimal | None = None
    input_tokens: int = 0
    output_tokens: int = 0


def month_of(at: str) -> str:
    """Give the UTC month of an RFC 3339 time."""
    return at[:7]


def book(db: sqlite3.Connection, entry: Entry) -> None:
    """Book an entry."""
    cursor = db.execute(
        "INSERT INTO entries (entry_id, kind, account_id, at, key_id, tier, model, list_usd,"
        " input_tokens, output_tokens) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            entry.entry_id,
            entry.kind,
            entry.account_id,
            entry.at,
            entry.key_id,
            entry.tier,
            entry.model,
            None if entry.list_usd is None else written(entry.list_usd),
            entry.input_tokens,
            entry.output_tokens,
        ),
    )
    source, target = (
        (PAYMENTS, entry.account_id) if entry.kind in _PAID_IN else (entry.account_id, REVENUE)
    )
    lost = entry.amount_usd.copy_negate()  # a minus sign would round
    for name, amount in ((source, lost), (target, entry.amount_usd)):
        db.execute(
            "INSERT INTO postings VALUES (?, ?, ?)", (cursor.lastrowid, name, written(amount))
        )
        _set(db, "books", {"book": name}, "balance_usd", EXACT.add(balance(db, name), amount))
    if entry.kind == "charge":
        month = month_of(entry.at)
        for who in (entry.key_id, entry.account_id):
            if who is not None:
                total = EXACT.add(spent(db, who, month), entry.amount_usd)
                _set(db, "months", {"who": who, "month": month}, "spent_usd", total)


def credit(db: sqlite3.Connection, account_id: str, amount: Decimal, now: str) -> None:
    """Give an account money that nobody paid."""
    entry = Entry(
        entry_id=new_id("cr_"), kind="credit", account_id=account_id, amount_usd=amount, at=now
    )
    book(db, entry)


def balance(db: sqlite3.Connection, name: str) -> Decimal:
    """Give what is in a book."""
    return _amount(db.execute("SELECT balance_usd FROM books WHERE book = ?", (name,)))


def spent(db: sqlite3.Connection, who: str, month: str) -> Decimal:
    """Give what a key or an account spent on completions in a UTC month."""
    return _amount(
        db.execute("SELECT spent_usd FROM months WHERE who = ? AND month = ?", (who, month))
    )


def is_booked(db: sqlite3.Connection, entry_id: str) -> bool:
    """Say whether there is such an entry."""
    found = db.execute("SELECT 1 FROM entries WHERE entry_id = ?", (entry_id,)).fetchone()
    return found is not None


def totals(
    db: sqlite3.Connection, by: Sequence[str], account_id: str | None = None, since: str = ""
) -> Sequence[Mapping[str, Any]]:
    """Sum the charges, in groups.

    Args:
        db: The database.
        by: The columns to group by: date, tier, key_id, account_id.
        account_id: Of this account; None for all.
        since: From this RFC 3339 time on.
    """
    columns = ", ".join(by)
    return db.execute(
        f"SELECT {columns}, {_TOTALS} FROM (SELECT *, substr(at, 1, 10) AS date {_CHARGES}"  # noqa: S608 - names of ours
        " AND at >= :since AND account_id = coalesce(:account_id, account_id))"
        f" GROUP BY {columns} ORDER BY {columns}",
        {"since": since, "account_id": account_id},
    ).fetchall()


def list_total(db: sqlite3.Connection, account_id: str, since: str) -> Decimal:
    """Give what an account's charges would have been without a discount."""
    return _amount(
        db.execute(
            "SELECT exact_sum(list_usd) FROM entries"
            " WHERE kind = 'charge' AND account_id = ? AND at >= ?",
            (account_id, since),
        )
    )


def balances(db: sqlite3.Connection) -> Mapping[str, str]:
    """Give what is in each book; in all it is nothing."""
    return dict(db.execute("SELECT book, balance_usd FROM books ORDER BY book").fetchall())


def export(db: sqlite3.Connection, account_id: str) -> list[dict[str, Any]]:
    """Give all entries of an account, oldest first."""
    rows = db.execute(
        "SELECT entry_id, kind, amount_usd, at, key_id, tier, model, input_tokens, output_tokens"
        " FROM entries JOIN postings ON postings.entry = entries.seq AND book = account_id"
        " WHERE account_id = ? ORDER BY seq",
        (account_id,),
    ).fetchall()
    return [dict(row) for row in rows]


def _amount(cursor: sqlite3.Cursor) -> Decimal:
    row = cursor.fetchone()
    return Decimal((row and row[0]) or 0)


def _set(
    db: sqlite3.Connection, table: str, key: Mapping[str, str], column: str, amount: Decimal
) -> None:
    columns = ", ".join((*key, column))
    db.execute(
        f"INSERT OR REPLACE INTO {table} ({columns})"  # noqa: S608 - names of ours
        f" VALUES ({', '.join('?' * (len(key) + 1))})",
        (*key.values(), written(amount)),
    )
