import asyncio
import time
from collections import deque
from typing import Final, final

from nexevo_async.config import Limits as LimitsConfig
from nexevo_async.errors import APITimeoutError
from nexevo_async.messages import Handler, Request, Response
from nexevo_async.per_loop import PerLoop


@final
class Seats:
    """The seats of one event loop: plain calls and streams wait in one order, oldest first.

    A stream that waits for a stream's seat keeps no plain call behind it waiting.
    """

    def __init__(self, config: LimitsConfig) -> None:
        self._seats: Final = config.max_connections
        self._stream_seats: Final = min(config.max_streams, config.max_connections)
        self._held: dict[object, float] = {}  # since when, oldest first
        self._taken = 0  # a seat counts from when it is handed out, before its holder runs
        self._streams = 0
        self._waiting: deque[tuple[asyncio.Future[None], bool]] = deque()

    def take_now(self, *, stream: bool) -> object | None:
        """Give the token of a seat; None when one has to wait for it."""
        if self._waiting or not self._is_free(stream=stream):
            return None
        self._occupy(stream=stream)
        return self._token()

    async def take(self, *, stream: bool) -> object:
        """Wait for a seat, and give the token that gives it back."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, stream))
        self._hand_out()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._free(stream=stream)
                self._hand_out()
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
        self._hand_out()

    def described(self, *, stream: bool) -> str:
        """Say how full it is: in use, limit, oldest."""
        oldest = time.monotonic() - next(iter(self._held.values()), time.monotonic())
        calls = f"{self._taken} of {self._seats} seats in use"
        streams = f", {self._streams} of {self._stream_seats} for streams" if stream else ""
        return f"{calls}{streams}, the oldest for {oldest:.1f} s"

    def _is_free(self, *, stream: bool) -> bool:
        return self._taken < self._seats and not (stream and self._streams >= self._stream_seats)

    def _occupy(self, *, stream: bool) -> None:
        self._taken += 1
        self._streams += stream

    def _free(self, *, stream: bool) -> None:
        self._taken -= 1
        self._streams -= stream

    def _hand_out(self) -> None:
        passed: list[tuple[asyncio.Future[None], bool]] = []
        while self._waiting and self._taken < self._seats:
            turn, stream = self._waiting.popleft()
            if turn.done():  # cancelled meanwhile
                continue
            if self._is_free(stream=stream):
                self._occupy(stream=stream)
                turn.set_result(None)
            else:
                passed.append((turn, stream))
        self._waiting.extendleft(reversed(passed))


@final
class Limits:
    """Has each attempt wait for a seat, and holds it until the answer is read or closed."""

    __slots__ = ("_per_loop",)

    def __init__(self, config: LimitsConfig) -> None:
        self._per_loop = PerLoop(lambda: Seats(config))

    async def __call__(self, request: Request, call_next: Handler) -> Response:
        """Send one attempt when it has a seat."""
        seats = self._per_loop.get()
        stream = request.stream
        token = seats.take_now(stream=stream)
        if token is None:
            request.progress.phase = "waiting for a seat"
            token = await self._seat(seats, request)
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

    async def _seat(self, seats: Seats, request: Request) -> object:
        limit = request.settings.timeouts.pool
        if limit is None:
            return await seats.take(stream=request.stream)
        scope = asyncio.timeout(limit)
        try:
            async with scope:
                return await seats.take(stream=request.stream)
        except TimeoutError:
            if not scope.expired():
                raise
        raise APITimeoutError(
            f"{request.operation.name} waited pool={limit:g} s for a seat: "
            f"{seats.described(stream=request.stream)}. [{request.summary()}] "
            "Close streams you no longer read, do less at once, or raise "
            "Limits(max_connections=…, max_streams=…).",
            limit="pool",
            limit_seconds=limit,
            never_sent=True,
            retryable=False,
            outcome_unknown=request.progress.outcome_unknown,
            **request.described(),
        )
