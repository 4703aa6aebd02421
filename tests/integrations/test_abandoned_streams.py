"""Streams that are left, in each way that there is: nothing is held, and the model stops writing.

A pool of five seats serves two hundred rounds of each way, five at once; were one connection kept
in a round, the sixth would be the last.
"""

import asyncio
import contextlib
import gc
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from uvicorn_server import served

from nexevo_async import AsyncNexevo, Limits, Timeouts
from nexevo_async.integrations.fastapi import NexevoDep, nexevo_lifespan
from nexevo_async.testing import Sandbox
from nexevo_sync import Nexevo

ROUNDS, AT_ONCE = 200, 5
SEATS: dict[str, Any] = {
    "limits": Limits(max_connections=AT_ONCE, max_streams=AT_ONCE),
    "timeouts": Timeouts(pool=2),
}
LONG: dict[str, Any] = {
    "model": "nexevo/fast",
    "messages": [{"role": "user", "content": "Hello!"}],
    "max_tokens": 2_000,
    "stream": True,
}
BYTES_OF_ALL_TOKENS = 2_000 * 150
SLOW = {"X-Sandbox-Fault": '{"chunk_delay_s": 0.01}'}
NO_HEADERS_YET = {"X-Sandbox-Fault": '{"delay_s": 30}'}


async def opened(client: AsyncNexevo) -> Any:
    return await client.chat.completions.create(**LONG, extra_headers=SLOW)


async def cancelled(task: asyncio.Task[Any], times: int) -> None:
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0)
    await asyncio.wait([task])
    assert task.cancelled()


async def by_break(client: AsyncNexevo, _: Sandbox) -> None:
    async with await opened(client) as stream:
        async for _ in stream:
            break


async def by_cancel_before_the_headers(client: AsyncNexevo, sandbox: Sandbox) -> None:
    key = secrets.token_hex()
    call = client.chat.completions.create(**LONG, extra_headers=NO_HEADERS_YET, idempotency_key=key)
    task = asyncio.ensure_future(call)
    while all(r.idempotency_key != key for r in await asyncio.to_thread(lambda: sandbox.requests)):
        await asyncio.sleep(0.01)
    await cancelled(task, 1)


async def read(client: AsyncNexevo, first: asyncio.Event) -> None:
    async with await opened(client) as stream:
        async for _ in stream:
            first.set()


async def by_cancel_between_chunks(client: AsyncNexevo, _: Sandbox, times: int = 1) -> None:
    first = asyncio.Event()
    task = asyncio.ensure_future(read(client, first))
    await first.wait()
    await cancelled(task, times)


async def by_cancelling_twice(client: AsyncNexevo, sandbox: Sandbox) -> None:
    await by_cancel_between_chunks(client, sandbox, 2)


async def by_forgetting(client: AsyncNexevo, _: Sandbox) -> None:
    stream = await opened(client)
    await anext(stream)


def leave(client: Nexevo) -> None:
    for _ in client.chat.completions.create(**LONG, extra_headers=SLOW):
        break


async def by_break_on_a_thread(client: Nexevo) -> None:
    await asyncio.to_thread(leave, client)


@contextlib.asynccontextmanager
async def browsing(port: int, path: str) -> AsyncIterator[asyncio.StreamReader]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        yield reader
    finally:
        writer.close()
        await writer.wait_closed()


async def by_a_browser_that_left(port: int) -> None:
    async with browsing(port, "/") as reader:
        await reader.readuntil(b"You")


async def check(sandbox: Sandbox, way: Callable[[], Awaitable[None]]) -> None:
    """Go a way for all rounds, and see at the server that each stream was left."""
    streams: list[Any] = []
    for done in range(0, ROUNDS, AT_ONCE):
        async with asyncio.timeout(10):
            await asyncio.gather(*(way() for _ in range(AT_ONCE)))
        gc.collect(0)
        async with asyncio.timeout(1):
            while True:
                streams = await asyncio.to_thread(lambda: sandbox.requests)
                if len(streams) == done + AT_ONCE and all(s.peer_left for s in streams[done:]):
                    break
                await asyncio.sleep(0.01)
    assert max(stream.response_bytes for stream in streams) < BYTES_OF_ALL_TOKENS * 0.05


async def seats_are_free(answer: Awaitable[Any]) -> None:
    async with asyncio.timeout(1):
        await answer


@pytest.mark.parametrize(
    "way",
    [
        by_break,
        by_cancel_before_the_headers,
        by_cancel_between_chunks,
        by_cancelling_twice,
        by_forgetting,
    ],
)
async def test_a_stream_that_is_left_holds_nothing(sandbox: Sandbox, way: Any) -> None:
    async with AsyncNexevo(sandbox.api_key, base_url=sandbox.base_url, **SEATS) as client:
        await check(sandbox, lambda: way(client, sandbox))
        await seats_are_free(client.models.list())


async def test_a_sync_stream_that_is_left_holds_nothing(sandbox: Sandbox) -> None:
    with Nexevo(sandbox.api_key, base_url=sandbox.base_url, **SEATS) as client:
        await check(sandbox, lambda: by_break_on_a_thread(client))
        await seats_are_free(asyncio.to_thread(client.models.list))


async def test_a_browser_that_leaves_holds_nothing(sandbox: Sandbox) -> None:
    with served(passing_on(sandbox)) as url:
        port = urlsplit(url).port or 0
        await check(sandbox, lambda: by_a_browser_that_left(port))
        async with browsing(port, "/models") as reader:
            await seats_are_free(reader.readuntil(b"200 OK"))


def passing_on(sandbox: Sandbox) -> FastAPI:
    """Give an application that passes a stream on."""
    app = FastAPI(
        lifespan=nexevo_lifespan(
            lambda: AsyncNexevo(sandbox.api_key, base_url=sandbox.base_url, **SEATS)
        )
    )

    @app.get("/")
    async def reply(nexevo: NexevoDep) -> StreamingResponse:
        stream = await opened(nexevo)

        async def texts() -> Any:
            async with stream:
                async for chunk in stream:
                    yield chunk.text

        return StreamingResponse(texts())

    @app.get("/models")
    async def models(nexevo: NexevoDep) -> int:
        return len((await nexevo.models.list()).data)

    return app
