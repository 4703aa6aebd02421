"""Which models may answer a request, and which of these it prefers."""

from typing import Any

import pytest
from auth_support import as_
from routing_support import FAST, generation, judge, thumb, used
from sandbox_support import Api, Reply

PRICE = (400, "max_price_unsatisfiable", "max_price")
DATA = (400, "invalid_request_error", "provider.data_collection")
POLICY = (403, "geo_policy_violation", "model")
UNKNOWN = (404, "not_found", "model")
DENY = {"data_collection": "deny"}


def wrong(param: str) -> tuple[int, str, str]:
    return (422, "validation_error", param)


async def held_to(api: Api, policy: str) -> Api:
    made = await api.post("/keys", {"name": policy, "geo_policy": policy})
    return as_(api, made.json["full_key"])


def answered(reply: Reply) -> tuple[str, str]:
    assert reply.json["model"] == reply.headers["x-nexevo-model-used"]
    return reply.json["model"], reply.headers["x-nexevo-models-tried"]


@pytest.mark.parametrize(
    ("members", "model", "tried"),
    [
        ({"model": "nexevo/fast"}, "deepseek-chat", ""),
        ({"model": "nexevo/balanced"}, "gpt-4o", ""),
        ({"model": "nexevo/auto"}, "qwen-max", ""),
        ({"model": "nexevo/auto:fast"}, "gpt-4o", ""),
        ({"model": "nexevo/auto:cheap"}, "deepseek-chat", ""),
        ({"model": "nexevo/auto:quality"}, "qwen-max", ""),
        ({"model": "gpt-4o:cheap"}, "gpt-4o", ""),
        ({"model": "x", "models": ["nexevo/auto:fast", "qwen-max"]}, "gpt-4o", "x,"),
        ({"model": "x:fast", "models": ["y", "qwen-max", "gpt-4o"]}, "qwen-max", "x:fast,y,"),
        ({"model": "gpt-4o", "models": ["qwen-max"]}, "gpt-4o", ""),
        ({"models": None, "max_price": None, "provider": None, "metadata": None}, "gpt-4o", ""),
        ({"models": ["qwen-max"], "max_price": {"prompt": 2}}, "qwen-max", ""),
        ({"max_price": {"prompt": 2.5, "completion": 10, "total": 12.5}}, "gpt-4o", ""),
        ({"max_price": {}}, "gpt-4o", ""),
        # An alias costs the same whoever answers.
        ({"model": "nexevo/fast", "max_price": {"total": 0.4}}, "deepseek-chat", ""),
        ({"model": "nexevo/auto", "models": ["nexevo/fast"], "max_price": {"total": 14}},
         "deepseek-chat", ""),
        ({"model": "nexevo/fast", "provider": DENY}, "gpt-4o", ""),
        ({"model": "nexevo/fast", "provider": {"data_collection": "allow"}}, "deepseek-chat", ""),
        ({"model": "nexevo/auto:cheap", "provider": DENY}, "qwen-max", ""),
        ({"model": "deepseek-chat", "models": ["qwen-max"], "provider": DENY}, "qwen-max", ""),
    ],
)  # fmt: skip
async def test_model_is_chosen(api: Api, members: Any, model: str, tried: str):
    for stream in (False, True):
        reply = await api.chat(**members, stream=stream)
        assert reply.status == 200
        assert reply.headers["x-nexevo-model-used"] == model
        assert reply.headers["x-nexevo-models-tried"] == tried + model


