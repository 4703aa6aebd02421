import asyncio
from typing import Any

import aiohttp
import pytest
from sandbox_support import Api, eventually

from nexevo_async.testing import Sandbox

KEY = {"Idempotency_Key": "key-1"}


async def count(api: Api) -> int:
    return len((await api.get("/conversations?limit=100")).json["conversations"])


async def test_same_key_and_body_gets_the_stored_answer(api: Api):
    first = await api.post("/conversations", {"title": "once"}, **KEY)
    again = await api.post("/conversations", {"title": "once"}, **KEY)
    assert again.json == first.json
    assert await count(api) == 1


async def test_answer_is_kept_with_its_headers(api: Api):
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello!"}]}
    replies = [await api.post("/chat/completions", body, **KEY) for _ in range(2)]
    assert replies[0].text == replies[1].text
    assert len({r.headers["X-Nexevo-Generation-Id"] for r in replies}) == 1
    assert len({r.headers["X-Trace-ID"] for r in replies}) == 2


async def test_stream_is_repeated_word_for_word(api: Api):
    body = {"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
    replies = [await api.post("/chat/completions", body, **KEY) for _ in range(2)]
    assert replies[0].text == replies[1].text
    assert replies[0].events[-1] == "[DONE]"


async def test_same_key_for_another_request_is_refused(api: Api):
    await api.post("/conversations", {"title": "once"}, **KEY)
    reply = await api.post("/conversations", {"title": "other"}, **KEY)
    assert reply.error == (409, "idempotency_key_reused", None)
    assert await count(api) == 1


async def test_same_key_for_another_object_is_refused(api: Api):
    one, two = await api.conversation(), await api.conversation()
    assert (await api.call("PATCH", f"/conversations/{one}", {"title": "x"}, **KEY)).status == 200
    reply = await api.call("PATCH", f"/conversations/{two}", {"title": "x"}, **KEY)
    assert reply.error == (409, "idempotency_key_reused", None)


async def test_key_belongs_to_an_api_key_and_an_operation(api: Api):
    other = await api.another()
    mine = await api.post("/conversations", {}, **KEY)
    theirs = await other.post("/conversations", {}, **KEY)
    assert mine.json["conversation_id"] != theirs.json["conversation_id"]
    path = f"/conversations/{mine.json['conversation_id']}/messages"
    message = {"role": "user", "content": "x"}
    assert (await api.post(path, message, **KEY)).status == 200


async def test_refusal_is_not_kept(api: Api):
    assert (await api.post("/conversations", {"title": 1}, **KEY)).status == 422
    assert (await api.chat(model="gpt-9")).status == 404
    assert (await api.post("/conversations", {"title": "right"}, **KEY)).status == 200


async def test_reads_take_no_notice_of_the_key(api: Api):
    await api.get("/conversations", **KEY)
    await api.conversation()
    assert len((await api.get("/conversations", **KEY)).json["conversations"]) == 1


async def test_lost_answer_does_not_double_the_effect(sandbox: Sandbox, api: Api):
    sandbox.faults.add({"drop": "after"}, operation="conversations.create")
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await api.post("/conversations", {}, **KEY)
    assert await count(api) == 1
    assert (await api.post("/conversations", {}, **KEY)).status == 200
    assert await count(api) == 1


async def test_request_that_never_ran_runs_the_second_time(sandbox: Sandbox, api: Api):
    sandbox.faults.add({"drop": "before"}, operation="conversations.create")
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await api.post("/conversations", {}, **KEY)
    assert await count(api) == 0
    assert (await api.post("/conversations", {}, **KEY)).status == 200


async def test_while_the_first_runs_the_second_is_told_so(sandbox: Sandbox, api: Api):
    sandbox.faults.add({"delay_s": 0.3}, operation="conversations.create")
    first = asyncio.create_task(api.post("/conversations", {}, **KEY))
    await eventually(lambda: len(sandbox.requests) == 1)
    second = await api.post("/conversations", {}, **KEY)
    assert second.error == (409, "idempotency_in_progress", None)
    third = await api.post("/conversations", {})
    assert third.status == 200
    assert (await first).status == 200
    assert (await api.post("/conversations", {}, **KEY)).json == (await first).json


async def test_caller_who_gave_up_can_come_again(sandbox: Sandbox, api: Api):
    sandbox.faults.add({"delay_s": 30}, operation="conversations.create")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(api.post("/conversations", {}, **KEY), 0.1)
    await eventually(lambda: sandbox.requests[0].peer_left is not None)
    assert (await api.post("/conversations", {}, **KEY)).status == 200
    assert await count(api) == 1


async def test_of_many_at_once_one_acts(api: Api):
    async def create() -> Any:
        return await api.post("/conversations", {}, **KEY)

    replies = await asyncio.gather(*(create() for _ in range(50)))
    assert {r.status for r in replies} <= {200, 409}
    assert len({r.json["conversation_id"] for r in replies if r.status == 200}) == 1
    assert await count(api) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "é"])
async def test_key_that_is_none_is_refused(api: Api, key: str):
    reply = await api.post("/conversations", {}, Idempotency_Key=key)
    assert reply.error == (400, "invalid_request_error", "Idempotency-Key")
