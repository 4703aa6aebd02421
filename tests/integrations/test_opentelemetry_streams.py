"""What a trace shows of a stream, however it ends."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from raw_server import events, serving, silence
from telemetry_support import DONE, MESSAGES, USAGE, about, chat, client_of, piece, wait_for

from nexevo_async import AsyncNexevo, NexevoError, Timeouts
from nexevo_async.testing import Sandbox
from nexevo_sync import Nexevo


async def read_to_the_end(stream: Any, client: AsyncNexevo) -> None:
    async for _ in stream:
        pass


async def leave_by_break(stream: Any, client: AsyncNexevo) -> None:
    async with stream:
        async for _ in stream:
            break


async def close_it(stream: Any, client: AsyncNexevo) -> None:
    await stream.aclose()


async def cancel(stream: Any, client: AsyncNexevo, times: int = 1) -> None:
    async def read() -> None:
        async with stream:
            await stream.final()

    task = asyncio.create_task(read())
    await asyncio.sleep(0.01)
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0)
    await asyncio.wait([task])


async def cancel_twice(stream: Any, client: AsyncNexevo) -> None:
    await cancel(stream, client, 2)


async def forget(stream: Any, client: AsyncNexevo) -> None:
    await anext(stream)


async def forget_unread(stream: Any, client: AsyncNexevo) -> None:
    pass


async def close_the_client(stream: Any, client: AsyncNexevo) -> None:
    await anext(stream)
    await client.aclose()


async def close_the_client_and_read_on(stream: Any, client: AsyncNexevo) -> None:
    await client.aclose()
    with pytest.raises(NexevoError):
        await stream.final()


async def fail(stream: Any, client: AsyncNexevo) -> None:
    with pytest.raises(NexevoError):
        await stream.final()


WHOLE = events(piece(), piece(finish_reason="stop"), USAGE, DONE)
HELD = events(piece(), hold=True)
ENDS: dict[str, tuple[Any, Callable[..., Awaitable[None]], str | None, Any]] = {
    "read to the end": (WHOLE, read_to_the_end, None, ("stop",)),
    "break": (HELD, leave_by_break, None, ("error",)),
    "aclose": (HELD, close_it, None, None),
    "cancel": (HELD, cancel, None, ("error",)),
    "cancel twice": (HELD, cancel_twice, None, ("error",)),
    "del": (HELD, forget, None, ("error",)),
    "del unread": (HELD, forget_unread, None, None),
    "client closed": (HELD, close_the_client, None, ("error",)),
    "client closed, read on": (HELD, close_the_client_and_read_on, "StreamTruncatedError", ...),
    "error frame": (
        events(piece(), b'data: {"error":{"code":"upstream_error"}}\n\n', DONE),
        fail,
        "UpstreamError",
        ("error",),
    ),
    "cut": (events(piece(), cut=True), fail, "StreamTruncatedError", ("error",)),
    "no terminator": (events(piece()), fail, "StreamTruncatedError", ("error",)),
    "not JSON": (events(piece(), b"data: {\n\n", DONE), fail, "DecodeError", ("error",)),
    "silence": (HELD, fail, "APITimeoutError", ("error",)),
}


class TestStreams:
    @pytest.mark.parametrize("end", ENDS)
    async def test_the_span_of_a_stream_ends_with_it(self, telemetry, end):
        answer, leave, cls, reasons = ENDS[end]
        async with serving(answer) as server:
            client = client_of(server, telemetry)
            stream = await chat(client, stream=True, timeouts=Timeouts(read=0.2))
            assert telemetry.in_use() == 1
            assert not telemetry.calls
            await leave(stream, client)
            del stream  # no collection: it is freed at once
            await asyncio.sleep(0)
            told = about(telemetry.call())
            assert telemetry.in_use() == 0
            await client.aclose()
        assert told.get("error.type") == (cls and f"nexevo_async.errors.{cls}")
        assert telemetry.call().status.is_unset is (cls is None)
        if reasons is not ...:
            assert told.get("gen_ai.response.finish_reasons") == reasons
        assert len(telemetry.spans) == 2

    async def test_a_call_that_is_cancelled_before_its_headers(self, telemetry):
        async with serving(silence()) as server, client_of(server, telemetry) as client:
            task = asyncio.create_task(chat(client, stream=True))
            await server.until(lambda: len(server.seen) == 1)
            task.cancel()
            await asyncio.wait([task])
            assert [span.status.is_unset for span in telemetry.spans] == [True, True]
            assert "error.type" not in about(telemetry.call())
            assert telemetry.in_use() == 0

    def test_a_stream_that_outlives_its_loop(self, telemetry):
        left: list[Any] = []

        async def main() -> None:
            async with serving(HELD) as server:
                client = client_of(server, telemetry)
                left.append(await chat(client, stream=True))
                await anext(left[0])

        asyncio.run(main())
        assert not telemetry.calls
        left.clear()
        gc.collect()
        assert telemetry.call()
        assert telemetry.in_use() == 0

    @pytest.mark.parametrize(
        ("fault", "cls"),
        [
            ('{"error_frame_after": 2}', "UpstreamError"),
            ('{"no_terminator": true}', "StreamTruncatedError"),
            ('{"cut_at": 900}', "StreamTruncatedError"),
            ('{"chunk_delay_s": 1}', "APITimeoutError"),
        ],
    )
    def test_a_stream_of_the_sync_client_that_fails(self, telemetry, sandbox, fault, cls):
        with Nexevo(sandbox.api_key, base_url=sandbox.base_url, **telemetry.options) as client:
            stream = client.chat.completions.create(
                model="nexevo/fast",
                messages=MESSAGES,
                stream=True,
                timeouts=Timeouts(read=0.3),
                extra_headers={"X-Sandbox-Fault": fault},
            )
            with pytest.raises(NexevoError) as caught:
                stream.final()
            wait_for(lambda: telemetry.calls)
        assert type(caught.value).__name__ == cls
        assert about(telemetry.call())["error.type"] == f"nexevo_async.errors.{cls}"

    @pytest.mark.parametrize("end", ["whole", "break", "close", "del", "client closed"])
    def test_a_stream_of_the_sync_client(self, telemetry, sandbox: Sandbox, end):
        client = Nexevo(sandbox.api_key, base_url=sandbox.base_url, **telemetry.options)
        with client:
            stream = client.chat.completions.create(
                model="nexevo/fast",
                messages=MESSAGES,
                stream=True,
                extra_headers={}
                if end == "whole"
                else {"X-Sandbox-Fault": '{"chunk_delay_s":0.2}'},
            )
            if end == "whole":
                stream.final()
            elif end != "client closed":
                next(stream)
            if end == "break":
                stream.__exit__(None, None, None)
            elif end == "close":
                stream.close()
            elif end == "client closed":
                client.close()
            del stream
            wait_for(lambda: telemetry.calls)
        assert telemetry.call().name == "chat nexevo/fast"
