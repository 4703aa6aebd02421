"""The golden answers: one for each operation, written by hand from the contract."""

from collections.abc import Awaitable, Callable
from typing import Any

import golden_auth
import golden_billing
import golden_keys
import golden_organizations
import pytest
from sandbox_support import TIME, Api, Like, Reply, an_id

from nexevo_async.contract.table import OPERATIONS
from nexevo_async.sandbox.operations import HANDLERS

CONV = an_id("conv_")
HELLO = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello!"}]}
HELLO_ANSWER = (
    'You said: "Hello!" I am the sandbox\'s stand-in for gpt-4o: '
    "ask the same again and you will get the same words."
)


def conversation(**members: Any) -> dict[str, Any]:
    return {
        "conversation_id": CONV,
        "title": None,
        "metadata": None,
        "message_count": 0,
        "created_at": TIME,
        "updated_at": TIME,
    } | members


def message(**members: Any) -> dict[str, Any]:
    return {
        "message_id": an_id("msg_"),
        "conversation_id": CONV,
        "role": "user",
        "content": "Hello!",
        "created_at": TIME,
    } | members


async def conversations_create(api: Api) -> tuple[Reply, Any]:
    reply = await api.post("/conversations", {"title": "My Session", "metadata": {"user": 7}})
    return reply, conversation(title="My Session", metadata={"user": 7})


async def conversations_list(api: Api) -> tuple[Reply, Any]:
    await api.conversation(title="first")
    await api.conversation(title="second")
    return await api.get("/conversations"), {
        "conversations": [conversation(title="second"), conversation(title="first")],
        "has_more": False,
        "next_cursor": None,
    }


async def conversations_get(api: Api) -> tuple[Reply, Any]:
    conv_id = await api.conversation()
    await api.post(f"/conversations/{conv_id}/messages", {"role": "user", "content": "Hello!"})
    return await api.get(f"/conversations/{conv_id}"), conversation(
        conversation_id=conv_id, message_count=1, messages=[message(conversation_id=conv_id)]
    )


async def conversations_update(api: Api) -> tuple[Reply, Any]:
    conv_id = await api.conversation(title="old", metadata={"a": 1})
    reply = await api.call("PATCH", f"/conversations/{conv_id}", {"title": "new"})
    return reply, conversation(conversation_id=conv_id, title="new", metadata={"a": 1})


async def conversations_delete(api: Api) -> tuple[Reply, Any]:
    return await api.call("DELETE", f"/conversations/{await api.conversation()}"), None


async def conversations_append_message(api: Api) -> tuple[Reply, Any]:
    conv_id = await api.conversation()
    reply = await api.post(f"/conversations/{conv_id}/messages", {"role": "tool", "content": "42"})
    return reply, message(conversation_id=conv_id, role="tool", content="42")


async def conversations_list_messages(api: Api) -> tuple[Reply, Any]:
    conv_id = await api.conversation()
    for text in ("one", "two"):
        await api.post(f"/conversations/{conv_id}/messages", {"role": "user", "content": text})
    return await api.get(f"/conversations/{conv_id}/messages"), {
        "messages": [message(content="one"), message(content="two")],
        "has_more": False,
        "next_cursor": None,
    }


async def chat_completions_create(api: Api) -> tuple[Reply, Any]:
    reply = await api.post("/chat/completions", HELLO)
    output_tokens = reply.json["usage"]["completion_tokens"]
    generation_id = reply.headers["X-Nexevo-Generation-Id"]
    assert generation_id == an_id("gen_")
    assert reply.headers["X-Usage-Input-Tokens"] == "2"
    assert reply.headers["X-Usage-Output-Tokens"] == str(output_tokens)
    assert reply.headers["x-nexevo-model-used"] == "gpt-4o"
    assert reply.headers["x-nexevo-models-tried"] == "gpt-4o"
    created = reply.json["created"]
    assert isinstance(created, int)
    return reply, {
        "id": an_id("chatcmpl-"),
        "object": "chat.completion",
        "created": created,
        "model": "gpt-4o",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": Like(f"{HELLO_ANSWER}( .+)?")},
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 2,
            "completion_tokens": output_tokens,
            "total_tokens": 2 + output_tokens,
        },
        "nexevo": {"generation_id": generation_id},
    }


