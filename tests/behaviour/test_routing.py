"""What a request says of its model, and what its answer tells of the choice."""

from decimal import Decimal
from typing import Any

import pytest

from nexevo_async import (
    AsyncNexevo,
    BadRequestError,
    NotFoundError,
    PermissionDeniedError,
    UnprocessableEntityError,
)
from nexevo_async.meta import Meta
from nexevo_async.testing import Sandbox

MESSAGES = [{"role": "user", "content": "Hello!"}]


async def asked(client: AsyncNexevo, model: str = "nexevo/fast", **arguments: Any) -> Meta:
    """Have a model answer, plain and streamed, and give what is told of the second."""
    plain = await client.chat.completions.create(model=model, messages=MESSAGES, **arguments)
    stream = await client.chat.completions.create(
        model=model, messages=MESSAGES, stream=True, **arguments
    )
    whole = await stream.final()
    assert plain.model == plain.meta.model_used == whole.model == stream.meta.model_used
    assert plain.meta.models_tried == stream.meta.models_tried
    return stream.meta


async def judge(client: AsyncNexevo, model: str, rating: Any, times: int = 40) -> None:
    for _ in range(times):
        resp = await client.chat.completions.create(model=model, messages=MESSAGES, max_tokens=1)
        await client.feedback.submit(generation_id=resp["nexevo"]["generation_id"], rating=rating)


async def test_feedback_moves_the_choice(client: AsyncNexevo, sandbox: Sandbox):
    assert (await asked(client)).model_used == "deepseek-chat"
    await judge(client, "deepseek-chat", -1)
    await judge(client, "gpt-4o", 1)
    assert (await asked(client)).model_used == "gpt-4o"
    assert (sandbox.router["gpt-4o"].up, sandbox.router["deepseek-chat"].down) == (40, 40)
    assert sandbox.router["gpt-4o"].mean == pytest.approx(41 / 42)


async def test_a_conversation_keeps_its_model(client: AsyncNexevo):
    conv = await client.conversations.create()
    kept = {"conversation_id": conv.conversation_id, "topic": "greetings"}
    first = await asked(client, metadata=kept)
    await judge(client, "deepseek-chat", -1)
    await judge(client, "gpt-4o", 1)
    assert (await asked(client, metadata=kept)).model_used == first.model_used == "deepseek-chat"
    assert (await asked(client)).model_used == "gpt-4o"


async def test_fallbacks_are_tried_in_order(client: AsyncNexevo):
    meta = await asked(client, "gpt-9", models=["gpt-8", "qwen-max:fast", "gpt-4o"])
    assert meta.model_used == "qwen-max"
    assert meta.models_tried == ("gpt-9", "gpt-8", "qwen-max")
    with pytest.raises(NotFoundError, match="gpt-9 does not exist; gpt-8 does not exist"):
        await asked(client, "gpt-9", models=["gpt-8"])


@pytest.mark.parametrize(
    ("max_price", "model"),
    [
        ({"total": "12.50"}, "gpt-4o"),
        ({"total": Decimal("12.4999999999999999999999")}, "qwen-max"),
        ({"prompt": 2, "completion": Decimal(7)}, "qwen-max"),
        ({"completion": "1.1"}, "deepseek-chat"),
    ],
)
async def test_max_price(client: AsyncNexevo, max_price: Any, model: str):
    meta = await asked(client, "gpt-4o", models=["qwen-max", "deepseek-chat"], max_price=max_price)
    assert (meta.model_used, meta.models_tried) == (model, (model,))


async def test_a_max_price_that_no_model_fits(client: AsyncNexevo):
    with pytest.raises(BadRequestError, match="gpt-4o costs more than max_price") as caught:
        await asked(client, "gpt-4o", max_price={"total": "1"})
    assert (caught.value.type, caught.value.param) == ("max_price_unsatisfiable", "max_price")


@pytest.mark.parametrize("price", [Decimal("NaN"), "Infinity", Decimal("-sNaN"), "much"])
async def test_a_price_that_is_no_number_is_not_sent(
    client: AsyncNexevo, sandbox: Sandbox, price: Any
):
    with pytest.raises(ValueError, match="max_price"):
        await asked(client, max_price={"total": price})
    assert sandbox.requests == []


async def test_providers_that_keep_data_can_be_left_out(client: AsyncNexevo):
    assert (await asked(client, provider={"data_collection": "allow"})).model_used != "gpt-4o"
    assert (await asked(client, provider={"data_collection": "deny"})).model_used == "gpt-4o"
    with pytest.raises(BadRequestError, match="deepseek-chat collects data"):
        await asked(client, "deepseek-chat", provider={"data_collection": "deny"})
    with pytest.raises(UnprocessableEntityError, match="data_collection"):
        await asked(client, provider={"data_collection": "Deny"})


async def test_suffixes_say_what_to_prefer(client: AsyncNexevo):
    await judge(client, "claude-opus-4-7", 1, times=3)
    for suffix, model in {
        "fast": "gpt-4o",
        "cheap": "deepseek-chat",
        "quality": "claude-opus-4-7",
    }.items():
        meta = await asked(client, f"nexevo/auto:{suffix}")
        assert (meta.model_used, meta.models_tried) == (model, (model,))


async def test_a_geo_policy_is_obeyed_behind_an_alias(client: AsyncNexevo):
    new = await client.keys.create(name="overseas", geo_policy="overseas-only")
    holder = client.with_options(api_key=new.full_key)
    assert (await asked(holder, "nexevo/auto:cheap")).model_used == "gpt-4o"
    with pytest.raises(PermissionDeniedError, match="overseas-only") as caught:
        await asked(holder, "qwen-max")
    assert caught.value.type == "geo_policy_violation"
