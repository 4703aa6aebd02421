import random
import sqlite3
from collections import deque
from decimal import Decimal
from typing import Final

import attrs

from nexevo_async.sandbox import charges, ledger
from nexevo_async.sandbox.accounts import create_user, user_named
from nexevo_async.sandbox.alerts import Alerts
from nexevo_async.sandbox.call import Site
from nexevo_async.sandbox.clock import Clock, rfc3339
from nexevo_async.sandbox.faults import Faults
from nexevo_async.sandbox.gate import RateLimiter
from nexevo_async.sandbox.idempotency import Running
from nexevo_async.sandbox.keyring import create_key, key_row
from nexevo_async.sandbox.log import RequestLog
from nexevo_async.sandbox.outbox import Mail
from nexevo_async.sandbox.store import Store, erase
from nexevo_async.sandbox.throttle import Throttle
from nexevo_async.sandbox.upstream import Upstream
from nexevo_async.secret import Secret

_SEED_BALANCE_USD: Final = Decimal(100)
_MAILS_KEPT: Final = 1_000


@attrs.frozen(kw_only=True)
class Seed:
    """The owner that every sandbox begins with, and a key of theirs."""

    email: str
    hashed_password: str = attrs.field(repr=False)
    api_key: Secret


class Gateway:
    """The state of a sandbox, on disk and off.

    Args:
        store: The store, open.
        seed: What the state begins with.
        rate_limit_rpm: Requests that a key may send a minute; None for no limit.
        chance_seed: With what the router's draws begin; None makes them differ each time.
    """

    def __init__(
        self,
        store: Store,
        seed: Seed,
        rate_limit_rpm: int | None,
        chance_seed: int | None = None,
    ) -> None:
        self.store = store
        self.clock: Clock = Clock()
        self.limiter: RateLimiter = RateLimiter(self.clock, rate_limit_rpm)
        self.faults: Faults = Faults()
        self.log: RequestLog = RequestLog()
        self.outbox: deque[Mail] = deque(maxlen=_MAILS_KEPT)
        self.running: Running = Running()
        self.throttle: Throttle = Throttle(self.clock)
        self.chance: random.Random = random.Random(chance_seed)  # noqa: S311 - no secret
        self.upstream: Upstream | None = None
        self._chance_seed = chance_seed
        self.alerts: Alerts = Alerts(store, self.clock)
        self.url: str = ""
        self._seed = seed

    @property
    def site(self) -> Site:
        """What handlers know of it."""
        return Site(self.url, self.limiter.untouched().remaining)

    def advance_clock(self, seconds: float) -> None:
        """Move the time forward.

        Raises:
            ValueError: it would go back, or too far.
        """
        self.clock.advance(seconds)
        self.alerts.wake()

    def now(self) -> str:
        """Give the time in RFC 3339."""
        return rfc3339(self.clock.now())

    async def seed(self) -> None:
        """Have the owner and the key exist."""

        def sow(db: sqlite3.Connection) -> None:
            charges.release_all(db)
            self._sow(db, self.now())

        await self.store.run(sow)

    async def reset(self) -> None:
        """Go back to the seed: state, clock, faults, limits, log, outbox and draws."""
        self.clock.reset()
        self.faults.orders.clear()
        self.log.entries.clear()
        self.outbox.clear()
        self.throttle.forget()
        now = self.now()

        def again(db: sqlite3.Connection) -> None:
            erase(db)
            self.chance.seed(self._chance_seed)
            self._sow(db, now)

        await self.store.run(again)

    def _sow(self, db: sqlite3.Connection, now: str) -> None:
        seed, secret = self._seed, self._seed.api_key.reveal()
        known = user_named(db, seed.email)
        if known:
            owner: str = known["user_id"]
        else:
            owner = create_user(db, email=seed.email, hashed_password=seed.hashed_password, now=now)
            ledger.credit(db, owner, _SEED_BALANCE_USD, now)
        if key_row(db, secret) is None:
            create_key(db, user_id=owner, name="sandbox", secret=secret, now=now)
