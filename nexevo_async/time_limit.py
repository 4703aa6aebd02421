"""Limits on time that cost a call next to nothing."""

import asyncio
from typing import Final, Self, final

from nexevo_async.per_loop import PerLoop


@final
class TimeLimit:
    """Ends a block that takes longer, as asyncio.timeout does, and is left in silence.

    Blocks with the same limit expire in the order in which they began, so that one timer does for
    all; one for each is a tenth of what a call takes from the CPU.

    Args:
        seconds: What the block may take.

    Attributes:
        when: When it must be over, on its loop's clock.
    """

    __slots__ = ("_cancelling", "_clock", "_expired", "_task", "when")

    def __init__(self, seconds: float) -> None:
        clocks = _of_loop.get()
        clock = clocks.get(seconds) or clocks.setdefault(seconds, _Clock(seconds, clocks))
        task = asyncio.current_task(clock.loop)
        assert task is not None  # noqa: S101 - a coroutine runs in one
        self._clock = clock
        self._task = task
        self._cancelling = task.cancelling()
        self._expired = False
        self.when: Final = clock.end_of_one_begun_now()

    def expire(self) -> None:
        """Cancel the block."""
        self._expired = True
        self._task.cancel()

    def __enter__(self) -> Self:
        self._clock.running[self] = None
        return self

    def __exit__(self, exc_type: type[BaseException] | None, *_: object) -> bool:
        self._clock.leave(self)
        if not self._expired:
            return False
        # However the block ends, its own cancellation is taken back; it is the block's end only
        # where nobody else has cancelled the task as well.
        alone = self._task.uncancel() <= self._cancelling
        return alone and exc_type is asyncio.CancelledError


@final
class _Clock:
    """The timer of the blocks that have the same limit, on one event loop."""

    def __init__(self, seconds: float, clocks: "dict[float, _Clock]") -> None:
        self._seconds = seconds
        self._clocks = clocks
        self.loop: Final = asyncio.get_running_loop()
        self.running: Final[dict[TimeLimit, None]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def end_of_one_begun_now(self) -> float:
        when = self.loop.time() + self._seconds
        if self._timer is None:
            self._timer = self.loop.call_at(when, self._expire_soon)
        return when

    def leave(self, limit: TimeLimit) -> None:
        self.running.pop(limit, None)
        if len(self._clocks) > _KEPT and not self.running:  # limits that are given once each
            self._clocks.pop(self._seconds, None)
            if self._timer is not None:
                self._timer.cancel()

    def _expire_soon(self) -> None:
        # What came while the loop was held up, or the process stopped, is taken first.
        self._timer = self.loop.call_later(_GRACE, self._expire)

    def _expire(self) -> None:
        now = self.loop.time()
        while self.running:
            limit = next(iter(self.running))
            if limit.when > now:
                self._timer = self.loop.call_at(limit.when, self._expire_soon)
                return
            del self.running[limit]
            limit.expire()
        self._timer = None


_KEPT: Final = 8
_GRACE: Final = 0.001
_of_loop: PerLoop[dict[float, _Clock]] = PerLoop(dict)
