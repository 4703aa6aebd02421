import asyncio
from typing import Any

import pytest
from openai import AsyncOpenAI, NotFoundError, RateLimitError
from sandbox_support import Api, eventually, stalled

from nexevo_async.sandbox import model
from nexevo_async.sandbox.gateway import Gateway
from nexevo_async.testing import Sandbox


def text_of(chunks: list[Any]) -> str:
    return "".join(c["delta"].get("content", "") for chunk in chunks for c in chunk["choices"])


async def test_same_request_gets_the_same_words_plain_and_streamed(api: Api):
    first, again = await api.chat(), await api.chat()
    streamed = await api.chat(stream=True)
    other = await api.chat(messages=[{"role": "user", "content": "Goodbye!"}])
    text = first.json["choices"][0]["message"]["content"]
    assert again.json["choices"] == first.json["choices"]
    assert text_of(streamed.chunks) == text
    assert other.json["choices"] != first.json["choices"]
    assert first.json["id"] != again.json["id"]


async def test_stream_is_openais(api: Api):
    reply = await api.chat(stream=True)
    assert reply.headers["Content-Type"] == "text/event-stream"
    assert reply.events[-1] == "[DONE]"
    first, *middle, last = reply.chunks
    assert {(c["id"], c["object"], c["model"]) for c in reply.chunks} == {
        (first["id"], "chat.completion.chunk", "gpt-4o")
    }
    assert first["choices"] == [
        {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
    ]
    assert len(middle) > 10
    assert all(c["choices"][0]["finish_reason"] is None for c in middle)
    assert last["choices"] == [{"index": 0, "delta": {}, "finish_reason": "stop"}]
    assert last["usage"]["completion_tokens"] == len(middle)
    assert reply.headers["X-Nexevo-Generation-Id"].startswith("gen_")
    assert reply.headers["X-Usage-Input-Tokens"] == "2"
    assert "X-Usage-Output-Tokens" not in reply.headers  # not known when the head goes out


async def test_usage_chunk_without_choices_comes_when_asked_for(api: Api):
    reply = await api.chat(stream=True, stream_options={"include_usage": True})
    finish, usage = reply.chunks[-2:]
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert "usage" not in finish
    assert usage["choices"] == []
    assert usage["usage"]["prompt_tokens"] == 2
    assert reply.events[-1] == "[DONE]"


@pytest.mark.parametrize("tokens", [1, 7, 500])
@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
async def test_max_tokens_chooses_the_length(api: Api, tokens: int, name: str):
    plain = (await api.chat(**{name: tokens})).json
    streamed = await api.chat(stream=True, **{name: tokens})
    assert plain["usage"]["completion_tokens"] == tokens
    assert plain["choices"][0]["finish_reason"] == "length"
    assert len(streamed.chunks) == tokens + 2
    assert streamed.chunks[-1]["choices"][0]["finish_reason"] == "length"
    assert text_of(streamed.chunks) == plain["choices"][0]["message"]["content"]


async def test_stop_ends_the_text_before_it(api: Api):
    choice = (await api.chat(stop=["never", "sandbox"])).json["choices"][0]
    assert choice["message"]["content"] == 'You said: "Hello!" I am the'
    assert choice["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("content", "tokens"),
    [
        ("Hello!", 2),
        ("one two  three", 3),
        ("abcdefghi", 2),  # nine letters
        ("", 0),
        (None, 0),
        ([{"type": "text", "text": "a b"}, {"type": "image_url", "image_url": {}}], 3),
        ([{"text": 5}], 1),
    ],
)
async def test_prompt_tokens(api: Api, content: Any, tokens: int):
    messages = [{"role": "user", "content": content}]
    assert (await api.chat(messages=messages)).json["usage"]["prompt_tokens"] == tokens


@pytest.mark.parametrize("text", ["a b", "it's 1.5 € — 😀😀\nnew\tline", "é" * 20, "你好" * 9])
def test_tokens_are_the_text(text: str):
    assert "".join(model.split(text)) == text


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ({"messages": []}, (422, "validation_error", "messages")),
        ({"messages": [{"content": "x"}]}, (422, "validation_error", "messages[0].role")),
        (
            {"messages": [{"role": "user", "content": 1}]},
            (422, "validation_error", "messages[0].content"),
        ),
        ({"temperature": 2.1}, (422, "validation_error", "temperature")),
        ({"max_tokens": 0}, (422, "validation_error", "max_tokens")),
        ({"max_tokens": 10**30}, (422, "validation_error", "max_tokens")),
        ({"stream": "yes"}, (422, "validation_error", "stream")),
        ({"stream_options": []}, (422, "validation_error", "stream_options")),
    ],
)
async def test_wrong_request_is_refused(api: Api, members: Any, error: Any):
    assert (await api.chat(**members)).error == error
    assert (await api.chat(**members | {"stream": members.get("stream", True)})).error == error


