import asyncio
import itertools
import time
from collections import OrderedDict
from typing import Final, final

import attrs

from nexevo_async.config import Limits as LimitsConfig
from nexevo_async.errors import APITimeoutError
from nexevo_async.messages import Handler, Request, Response
from nexevo_async.middleware.rate import Rate
from nexevo_async.per_loop import PerLoop


@attrs.frozen(kw_only=True)
class SeatUsage:
    """How busy a client is, over all the event loops that use it.

    Attributes:
        in_use: Seats of calls in flight and of streams that are open.
        streams: How many of these are streams'.
        waiting: Calls that wait for a seat.
        free: Seats that a plain call could have at once.

    Example:
        >>> client.seats
        SeatUsage(in_use=0, streams=0, waiting=0, free=1000)
    """

    in_use: int
    streams: int
    waiting: int
    free: int


@final
class Seats:
    """The seats of one event loop: plain calls and streams wait in one order, oldest first.

    A stream that waits for a stream's seat keeps no plain call behind it waiting.
    """

    def __init__(self, config: LimitsConfig) -> None:
        self._seats: Final = config.max_connections
        self._stream_seats: Final = min(config.max_streams, config.max_connections)
        self._held: dict[object, float] = {}  # since when, oldest first
        self.taken: int = 0  # a seat counts from when it is handed out, before its holder runs
        self.streams: int = 0
        # Apart, so that streams without end cost a plain call nothing; in order by their tickets.
        self._waiting: Final[dict[bool, OrderedDict[asyncio.Future[None], int]]] = {
            stream: OrderedDict() for stream in (False, True)
        }
        self._tickets: Final = itertools.count()

    @property
    def waiting(self) -> int:
        """Calls that wait for a seat."""
        return sum(map(len, self._waiting.values()))

    def take_now(self, *, stream: bool) -> object | None:
        """Give the token of a seat; None when one has to wait for it."""
        if not self._is_free(stream=stream):  # free seats were offered to all who wait
            return None
        self._occupy(stream=stream)
        return self._token()

    async def take(self, *, stream: bool) -> object:
        """Wait for a seat, and give the token that gives it back."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting[stream][turn] = next(self._tickets)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._free(stream=stream)
            else:
                self._waiting[stream].pop(turn, None)
            raise
        return self._token()

    def _token(self) -> object:
        token = object()
        self._held[token] = time.monotonic()
        return token

    def give_back(self, token: object, *, stream: bool) -> None:
        """Free a seat, and hand it to whoever waits longest."""
        del self._held[token]
        self._free(stream=stream)

    def described(self, *, stream: bool) -> str:
        """Say how full it is: in use, limit, oldest."""
        oldest = time.monotonic() - next(iter(self._held.values()), time.monotonic())
        calls = f"{self.taken} of {self._seats} seats in use"
        streams = f", {self.streams} of {self._stream_seats} for streams" if stream else ""
        return f"{calls}{streams}, the oldest for {oldest:.1f} s"

    def _is_free(self, *, stream: bool) -> bool:
        return self.taken < self._seats and not (stream and self.streams >= self._stream_seats)

    def _occupy(self, *, stream: bool) -> None:
        self.taken += 1
        self.streams += stream

    def _free(self, *, stream: bool) -> None:
        self.taken -= 1
        self.streams -= stream
        while any(self._waiting.values()) and (next_is_stream := self._next()) is not None:
            turn, _ = self._waiting[next_is_stream].popitem(last=False)
            if not turn.cancelled():  # its task has not run since
                self._occupy(stream=next_is_stream)
                turn.set_result(None)

    def _next(self) -> bool | None:
        """Say whether the next to have a seat is a stream; None where nobody can have one."""
        first = [
            (next(iter(waiting.values())), stream)
            for stream, waiting in self._waiting.items()
            if waiting and self._is_free(stream=stream)
        ]
        return min(first)[1] if first else None


@final
class Limits:
    """Has each attempt wait for a seat, and holds it until the answer is read or closed."""

    __slots__ = ("_config", "_per_loop", "_rate")

    def __init__(self, config: LimitsConfig) -> None:
        self._config = config
        self._per_loop = PerLoop(lambda: Seats(config))
        per_minute = config.requests_per_minute
        self._rate = None if per_minute is None else Rate(per_minute)

    async def __call__(self, request: Request, call_next: Handler) -> Response:
        """Send one attempt when it has a seat, and the minute has room for it."""
        seats = self._per_loop.get()
        stream = request.stream
        token = seats.take_now(stream=stream)
        if token is None or self._rate is not None:
            token = await self._admitted(request, seats, token)
        try:
            response = await call_next(request)
        except BaseException:
            seats.give_back(token, stream=stream)
            raise
        if response.stream is None:
            seats.give_back(token, stream=stream)
        else:
            response.stream.on_close(lambda: seats.give_back(token, stream=stream))
        return response

    async def _admitted(self, request: Request, seats: Seats, token: object | None) -> object:
        """Wait for what is missing, a seat or room in the minute, and give the seat's token."""
        limit = request.settings.timeouts.pool
        scope = asyncio.timeout(limit)
        try:
            async with scope:
                if token is None:
                    request.progress.phase = "waiting for a seat"
                    token = await seats.take(stream=request.stream)
                if self._rate is not None:
                    request.progress.phase = "waiting for its turn under requests_per_minute"
                    await self._rate.turn()
                return token
        except BaseException as error:
            missing = self._missing(seats, request, token)
            if token is not None:
                seats.give_back(token, stream=request.stream)
            if not (isinstance(error, TimeoutError) and scope.expired()):
                raise
        raise APITimeoutError(
            f"{request.operation.name} waited pool={limit or 0:g} s {missing}",
            limit="pool",
            limit_seconds=limit or 0,
            never_sent=True,
            retryable=False,
            outcome_unknown=request.progress.outcome_unknown,
            **request.described(),
        )

    def _missing(self, seats: Seats, request: Request, token: object | None) -> str:
        if token is None:
            return (
                f"for a seat: {seats.described(stream=request.stream)}. [{request.summary()}] "
                "Close streams you no longer read, do less at once, or raise "
                "Limits(max_connections=…, max_streams=…)."
            )
        return (
            f"for its turn: the {self._config.requests_per_minute} of "
            f"Limits(requests_per_minute=…) are used up. [{request.summary()}] "
            "Do less in a minute, raise that limit to what the gateway grants your key, "
            "or wait longer with Timeouts(pool=…)."
        )

    def usage(self) -> SeatUsage:
        """Say how busy all event loops are together."""
        seats = [seats for loop, seats in self._per_loop.items() if not loop.is_closed()]
        in_use = sum(one.taken for one in seats)
        return SeatUsage(
            in_use=in_use,
            streams=sum(one.streams for one in seats),
            waiting=sum(one.waiting for one in seats),
            free=self._config.max_connections * max(1, len(seats)) - in_use,
        )
