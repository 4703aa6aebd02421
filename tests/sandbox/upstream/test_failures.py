"""What a caller sees of an upstream that fails, and which model is tried next."""

import socket
from typing import Any

import pytest
from raw_server import events
from sandbox_support import Api, api_of
from upstream_support import CREATE, DONE, HELLO, KEY, Pair, before, chunk, output_tokens, text_of

from nexevo_async import AsyncNexevo, UpstreamError
from nexevo_async.testing import Sandbox

UPSTREAM = (502, "upstream_error", None)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        ({"status": 500}, UPSTREAM, "The upstream answered 500: This error was ordered"),
        ({"status": 401}, UPSTREAM, "The upstream answered 401"),
        ({"status": 429}, UPSTREAM, "The upstream answered 429"),
        ({"status": 307, "headers": {"Location": "/"}}, UPSTREAM, "The upstream answered 307"),
        ({"status": 503, "body": "<html>"}, UPSTREAM, "503: without a reason"),
        ({"status": 200, "body": "<html>"}, UPSTREAM, "The upstream"),
        ({"status": 200, "body": {"error": {"message": "no luck"}}}, UPSTREAM, "The upstream"),
        ({"status": 200, "body": {"choices": {}}}, UPSTREAM, "The upstream"),
        ({"drop": "before"}, UPSTREAM, "cannot be reached (ServerDisconnectedError"),
        ({"status": 400}, (400, "invalid_request_error", None), "refuses the request: This error"),
        ({"status": 422}, (422, "validation_error", None), "refuses the request: This error"),
        ({"status": 404}, (404, "not_found", "model"), "gpt-4o does not exist: The upstream"),
    ],
)  # fmt: skip
async def test_trouble_of_the_upstreams(
    pair: Pair, api: Api, fault: Any, error: Any, says: str, *, stream: bool
):
    pair.behind.faults.add(fault, operation=CREATE)
    reply = await api.chat(stream=stream)
    assert reply.error == error
    assert says in reply.json["error"]["message"]
    assert len(pair.asked) == 1


async def test_plain_answer_that_is_cut_off_is_none(pair: Pair, api: Api):
    pair.behind.faults.add({"cut_at": 40}, operation=CREATE)
    reply = await api.chat()
    assert reply.error == UPSTREAM
    assert "broke off" in reply.json["error"]["message"]


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"cut_at": 1500, "chunk_delay_s": 0.001}, "broke off in the middle of its answer"),
        ({"no_terminator": True}, "ended its stream without saying that it was whole"),
        ({"error_frame_after": 3}, "The model stopped in the middle of its answer"),
    ],
)
async def test_stream_that_the_upstream_does_not_end_never_looks_whole(
    pair: Pair, api: Api, fault: Any, says: str
):
    pair.behind.faults.add(fault, operation=CREATE, times=2)
    reply = await api.chat(stream=True)
    assert reply.status == 200
    *chunks, error = reply.chunks
    assert text_of(chunks)
    assert error["error"]["type"] == "upstream_error"
    assert says in error["error"]["message"]
    assert "[DONE]" not in reply.events
    async with AsyncNexevo(pair.sandbox.api_key, base_url=pair.sandbox.base_url) as client:
        stream = await client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True)
        with pytest.raises(UpstreamError, match=r"The upstream|The model") as caught:
            await stream.final()
        assert caught.value.partial == stream.text != ""


@pytest.mark.parametrize(
    "piece",
    [b"{", b"5", b'{"choices": 1}', b"[" * 99_999],
)
async def test_chunk_that_is_none_ends_the_stream_with_an_error(piece: bytes):
    async with before(events(chunk("a"), b"data: %s\n\n" % piece, DONE)) as (_, api, _):
        reply = await api.chat(stream=True)
        assert text_of(reply.chunks[:-1]) == "a"
        assert reply.chunks[-1]["error"]["type"] == "upstream_error"
        assert "[DONE]" not in reply.events


async def test_upstream_that_is_not_there():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        with Sandbox(upstream=url, upstream_key=KEY) as sandbox:
            async with api_of(sandbox) as api:
                for stream in (False, True):
                    reply = await api.chat(stream=stream)
                    assert reply.error == UPSTREAM
                    assert f"at {url}/chat/completions cannot be reached" in reply.text
                assert (await api.chat(model="nexevo/auto")).status == 200


@pytest.mark.parametrize("stream", [False, True])
async def test_next_model_is_tried_where_one_has_no_answer(pair: Pair, api: Api, *, stream: bool):
    for status in (404, 503):
        pair.behind.faults.add({"status": status}, operation=CREATE)
    reply = await api.chat(model="gpt-9", models=["gpt-4o:fast", "qwen-max"], stream=stream)
    assert reply.status == 200
    assert len(pair.asked) == 3
    assert reply.headers["x-nexevo-model-used"] == "qwen-max"
    assert reply.headers["x-nexevo-models-tried"] == "gpt-9,gpt-4o:fast,qwen-max"


@pytest.mark.parametrize("stream", [False, True])
async def test_alias_can_be_the_fallback(pair: Pair, api: Api, *, stream: bool):
    pair.behind.faults.add({"status": 503}, operation=CREATE)
    reply = await api.chat(model="gpt-4o", models=["nexevo/fast"], stream=stream)
    assert reply.headers["x-nexevo-models-tried"] == "gpt-4o,deepseek-chat"
    assert len(pair.asked) == 1
    pair.behind.faults.add({"status": 503}, operation=CREATE, times=2)
    reply = await api.chat(model="gpt-4o", models=["qwen-max", "nexevo/x"], stream=stream)
    assert reply.error == UPSTREAM
    assert "gpt-4o failed: The upstream answered 503" in reply.text
    assert "qwen-max failed: The upstream answered 503" in reply.text
    assert "nexevo/x does not exist;" not in reply.text
    assert "nexevo/x does not exist" in reply.text


async def test_stream_that_broke_off_is_counted_as_far_as_it_came(pair: Pair, api: Api):
    pair.behind.faults.add({"error_frame_after": 21}, operation=CREATE)
    await api.chat(stream=True, max_tokens=50)
    await api.chat(stream=True, max_tokens=50)
    assert pair.sandbox._run(output_tokens) == [20, 50]


async def test_failure_is_not_kept_under_an_idempotency_key(pair: Pair, api: Api):
    pair.behind.faults.add({"status": 500}, operation=CREATE)
    body = {"model": "gpt-4o", "messages": HELLO}
    statuses = [
        (await api.post("/chat/completions", body, Idempotency_Key="again")).status
        for _ in range(2)
    ]
    assert statuses == [502, 200]
