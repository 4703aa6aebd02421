from typing import Any

import pytest
from sandbox_support import Api

from nexevo_async.testing import Sandbox


async def generation(api: Api, **members: Any) -> str:
    return str((await api.chat(**members)).headers["X-Nexevo-Generation-Id"])


async def test_generation_of_another_account_is_unknown(api: Api):
    other = await api.another()
    for generation_id in (await generation(other), "gen_nothing"):
        reply = await api.post("/feedback", {"generation_id": generation_id, "rating": 1})
        assert reply.error == (404, "not_found", None)
    assert (await other.get("/feedback/summary")).json["total"] == 0


async def test_streamed_generation_can_be_judged(api: Api):
    generation_id = await generation(api, stream=True)
    assert (
        await api.post("/feedback", {"generation_id": generation_id, "rating": -1})
    ).status == 200


async def test_second_thumb_takes_the_first_ones_place(api: Api):
    generation_id = await generation(api)
    await api.post("/feedback", {"generation_id": generation_id, "rating": 1, "tags": ["accurate"]})
    await api.post(
        "/feedback", {"generation_id": generation_id, "rating": -1, "tags": ["incorrect"] * 2}
    )
    summary = (await api.get("/feedback/summary")).json
    assert (summary["total"], summary["negative"]) == (1, 1)
    assert summary["by_tag"] == {"incorrect": {"total": 1, "positive": 0, "negative": 1}}


async def test_summary_looks_so_many_days_back(sandbox: Sandbox, api: Api):
    await api.post("/feedback", {"generation_id": await generation(api), "rating": 1})
    sandbox.advance_clock(8 * 86_400)
    assert (await api.get("/feedback/summary")).json["total"] == 0
    assert (await api.get("/feedback/summary?days=8")).json["total"] == 0
    assert (await api.get("/feedback/summary?days=9")).json["total"] == 1
    assert (await api.get(f"/feedback/summary?days={10**30}")).json["total"] == 1


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ({"rating": 0}, (422, "validation_error", "rating")),
        ({"rating": "1"}, (422, "validation_error", "rating")),
        ({"comment": "x" * 2049}, (422, "validation_error", "comment")),
        ({"tags": "accurate"}, (422, "validation_error", "tags")),
        ({"tags": [1]}, (422, "validation_error", "tags[0]")),
    ],
)
async def test_wrong_thumb_is_refused(api: Api, members: Any, error: Any):
    good = {"generation_id": await generation(api), "rating": 1, "comment": "x" * 2048}
    assert (await api.post("/feedback", good | members)).error == error
    assert (await api.post("/feedback", good)).status == 200


async def test_days_must_be_counted_from_1(api: Api):
    reply = await api.get("/feedback/summary?days=0")
    assert reply.error == (422, "validation_error", "days")
