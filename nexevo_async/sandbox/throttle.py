import asyncio
import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakValueDictionary

from nexevo_async.sandbox.clock import Clock
from nexevo_async.sandbox.refusal import RefusalError, WrongGuessError

FAILURES: Final = 5
WINDOW_S: Final = 900.0


class Throttle:
    """Lets nobody guess passwords and codes: five failures in a quarter of an hour are enough.

    It counts by the name that is tried, whether there is such an account or not.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: dict[str, list[float]] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def forget(self) -> None:
        """Forget all failures."""
        self._failures.clear()

    @asynccontextmanager
    async def attempt(self, who: str) -> AsyncGenerator[None]:
        """Make an attempt; a success forgets the failures before it.

        Raises:
            RefusalError: too many failed.
        """
        # One at a time, or as many could be wrong at once as there are connections.
        lock = self._locks.setdefault(who, asyncio.Lock())
        async with lock:
            self._check(who)
            try:
                yield
            except WrongGuessError:
                self._failures.setdefault(who, []).append(self._clock.seconds())
                raise
            self._failures.pop(who, None)

    def _check(self, who: str) -> None:
        now = self._clock.seconds()
        recent = [when for when in self._failures.get(who, ()) if when > now - WINDOW_S]
        if len(recent) < FAILURES:
            return
        wait = math.ceil(recent[-FAILURES] + WINDOW_S - now)
        raise RefusalError(
            429,
            f"Too many attempts with a wrong password or code. Wait {wait} s.",
            headers={"Retry-After": str(wait)},
        )
