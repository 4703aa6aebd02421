"""Four limits, each of which ends just what it says, and says so."""

import asyncio
import json
import re
import time
from contextlib import suppress
from importlib import import_module
from typing import Any

import anyio
import pytest
import uvloop
from raw_server import error, events, reply, serving, silence, unanswering_port
from virtual_time import UNLIMITED, in_virtual_time, now

from nexevo_async import (
    UNSET,
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AsyncNexevo,
    Limits,
    NexevoError,
    RetryPolicy,
    StreamTruncatedError,
    Timeouts,
)

import_module("nexevo_async.transport.session")  # a first call has it imported: that takes a while

MESSAGES = [{"role": "user", "content": "Hello!"}]
PIECE = f"data: {json.dumps({'choices': [{'index': 0, 'delta': {'content': 'a'}}]})}\n\n".encode()
DONE = b"data: [DONE]\n\n"
CUT = (APIConnectionError, StreamTruncatedError)
AT_ONCE = RetryPolicy(base_delay=0)


def drip(every: float) -> Any:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(every)

    return answer


def stall(*parts: bytes, after: float) -> Any:
    """Answer in parts, each after so many seconds, and say no more where not all has come."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n")
        for part in parts:
            await writer.drain()
            await asyncio.sleep(after)
            writer.write(part)
        await writer.drain()
        if sum(map(len, parts)) < 200_000:
            await asyncio.sleep(3600)

    return answer


def garbled(after: float) -> Any:
    """Answer in chunks, of which the second has no length, and leave the connection open."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n1\r\n \r\n"
        )
        await writer.drain()
        await asyncio.sleep(after)
        writer.write(b"zz\r\n")
        await writer.drain()
        await asyncio.sleep(3600)

    return answer


async def warm(server: Any, **config: Any) -> AsyncNexevo:
    client = AsyncNexevo("k", base_url=server.base_url, **config)
    await client.conversations.get("c", timeouts=UNLIMITED)
    return client


async def get(client: AsyncNexevo, **options: Any) -> None:
    await client.conversations.get("c", **options)


async def delete(client: AsyncNexevo, **options: Any) -> None:
    await client.conversations.delete("c", **options)


async def create(client: AsyncNexevo, **options: Any) -> None:
    await client.conversations.create(**options)


async def read_stream(client: AsyncNexevo, **options: Any) -> None:
    stream = await client.chat.completions.create(
        model="m", messages=MESSAGES, stream=True, **options
    )
    await stream.final()


