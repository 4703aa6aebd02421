import asyncio
import time
from collections import deque
from typing import Final, final

from nexevo_async.per_loop import PerLoop

_WINDOW: Final = 61.0
"""Seconds: a minute, and what a request may take longer to its gateway than one after it."""

_CONTENDED: Final = 0.001


@final
class Rate:
    """Lets so many requests go in any minute, over all threads and event loops of a client.

    What waits belongs to its loop, and waits there in turn. When each of the minute's requests may
    go again is shared: taking one from a deque and putting it back need no lock, which a forked
    child could inherit locked.
    """

    def __init__(self, per_minute: int) -> None:
        self._free_at: Final = deque([0.0] * per_minute)
        self._turns: Final[PerLoop[asyncio.Lock]] = PerLoop(asyncio.Lock)

    async def turn(self) -> None:
        """Wait until a request may go, and count it."""
        async with self._turns.get():
            while wait := self._take():  # noqa: ASYNC110 - time passes, which no event tells
                await asyncio.sleep(wait)

    def _take(self) -> float:
        """Count a request that may go now; else give the seconds after which to ask again."""
        try:
            free_at = self._free_at.popleft()
        except IndexError:  # other threads look at all there are
            return _CONTENDED
        now = time.monotonic()
        if free_at > now:
            self._free_at.appendleft(free_at)
            return free_at - now
        self._free_at.append(now + _WINDOW)
        return 0.0