async def test_unknown_members_pass(api: Api):
    reply = await api.chat(logit_bias={"5": 1}, seed=7, user="u", of_tomorrow={"a": [None]})
    assert reply.status == 200


async def test_reader_who_leaves_ends_the_generation(sandbox: Sandbox, api: Api):
    body = {
        "model": "gpt-4o",
        "stream": True,
        "max_tokens": 10_000,
        "messages": [{"role": "user", "content": "Hello!"}],
    }
    fault = '{"chunk_delay_s": 0.002}'
    async with api.request("POST", "/chat/completions", body, X_Sandbox_Fault=fault) as response:
        await response.content.readany()
        response.close()
    await eventually(lambda: sandbox.requests[-1].ended is not None, within=1)
    entry = sandbox.requests[-1]
    assert entry.peer_left is not None
    assert entry.status == 200
    sent = entry.response_bytes
    await asyncio.sleep(0.05)
    assert sandbox.requests[-1].response_bytes == sent < 20_000


async def test_only_what_went_out_counts_as_generated(sandbox: Sandbox, api: Api):
    await api.chat(stream=True, max_tokens=50, fault={"error_frame_after": 21})
    await api.chat(stream=True, max_tokens=50)

    async def tokens(gateway: Gateway) -> list[int]:
        query = "SELECT output_tokens FROM generations ORDER BY rowid"
        return await gateway.store.run(lambda db: [n for (n,) in db.execute(query)])

    assert sandbox._run(tokens) == [20, 50]


async def test_reader_who_stops_reading_stops_the_generation(sandbox: Sandbox, api: Api):
    body = {
        "model": "gpt-4o",
        "stream": True,
        "max_tokens": 200_000,
        "messages": [{"role": "user", "content": "Hello!"}],
    }
    async with api.request("POST", "/chat/completions", body) as response:
        await response.content.readany()
        held = await stalled(sandbox)
        assert (await api.get("/models")).status == 200
        await asyncio.sleep(0.1)
        assert sandbox.requests[0].response_bytes == held
        response.close()
    await eventually(lambda: sandbox.requests[0].peer_left is not None)


async def test_long_stream_leaves_others_their_turn(api: Api):
    async def stream() -> None:
        assert (await api.chat(stream=True, max_tokens=50_000)).status == 200

    streaming = asyncio.create_task(stream())
    answered = 0
    while not streaming.done():
        assert (await api.get("/models")).status == 200
        answered += 1
    await streaming
    assert answered > 5


async def test_openais_own_client_is_served(sandbox: Sandbox):
    async with AsyncOpenAI(
        base_url=sandbox.base_url, api_key=sandbox.api_key, max_retries=0
    ) as client:
        messages: Any = [{"role": "user", "content": "Hello!"}]
        plain = await client.chat.completions.create(model="nexevo/fast", messages=messages)
        assert plain.usage is not None
        assert plain.choices[0].finish_reason == "stop"
        streamed = ""
        stream = await client.chat.completions.create(
            model="nexevo/fast", messages=messages, stream=True
        )
        async for chunk in stream:  # as in OpenAI's own examples
            streamed += chunk.choices[0].delta.content or ""
        assert streamed == plain.choices[0].message.content
        listed = [entry.id async for entry in client.models.list()]
        assert "gpt-4o" in listed
        with pytest.raises(NotFoundError):
            await client.chat.completions.create(model="gpt-9", messages=messages)
        sandbox.faults.add({"status": 429})
        with pytest.raises(RateLimitError):
            await client.models.list()
