import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from auth_support import PASSWORD, as_, register
from routing_support import FAST, generation, judge, thumb, used
from sandbox_support import Api, api_of

from nexevo_async.testing import ModelStanding, Sandbox

LIKED = "claude-opus-4-7"


@asynccontextmanager
async def fresh(**settings: Any) -> AsyncIterator[tuple[Sandbox, Api]]:
    with Sandbox(**settings) as sandbox:
        async with api_of(sandbox) as api:
            yield sandbox, api


async def test_state_tells_of_every_model(sandbox: Sandbox, api: Api):
    chosen = await generation(api, model="nexevo/fast")
    await thumb(api, chosen, 1)
    await judge(api, {"qwen-max": -1})
    state = (await api.get("/_sandbox/router")).json
    auto = "nexevo/auto"
    balanced = "nexevo/balanced"

    def standing(*aliases: str, **changed: Any) -> dict[str, Any]:
        none = {"up": 0, "down": 0, "mean": 0.5, "elo": 1000.0, "chosen": 0}
        return none | {"aliases": list(aliases)} | changed

    assert state == {
        "models": {
            "gpt-4o": standing("nexevo/fast", balanced, auto, elo=984.0),
            "claude-opus-4-7": standing(auto),
            "deepseek-chat": standing(
                "nexevo/fast", balanced, auto, up=1, mean=2 / 3, elo=1016.0, chosen=1
            ),
            "qwen-max": standing(balanced, auto, down=1, mean=1 / 3),
        }
    }
    assert sandbox.router["qwen-max"] == ModelStanding(
        up=0, down=1, mean=1 / 3, elo=1000.0, chosen=0, aliases=(balanced, auto)
    )


async def test_liked_model_has_most_of_the_calls_after_500(sandbox: Sandbox, api: Api):
    taste = random.Random(20)  # noqa: S311 - no secret
    chosen: list[str] = []
    for _ in range(500):
        reply = await api.chat(model="nexevo/auto", max_tokens=1)
        model = reply.headers["x-nexevo-model-used"]
        likes = taste.random() < (0.8 if model == LIKED else 0.4)
        await thumb(api, reply.headers["X-Nexevo-Generation-Id"], 1 if likes else -1)
        chosen.append(model)
    assert chosen[-100:].count(LIKED) > 70
    router = sandbox.router
    assert {model: router[model].chosen for model in router} == {
        model: chosen.count(model) for model in router
    }
    assert sum(of.up + of.down for of in router.values()) == 500
    assert max(router, key=lambda model: router[model].elo) == LIKED
    assert sum(of.elo for of in router.values()) == pytest.approx(4000)


async def test_thumb_counts_from_the_next_call_on(sandbox: Sandbox, api: Api):
    assert {await used(api) for _ in range(20)} == {FAST[0]}
    await judge(api, {FAST[0]: -40, FAST[1]: 40})
    assert {await used(api) for _ in range(20)} == {FAST[1]}


async def test_second_thumb_is_as_if_there_had_been_no_first(sandbox: Sandbox, api: Api):
    first, second = [await generation(api, model="nexevo/fast") for _ in range(2)]
    await thumb(api, first, 1)
    await thumb(api, second, -1)
    once = sandbox.router
    sandbox.reset()
    first, second = [await generation(api, model="nexevo/fast") for _ in range(2)]
    await thumb(api, second, 1)
    await thumb(api, first, 1)
    await thumb(api, second, -1)
    assert sandbox.router == once
    assert (once[FAST[0]].up, once[FAST[0]].down) == (1, 1)
    # Won at 1000 against 1000, then lost at 1016 against 984.
    assert once[FAST[0]].elo == pytest.approx(998.530, abs=0.001)


async def test_thumb_for_a_model_that_was_named_counts_without_a_game(sandbox: Sandbox, api: Api):
    for model in ("gpt-4o", "gpt-4o:quality"):
        await thumb(api, await generation(api, model=model), 1)
    standing = sandbox.router["gpt-4o"]
    assert (standing.up, standing.elo, standing.chosen) == (2, 1000.0, 0)