async def models_list(api: Api) -> tuple[Reply, Any]:
    reply = await api.get("/models")
    created = {model["id"]: model["created"] for model in reply.json["data"]}
    assert all(isinstance(when, int) for when in created.values())

    def model(id: str, owner: str, region: str | None, *price: str) -> dict[str, Any]:
        return {
            "id": id,
            "object": "model",
            "created": created[id],
            "owned_by": owner,
            "region": region,
            "pricing": dict(zip(("prompt", "completion"), price, strict=True)),
        }

    return reply, {
        "object": "list",
        "data": [
            model("gpt-4o", "openai", "overseas", "2.50", "10.00"),
            model("claude-opus-4-7", "anthropic", "overseas", "15.00", "75.00"),
            model("deepseek-chat", "deepseek", "cn", "0.27", "1.10"),
            model("qwen-max", "alibaba", "cn", "1.60", "6.40"),
            model("nexevo/fast", "nexevo", None, "0.20", "0.20"),
            model("nexevo/balanced", "nexevo", None, "3.00", "12.00"),
            model("nexevo/auto", "nexevo", None, "3.00", "12.00"),
        ],
        "has_more": False,
        "next_cursor": None,
    }


async def feedback_submit(api: Api) -> tuple[Reply, Any]:
    generation_id = (await api.chat()).json["nexevo"]["generation_id"]
    thumb = {
        "generation_id": generation_id,
        "rating": 1,
        "comment": "Helpful!",
        "tags": ["accurate", "of_my_own"],
    }
    reply = await api.post("/feedback", thumb)
    return reply, {"feedback_id": an_id("fb_"), **thumb, "created_at": TIME}


async def feedback_summary(api: Api) -> tuple[Reply, Any]:
    for model, rating, tags in (
        ("gpt-4o", 1, ["accurate"]),
        ("gpt-4o", -1, ["incorrect", "too_verbose"]),
        ("qwen-max", 1, None),
    ):
        generation_id = (await api.chat(model=model)).json["nexevo"]["generation_id"]
        await api.post(
            "/feedback", {"generation_id": generation_id, "rating": rating, "tags": tags}
        )
    up = {"total": 1, "positive": 1, "negative": 0}
    down = {"total": 1, "positive": 0, "negative": 1}
    return await api.get("/feedback/summary?days=30"), {
        "days": 30,
        "total": 3,
        "positive": 2,
        "negative": 1,
        "by_model": {"gpt-4o": {"total": 2, "positive": 1, "negative": 1}, "qwen-max": up},
        "by_tag": {"accurate": up, "incorrect": down, "too_verbose": down},
    }


GOLDEN: dict[str, Callable[[Api], Awaitable[tuple[Reply, Any]]]] = {
    "conversations.create": conversations_create,
    "conversations.list": conversations_list,
    "conversations.get": conversations_get,
    "conversations.update": conversations_update,
    "conversations.delete": conversations_delete,
    "conversations.append_message": conversations_append_message,
    "conversations.list_messages": conversations_list_messages,
    "chat.completions.create": chat_completions_create,
    "models.list": models_list,
    "feedback.submit": feedback_submit,
    "feedback.summary": feedback_summary,
    **golden_auth.GOLDEN,
    **golden_billing.GOLDEN,
    **golden_keys.GOLDEN,
    **golden_organizations.GOLDEN,
}


def test_every_operation_has_a_handler_and_a_golden_answer():
    names = {operation.name for operation in OPERATIONS}
    assert set(HANDLERS) == names
    assert set(GOLDEN) == names


@pytest.mark.parametrize("operation", GOLDEN)
async def test_golden_answer(api: Api, operation: str):
    reply, expected = await GOLDEN[operation](api)
    if expected is None:
        status = 202 if operation == "auth.request_password_reset" else 204
        assert (reply.status, reply.text) == (status, "")
    else:
        assert reply.status == 200
        assert reply.json == expected
        assert reply.headers["Content-Type"] == "application/json"
    assert reply.headers["X-Trace-ID"] == Like("[0-9a-f]{32}")
    # The documented default, as nothing is counted without a limit.
    assert reply.headers["X-RateLimit-Remaining"] == "60"
    assert reply.headers["X-RateLimit-Reset"] == "60"
