"""A server of OpenAI's format behind the sandbox: another sandbox, or bytes."""

import asyncio
import logging
import traceback
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession
from auth_support import as_
from command_support import running as command_running
from raw_server import drop, events, reply, silence
from routing_support import thumb
from sandbox_support import Api, api_of, encoded, eventually
from upstream_support import (
    CREATE,
    DONE,
    HELLO,
    KEY,
    Pair,
    before,
    chunk,
    event,
    output_tokens,
    text_of,
)

from nexevo_async import AsyncNexevo, StreamTruncatedError
from nexevo_async.testing import Sandbox


@pytest.mark.parametrize("model", ["gpt-4o", "qwen-max:cheap"])
async def test_model_that_is_named_is_the_upstreams(pair: Pair, api: Api, model: str):
    plain, streamed = await api.chat(model=model), await api.chat(model=model, stream=True)
    assert pair.asked == [CREATE] * 2
    async with api_of(pair.behind) as there:
        own = await there.chat(model=model.partition(":")[0])
    assert plain.json["choices"] == own.json["choices"]
    assert text_of(streamed.chunks) == own.json["choices"][0]["message"]["content"]
    assert streamed.events[-1] == "[DONE]"
    assert plain.json["usage"] == own.json["usage"] == streamed.chunks[-1]["usage"]
    assert plain.headers["X-Usage-Output-Tokens"] == own.headers["X-Usage-Output-Tokens"]
    for answer in (plain, streamed):
        assert answer.headers["x-nexevo-model-used"] == model.partition(":")[0]
        assert answer.headers["x-nexevo-models-tried"] == model.partition(":")[0]
        await thumb(api, answer.headers["X-Nexevo-Generation-Id"], 1)
    assert plain.json["nexevo"] == {"generation_id": plain.headers["X-Nexevo-Generation-Id"]}
    assert pair.sandbox.router[model.partition(":")[0]].up == 2


async def test_a_long_text_reaches_the_upstream_whole_and_nobody_is_warned():
    own = {"id": "theirs", "choices": [{"message": {"content": "a b c"}}]}
    messages = [{"role": "user", "content": "x" * (2**20 + 1)}]
    async with before(reply(msgspec.json.encode(own))) as (_, api, server):
        assert (await api.chat(model="llama3:8b", messages=messages)).status == 200
        assert msgspec.json.decode(server.seen[0].body)["messages"] == messages


async def test_alias_stays_with_the_built_in_model(pair: Pair, api: Api):
    for model in ("nexevo/fast", "nexevo/balanced:cheap", "nexevo/auto"):
        assert (await api.chat(model=model)).status == 200
    assert (await api.chat(model="nexevo/nothing")).error == (404, "not_found", "model")
    assert pair.asked == []


async def test_usage_comes_as_it_is_asked_for(api: Api):
    asked = await api.chat(stream=True, stream_options={"include_usage": True})
    finish, usage = asked.chunks[-2:]
    assert (finish["choices"][0]["finish_reason"], usage["choices"]) == ("stop", [])
    assert "usage" not in finish
    not_asked = await api.chat(stream=True)
    assert not_asked.chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert not_asked.chunks[-1]["usage"] == usage["usage"]
    assert not [c for c in not_asked.chunks if not c["choices"]]


