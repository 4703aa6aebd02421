"""What the gateway said beside an answer is on all that a call gives, and costs nothing unread."""

import asyncio
import pickle
import pickletools
from typing import Any

import pytest
from raw_server import error, events, reply, serving

from nexevo_async import (
    APIStatusError,
    AsyncNexevo,
    DecodeError,
    Meta,
    NexevoError,
    StreamTruncatedError,
)
from nexevo_sync import Nexevo

MESSAGES: Any = [{"role": "user", "content": "Hello!"}]
HEADERS = [
    "X-Trace-ID: t1",
    "X-RateLimit-Remaining: 7",
    "X-RateLimit-Reset: 12.5",
    "X-Usage-Input-Tokens: 3",
    "X-Usage-Output-Tokens: 4",
    "X-Nexevo-Generation-Id: gen_1",
    "x-nexevo-model-used: gpt-4o",
    "x-nexevo-models-tried: qwen-max, gpt-4o",
]
PIECE = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'


def assert_whole(meta: Meta | None, status: int = 200) -> None:
    assert meta is not None
    assert (meta.status, meta.attempts) == (status, 1)
    assert 0 < meta.elapsed < 5
    assert (meta.trace_id, meta.generation_id, meta.model_used) == ("t1", "gen_1", "gpt-4o")
    assert meta.models_tried == ("qwen-max", "gpt-4o")
    assert (meta.rate_limit.remaining, meta.rate_limit.reset) == (7, 12.5)
    assert (meta.usage.input_tokens, meta.usage.output_tokens) == (3, 4)
    assert meta.headers["X-TRACE-ID"] == "t1"


def assert_pickles(value: Any) -> Any:
    """Give the value as another process would have it, which need not have aiohttp's types."""
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        pickled = pickle.dumps(value, protocol)
        names = {str(arg) for _, arg, _ in pickletools.genops(pickled) if isinstance(arg, str)}
        assert not {n for n in names if n.split(".")[0] in {"aiohttp", "multidict", "yarl"}}
        value = pickle.loads(pickled)  # noqa: S301 - our own
    return value


ANSWERS = {
    "result": reply(headers=HEADERS),
    "page": reply(b'{"conversations":[{"conversation_id":"c"}]}', headers=HEADERS),
    "response": reply(b"{}", headers=HEADERS),
}


@pytest.mark.parametrize("kind", ANSWERS)
async def test_it_is_on_what_a_call_gives(kind: str):
    async with serving(ANSWERS[kind]) as server, AsyncNexevo("k", base_url=server.base_url) as c:
        given: Any = await {
            "result": lambda: c.conversations.get("c"),
            "page": lambda: c.conversations.list(limit=1),
            "response": lambda: c.request("GET", "/x"),
        }[kind]()
    assert_whole(given.meta)
    assert_whole(assert_pickles(given.meta))
    if kind == "result":
        again = assert_pickles(given)
        assert again == given
        assert again.to_dict() == given.to_dict()
        assert_whole(again.meta)


async def test_it_is_on_a_stream_and_on_the_whole_of_it(sandbox):
    def read() -> list[Meta]:
        with Nexevo(sandbox.api_key, base_url=sandbox.base_url) as client:
            stream = client.chat.completions.create(
                model="nexevo/fast", messages=MESSAGES, stream=True
            )
            return [stream.meta, stream.final().meta]

    async with AsyncNexevo(sandbox.api_key, base_url=sandbox.base_url) as client:
        stream = await client.chat.completions.create(
            model="nexevo/fast", messages=MESSAGES, stream=True
        )
        metas = [stream.meta, (await stream.final()).meta, *await asyncio.to_thread(read)]
    for meta in metas:
        assert meta.trace_id
        assert meta.generation_id
        assert meta.rate_limit.remaining == 60
        assert assert_pickles(meta) == meta


FAILURES: dict[str, tuple[Any, type[NexevoError], int]] = {
    "refusal": (
        error(429, "rate_limit_exceeded", [*HEADERS, "Retry-After: 100"]),
        APIStatusError,
        429,
    ),
    "error in a 200": (error(200, "not_found", HEADERS), APIStatusError, 200),
    "no JSON": (reply(b"<html>", headers=HEADERS), DecodeError, 200),
    "wrong shape": (reply(b"[]", headers=HEADERS), DecodeError, 200),
}


@pytest.mark.parametrize("kind", FAILURES)
async def test_it_is_on_an_error(kind: str):
    answer, cls, status = FAILURES[kind]
    async with serving(answer) as server, AsyncNexevo("k", base_url=server.base_url) as client:
        with pytest.raises(cls) as caught:
            await client.conversations.get("c")
    assert_whole(caught.value.meta, status)  # type: ignore[attr-defined]
    assert_whole(assert_pickles(caught.value).meta, status)


async def test_it_is_on_the_error_of_a_stream():
    async with serving(events(PIECE)) as server:
        async with AsyncNexevo("k", base_url=server.base_url) as client:
            stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
            with pytest.raises(StreamTruncatedError) as caught:
                await stream.final()
    assert caught.value.meta == stream.meta
    assert assert_pickles(caught.value).meta.generation_id == "gen_1"


async def test_an_error_without_an_answer_has_none():
    async with AsyncNexevo("k", base_url="http://127.0.0.1:1/v1", max_retries=0) as client:
        with pytest.raises(NexevoError) as caught:
            await client.models.list()
    assert caught.value.meta is None  # type: ignore[attr-defined]


async def test_unread_it_looks_at_no_header():
    async with serving(reply(headers=HEADERS)) as server:
        async with AsyncNexevo("k", base_url=server.base_url) as client:
            conv = await client.conversations.get("c")
    assert conv.meta.headers._index is None
    assert conv.meta.trace_id == "t1"
    assert conv.meta.headers._index is not None