class TestLimits:
    @in_virtual_time
    async def test_total_ends_an_answer_that_drips_within_read(self):
        async with serving(reply(), drip(0.3)) as server, await warm(server) as client:
            began = now()
            with pytest.raises(APITimeoutError, match="total=1 s"):
                await client.models.list(timeouts=Timeouts(total=1))
            assert 1.0 <= now() - began < 1.3

    @in_virtual_time
    async def test_by_default_a_plain_answer_that_drips_ends_after_two_minutes(self):
        async with serving(reply(), drip(30)) as server, await warm(server) as client:
            began = now()
            with pytest.raises(APITimeoutError, match="total=120 s"):
                await client.models.list()
            assert 120 <= now() - began < 121

    @in_virtual_time
    @pytest.mark.parametrize("read", [0.9, 1, 2])
    async def test_whichever_of_read_and_total_comes_first_ends_a_silence(self, read):
        limit, at = ("read", read) if read < 1 else ("total", 1)
        async with serving(reply(), silence()) as server, await warm(server) as client:
            began = now()
            with pytest.raises(APITimeoutError, match=f"{limit}=") as caught:
                await client.chat.completions.create(
                    model="m", messages=MESSAGES, timeouts=Timeouts(read=read, total=1)
                )
            assert at <= now() - began < at + 0.1
            assert (caught.value.limit, caught.value.outcome_unknown) == (limit, True)
            assert len(server.seen) == 2

    @in_virtual_time
    async def test_a_stream_that_goes_on_for_longer_than_any_limit_survives_the_defaults(self):
        long = events(*[PIECE] * 640, DONE, between=0.5)
        async with serving(reply(), long) as server, await warm(server) as client:
            began = now()
            stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
            assert (await stream.final()).text == "a" * 640
            assert now() - began >= 320

    @in_virtual_time
    async def test_a_silent_stream_ends_at_read(self):
        held = events(PIECE, hold=True)
        async with serving(reply(), held) as server, await warm(server) as client:
            stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
            await anext(stream)
            began = now()
            with pytest.raises(APITimeoutError, match="read=60 s"):
                await anext(stream)
            assert 60 <= now() - began < 61

    @in_virtual_time
    @pytest.mark.parametrize("read", [UNSET, 0.5, 30])
    @pytest.mark.parametrize("call", [get, delete, create])
    async def test_a_gateway_that_says_nothing_ends_at_read(self, call, read):
        async with serving(reply(), silence()) as server:
            async with await warm(server, max_retries=0) as client:
                began = now()
                with pytest.raises(APITimeoutError, match="got no more bytes within read=") as got:
                    await call(client, timeouts=Timeouts(read=read, total=UNSET))
                seconds = 60 if read is UNSET else read
                assert seconds <= now() - began < seconds + 0.5
                assert (got.value.limit, got.value.limit_seconds) == ("read", seconds)
                assert got.value.outcome_unknown == (call is not get)
                assert client.seats.in_use == 0
                await server.until(lambda: server.open == 0)

    @in_virtual_time
    async def test_a_gateway_that_is_not_reached_ends_at_connect_however_near_read(self):
        with unanswering_port() as port:
            base_url = f"http://127.0.0.1:{port}/v1"
            async with AsyncNexevo("k", base_url=base_url, max_retries=0) as client:
                with pytest.raises(APITimeoutError):  # sets up, which takes time of no clock
                    await get(client, timeouts=Timeouts(connect=0.1, read=None, total=None))
                await asyncio.sleep(0.6 - now())  # aiohttp rounds to whole seconds of the clock
                with pytest.raises(APITimeoutError, match="could not connect within") as got:
                    await delete(client, timeouts=Timeouts(connect=5.5, read=6, total=None))
                assert (got.value.limit, got.value.limit_seconds) == ("connect", 5.5)
                assert got.value.never_sent
                assert not got.value.outcome_unknown

    @in_virtual_time
    @pytest.mark.parametrize("call", [get, create])
    async def test_a_body_that_stops_half_way_ends_at_read_after_its_last_byte(self, call):
        part = stall(b" " * 50_000, b" " * 50_000, after=50)
        async with serving(reply(), part) as server:
            async with await warm(server, max_retries=0) as client:
                began = now()
                with pytest.raises(APITimeoutError, match="read=60 s") as got:
                    await call(client, timeouts=Timeouts(total=None))
                assert 160 <= now() - began < 161
                assert got.value.outcome_unknown == (call is not get)
                assert client.seats.in_use == 0
                await server.until(lambda: server.open == 0)

    @in_virtual_time
    @pytest.mark.parametrize("call", [get, create, read_stream])
    @pytest.mark.parametrize("after", [0, 1])
    async def test_a_body_whose_chunks_cannot_be_read_ends_at_once(self, call, after):
        async with serving(reply(), garbled(after)) as server:
            async with await warm(server, max_retries=0) as client:
                began = now()
                with pytest.raises(CUT, match=r"[Ii]nvalid.* chunk size") as got:
                    await asyncio.wait_for(call(client, timeouts=UNLIMITED), 100)
                assert after <= now() - began < after + 1
                if isinstance(got.value, APIConnectionError):
                    assert got.value.outcome_unknown == (call is not get)
                assert client.seats.in_use == 0
                await server.until(lambda: server.open == 0)

    @in_virtual_time
    async def test_a_body_that_comes_slower_than_read_but_never_stops_arrives_whole(self):
        obj = json.dumps({"conversation_id": "c", "title": "x" * 199_000}).encode().ljust(200_000)
        parts = [obj[i : i + 50_000] for i in range(0, 200_000, 50_000)]
        async with serving(reply(), stall(*parts, after=50), reply()) as server:
            async with await warm(server, max_retries=0) as client:
                began = now()
                got = await client.conversations.get("c", timeouts=Timeouts(total=None))
                assert got.title == "x" * 199_000
                assert 200 <= now() - began < 201
                await client.conversations.get("c")
                assert server.connections == 1

    @in_virtual_time
    async def test_read_ends_an_attempt_and_another_may_follow(self):
        async with serving(reply(), silence(), silence(), reply()) as server:
            async with await warm(server, retry=AT_ONCE) as client:
                began = now()
                got = await client.conversations.get("c", timeouts=Timeouts(total=None))
                assert got.meta.attempts == 3
                assert 120 <= now() - began < 121

    @pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
    @pytest.mark.parametrize("limits", [{"connect": 0.1, "read": 0.3}, {"total": 0.3}])
    def test_an_answer_that_came_while_the_loop_was_held_up_is_in_time(
        self, loop_factory, limits, sandbox
    ):
        async def main() -> None:
            slow = {"X-Sandbox-Fault": '{"delay_s": 0.1}'}
            async with AsyncNexevo(
                sandbox.api_key, base_url=sandbox.base_url, max_retries=0
            ) as client:
                await client.models.list()
                getting = client.models.list(timeouts=Timeouts(**limits), extra_headers=slow)
                asyncio.get_running_loop().call_later(0.05, time.sleep, 0.6)
                assert (await getting).data

        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(main())

    @pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
    def test_an_event_that_came_while_the_loop_was_held_up_is_in_time(self, loop_factory, sandbox):
        async def main() -> None:
            slow = {"X-Sandbox-Fault": '{"chunk_delay_s": 0.1}'}
            async with AsyncNexevo(sandbox.api_key, base_url=sandbox.base_url) as client:
                stream = await client.chat.completions.create(
                    model="nexevo/fast",
                    messages=MESSAGES,
                    stream=True,
                    timeouts=Timeouts(read=0.8),
                    extra_headers=slow,
                )
                assert await anext(stream)
                asyncio.get_running_loop().call_later(0.05, time.sleep, 1.2)
                assert [await anext(stream) for _ in range(9)]
                await stream.aclose()

        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(main())

    @in_virtual_time
    async def test_total_spans_the_attempts(self):
        async with serving(reply(), silence()) as server:
            async with await warm(server, retry=AT_ONCE) as client:
                began = now()
                with pytest.raises(APITimeoutError, match="total=2 s") as caught:
                    await client.models.list(timeouts=Timeouts(read=0.8, total=2))
                assert 2.0 <= now() - began < 2.3
                assert caught.value.attempts == len(server.seen) - 1 == 3

    @in_virtual_time
    async def test_no_attempt_begins_past_the_deadline(self):
        async with serving(reply(), error(503, "unavailable", ["Retry-After: 1"])) as server:
            async with await warm(server, max_retries=50) as client:
                began = now()
                with pytest.raises(APIStatusError, match="503"):
                    await client.models.list(timeouts=Timeouts(total=2.8))
                took = now() - began
                assert took < 2.8
                assert len(server.seen) - 1 == int(took) + 1

    @pytest.mark.parametrize("limit", ["connect", "pool", "read", "total"])
    async def test_the_error_names_its_limit_its_value_the_time_and_the_attempts(self, limit):
        timeouts = Timeouts(**{limit: 0.15})
        async with serving(silence()) as server:
            base_url = server.base_url
            with unanswering_port() as port:
                if limit == "connect":
                    base_url = f"http://127.0.0.1:{port}/v1"
                async with AsyncNexevo(
                    "k",
                    base_url=base_url,
                    limits=Limits(max_connections=1),
                    max_retries=1,
                    retry=AT_ONCE,
                ) as client:
                    tasks = []
                    if limit == "pool":
                        tasks = [asyncio.create_task(client.models.list())]
                        await server.until(lambda: len(server.seen) == 1)
                    with pytest.raises(APITimeoutError) as caught:
                        await client.models.list(timeouts=timeouts)
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)
        attempts = {"connect": 2, "pool": 0, "read": 2, "total": 1}[limit]
        assert (caught.value.limit, caught.value.limit_seconds) == (limit, 0.15)
        assert caught.value.attempts == attempts
        assert caught.value.elapsed >= 0.15
        says = rf"{limit}=0\.15 s.*, {attempts} attempts?, 0\.\d\d s\]"
        assert re.search(says, str(caught.value))


