import asyncio
import gc
import json
from typing import Any

import pytest
from raw_server import error, events, reply, serving, silence

from nexevo_async import (
    APITimeoutError,
    AsyncNexevo,
    DecodeError,
    InternalServerError,
    Limits,
    RateLimitError,
    StreamError,
    StreamTruncatedError,
    Timeouts,
    UpstreamError,
    streaming,
)
from nexevo_async.codec.sse import SSEParser

MESSAGES = [{"role": "user", "content": "Hello!"}]


def frame(obj: Any) -> bytes:
    return f"data: {json.dumps(obj)}\n\n".encode()


def piece(text: str) -> bytes:
    return frame({"id": "x", "choices": [{"index": 0, "delta": {"content": text}}]})


def delta(index: int = 0, **members: Any) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": members}]}


def tool(index: int, arguments: str, **members: Any) -> dict[str, Any]:
    return {"index": index, "function": {"arguments": arguments}, **members}


DONE = b"data: [DONE]\n\n"
WHOLE = b"".join([*(piece(f"{n} ") for n in range(5)), DONE])


async def open_stream(server: Any, **config: Any) -> Any:
    client = AsyncNexevo("k", base_url=server.base_url, **config)
    return await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)


async def test_a_stream_cut_anywhere_before_its_end_is_never_whole():
    end = WHOLE.index(b"[DONE]") + len(b"[DONE]")
    cuts = [*range(0, len(WHOLE), 7), *range(end - 8, end)]
    for cut in cuts:
        for aborted in (False, True):
            async with serving(events(WHOLE[:cut] or b": \n", cut=aborted)) as server:
                stream = await open_stream(server)
                with pytest.raises(StreamTruncatedError) as caught:
                    async for _ in stream:
                        pass
                assert caught.value.partial == stream.text
                assert "".join(f"{n} " for n in range(5)).startswith(stream.text)
                with pytest.raises(StreamTruncatedError):
                    await stream.final()


@pytest.mark.parametrize("cut", [False, True])
async def test_a_reader_who_comes_late_gets_all_that_had_arrived(cut):
    async with serving(events(*(piece(f"{n} ") for n in range(5)), cut=cut)) as server:
        stream = await open_stream(server)
        await server.until(lambda: server.open == 0 or not cut)
        await asyncio.sleep(0.05)  # the end has long been seen
        with pytest.raises(StreamTruncatedError) as caught:
            await stream.final()
        assert caught.value.partial == stream.text == "0 1 2 3 4 "


async def test_a_reader_who_comes_after_the_silence_gets_all_that_had_arrived():
    async with serving(events(piece("a"), piece("b"), hold=True)) as server:
        stream = await open_stream(server, timeouts=Timeouts(read=0.05))
        await asyncio.sleep(0.2)
        assert [(await anext(stream)).text for _ in range(2)] == ["a", "b"]
        with pytest.raises(APITimeoutError, match=r"read=0\.05"):
            await anext(stream)


async def test_a_whole_stream_however_it_is_cut_into_packets():
    for size in (1, 2, 3, 10, 1000):
        pieces = [WHOLE[i : i + size] for i in range(0, len(WHOLE), size)]
        async with serving(events(*pieces)) as server:
            async with await open_stream(server) as stream:
                assert [chunk.text async for chunk in stream] == [f"{n} " for n in range(5)]
            assert stream.text == "0 1 2 3 4 "


async def test_a_terminator_without_its_line_end_is_one():
    async with serving(events(piece("x"), b"data: [DONE]")) as server:
        stream = await open_stream(server)
        assert (await stream.final()).text == "x"


async def test_the_whole_is_put_together_from_its_pieces():
    chunks = [
        {"id": "x", "model": "m", "created": 1, **delta(role="assistant", content="")},
        delta(content="Hel", reasoning="be"),
        delta(1, content="other"),
        delta(content="lo", reasoning="cause"),
        delta(tool_calls=[tool(0, '{"a"', id="t0", type="function")]),
        delta(tool_calls=[tool(1, "x", id="t1"), tool(0, ": 1}")]),
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
        {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}},
    ]
    async with serving(events(*map(frame, chunks), DONE)) as server:
        stream = await open_stream(server)
        assert stream.usage is None
        completion = await stream.final()
    assert completion.object == "chat.completion"
    assert (completion.id, completion.model, completion.created) == ("x", "m", 1)
    first, second = completion.choices
    assert (first.message.role, first.message.content) == ("assistant", "Hello")
    assert first.message.reasoning == "because"
    assert second.message.content == "other"
    assert [(t.id, t.function.arguments) for t in first.message.tool_calls] == [
        ("t0", '{"a": 1}'),
        ("t1", "x"),
    ]
    assert first.finish_reason == "tool_calls"
    assert completion.usage.total_tokens == stream.usage.total_tokens == 3
    assert completion["nexevo"]["generation_id"] == "gen_1" == stream.meta.generation_id