async def test_game_is_against_those_who_could_have_been_chosen(sandbox: Sandbox, api: Api):
    made = await api.post("/keys", {"name": "cn", "geo_policy": "cn-only"})
    await thumb(api, await generation(as_(api, made.json["full_key"]), model="nexevo/auto"), 1)
    elo = {model: standing.elo for model, standing in sandbox.router.items()}
    assert elo == {
        "gpt-4o": 1000,
        "claude-opus-4-7": 1000,
        "qwen-max": 1016,
        "deepseek-chat": 984,
    }


async def test_rating_orders_who_has_no_thumb(sandbox: Sandbox, api: Api):
    await thumb(api, await generation(api, model="nexevo/balanced"), 1)  # gpt-4o beats two
    await judge(api, {"gpt-4o": -40})
    elo = {model: standing.elo for model, standing in sandbox.router.items()}
    assert (elo["qwen-max"], elo["deepseek-chat"], elo[LIKED]) == (992, 992, 1000)
    assert {await used(api, "nexevo/auto") for _ in range(20)} == {LIKED}
    assert {await used(api, "nexevo/balanced") for _ in range(20)} == {"qwen-max"}


async def test_account_that_closes_takes_its_thumbs_along(sandbox: Sandbox, api: Api):
    before = sandbox.router
    ada = await register(api)
    await ada.pay_in()
    await thumb(ada, await generation(ada, model="nexevo/fast"), -1)
    await judge(ada, {"qwen-max": 2})
    assert sandbox.router["qwen-max"].up == 2
    assert sandbox.router["gpt-4o"].elo == 1016
    assert (await ada.post("/auth/deactivate", {"password": PASSWORD})).status == 204
    after = sandbox.router
    assert after.pop("deepseek-chat").chosen == 1
    before.pop("deepseek-chat")
    assert after == before


async def test_what_was_learned_outlives_the_sandbox(tmp_path: Path):
    kept = {"metadata": {"conversation_id": "c"}}
    async with fresh(db=tmp_path / "state.db", api_key="sk-xc-mine") as (sandbox, api):
        assert await used(api, **kept) == FAST[0]
        await thumb(api, await generation(api, model="nexevo/fast"), -1)
        await judge(api, {FAST[0]: -40, FAST[1]: 40})
        before = sandbox.router
    async with fresh(db=tmp_path / "state.db", api_key="sk-xc-mine") as (sandbox, api):
        assert sandbox.router == before
        assert [await used(api), await used(api, **kept)] == [FAST[1], FAST[0]]


async def test_same_seed_gives_the_same_choices():
    async def choices(api: Api) -> list[str]:
        await judge(api, dict.fromkeys(FAST, 1))
        return [await used(api, max_tokens=1) for _ in range(40)]

    async with fresh() as (sandbox, api):
        first = await choices(api)
        assert set(first) == set(FAST)
        sandbox.reset()
        assert await choices(api) == first
    async with fresh(seed=0) as (_, api):
        assert await choices(api) == first
    for other in (1, None):
        async with fresh(seed=other) as (_, api):
            assert await choices(api) != first


async def test_many_thumbs_at_once_are_counted_once_each(sandbox: Sandbox, api: Api):
    contested = await generation(api, model="gpt-4o")
    others = [await generation(api, model="nexevo/fast") for _ in range(30)]
    await asyncio.gather(
        *(thumb(api, contested, rating) for rating in (1, -1) * 25),
        *(thumb(api, other, 1) for other in others),
    )
    router = sandbox.router
    assert router["gpt-4o"].up + router["gpt-4o"].down == 1
    assert router["deepseek-chat"].up == 30
    assert router["deepseek-chat"].elo + router["gpt-4o"].elo == pytest.approx(2000)


async def test_answer_given_again_was_chosen_once(sandbox: Sandbox, api: Api):
    body = {"model": "nexevo/fast", "messages": [{"role": "user", "content": "Hi"}]}
    one, two = [await api.post("/chat/completions", body, Idempotency_Key="once") for _ in range(2)]
    assert one.text == two.text
    assert sandbox.router[FAST[0]].chosen == 1
