"""Whatever happens in whatever order, the books balance and no limit is passed."""

import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
)
from ledger_support import balanced, opened

from nexevo_async.sandbox import charges, ledger
from nexevo_async.sandbox.accounts import create_user
from nexevo_async.sandbox.caller import Caller
from nexevo_async.sandbox.clock import later, rfc3339
from nexevo_async.sandbox.keyring import create_key
from nexevo_async.sandbox.ledger import month_of
from nexevo_async.sandbox.payments import paid, payment_for
from nexevo_async.sandbox.pricing import Price
from nexevo_async.sandbox.refusal import RefusalError

T = TypeVar("T")

UNIT = 10**10  # of which a USD has so many, as the oracle counts
PRICES = (("fast", "0.20", "0.20"), ("passthrough", "0.2835", "1.155"), ("byok", "0", "0"))
KEYS = st.sampled_from(["one", "two", "org"])
MILLIONS = st.sampled_from([0, 1, 999_983, 2_000_000, 5_000_000])
CENTS = st.sampled_from([1, 99, 100, 250])


class Held(NamedTuple):
    """What is set aside for a completion, and the units that it may come to."""

    key: str
    month: str
    price: Price
    prompt: int
    most: int


class Books(RuleBasedStateMachine):
    """The gateway's money, beside an oracle that counts whole units."""

    running = Bundle("running")

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.file = Path(self.directory.name) / "state.db"
        self.now = rfc3339(datetime(2026, 1, 30, tzinfo=UTC))
        self.db = opened(self.file)
        self.number = 0
        self.callers = self.work(self.make)
        self.caps: dict[str, int | None] = dict.fromkeys(self.callers)
        self.balance: Counter[str] = Counter()
        for account in (self.account("one"), self.account("org")):
            self.work(lambda db, to=account: ledger.credit(db, to, Decimal(2), self.now))
            self.balance[account] = 2 * UNIT
        for key in ("one", "org"):
            self.cap(key, 100)
        self.spent: Counter[tuple[str, str]] = Counter()
        self.held: dict[str, Held] = {}
        self.most_tokens: dict[str, int] = {}
        self.payments: dict[tuple[str, str], int] = {}

    def make(self, db: sqlite3.Connection) -> dict[str, Caller]:
        user = create_user(db, email="a@b.test", hashed_password="", now=self.now)
        db.execute("INSERT INTO organizations (org_id, name, created_at) VALUES ('org_1', '', '')")
        callers: dict[str, Caller] = {}
        for name in ("one", "two", "org"):
            org_id = "org_1" if name == "org" else None
            key_id = create_key(
                db, user_id=user, name=name, secret=name, now=self.now, organization_id=org_id
            )
            callers[name] = Caller(user, key_id, org_id)
        return callers

    def work(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do something as the store does: all of it, or nothing."""
        self.db.execute("BEGIN")
        try:
            result = work(self.db)
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")
        return result

    def refusal(self, work: Callable[[sqlite3.Connection], object]) -> str | None:
        """Do something, and give the reason for which it was refused."""
        try:
            self.work(work)
        except RefusalError as refusal:
            return str(refusal.body["error"]["type"])
        return None

    def account(self, key: str) -> str:
        return self.callers[key].account_id

    def reserved(self, key: str, month: str) -> int:
        return sum(h.most for h in self.held.values() if (h.key, h.month) == (key, month))

    def available(self, account: str) -> int:
        held = (h.most for h in self.held.values() if self.account(h.key) == account)
        return self.balance[account] - sum(held)

    @rule(key=KEYS, cents=CENTS, name=st.sampled_from("ab"))
    def top_up(self, key: str, cents: int, name: str) -> None:
        account = self.account(key)
        amount = Decimal(cents).scaleb(-2)
        body = {"amount_usd": amount, "idempotency_key": name}
        call: Any = SimpleNamespace(
            db=self.db,
            caller=self.callers[key],
            now=self.now,
            body=body,
            raw=body | {"amount_usd": float(amount)},
        )

        def pay(db: sqlite3.Connection) -> sqlite3.Row:
            return paid(db, payment_for(call, "topup")["payment_id"], self.now)

        refusal = self.refusal(pay)
        if (account, name) not in self.payments:
            assert refusal is None
            self.payments[account, name] = cents
            self.balance[account] += cents * (UNIT // 100)
        else:
            same = self.payments[account, name] == cents
            assert refusal == (None if same else "idempotency_key_reused")

    @rule(key=KEYS, cents=st.none() | CENTS)
    def set_cap(self, key: str, cents: int | None) -> None:
        self.cap(key, cents)

    def cap(self, key: str, cents: int | None) -> None:
        cap = None if cents is None else f"{Decimal(cents).scaleb(-2):f}"
        key_id = self.callers[key].key_id
        self.work(
            lambda db: db.execute(
                "UPDATE keys SET monthly_spend_cap_usd = ? WHERE key_id = ?", (cap, key_id)
            )
        )
        self.caps[key] = None if cents is None else cents * (UNIT // 100)

    @rule(
        target=running,
        key=KEYS,
        price=st.sampled_from(PRICES),
        prompt=MILLIONS,
        most=MILLIONS,
        times=st.integers(1, 4),
    )
    def ask(self, key: str, price: tuple[str, str, str], prompt: int, most: int, times: int) -> Any:
        """Ask, and again before there is an answer."""
        priced = Price(price[0], Decimal(price[1]), Decimal(price[2]))
        asked = [self.admitted(key, priced, prompt, most) for _ in range(times)]
        return multiple(*filter(None, asked))

    def admitted(self, key: str, priced: Price, prompt: int, most: int) -> str | None:
        caller, month = self.callers[key], month_of(self.now)
        worst = units(priced, prompt, most)
        cap = self.caps[key]
        committed = self.spent[caller.key_id, month] + self.reserved(key, month) + worst
        over_cap = cap is not None and committed > cap
        poor = worst > self.available(caller.account_id)
        self.number += 1
        generation_id = f"gen_{self.number}"
        refusal = self.refusal(
            lambda db: charges.reserve(
                db,
                caller,
                generation_id,
                model="m",
                price=priced,
                input_tokens=prompt,
                most_output_tokens=most,
                now=self.now,
            )
        )
        if worst and over_cap:
            assert refusal == "spend_cap_exceeded"
        elif worst and poor:
            assert refusal == "insufficient_balance"
        else:
            assert refusal is None
            self.held[generation_id] = Held(key, month, priced, prompt, worst)
            self.most_tokens[generation_id] = most
            return generation_id
        return None

    @rule(generation_id=running, share=st.floats(0, 1))
    def settle(self, generation_id: str, share: float) -> None:
        """Settle; a second time, and after a crash, it does nothing."""
        output = int(self.most_tokens[generation_id] * share)
        self.work(lambda db: charges.settle(db, generation_id, output, now=self.now))
        if (held := self.held.pop(generation_id, None)) is not None:
            cost = units(held.price, held.prompt, output)
            assert cost <= held.most
            self.balance[self.account(held.key)] -= cost
            self.spent[self.callers[held.key].key_id, held.month] += cost

    @rule(generation_id=consumes(running))
    def release(self, generation_id: str) -> None:
        self.work(lambda db: charges.release(db, generation_id))
        self.held.pop(generation_id, None)

    @rule(days=st.integers(1, 40))
    def advance(self, days: int) -> None:
        self.now = later(self.now, days * 86_400)

    @rule(key=KEYS)
    def crash(self, key: str) -> None:
        """End in the middle of a charge, and start again."""
        caller = self.callers[key]
        self.db.execute("BEGIN")
        entry = ledger.Entry(
            entry_id="gen_lost",
            kind="charge",
            account_id=caller.account_id,
            amount_usd=Decimal(1),
            at=self.now,
            key_id=caller.key_id,
            tier="fast",
        )
        ledger.book(self.db, entry)
        self.db.close()
        self.db = opened(self.file)
        self.work(charges.release_all)
        self.held.clear()

    @invariant()
    def the_books_balance(self) -> None:
        balanced(self.db)

    @invariant()
    def everybody_has_what_the_oracle_says(self) -> None:
        for account in {caller.account_id for caller in self.callers.values()}:
            assert ledger.balance(self.db, account) * UNIT == self.balance[account] >= 0
            assert self.available(account) >= 0
        for (key_id, month), spent in self.spent.items():
            assert ledger.spent(self.db, key_id, month) * UNIT == spent
        reported = ledger.totals(self.db, ["key_id"])
        total = sum(Decimal(row["cost"]) for row in reported)
        assert total * UNIT == sum(self.spent.values())

    def teardown(self) -> None:
        self.db.close()
        self.directory.cleanup()


def units(price: Price, prompt: int, output: int) -> int:
    """Count the cost in whole units, without the code under test."""
    return sum(
        tokens * int(usd * 10_000)
        for tokens, usd in ((prompt, price.prompt), (output, price.completion))
    )


TestBooks = Books.TestCase
TestBooks.settings = settings(
    max_examples=20, stateful_step_count=40, deadline=None, derandomize=True
)