@pytest.mark.parametrize(
    ("said", "cls"),
    [
        ({"message": "m", "type": "upstream_error"}, UpstreamError),
        ({"message": "m", "code": "rate_limit_exceeded"}, RateLimitError),
    ],
)
async def test_an_error_frame_is_the_error_that_its_status_would_give(said, cls):
    async with serving(events(piece("a"), piece("b"), frame({"error": said}), DONE)) as server:
        stream = await open_stream(server)
        with pytest.raises(cls) as caught:
            await stream.final()
    assert caught.value.partial == "ab"
    assert "chat.completions.create" in str(caught.value)


@pytest.mark.parametrize("bad", [b"data: {oops\n\n", b'data: {"choices":3}\n\n', b"data: 3\n\n"])
async def test_an_event_that_does_not_fit_is_a_decode_error(bad):
    async with serving(events(piece("a"), bad, DONE)) as server:
        stream = await open_stream(server)
        with pytest.raises(DecodeError, match="an event of the stream"):
            await stream.final()


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": [{"index": 0, "delta": {"x": "a"}}, {"index": 0, "delta": {"x": {}}}]},
        {"choices": [{"index": 0, "delta": {"x": [1]}}, {"index": 0, "delta": {"x": "a"}}]},
        {
            "choices": [
                {"index": 0, "delta": {"x": [1]}},
                {"index": 0, "delta": {"x": [{"index": 1}]}},
            ]
        },
        {"choices": [{"index": 0, "delta": None}], "usage": None},
    ],
)
async def test_members_that_change_their_type_do_no_harm(odd):
    async with serving(events(frame(odd), piece("a"), DONE)) as server:
        assert (await (await open_stream(server)).final()).text == "a"


async def test_pings_keep_a_silent_stream_alive_and_silence_ends_it():
    pings = [b": ping\n\n"] * 6
    async with serving(events(*pings, piece("a"), hold=True, between=0.05)) as server:
        stream = await open_stream(server, timeouts=Timeouts(read=0.2))
        with pytest.raises(APITimeoutError, match=r"read=0\.2") as caught:
            await stream.final()
    assert (caught.value.limit, stream.text) == ("read", "a")


async def test_a_stream_has_no_total_unless_it_is_asked_for():
    async with serving(events(*[piece("a")] * 100, between=0.05)) as server:
        stream = await open_stream(server, timeouts=Timeouts(total=0.3))
        with pytest.raises(APITimeoutError, match=r"total=0.3 s; it was reading the stream"):
            await stream.final()
    assert stream.text


ROLE = frame(delta(role="assistant", content=""))


@pytest.mark.parametrize(
    ("answer", "phase"),
    [
        (silence(), "waiting for the answer"),
        (events(ROLE, *[b": ping\n\n"] * 50, hold=True, between=0.02), "reading the stream"),
    ],
)
@pytest.mark.parametrize("total", [None, 30])
async def test_a_stream_may_be_given_a_limit_for_its_first_token(answer, phase, total):
    timeouts = Timeouts(first_token=0.3, total=total)
    async with serving(answer) as server:
        with pytest.raises(
            APITimeoutError, match=r"first_token=0\.3 s; it was .*" + phase
        ) as caught:
            await (await open_stream(server, timeouts=timeouts)).final()
        assert (caught.value.limit, caught.value.limit_seconds) == ("first_token", 0.3)
        assert 0.3 <= caught.value.elapsed < 1


async def test_no_attempt_begins_after_the_limit_for_the_first_token():
    async with serving(error(503, "unavailable", ["Retry-After: 1"])) as server:
        with pytest.raises(InternalServerError):
            await open_stream(server, timeouts=Timeouts(first_token=0.5))
        assert len(server.seen) == 1


async def test_the_limit_for_the_first_token_ends_with_it():
    pieces = [ROLE, *[piece("a")] * 8, DONE]
    async with serving(events(*pieces, between=0.05)) as server:
        stream = await open_stream(server, timeouts=Timeouts(first_token=0.2))
        assert (await stream.final()).text == "a" * 8
        stream = await open_stream(server, timeouts=Timeouts(first_token=0.2, total=0.3))
        with pytest.raises(APITimeoutError, match=r"total=0\.3 s"):
            await stream.final()
        assert stream.text


async def test_a_call_that_is_no_stream_has_no_first_token():
    async with serving(reply(delay=0.1)) as server:
        client = AsyncNexevo("k", base_url=server.base_url, timeouts=Timeouts(first_token=0.01))
        await client.conversations.get("c")


async def test_ten_mebibytes_in_one_line_arrive():
    text = "x" * (10 * 1024 * 1024)
    async with serving(events(piece(text), DONE)) as server:
        assert (await (await open_stream(server)).final()).text == text