@pytest.mark.parametrize(
    ("members", "error", "says"),
    [
        ({"model": "gpt-9"}, UNKNOWN, "gpt-9 does not exist"),
        ({"model": "gpt-4o:loud"}, UNKNOWN, "gpt-4o:loud does not exist"),
        ({"model": "gpt-4o:fast:cheap"}, UNKNOWN, "gpt-4o:fast:cheap does not exist"),
        ({"model": ":fast"}, UNKNOWN, ":fast does not exist"),
        ({"max_price": {"prompt": 2.49}}, PRICE, "gpt-4o costs more than max_price"),
        ({"max_price": {"completion": 9}}, PRICE, "gpt-4o costs"),
        ({"max_price": {"total": 12.49}}, PRICE, "gpt-4o costs"),
        ({"max_price": {"total": 0}}, PRICE, "gpt-4o costs"),
        ({"model": "nexevo/fast", "max_price": {"prompt": 0.1999}}, PRICE, "nexevo/fast costs"),
        ({"model": "deepseek-chat", "provider": DENY}, DATA, "deepseek-chat collects data"),
        (
            {"model": "no", "models": ["gpt-4o:fast", "deepseek-chat"], "provider": DENY,
             "max_price": {"total": 2}},
            PRICE,
            "no does not exist; gpt-4o costs more than max_price; deepseek-chat collects data",
        ),
        ({"model": ""}, wrong("model"), ""),
        ({"model": "a\r\nSet-Cookie:x"}, wrong("model"), ""),
        ({"model": "gpt-4o\n"}, wrong("model"), ""),
        ({"models": ["a,b"]}, wrong("models[0]"), ""),
        ({"models": ["gpt-4o", "é"]}, wrong("models[1]"), ""),
        ({"models": ["gpt-4o", ""]}, wrong("models[1]"), ""),
        ({"models": ["x" * 201]}, wrong("models[0]"), ""),
        ({"models": ["x"] * 21}, wrong("models"), ""),
        ({"models": "gpt-4o"}, wrong("models"), ""),
        ({"provider": {"data_collection": "DENY"}}, wrong("provider.data_collection"), ""),
        ({"provider": {"data_collection": True}}, wrong("provider.data_collection"), ""),
        ({"metadata": {"conversation_id": 7}}, wrong("metadata.conversation_id"), ""),
        ({"metadata": {"conversation_id": ""}}, wrong("metadata.conversation_id"), ""),
        ({"metadata": {"conversation_id": "x" * 513}}, wrong("metadata.conversation_id"), ""),
        ({"max_price": {"prompt": -1}}, wrong("max_price.prompt"), ""),
        ({"max_price": {"prompt": "NaN"}}, wrong("max_price.prompt"), ""),
        ({"max_price": {"total": "-Infinity"}}, wrong("max_price.total"), ""),
        ({"max_price": {"total": "sNaN"}, "model": "gpt-9"}, wrong("max_price.total"), ""),
        ({"max_price": {"total": True}}, wrong("max_price.total"), ""),
        ({"max_price": 3}, wrong("max_price"), ""),
    ],
)  # fmt: skip
async def test_request_that_no_model_fits_says_why(api: Api, members: Any, error: Any, says: str):
    for stream in (False, True):
        reply = await api.chat(**members, stream=stream)
        assert reply.error == error
        assert says in reply.json["error"]["message"]


@pytest.mark.parametrize("price", [b"NaN", b"Infinity", b"-NaN"])
async def test_price_that_is_no_json_is_refused(api: Api, price: bytes):
    body = b'{"model":"gpt-4o","messages":[{"role":"user","content":"x"}],"max_price":{"total":%s}}'
    reply = await api.post("/chat/completions", body % price)
    assert reply.error == (400, "invalid_request_error", None)


@pytest.mark.parametrize("price", [b"1e300", b"12.50000000000000000000000000000000000000"])
async def test_price_is_compared_digit_for_digit(api: Api, price: bytes):
    body = b'{"model":"gpt-4o","messages":[{"role":"user","content":"x"}],"max_price":{"total":%s}}'
    assert (await api.post("/chat/completions", body % price)).status == 200
    almost = b"12.49999999999999999999999999999999999999"
    assert (await api.post("/chat/completions", body % almost)).error == PRICE


async def test_longest_names_fit_into_the_header(api: Api):
    names = [f"{n:0200}" for n in range(20)]
    reply = await api.chat(model=names[0], models=[*names[1:], "gpt-4o"])
    assert answered(reply) == ("gpt-4o", ",".join([*names, "gpt-4o"]))