async def test_upstream_gets_the_callers_request_without_what_is_nexevos():
    own = {"id": "theirs", "choices": [{"message": {"content": "a b c"}}], "nexevo": {"x": 1}}
    async with before(reply(msgspec.json.encode(own))) as (sandbox, api, server):
        answer = await api.chat(
            model="llama3:8b",
            models=["gpt-4o"],
            max_price={"total": 1},
            provider={"data_collection": "allow"},
            metadata={"conversation_id": "c", "mine": "1"},
            temperature=0.5,
            seed=7,
        )
        (seen,) = server.seen
        assert seen.target == "/v1/chat/completions"
        assert seen.header("Authorization") == f"Bearer {KEY}"
        assert msgspec.json.decode(seen.body) == {
            "model": "llama3:8b",
            "messages": HELLO,
            "metadata": {"mine": "1"},
            "temperature": 0.5,
            "seed": 7,
        }
        # What the upstream did not count is counted here, and what is the sandbox's is its own.
        assert answer.json["usage"] == {
            "prompt_tokens": 2,
            "completion_tokens": 3,
            "total_tokens": 5,
        }
        assert answer.json["id"] == "theirs"
        assert answer.json["nexevo"] == {"generation_id": answer.headers["X-Nexevo-Generation-Id"]}
        await thumb(api, answer.headers["X-Nexevo-Generation-Id"], -1)
        standing = sandbox.router["llama3:8b"]
        assert (standing.down, standing.elo, standing.aliases) == (1, 1000.0, ())


async def test_stream_that_nobody_counted_is_counted_here():
    theirs = event(choices=[{"index": 0, "delta": {"content": "b "}}], nexevo={"theirs": 1})
    pieces = (chunk("a "), theirs, chunk("c"), chunk(finish_reason="stop"), DONE)
    async with before(events(*pieces)) as (_, api, server):
        answer = await api.chat(stream=True)
        assert msgspec.json.decode(server.seen[0].body)["stream_options"] == {"include_usage": True}
        assert text_of(answer.chunks) == "a b c"
        assert not [piece for piece in answer.chunks if "nexevo" in piece]
        assert answer.chunks[-1]["usage"]["completion_tokens"] == 3
        assert answer.events[-1] == "[DONE]"


@pytest.mark.parametrize(
    "usage", [{"prompt_tokens": -1, "completion_tokens": 10**30}, {"prompt_tokens": "2"}, 5]
)
async def test_usage_that_cannot_be_is_not_believed(usage: Any):
    own = {"choices": [{"message": {"content": "a b c"}}], "usage": usage}
    async with before(reply(msgspec.json.encode(own))) as (_, api, _):
        assert (await api.chat()).json["usage"]["completion_tokens"] == 3


async def test_model_that_is_in_no_catalogue_is_kept_from_who_is_particular(api: Api):
    deny = await api.chat(model="llama3", provider={"data_collection": "deny"})
    assert deny.error == (400, "invalid_request_error", "provider.data_collection")
    made = await api.post("/keys", {"name": "cn", "geo_policy": "cn-only"})
    narrow = await as_(api, made.json["full_key"]).chat(model="llama3")
    assert narrow.error == (403, "geo_policy_violation", "model")


async def test_reader_who_leaves_ends_the_upstreams_generation(pair: Pair, api: Api):
    pair.behind.faults.add({"chunk_delay_s": 0.005}, operation=CREATE)
    body = {"model": "gpt-4o", "messages": HELLO, "stream": True, "max_tokens": 10_000}
    async with api.request("POST", "/chat/completions", body) as response:
        await response.content.readany()
        response.close()
    await eventually(lambda: pair.behind.requests[-1].peer_left is not None)
    await eventually(lambda: pair.sandbox.requests[-1].ended is not None)
    assert pair.behind.requests[-1].response_bytes < 100_000
    (counted,) = pair.sandbox._run(output_tokens)
    assert 0 <= counted < 1_000


async def test_caller_who_gives_up_ends_the_upstreams_work():
    async with before(silence()) as (_, api, server):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await api.chat()
        await server.until(lambda: server.open == 0)


async def test_sandbox_that_stops_leaves_the_upstream_and_cuts_its_streams(pair: Pair):
    pair.behind.faults.add({"chunk_delay_s": 0.01}, operation=CREATE, times=5)
    with Sandbox(upstream=pair.behind.base_url, upstream_key=pair.behind.api_key) as sandbox:
        client = AsyncNexevo(sandbox.api_key, base_url=sandbox.base_url)
        streams = [
            await client.chat.completions.create(
                model="gpt-4o", messages=HELLO, stream=True, max_tokens=5_000
            )
            for _ in range(5)
        ]
    for stream in streams:
        with pytest.raises(StreamTruncatedError):
            await stream.final()
    await client.aclose()
    await eventually(lambda: all(request.peer_left for request in pair.behind.requests))