@pytest.mark.parametrize("rest", [[], [piece("b")], [piece("b"), DONE]])
async def test_a_closed_stream_gives_nothing_that_it_had_read_ahead(rest):
    async with serving(events(piece("a") + b"".join(rest), hold=True)) as server:
        async with await open_stream(server) as stream:
            assert (await anext(stream)).text == "a"
        for _ in range(2):
            with pytest.raises(StreamError, match="closed before its end") as caught:
                await anext(stream)
        assert caught.value.partial == stream.text == "a"


async def test_a_stream_that_is_closed_while_it_is_read_says_so():
    async with serving(events(piece("a"), hold=True)) as server:
        stream = await open_stream(server)
        await anext(stream)
        reading = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        await stream.aclose()
        with pytest.raises(StreamError, match="closed before its end"):
            await reading


async def test_an_event_over_the_cap_takes_nothing_from_those_before_it(monkeypatch):
    monkeypatch.setattr(streaming, "SSEParser", lambda: SSEParser(max_event=1_000))
    giant = b"data: " + b"x" * 1_000
    async with serving(events(piece("a") + piece("b") + giant, hold=True)) as server:
        stream = await open_stream(server)
        assert [(await anext(stream)).text for _ in range(2)] == ["a", "b"]
        for _ in range(2):
            with pytest.raises(StreamError, match="over the cap of 1,000 bytes") as caught:
                await anext(stream)
        assert caught.value.partial == stream.text == "ab"
        await server.until(lambda: server.open == 0)


async def leave_by_break(stream: Any) -> None:
    async with stream:
        async for _ in stream:
            break


async def leave_by_close(stream: Any) -> None:
    await anext(stream)
    await stream.aclose()


async def leave_by_cancel(stream: Any) -> None:
    async def read() -> None:
        async with stream:
            await stream.final()

    task = asyncio.create_task(read())
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])


async def leave_by_forgetting(stream: Any) -> None:
    await anext(stream)


@pytest.mark.parametrize(
    "leave", [leave_by_break, leave_by_close, leave_by_cancel, leave_by_forgetting]
)
async def test_a_stream_that_is_left_gives_its_connection_back(leave):
    held = events(piece("a"), hold=True)
    async with serving(*[held] * 5, reply()) as server:
        limits = Limits(max_connections=2, max_streams=2)
        async with AsyncNexevo("k", base_url=server.base_url, limits=limits) as client:
            for _ in range(5):
                stream = await client.chat.completions.create(
                    model="m", messages=MESSAGES, stream=True, timeouts=Timeouts(pool=1)
                )
                await leave(stream)
                del stream
                gc.collect()
            async with asyncio.timeout(1):
                await client.conversations.get("c")
            await server.until(lambda: server.open == 1)


async def test_a_call_that_is_cancelled_before_its_headers_gives_its_seat_back():
    async with serving(*[events(hold=True)] * 5, reply()) as server:
        limits = Limits(max_connections=1, max_streams=1)

        async def never(writer: Any) -> None:
            await asyncio.sleep(3600)

        server.answers[:5] = [never] * 5
        async with AsyncNexevo("k", base_url=server.base_url, limits=limits) as client:
            for n in range(5):
                call = asyncio.create_task(
                    client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
                )
                await server.until(lambda n=n: len(server.seen) == n + 1)
                call.cancel()
                await asyncio.wait([call])
            await client.conversations.get("c")


async def test_the_connection_of_a_whole_stream_is_used_again():
    async with serving(events(piece("a"), DONE)) as server:
        async with AsyncNexevo("k", base_url=server.base_url) as client:
            for _ in range(3):
                stream = await client.chat.completions.create(
                    model="m", messages=MESSAGES, stream=True
                )
                await stream.final()
        assert server.connections == 1


async def test_a_stream_can_be_advanced_from_different_tasks():
    async with serving(events(WHOLE, between=0.01)) as server:
        stream = await open_stream(server)
        texts = [(await asyncio.ensure_future(anext(stream))).text for _ in range(5)]
    assert texts == [f"{n} " for n in range(5)]


async def test_two_tasks_that_read_at_once_are_told_and_do_no_harm():
    pieces = [b": ping\n\n", *(piece(f"{n} ") for n in range(5)), DONE]
    async with serving(events(*pieces, between=0.05)) as server:
        stream = await open_stream(server)
        read = await asyncio.gather(*(anext(stream) for _ in range(3)), return_exceptions=True)
        first, *others = read
        assert [str(other) for other in others] == [
            "another task reads this stream: have one at a time read it"
        ] * 2
        assert first.text == "0 "
        assert (await stream.final()).text == "0 1 2 3 4 "


async def test_a_plain_for_names_the_right_form():
    async with serving(events(WHOLE)) as server:
        with pytest.raises(TypeError, match="async for chunk in stream"):
            iter(await open_stream(server))
