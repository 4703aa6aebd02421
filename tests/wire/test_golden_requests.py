"""One golden request for each operation."""

import pytest
from aioresponses.compat import normalize_url
from golden_requests import auth, billing, chat, conversations, keys, organizations

from nexevo_async.contract.table import OPERATIONS

RESOURCES = (conversations, chat, auth, keys, organizations, billing)
GOLDEN = [golden for resource in RESOURCES for golden in resource.GOLDEN]


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda g: g.operation)
async def test_the_request_is_what_the_contract_says(client, wire, golden):
    wire.answer(
        golden.method,
        golden.path,
        payload=golden.answer,
        status=golden.status,
        headers={"X-Nexevo-Generation-Id": "gen_1"},
    )
    result = await golden.call(client)
    (sent,) = wire.sent
    assert sent.method == golden.method
    assert sent.url == str(normalize_url(f"https://api.nexevo.ai/v1{golden.path}"))
    assert sent.body == golden.body
    headers = dict(sent.headers)
    authorization = "Bearer sk-xc-golden" if golden.authorized else None
    assert headers.pop("authorization", None) == authorization
    assert headers.pop("accept") == "application/json"
    assert headers.pop("user-agent").startswith("nexevo-python/")
    content_type = None if golden.body is None else "application/json"
    assert headers.pop("content-type", None) == content_type
    assert (len(headers.pop("idempotency-key", "")) >= 16) is golden.keyed
    assert headers == {}
    assert golden.gives(result) == golden.expected


def test_every_operation_has_a_golden_request():
    assert {golden.operation for golden in GOLDEN} == {op.name for op in OPERATIONS}


async def test_a_stream_asks_for_events(client, wire):
    wire.answer(
        "POST",
        "/chat/completions",
        body=b'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\ndata: [DONE]\n\n',
        content_type="text/event-stream",
    )
    async with await client.chat.completions.create(
        model="nexevo/fast", messages=[{"role": "user", "content": "Hello!"}], stream=True
    ) as stream:
        assert [chunk.text async for chunk in stream] == ["Hi"]
    (sent,) = wire.sent
    assert sent.headers["accept"] == "text/event-stream"
    assert sent.body == (
        b'{"model":"nexevo/fast","messages":[{"role":"user","content":"Hello!"}],"stream":true}'
    )


async def test_the_callers_own_key_and_extras_travel(client, wire):
    wire.answer("POST", "/conversations?trace=on", payload=conversations.CONVERSATION)
    await client.conversations.create(
        idempotency_key="my-key",
        extra_headers={"X-Team": "search"},
        extra_query={"trace": "on"},
        extra_body={"title": "Extra"},
    )
    (sent,) = wire.sent
    assert sent.headers["idempotency-key"] == "my-key"
    assert sent.headers["x-team"] == "search"
    assert sent.body == b'{"title":"Extra"}'


async def test_a_call_that_is_not_modelled(client, wire):
    wire.answer("POST", "/somewhere/new?a=1", payload={"fine": True})
    response = await client.request("post", "/somewhere/new", query={"a": 1}, json={"b": None})
    (sent,) = wire.sent
    assert (sent.method, sent.body) == ("POST", b'{"b":null}')
    assert response.json() == {"fine": True}
