import asyncio
from typing import Final, Self, final

from nexevo_async.errors import APITimeoutError
from nexevo_async.messages import Handler, Request, Response
from nexevo_async.per_loop import PerLoop


async def deadline(request: Request, call_next: Handler) -> Response:
    """End the call, with its retries and waits, when its total time is over."""
    seconds = request.settings.timeouts.total
    first_token = request.settings.timeouts.first_token if request.stream else None
    if first_token is not None and (seconds is None or first_token < seconds):
        seconds = first_token
        request.progress.limit = "first_token"
    if seconds is None:
        return await call_next(request)
    clocks = _of_loop.get()
    clock = clocks.get(seconds) or clocks.setdefault(seconds, _Clock(seconds))
    try:
        with _Entry(clock) as entry:
            request.progress.deadline = entry.when
            return await call_next(request)
    finally:
        if len(clocks) > _KEPT and clock.is_idle:  # times that are given to one call each
            clocks.pop(seconds).stop()
    raise too_late(request)


def lift_first_token_limit(request: Request) -> None:
    """Have the rest of a stream be held to its total time alone."""
    progress, limits = request.progress, request.settings.timeouts
    if progress.limit == "first_token":
        progress.limit = "total"
        if limits.total is None:
            progress.deadline = None
        elif progress.deadline is not None and limits.first_token is not None:
            progress.deadline += limits.total - limits.first_token


@final
class _Entry:
    """A call that must be over at some time; left when it is, as one leaves asyncio.timeout."""

    __slots__ = ("_cancelling", "_clock", "_expired", "_task", "when")

    def __init__(self, clock: "_Clock") -> None:
        task = asyncio.current_task(clock.loop)
        assert task is not None  # noqa: S101 - a coroutine runs in one
        self._clock = clock
        self._task = task
        self._cancelling = task.cancelling()
        self._expired = False
        self.when: Final = clock.end_of_one_begun_now()

    def expire(self) -> None:
        self._expired = True
        self._task.cancel()

    def __enter__(self) -> Self:
        self._clock.entries[self] = None
        return self

    def __exit__(self, exc_type: type[BaseException] | None, *_: object) -> bool:
        self._clock.entries.pop(self, None)
        if not self._expired:
            return False
        # However the call ends, its own cancellation is taken back; it is the call's end only
        # where nobody else has cancelled the task as well.
        alone = self._task.uncancel() <= self._cancelling
        return alone and exc_type is asyncio.CancelledError


@final
class _Clock:
    """Ends calls that have the same total time, on one event loop.

    They expire in the order in which they began, so that one timer does for all; one a call, as
    asyncio.timeout has, is a tenth of what a call takes from the CPU.
    """

    def __init__(self, total: float) -> None:
        self._total = total
        self.loop: Final = asyncio.get_running_loop()
        self.entries: Final[dict[_Entry, None]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def end_of_one_begun_now(self) -> float:
        when = self.loop.time() + self._total
        if self._timer is None:
            self._timer = self.loop.call_at(when, self._expire)
        return when

    @property
    def is_idle(self) -> bool:
        return not self.entries

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _expire(self) -> None:
        now = self.loop.time()
        while self.entries:
            entry = next(iter(self.entries))
            if entry.when > now:
                self._timer = self.loop.call_at(entry.when, self._expire)
                return
            del self.entries[entry]
            entry.expire()
        self._timer = None


_KEPT: Final = 8
_of_loop: PerLoop[dict[float, _Clock]] = PerLoop(dict)


def too_late(request: Request) -> APITimeoutError:
    """Give the error for a call that went past its deadline."""
    progress = request.progress
    limit = progress.limit
    seconds: float = getattr(request.settings.timeouts, limit)
    missed = "was not done" if limit == "total" else "gave nothing of its answer"
    return APITimeoutError(
        f"{request.operation.name} {missed} within {limit}={seconds:g} s; "
        f"it was {progress.phase}. [{request.summary()}]{request.doubt()} "
        f"Give it longer with timeouts=Timeouts({limit}=…).",
        limit=limit,
        limit_seconds=seconds,
        outcome_unknown=progress.outcome_unknown,
        **request.described(),
    )