async def test_same_idempotency_key_asks_the_upstream_once(pair: Pair, api: Api):
    body = {"model": "gpt-4o", "messages": HELLO}
    one, two = [await api.post("/chat/completions", body, Idempotency_Key="once") for _ in range(2)]
    assert one.text == two.text
    assert len(pair.asked) == 1


async def test_many_streams_at_once(pair: Pair, api: Api):
    replies = await asyncio.gather(*(api.chat(stream=True, max_tokens=50) for _ in range(50)))
    assert {reply.events[-1] for reply in replies} == {"[DONE]"}
    assert len({text_of(reply.chunks) for reply in replies}) == 1
    assert len({reply.headers["X-Nexevo-Generation-Id"] for reply in replies}) == 50
    assert len(pair.asked) == 50


async def no_http(writer: asyncio.StreamWriter) -> None:
    """Make aiohttp raise an error whose text has the headers that were sent."""
    writer.write(b"HTTP/1.1 what\r\n\r\n")
    await writer.drain()


async def test_key_shows_nowhere(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    telltale = encoded({"error": {"message": f"Incorrect API key {KEY}!"}}).encode()
    answers = (reply(telltale, 401), reply(telltale), events(b"data: " + telltale + b"\n\n"))
    async with before(*answers, drop(), no_http) as (sandbox, api, server):
        replies = [await api.chat(), await api.chat(), await api.chat(stream=True)]
        replies += [await api.chat(), await api.chat(), await api.get("/_sandbox/requests")]
        assert all(seen.header("Authorization") == f"Bearer {KEY}" for seen in server.seen)
        assert [("Incorrect API key ***!" in r.text) for r in replies] == [True] * 3 + [False] * 3
        shown = [repr(sandbox), repr(sandbox._settings), caplog.text]
        shown += [r.text + str(r.headers) for r in replies]
    assert not [text for text in shown if KEY in text]
    with pytest.raises(ValueError, match="upstream_key has white space") as caught:
        Sandbox(upstream="http://127.0.0.1/v1", upstream_key=f"{KEY}\n")
    assert KEY not in "".join(traceback.format_exception(caught.value, chain=True))


@pytest.mark.parametrize("stream", [False, True])
async def test_callers_own_key_takes_the_place_of_the_sandboxs(*, stream: bool):
    telltale = encoded({"error": {"message": "Incorrect API key sk-mine!"}}).encode()
    async with before(reply(telltale, 401)) as (_, api, server):
        refused = await api.chat(provider={"api_key": "sk-mine"}, stream=stream)
        assert server.seen[0].header("Authorization") == "Bearer sk-mine"
        assert b"sk-mine" not in server.seen[0].body
        assert "Incorrect API key ***!" in refused.text
        injected = await api.chat(provider={"api_key": "sk\r\nX-Y: z"}, stream=stream)
        assert injected.error == (422, "validation_error", "provider.api_key")
        assert len(server.seen) == 1


@pytest.mark.parametrize("url", ["", "ftp://x", "http://", "http://me:pw@x/v1", "http://x/?a=b"])
def test_url_that_is_none_is_refused(url: str):
    with pytest.raises(ValueError, match=r"upstream must"):
        Sandbox(upstream=url)


async def test_command_takes_an_upstream_and_its_key(pair: Pair, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NEXEVO_UPSTREAM_KEY", pair.behind.api_key)
    with command_running("--port", "0", "--upstream", pair.behind.base_url) as command:
        assert f"from {pair.behind.base_url}" in command.said
        assert KEY not in command.said
        async with ClientSession() as session:
            api = Api(session, command.base_url, command.api_key)
            assert (await api.chat()).status == 200
        assert pair.asked == [CREATE]
