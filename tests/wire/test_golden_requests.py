"""One golden request for each operation, written by hand from the contract."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import attrs
import pytest
from aioresponses.compat import normalize_url

from nexevo_async import AsyncNexevo
from nexevo_async.contract.table import OPERATIONS

CONVERSATION = {"conversation_id": "conv_1"}


@attrs.frozen(kw_only=True)
class Golden:
    operation: str
    call: Callable[[AsyncNexevo], Awaitable[Any]]
    method: str
    path: str
    body: bytes | None = None
    keyed: bool = False
    answer: Any = None
    status: int = 200
    gives: Callable[[Any], object] = lambda result: result
    expected: object = None


GOLDEN = [
    Golden(
        operation="conversations.create",
        call=lambda c: c.conversations.create(title="My Session"),
        method="POST",
        path="/conversations",
        body=b'{"title":"My Session"}',
        keyed=True,
        answer=CONVERSATION,
        gives=lambda r: r["conversation_id"],
        expected="conv_1",
    ),
    Golden(
        operation="conversations.create",
        call=lambda c: c.conversations.create(metadata={"topic": "über", "n": 1.5}),
        method="POST",
        path="/conversations",
        body='{"metadata":{"topic":"über","n":1.5}}'.encode(),
        keyed=True,
        answer={"conversation": CONVERSATION},
        gives=lambda r: r.conversation_id,
        expected="conv_1",
    ),
    Golden(
        operation="conversations.list",
        call=lambda c: c.conversations.list(limit=20),
        method="GET",
        path="/conversations?limit=20",
        answer={"conversations": [CONVERSATION], "has_more": True, "next_cursor": "c2"},
        gives=lambda r: (r.data[0].conversation_id, r.has_more, r.next_cursor),
        expected=("conv_1", True, "c2"),
    ),
    Golden(
        operation="conversations.list",
        call=lambda c: c.conversations.list(5, "a b&c"),
        method="GET",
        path="/conversations?limit=5&cursor=a+b%26c",
        answer=[CONVERSATION],
        gives=lambda r: (len(r.data), r.has_more, r.next_cursor),
        expected=(1, False, None),
    ),
    Golden(
        operation="conversations.get",
        call=lambda c: c.conversations.get("conv_1"),
        method="GET",
        path="/conversations/conv_1",
        answer={**CONVERSATION, "messages": [{"role": "user", "content": "Hi"}]},
        gives=lambda r: r.messages[0].content,
        expected="Hi",
    ),
    Golden(
        operation="conversations.update",
        call=lambda c: c.conversations.update("conv_1", title=None),
        method="PATCH",
        path="/conversations/conv_1",
        body=b'{"title":null}',
        keyed=True,
        answer=CONVERSATION,
        gives=lambda r: r.title,
    ),
    Golden(
        operation="conversations.update",
        call=lambda c: c.conversations.update("conv_1", metadata={"a": 1}),
        method="PATCH",
        path="/conversations/conv_1",
        body=b'{"metadata":{"a":1}}',
        keyed=True,
        answer={**CONVERSATION, "metadata": {"a": 1}},
        gives=lambda r: r.metadata,
        expected={"a": 1},
    ),
    Golden(
        operation="conversations.delete",
        call=lambda c: c.conversations.delete("conv_1"),
        method="DELETE",
        path="/conversations/conv_1",
        status=204,
    ),
    Golden(
        operation="conversations.append_message",
        call=lambda c: c.conversations.append_message("conv_1", role="user", content="Hello!"),
        method="POST",
        path="/conversations/conv_1/messages",
        body=b'{"role":"user","content":"Hello!"}',
        keyed=True,
        answer={"message_id": "msg_1", "role": "user", "content": "Hello!"},
        gives=lambda r: (r.message_id, r.role, r.content),
        expected=("msg_1", "user", "Hello!"),
    ),
    Golden(
        operation="conversations.list_messages",
        call=lambda c: c.conversations.list_messages("conv_1", limit=2, cursor="x"),
        method="GET",
        path="/conversations/conv_1/messages?limit=2&cursor=x",
        answer={"items": [{"message_id": "msg_1"}], "has_more": False, "next_cursor": None},
        gives=lambda r: r.data[0].message_id,
        expected="msg_1",
    ),
    Golden(
        operation="chat.completions.create",
        call=lambda c: c.chat.completions.create(
            model="nexevo/balanced", messages=[{"role": "user", "content": "Hello!"}]
        ),
        method="POST",
        path="/chat/completions",
        body=b'{"model":"nexevo/balanced","messages":[{"role":"user","content":"Hello!"}]}',
        keyed=True,
        answer={"id": "x", "choices": [{"message": {"role": "assistant", "content": "Hi"}}]},
        gives=lambda r: (r.choices[0].message.content, r["nexevo"]["generation_id"]),
        expected=("Hi", "gen_1"),
    ),
    Golden(
        operation="chat.completions.create",
        call=lambda c: c.chat.completions.create(
            model="gpt-4o:fast",
            messages=[{"role": "user", "content": "Hello!"}],
            temperature=0.5,
            max_tokens=10,
            top_p=None,
            stop=["\n"],
            tools=[{"type": "function"}],
            models=["gpt-4o", "qwen-max"],
            max_price={
                "prompt": "20.10",
                "completion": Decimal("3.000000000000000001"),
                "total": 5,
            },
            provider={"data_collection": "deny"},
            metadata={"conversation_id": "conv_1"},
            extra_body={"seed": 7},
        ),
        method="POST",
        path="/chat/completions",
        body=(
            b'{"model":"gpt-4o:fast","messages":[{"role":"user","content":"Hello!"}],'
            b'"temperature":0.5,"max_tokens":10,"top_p":null,"stop":["\\n"],'
            b'"tools":[{"type":"function"}],"models":["gpt-4o","qwen-max"],'
            b'"max_price":{"prompt":20.10,"completion":3.000000000000000001,"total":5},'
            b'"provider":{"data_collection":"deny"},'
            b'"metadata":{"conversation_id":"conv_1"},"seed":7}'
        ),
        keyed=True,
        answer={"choices": [], "nexevo": {"generation_id": "gen_2"}},
        gives=lambda r: r.nexevo.generation_id,
        expected="gen_2",
    ),
    Golden(
        operation="models.list",
        call=lambda c: c.models.list(),
        method="GET",
        path="/models",
        answer={"object": "list", "data": [{"id": "gpt-4o", "pricing": {"prompt": "2.50"}}]},
        gives=lambda r: (r.data[0].id, str(r.data[0].pricing.prompt)),
        expected=("gpt-4o", "2.50"),
    ),
    Golden(
        operation="feedback.submit",
        call=lambda c: c.feedback.submit(
            generation_id="gen_1", rating=1, comment="Helpful!", tags=["accurate"]
        ),
        method="POST",
        path="/feedback",
        body=b'{"generation_id":"gen_1","rating":1,"comment":"Helpful!","tags":["accurate"]}',
        keyed=True,
        answer={"feedback_id": "fb_1", "rating": 1},
        gives=lambda r: (r.feedback_id, r.rating),
        expected=("fb_1", 1),
    ),
    Golden(
        operation="feedback.summary",
        call=lambda c: c.feedback.summary(days=7),
        method="GET",
        path="/feedback/summary?days=7",
        answer={"days": 7, "total": 1, "by_model": {"gpt-4o": {"total": 1}}},
        gives=lambda r: (r.total, r.by_model["gpt-4o"].total),
        expected=(1, 1),
    ),
]


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
    assert headers.pop("authorization") == "Bearer sk-xc-golden"
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
    wire.answer("POST", "/conversations?trace=on", payload=CONVERSATION)
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
