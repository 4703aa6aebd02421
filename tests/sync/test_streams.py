"""What is the sync stream's own: the pump between the loop and the thread that reads."""

import asyncio
import gc
import json
import threading
import time

import pytest
from raw_server import events, serving

from nexevo_async.testing import Sandbox
from nexevo_sync import APITimeoutError, Limits, Nexevo, StreamError, StreamTruncatedError, Timeouts

MESSAGES = [{"role": "user", "content": "Hello!"}]


def opened(client: Nexevo, fault: str | None = None, **more: object):
    headers = {} if fault is None else {"X-Sandbox-Fault": fault}
    return client.chat.completions.create(
        model="nexevo/fast", messages=MESSAGES, stream=True, extra_headers=headers, **more
    )


def test_the_first_chunk_comes_before_the_last_is_made(sync_client):
    began = time.monotonic()
    with opened(sync_client, '{"chunk_delay_s": 0.02}') as stream:
        next(stream)
        first = time.monotonic() - began
        for _ in stream:
            pass
    assert first < (time.monotonic() - began) / 3


def test_ten_mebibytes_in_one_line_arrive(sync_client):
    sizes = [len(chunk.text) for chunk in opened(sync_client, '{"giant_line_mib": 10}')]
    assert max(sizes) > 10 * 1024 * 1024 * 0.99


def test_what_the_reader_has_not_read_is_not_in_its_text(sync_client):
    stream = opened(sync_client)
    texts = [next(stream).text for _ in range(3)]
    time.sleep(0.1)  # the pump is far ahead by now
    assert stream.text == "".join(texts)
    assert stream.usage is None
    assert stream.final().text.startswith(stream.text[:1])


def test_a_cut_stream_raises_in_the_reader_with_what_it_had_read(sync_client):
    stream = opened(sync_client, '{"no_terminator": true}')
    with pytest.raises(StreamTruncatedError) as caught:
        list(stream)
    assert caught.value.partial == stream.text != ""
    with pytest.raises(StreamTruncatedError):
        next(stream)


def test_a_reader_who_comes_late_gets_all_that_had_arrived(sync_client):
    early = opened(sync_client, '{"cut_at": 1500, "chunk_delay_s": 0.01}')
    with pytest.raises(StreamTruncatedError):
        list(early)
    late = opened(sync_client, '{"cut_at": 1500}')
    time.sleep(0.1)  # the cut has long been seen
    with pytest.raises(StreamTruncatedError) as caught:
        list(late)
    assert caught.value.partial == late.text == early.text != ""


def leave_by_break(stream) -> None:
    with stream:
        for _ in stream:
            break


def leave_by_close(stream) -> None:
    next(stream)
    stream.close()
    with pytest.raises(StreamError, match="closed before its end"):
        next(stream)


def leave_by_forgetting(stream) -> None:
    next(stream)


def leave_unread(stream) -> None:
    stream.close()


@pytest.mark.parametrize(
    "leave", [leave_by_break, leave_by_close, leave_by_forgetting, leave_unread]
)
def test_a_stream_that_is_left_gives_its_connection_back(sandbox: Sandbox, leave):
    limits = Limits(max_connections=2, max_streams=1)
    with Nexevo(sandbox.api_key, base_url=sandbox.base_url, limits=limits) as client:
        for _ in range(3):
            stream = opened(client, '{"chunk_delay_s": 0.05}', timeouts=Timeouts(pool=2))
            leave(stream)
            del stream
            gc.collect()
        end = time.monotonic() + 2
        while any(entry.peer_left is None for entry in sandbox.requests):
            assert time.monotonic() < end
            time.sleep(0.01)


def test_a_slow_reader_holds_the_gateway_back(sandbox: Sandbox):
    with Nexevo(sandbox.api_key, base_url=sandbox.base_url) as client:
        stream = opened(client, max_tokens=20_000)
        next(stream)
        time.sleep(0.5)
        ahead = stream._pump.ahead
        assert 0 < ahead <= 2**20
        assert sum(1 for _ in stream) > 19_000


def piece(text: str) -> bytes:
    return b"data: %s\n\n" % json.dumps({"choices": [{"delta": {"content": text}}]}).encode()


DONE = b"data: [DONE]\n\n"


async def test_a_slow_reader_holds_bytes_and_not_so_many_chunks_back():
    async with serving(events(*[piece("x" * 2**20)] * 40, DONE)) as server:
        with Nexevo("k", base_url=server.base_url) as client:
            stream = await asyncio.to_thread(opened, client)
            await asyncio.to_thread(next, stream)
            await asyncio.sleep(0.3)
            assert 0 < stream._pump.ahead <= 2**20
            final = await asyncio.to_thread(stream.final)
    assert len(final.text) == 40 * 2**20


@pytest.mark.parametrize("limit", ["first_token", "total", "read"])
async def test_a_stream_is_held_to_its_limits_while_a_thread_waits_for_it(limit: str):
    role = b'data: {"choices": [{"delta": {"role": "assistant"}}]}\n\n'
    async with serving(events(role, hold=True)) as server:
        with Nexevo("k", base_url=server.base_url) as client:
            timeouts = Timeouts(**{limit: 0.2})
            stream = await asyncio.to_thread(opened, client, timeouts=timeouts)
            for _ in range(2):
                with pytest.raises(APITimeoutError, match=f"{limit}=0.2 s") as caught:
                    await asyncio.to_thread(list, stream)
            assert caught.value.limit == limit
            assert 0.19 <= caught.value.elapsed < 1
            await server.until(lambda: server.open == 0)


async def test_closing_wakes_the_thread_that_waits_for_the_next_chunk():
    async with serving(events(piece("a"), hold=True)) as server:
        with Nexevo("k", base_url=server.base_url) as client:
            stream = await asyncio.to_thread(opened, client)
            reading = asyncio.create_task(asyncio.to_thread(list, stream))
            while not stream.text:
                await asyncio.sleep(0.01)
            stream.close()
            with pytest.raises(StreamError, match="closed before its end") as caught:
                await asyncio.wait_for(reading, 1)
            assert caught.value.partial == "a"
            await server.until(lambda: server.open == 0)


@pytest.mark.parametrize("read", [0, 1, 3])
async def test_a_closed_stream_gives_nothing_that_it_had_read_ahead(read: int):
    async with serving(events(piece("a") + piece("b") + piece("c") + DONE)) as server:
        with Nexevo("k", base_url=server.base_url) as client:
            stream = await asyncio.to_thread(opened, client)
            for _ in range(read):
                await asyncio.to_thread(next, stream)
            stream.close()
            for _ in range(2):
                with pytest.raises(StreamError, match="closed before its end"):
                    await asyncio.to_thread(next, stream)
            assert stream.text == "abc"[:read]


async def test_a_stream_that_was_read_whole_gives_its_connection_to_the_next():
    async with serving(events(piece("a"), DONE)) as server:
        with Nexevo("k", base_url=server.base_url) as client:
            for _ in range(5):
                stream = await asyncio.to_thread(opened, client)
                assert (await asyncio.to_thread(stream.final)).text == "a"
                stream.close()
                assert await asyncio.to_thread(list, stream) == []
        assert server.connections == 1


def test_streams_of_many_threads_do_not_mix(sync_client):
    texts: list[str] = []

    def read() -> None:
        texts.append(opened(sync_client).final().text)

    threads = [threading.Thread(target=read) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(texts) == 20
    assert len(set(texts)) == 1
