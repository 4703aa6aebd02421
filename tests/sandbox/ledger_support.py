"""The books without a gateway around them, and what must be true of them always."""

import sqlite3
from collections import Counter
from decimal import Decimal
from pathlib import Path

from nexevo_async.sandbox import ledger
from nexevo_async.sandbox.money import EXACT
from nexevo_async.sandbox.store import Store


def opened(path: Path | str) -> sqlite3.Connection:
    """Open a database as the sandbox does."""
    db = sqlite3.connect(path, isolation_level=None)
    Store(None)._set_up(db)
    return db


def balanced(db: sqlite3.Connection) -> None:
    """Each entry moves nothing in all, and each book is the sum of what was moved."""
    moved: Counter[int] = Counter()
    books: dict[str, Decimal] = {}
    for row in db.execute("SELECT * FROM postings"):
        amount = Decimal(row["amount_usd"])
        moved[row["entry"]] += int(amount.scaleb(18, EXACT))
        books[row["book"]] = EXACT.add(books.get(row["book"], Decimal(0)), amount)
    assert set(moved.values()) <= {0}
    assert {name: Decimal(text) for name, text in ledger.balances(db).items()} == books