class TestCancellation:
    """A deadline cancels its task: that must stay between the two of them."""

    @staticmethod
    async def swallowing(request: Any, call_next: Any) -> Any:
        try:
            return await call_next(request)
        except asyncio.CancelledError:
            return await call_next(request)

    @staticmethod
    async def replacing(request: Any, call_next: Any) -> Any:
        try:
            return await call_next(request)
        except asyncio.CancelledError:
            raise LookupError("mine") from None

    @pytest.mark.parametrize("middleware", [swallowing, replacing])
    async def test_one_that_is_swallowed_is_taken_back(self, middleware):
        task = asyncio.current_task()
        assert task is not None
        async with serving(silence(), reply()) as server:
            async with AsyncNexevo(
                "k", base_url=server.base_url, attempt_middleware=[middleware]
            ) as client:
                with suppress(LookupError):
                    await client.conversations.get("c", timeouts=Timeouts(total=0.05))
                assert task.cancelling() == 0
                async with asyncio.timeout(5):  # a count left behind would make this one a cancel
                    await client.conversations.get("c")

    @in_virtual_time
    @pytest.mark.parametrize("early", [0.001, 0])
    async def test_the_users_own_cancellation_wins(self, early):
        async with serving(reply(), silence()) as server, await warm(server) as client:

            async def call() -> None:
                task = asyncio.current_task()
                assert task is not None
                asyncio.get_running_loop().call_at(now() + 1 - early, task.cancel)
                await client.models.list(timeouts=Timeouts(total=1))

            task = asyncio.create_task(call())
            await asyncio.wait([task])
            assert task.cancelled()

    @in_virtual_time
    @pytest.mark.parametrize(("outer", "inner"), [(1, 1), (1, 2), (2, 1)])
    async def test_inside_the_users_timeout(self, outer, inner):
        task = asyncio.current_task()
        assert task is not None
        async with serving(reply(), silence()) as server, await warm(server) as client:
            began = now()
            expected = APITimeoutError if inner < outer else TimeoutError
            with pytest.raises(expected):
                async with asyncio.timeout(outer):
                    await client.models.list(timeouts=Timeouts(total=inner))
            assert (now() - began, task.cancelling()) == (pytest.approx(1, abs=0.01), 0)

    @in_virtual_time
    @pytest.mark.parametrize(("outer", "inner"), [(1, 1), (1, 2), (2, 1)])
    async def test_inside_a_cancel_scope_of_anyio(self, outer, inner):
        task = asyncio.current_task()
        assert task is not None
        async with serving(reply(), silence()) as server, await warm(server) as client:
            began = now()
            failed = False
            with anyio.move_on_after(outer) as scope:
                try:
                    await client.models.list(timeouts=Timeouts(total=inner))
                except APITimeoutError:
                    failed = True
            assert scope.cancelled_caught is not failed
            assert failed is (inner < outer)
            assert (now() - began, task.cancelling()) == (pytest.approx(1, abs=0.01), 0)

    @in_virtual_time
    async def test_in_a_task_group_the_first_to_time_out_ends_its_siblings(self):
        async with serving(reply(), silence()) as server, await warm(server) as client:
            began = now()
            with pytest.raises(ExceptionGroup) as caught:
                async with asyncio.TaskGroup() as group:
                    tasks = [
                        group.create_task(client.models.list(timeouts=Timeouts(total=total)))
                        for total in (1, 2, 3)
                    ]
            assert now() - began < 1.5
            assert [type(error) for error in caught.value.exceptions] == [APITimeoutError]
            assert [task.cancelled() for task in tasks] == [False, True, True]

    @in_virtual_time
    async def test_a_call_made_while_its_task_is_being_cancelled_has_its_time(self):
        async with serving(reply(), silence()) as server, await warm(server) as client:

            async def leave() -> None:
                try:
                    await asyncio.sleep(3600)
                finally:
                    with pytest.raises(NexevoError, match="total=1 s"):
                        await client.models.list(timeouts=Timeouts(total=1))

            task = asyncio.create_task(leave())
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
