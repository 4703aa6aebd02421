"""How much a client does at once, and in a minute; counted at the server."""

import asyncio
import itertools
import threading
from collections import Counter
from collections.abc import Awaitable
from types import SimpleNamespace
from typing import Any

import pytest
from raw_server import RawServer, error, events, reply, serving, silence

from nexevo_async import (
    APITimeoutError,
    AsyncNexevo,
    ChatStream,
    Headers,
    Limits,
    Response,
    RetryPolicy,
    SeatUsage,
    Timeouts,
)
from nexevo_async.byte_stream import ByteStream
from nexevo_async.middleware import rate as rate_module
from nexevo_async.middleware.limits import Seats
from nexevo_async.testing import Sandbox

HELD = events(b'data: {"choices":[]}\n\n', hold=True)


def client_of(server: RawServer, **config: Any) -> AsyncNexevo:
    return AsyncNexevo("k", base_url=server.base_url, **{"max_retries": 0, **config})


def streamed(client: AsyncNexevo, **options: Any) -> Awaitable[ChatStream]:
    messages = [{"role": "user", "content": "Hello!"}]
    return client.chat.completions.create(model="m", messages=messages, stream=True, **options)


def usage(client: AsyncNexevo) -> tuple[int, int, int]:
    seats = client.seats
    return seats.in_use, seats.streams, seats.waiting


class _Fast(asyncio.Protocol):
    """Answers without a look at the request: well, with an error, or by hanging up."""

    _answers = itertools.cycle([200] * 23 + [500] + [200] * 23 + [None])

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, _: bytes) -> None:
        status = next(self._answers)
        if status is None:
            self.transport.abort()
        else:
            head = b"HTTP/1.1 %d X\r\nContent-Length: 23\r\n\r\n" % status
            self.transport.write(head + b'{"conversation_id":"c"}')