async def test_policy_narrows_what_is_behind_an_alias(api: Api):
    cn, overseas = await held_to(api, "cn-only"), await held_to(api, "overseas-only")
    await judge(api, {"gpt-4o": 40})
    assert {await used(cn, "nexevo/auto:fast") for _ in range(3)} == {"deepseek-chat"}
    assert await used(overseas, "nexevo/auto:cheap") == "gpt-4o"
    reply = await cn.chat(model="nexevo/fast", provider=DENY)
    assert reply.error == DATA
    assert "deepseek-chat collects data" in reply.json["error"]["message"]
    assert "gpt-4o is forbidden by the key's geo policy, cn-only" in reply.json["error"]["message"]
    reply = await cn.chat(model="nexevo/fast", models=["nexevo/balanced"], provider=DENY)
    assert answered(reply) == ("qwen-max", "qwen-max")
    assert (await cn.chat(model="gpt-4o", models=["gpt-9"])).error == POLICY


async def test_quality_is_the_share_that_was_liked_and_leaves_nothing_to_chance(api: Api):
    await judge(api, {"deepseek-chat": 3, "gpt-4o": 4, "qwen-max": -1})
    await judge(api, {"gpt-4o": -1})
    assert {await used(api, "nexevo/auto:quality") for _ in range(20)} == {"deepseek-chat"}
    assert {await used(api, "nexevo/auto") for _ in range(60)} > {"deepseek-chat"}
    await judge(api, {"deepseek-chat": -1})
    assert await used(api, "nexevo/auto:quality") == "gpt-4o"


async def test_quality_goes_by_rating_where_as_many_are_liked(api: Api):
    await thumb(api, await generation(api, model="nexevo/fast"), 1)
    await judge(api, {"gpt-4o": 1})
    assert await used(api, "nexevo/balanced:quality") == "deepseek-chat"


async def test_conversation_keeps_its_model(api: Api):
    one, two = ({"metadata": {"conversation_id": name}} for name in ("one", "two"))
    assert await used(api, **one) == FAST[0]
    await judge(api, {FAST[0]: -40, FAST[1]: 40})
    assert await used(api, **two) == FAST[1]
    for model in ("nexevo/fast", "nexevo/fast:fast", "nexevo/balanced", "nexevo/auto:quality"):
        assert await used(api, model, **one) == FAST[0]
        assert await used(api, model, **two) == FAST[1]
    assert await used(await api.another(), **one) == FAST[1]  # somebody else's of the same name


async def test_conversation_gets_another_model_when_its_own_may_not_answer(api: Api):
    one = {"metadata": {"conversation_id": "one"}}
    assert await used(api, **one) == FAST[0]
    assert await used(api, **one, provider=DENY) == FAST[1]
    await judge(api, {FAST[0]: 40, FAST[1]: -40})
    assert await used(api, **one) == FAST[1]  # from now on
    assert await used(await held_to(api, "cn-only"), **one) == FAST[0]
    assert await used(api, **one) == FAST[0]


async def test_model_that_was_named_leaves_the_conversations_own_alone(api: Api):
    one = {"metadata": {"conversation_id": "one"}}
    assert await used(api, **one) == FAST[0]
    assert await used(api, "gpt-4o", **one) == "gpt-4o"
    assert await used(api, **one) == FAST[0]


async def test_refused_request_keeps_no_model(api: Api):
    one = {"metadata": {"conversation_id": "one"}}
    assert (await api.chat(model="nexevo/fast", max_tokens=10**9, **one)).status == 422
    assert (await api.chat(model="nexevo/fast", max_price={"total": 0}, **one)).status == 400
    await judge(api, {FAST[0]: -40, FAST[1]: 40})
    assert await used(api, **one) == FAST[1]


async def test_conversation_that_is_deleted_is_forgotten(api: Api):
    conv_id = await api.conversation()
    kept = {"metadata": {"conversation_id": conv_id, "mine": [1]}}
    assert await used(api, **kept) == FAST[0]
    await judge(api, {FAST[0]: -40, FAST[1]: 40})
    assert await used(api, **kept) == FAST[0]
    assert (await api.call("DELETE", f"/conversations/{conv_id}")).status == 204
    assert await used(api, **kept) == FAST[1]
