"""Who closes a client's connections: whoever made it, and nobody else."""

import asyncio
import gc
from typing import Any

import pytest
from raw_server import events, reply, serving, silence

from nexevo_async import AsyncNexevo, ClientClosedError

MESSAGES = [{"role": "user", "content": "Hello!"}]
STREAM = events(b'data: {"choices":[]}\n\n', b"data: [DONE]\n\n", between=0.05)


def make(server: Any) -> AsyncNexevo:
    return AsyncNexevo("k", base_url=server.base_url, max_retries=0)


def hundred(call: Any) -> list[asyncio.Task[Any]]:
    return [asyncio.create_task(call()) for _ in range(100)]


async def test_a_client_that_nobody_keeps_lives_as_long_as_its_call_and_its_stream():
    async with serving(reply(delay=0.05), STREAM) as server:
        call = asyncio.create_task(make(server).conversations.get("c"))
        await server.until(lambda: len(server.seen) == 1)
        gc.collect()
        assert (await call).conversation_id == "conv_1"
        stream = await make(server).chat.completions.create(
            model="m", messages=MESSAGES, stream=True
        )
        gc.collect()
        await stream.final()
        del call, stream
        gc.collect()
        await server.until(lambda: server.open == 0)


async def test_a_view_that_outlives_its_client_goes_on_with_its_connections():
    async with serving(reply()) as server:
        client = make(server)
        await client.conversations.get("c")
        view = client.with_options(max_retries=1).with_options(headers={"X-A": "1"})
        del client
        gc.collect()
        await view.conversations.get("c")
        assert server.connections == 1


async def test_views_that_are_dropped_or_closed_leave_a_hundred_running_calls_alone():
    async with serving(reply(delay=0.2)) as server, make(server) as client:
        calls = hundred(lambda: client.with_options(max_retries=1).conversations.get("c"))
        await server.until(lambda: len(server.seen) == 100)
        for n in range(100):
            async with client.with_options(max_retries=n):
                pass
        gc.collect()
        answers = await asyncio.gather(*calls)
        assert [answer.meta.attempts for answer in answers] == [1] * 100
        assert server.connections == 100


async def test_closing_under_a_hundred_running_calls_ends_each_of_them_by_name():
    async with serving(reply(), silence()) as server:
        client = make(server)
        await client.conversations.get("c")
        calls = hundred(client.conversations.create)
        await server.until(lambda: len(server.seen) == 101)
        await client.aclose()
        ends = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(end) for end in ends} == {ClientClosedError}
        await server.until(lambda: server.open == 0)
        await client.aclose()
        with pytest.raises(ClientClosedError, match="is closed"):
            await client.conversations.get("c")
        assert len(server.seen) == 101


async def test_closing_while_the_first_calls_still_open_the_connections():
    async with serving(reply()) as server:
        client = make(server)
        calls = hundred(lambda: client.conversations.get("c"))
        await asyncio.sleep(0)
        await client.aclose()
        ends = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(end) for end in ends} == {ClientClosedError}
        assert server.connections == 0