class TestSeats:
    async def test_ten_long_streams_hold_up_no_short_call(self):
        limits = Limits(max_connections=20, max_streams=10)
        async with serving(*[HELD] * 10, reply()) as server:
            async with client_of(server, limits=limits) as client:
                streams = [await streamed(client) for _ in range(10)]
                queued = [asyncio.ensure_future(streamed(client)) for _ in range(5)]
                await asyncio.gather(*(client.conversations.get("c") for _ in range(200)))
                assert usage(client) == (10, 10, 5)
                assert len(server.seen) == 210
                assert server.connections == 20
                for task in queued:
                    task.cancel()
                await asyncio.gather(*queued, return_exceptions=True)
                assert usage(client) == (10, 10, 0)
                for stream in streams:
                    stream.close()
                assert usage(client) == (0, 0, 0)

    async def test_a_full_house_says_how_full_it_is(self):
        limits = Limits(max_connections=3, max_streams=2)
        async with serving(HELD, HELD, silence()) as server:
            async with client_of(server, limits=limits) as client:
                streams = [await streamed(client) for _ in range(2)]
                with pytest.raises(APITimeoutError) as caught:
                    await streamed(client, timeouts=Timeouts(pool=0.05))
                says = r"waited pool=0.05 s for a seat: 2 of 3 seats in use, 2 of 2 for streams, "
                assert caught.match(says + r"the oldest for 0\.\d s")
                busy = asyncio.ensure_future(client.models.list())
                await server.until(lambda: len(server.seen) == 3)
                with pytest.raises(APITimeoutError, match="3 of 3 seats in use, the oldest for"):
                    await client.models.list(timeouts=Timeouts(pool=0.05))
                assert client.seats == SeatUsage(in_use=3, streams=2, waiting=0, free=0)
                assert (caught.value.limit, caught.value.never_sent) == ("pool", True)
                assert len(server.seen) == 3
                busy.cancel()
                for stream in streams:
                    stream.close()

    async def test_ten_thousand_calls_at_a_thousand_at_once_leave_no_seat_taken(self):
        """Every kind of end among them: answers, errors, lost connections, cancellations."""
        loop = asyncio.get_running_loop()
        async with await loop.create_server(_Fast, "127.0.0.1", 0, backlog=1024) as server:
            port = server.sockets[0].getsockname()[1]
            client = AsyncNexevo("k", base_url=f"http://127.0.0.1:{port}", max_retries=0)
            ends: Counter[str] = Counter()

            async def calls(worker: int) -> None:
                for n in range(10):
                    calling = asyncio.ensure_future(client.conversations.get("c"))
                    if (worker + n) % 10 == 0:
                        loop.call_soon(calling.cancel)
                    (end,) = await asyncio.gather(calling, return_exceptions=True)
                    ends[type(end).__name__] += 1

            await asyncio.gather(*map(calls, range(1000)))
            assert usage(client) == (0, 0, 0)
            await client.aclose()
        assert (sum(ends.values()), ends["CancelledError"]) == (10_000, 1000)
        assert ends.keys() == {
            "APIConnectionError",
            "CancelledError",
            "Conversation",
            "InternalServerError",
        }

    async def test_who_waits_has_their_turn_and_who_leaves_loses_nobody_a_seat(self):
        gate = asyncio.Event()

        async def when_open(writer: asyncio.StreamWriter) -> None:
            await gate.wait()
            await reply()(writer)

        async with serving(when_open) as server:
            client = client_of(server, limits=Limits(max_connections=3, max_streams=2))
            order: list[int] = []

            async def call(n: int) -> None:
                await client.conversations.get(f"c{n}")
                order.append(n)

            tasks = [asyncio.ensure_future(call(n)) for n in range(30)]
            await server.until(lambda: len(server.seen) == 3)
            assert usage(client) == (3, 0, 27)
            for task in tasks[3:30:2]:
                task.cancel()
            await asyncio.sleep(0)
            gate.set()
            await asyncio.gather(*tasks, return_exceptions=True)
            targets = [int(seen.target.rpartition("c")[2]) for seen in server.seen]
            left = [n for n, task in enumerate(tasks) if not task.cancelled()]
            assert targets == left == sorted(order)
            assert usage(client) == (0, 0, 0)
            await client.aclose()

    async def test_a_seat_that_was_just_handed_to_who_leaves_goes_on(self):
        seats = Seats(Limits(max_connections=1))
        held = seats.take_now(stream=False)
        first, second = (asyncio.ensure_future(seats.take(stream=False)) for _ in range(2))
        await asyncio.sleep(0)
        assert (seats.taken, seats.waiting, seats.take_now(stream=False)) == (1, 2, None)
        seats.give_back(held, stream=False)
        first.cancel()  # it has its seat, and does not know it yet
        seats.give_back(await asyncio.wait_for(second, 1), stream=False)
        assert (seats.taken, seats.waiting) == (0, 0)

    def test_a_loop_that_is_closed_holds_no_seat(self):
        async def held(_: Any, __: Any) -> Response:
            async def nothing() -> Any:
                return b""

            stream = ByteStream(nothing, nothing, lambda: None)
            return Response(status=200, headers=Headers(), stream=stream)

        client = AsyncNexevo("k", attempt_middleware=[held])
        loop = asyncio.new_event_loop()
        stream = loop.run_until_complete(streamed(client))
        assert usage(client) == (1, 1, 0)
        loop.close()
        assert usage(client) == (0, 0, 0)
        stream.close()


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept = 0

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept += 1
        self.now += seconds
        await asyncio.sleep(0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(rate_module, "time", clock)
    fake = SimpleNamespace(sleep=clock.sleep, Lock=asyncio.Lock)
    monkeypatch.setattr(rate_module, "asyncio", fake)
    return clock


class TestRequestsPerMinute:
    @staticmethod
    def limited(server: RawServer, clock: Clock, per_minute: int, **config: Any) -> AsyncNexevo:
        """Give a client that notes when each of its requests goes out."""

        async def note(request: Any, call_next: Any) -> Any:
            sent.append(clock.now)
            return await call_next(request)

        sent: list[float] = []
        limits = Limits(requests_per_minute=per_minute, max_connections=50)
        client = client_of(server, limits=limits, attempt_middleware=[note], **config)
        client.sent = sent  # type: ignore[attr-defined]
        return client

    async def test_no_minute_has_more_and_none_less_than_it_may(self, clock):
        async with serving(reply()) as server:
            async with self.limited(server, clock, 20) as client:
                await asyncio.gather(*(client.conversations.get("c") for _ in range(100)))
                clock.now += 30
                await asyncio.gather(*(client.conversations.get("c") for _ in range(50)))
                sent: list[float] = client.sent  # type: ignore[attr-defined]
        assert len(sent) == len(server.seen) == 150
        assert all(later - earlier > 60 for earlier, later in zip(sent, sent[20:], strict=False))
        assert clock.now < 1000 + 8 * 62

    async def test_a_gateway_with_the_same_limit_refuses_nothing(self, clock, monkeypatch):
        sandbox = Sandbox(rate_limit_rpm=15)

        async def sleep(seconds: float) -> None:
            sandbox.advance_clock(seconds)
            await clock.sleep(seconds)

        monkeypatch.setattr(rate_module.asyncio, "sleep", sleep)
        async with sandbox:
            limits = Limits(requests_per_minute=15)
            async with AsyncNexevo(
                sandbox.api_key, base_url=sandbox.base_url, limits=limits, max_retries=0
            ) as client:
                for _ in range(60):
                    await client.models.list()
                assert [request.status for request in sandbox.requests] == [200] * 60

    async def test_a_retry_is_a_request(self, clock):
        async with serving(error(503, "unavailable"), reply()) as server:
            policy = RetryPolicy(base_delay=0)
            async with self.limited(server, clock, 1, max_retries=1, retry=policy) as client:
                await client.conversations.get("c")
        assert len(server.seen) == 2
        assert clock.now > 1060

    async def test_views_threads_and_loops_share_the_minute(self, clock):
        async with serving(reply()) as server:
            client = self.limited(server, clock, 10)
            calls: list[Any] = []

            async def five() -> None:
                view = client.with_options(max_retries=1)
                await asyncio.gather(*(view.conversations.get("c") for _ in range(5)))
                calls.extend(range(5))

            def in_thread() -> None:
                asyncio.run(five())

            threads = [threading.Thread(target=in_thread) for _ in range(2)]
            for thread in threads:
                thread.start()
            await server.until(lambda: len(calls) == 10, seconds=10)
            assert clock.slept == 0
            await client.conversations.get("c")
            assert clock.now > 1060
            for thread in threads:
                thread.join()
            await client.aclose()

    async def test_waiting_is_in_turn_counts_as_pool_and_can_be_cancelled(self):
        async with serving(reply()) as server:
            limits = Limits(requests_per_minute=1)
            async with client_of(server, limits=limits) as client:
                await client.conversations.get("c")
                waiting = asyncio.ensure_future(client.conversations.get("c"))
                behind = asyncio.ensure_future(
                    client.conversations.get("c", timeouts=Timeouts(pool=0.1))
                )
                with pytest.raises(APITimeoutError) as caught:
                    await behind
                assert caught.match(
                    r"conversations\.get waited pool=0\.1 s for its turn: the 1 of "
                    r"Limits\(requests_per_minute=…\) are used up\. .*Timeouts\(pool=…\)"
                )
                assert (caught.value.limit, caught.value.limit_seconds) == ("pool", 0.1)
                assert caught.value.never_sent
                assert not caught.value.outcome_unknown
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting
                assert usage(client) == (0, 0, 0)
            assert len(server.seen) == 1

    @pytest.mark.parametrize("bad", [0, -1, 1.5, True, "60"])
    def test_what_is_no_limit_is_refused(self, bad):
        with pytest.raises((TypeError, ValueError), match="requests_per_minute must be"):
            Limits(requests_per_minute=bad)
