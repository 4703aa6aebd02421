"""Thumbs, and what comes of them."""

from typing import Any

from sandbox_support import Api

FAST = ("deepseek-chat", "gpt-4o")


async def generation(api: Api, **members: Any) -> str:
    return str((await api.chat(**members)).headers["X-Nexevo-Generation-Id"])


async def thumb(api: Api, generation_id: str, rating: int) -> None:
    reply = await api.post("/feedback", {"generation_id": generation_id, "rating": rating})
    assert reply.status == 200


async def judge(api: Api, ratings: dict[str, int]) -> None:
    """Give each model so many thumbs up, or down, without asking the router."""
    for model, count in ratings.items():
        for _ in range(abs(count)):
            await thumb(api, await generation(api, model=model), 1 if count > 0 else -1)


async def used(api: Api, model: str = "nexevo/fast", **members: Any) -> str:
    return str((await api.chat(model=model, **members)).headers["x-nexevo-model-used"])
