"""What completions cost, and what refuses them when there is no money."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from auth_support import login
from sandbox_support import Api, Reply, api_of, eventually
from team_support import new_key, organization

from nexevo_async.testing import Sandbox

# 2 tokens of the prompt and 98 of the answer, at 0.20 USD a million.
CALL: dict[str, Any] = {"model": "nexevo/fast", "max_tokens": 98}
COST = Decimal("0.00002")
OWNER = Decimal(100)


async def books(api: Api) -> dict[str, Decimal]:
    found = (await api.get("/_sandbox/ledger")).json["books"]
    return {name: Decimal(amount) for name, amount in found.items()}


async def charges(api: Api) -> list[Any]:
    found: list[Any] = (await api.get("/_sandbox/ledger")).json["charges"]
    return found


async def capped(api: Api, calls: int = 1, **more: Any) -> tuple[Api, str]:
    key, about = await new_key(api, monthly_spend_cap_usd=f"{COST * calls:f}", **more)
    return key, about["key_id"]


def over_the_cap(reply: Reply) -> Any:
    assert reply.error == (402, "spend_cap_exceeded", None)
    return reply.json["error"]


@pytest.mark.parametrize(
    ("members", "cost", "tier"),
    [
        ({"model": "nexevo/fast"}, "0.00002", "fast"),
        ({"model": "nexevo/balanced"}, "0.001182", "balanced"),
        ({"model": "nexevo/auto"}, "0.001182", "balanced"),
        ({"model": "nexevo/auto:quality"}, "0.001182", "balanced"),
        ({"model": "gpt-4o"}, "0.00103425", "passthrough"),
        ({"model": "deepseek-chat"}, "0.000113757", "passthrough"),
        ({"model": "gpt-9", "models": ["nexevo/fast"]}, "0.00002", "fast"),
        ({"model": "gpt-4o", "provider": {"api_key": "sk-of-mine"}}, "0", "byok"),
        ({"model": "gpt-4o", "provider": {"data_collection": "deny"}}, "0.00103425", "passthrough"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_the_tier_follows_what_was_named(
    api: Api, members: Any, cost: str, tier: str, stream: bool
):
    assert (await api.chat(**CALL | members, stream=stream)).status == 200
    assert await api.balance() == OWNER - Decimal(cost)
    (row,) = await charges(api)
    assert (row["tier"], Decimal(row["cost"])) == (tier, Decimal(cost))
    assert (row["requests"], row["input_tokens"], row["output_tokens"]) == (1, 2, 98)
    moved = await books(api)
    assert moved["revenue"] == Decimal(cost)
    assert sum(moved.values()) == 0


async def test_what_is_not_answered_costs_nothing(api: Api):
    for members in ({"model": "gpt-9"}, {"max_tokens": 0}, {"max_price": {"total": 0.01}}):
        assert (await api.chat(**CALL | members)).status >= 400
    await api.chat(**CALL, fault={"status": 500})
    assert await api.balance() == OWNER
    assert await charges(api) == []


async def test_only_the_tokens_that_stop_left_are_charged(api: Api):
    reply = await api.chat(model="nexevo/fast", max_tokens=98, stop="the")
    tokens = reply.json["usage"]["total_tokens"]
    assert tokens < 50
    assert await api.balance() == OWNER - Decimal("0.0000002") * tokens


async def test_the_most_that_a_call_may_cost_must_be_there(api: Api):
    key, _ = await capped(api)
    # "the" comes early; but who asks for 99 tokens may get them.
    error = over_the_cap(await key.chat(model="nexevo/fast", max_tokens=99, stop="the"))
    assert (error["limit"], error["spent"]) == ("0.00002", "0")
    assert "0.0000202" in error["message"]
    assert (await key.chat(model="nexevo/fast", max_tokens=98, stop="the")).status == 200


@pytest.mark.parametrize("stream", [False, True])
async def test_of_two_hundred_at_once_a_cap_admits_twenty(sandbox: Sandbox, api: Api, stream: bool):
    key, key_id = await capped(api, 20)
    replies = await asyncio.gather(*(key.chat(**CALL, stream=stream) for _ in range(200)))
    admitted = [reply for reply in replies if reply.status == 200]
    assert len(admitted) == 20
    month = datetime.now(UTC)
    resets_at = f"{month.year + month.month // 12}-{month.month % 12 + 1:02}-01T00:00:00.000000Z"
    for reply in replies:
        if reply.status != 200:
            error = over_the_cap(reply)
            assert Decimal(error["limit"]) == COST * 20
            assert 0 <= Decimal(error["spent"]) <= COST * 20
            assert error["resets_at"] == resets_at
    stored = (await api.get(f"/keys/{key_id}")).json
    assert Decimal(stored["month_spend_usd"]) == COST * 20
    assert await api.balance() == OWNER - COST * 20
    left = datetime.fromisoformat(resets_at) - datetime.now(UTC)
    sandbox.advance_clock(left.total_seconds() - 5)
    over_the_cap(await key.chat(**CALL))
    sandbox.advance_clock(5)
    assert (await key.chat(**CALL)).status == 200
    stored = (await api.get(f"/keys/{key_id}")).json
    assert Decimal(stored["month_spend_usd"]) == COST


@pytest.mark.parametrize("stream", [False, True])
async def test_of_two_hundred_at_once_a_balance_admits_twenty(api: Api, stream: bool):
    made = (await api.post("/_sandbox/users", {"email": "a@b.test", "password": "pw"})).json
    poor = Api(api.session, api.base_url, made["token"])
    credit = {"user_id": made["user"]["user_id"], "amount_usd": f"{COST * 20:f}"}
    await api.post("/_sandbox/credit", credit)
    replies = await asyncio.gather(*(poor.chat(**CALL, stream=stream) for _ in range(200)))
    assert [reply.status for reply in replies].count(200) == 20
    assert await poor.balance() == 0
    refused = next(reply.json["error"] for reply in replies if reply.status != 200)
    assert (refused["type"], refused["code"]) == ("insufficient_balance", "account_suspended")


async def test_over_its_cap_a_key_is_refused_whatever_it_asks(sandbox: Sandbox, api: Api):
    key, key_id = await capped(api)
    assert (await key.chat(**CALL)).status == 200
    for method, path, body in (
        ("GET", "/models", None),
        ("GET", "/billing/balance", None),
        ("POST", "/billing/topup", {"amount_usd": 1, "idempotency_key": "k"}),
        ("POST", "/conversations", {"title": 7}),
        ("PATCH", f"/keys/{key_id}/spend-cap", {"clear": True}),
    ):
        over_the_cap(await key.call(method, path, body))
    # A login mends it, as does any other key.
    token = (await login(api, sandbox.email, sandbox.password)).json["access_token"]
    session = Api(api.session, api.base_url, token)
    assert (await session.call("PATCH", f"/keys/{key_id}/spend-cap", {"clear": True})).status == 200
    assert (await key.get("/models")).status == 200


async def test_a_cap_that_has_room_left_refuses_what_does_not_fit_alone(api: Api):
    key, _ = await capped(api)
    over_the_cap(await key.chat(**CALL | {"max_tokens": 1000}))
    assert (await key.get("/models")).status == 200
    assert (await key.chat(**CALL)).status == 200


@pytest.mark.parametrize(
    ("fault", "tokens"),
    [
        ({"error_frame_after": 21}, 20),
        ({"no_terminator": True}, 98),
        ({"drop": "after"}, 0),
        ({"cut_at": 1}, 0),
    ],
)
async def test_a_stream_is_billed_for_what_was_sent(
    sandbox: Sandbox, api: Api, fault: Any, tokens: int
):
    if {"drop", "cut_at"} & fault.keys():
        sandbox.faults.add(fault)
        with pytest.raises(Exception, match=r"disconnected|not completed|not enough|payload"):
            await api.chat(**CALL, stream=True)
    else:
        await api.chat(**CALL, stream=True, fault=fault)
    await eventually(lambda: sandbox.requests[0].ended is not None)
    assert await api.balance() == OWNER - Decimal("0.0000002") * (2 + tokens)
    (row,) = await charges(api)
    assert row["output_tokens"] == tokens


async def test_a_reader_who_leaves_pays_for_what_came_and_frees_the_rest(
    sandbox: Sandbox, api: Api
):
    key, key_id = await capped(api, 1000)
    body = CALL | {
        "stream": True,
        "max_tokens": 98_000,
        "messages": [{"role": "user", "content": "Hello!"}],
    }
    fault = '{"chunk_delay_s": 0.002}'
    async with key.request("POST", "/chat/completions", body, X_Sandbox_Fault=fault) as response:
        await response.content.readany()
        # While it runs, the most that it may come to is set aside.
        over_the_cap(await key.chat(**CALL | {"max_tokens": 98_000}))
        response.close()
    streaming = ("chat.completions.create", key_id)
    await eventually(
        lambda: next(r for r in sandbox.requests if (r.operation, r.key_id) == streaming).ended
    )
    spent = Decimal((await api.get(f"/keys/{key_id}")).json["month_spend_usd"])
    assert COST / 100 < spent < COST * 100
    assert await api.balance() == OWNER - spent
    assert (await key.chat(**CALL | {"max_tokens": 90_000})).status == 200


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_is_given_again_is_not_charged_again(
    sandbox: Sandbox, api: Api, stream: bool
):
    body = CALL | {"stream": stream, "messages": [{"role": "user", "content": "Hello!"}]}
    headers = {"Idempotency_Key": "k"}
    for _ in range(3):
        assert (await api.post("/chat/completions", body, **headers)).status == 200
    assert await api.balance() == OWNER - COST


async def test_a_stream_that_is_given_again_costs_what_its_first_run_did(
    sandbox: Sandbox, api: Api
):
    body = CALL | {"stream": True, "messages": [{"role": "user", "content": "Hello!"}]}
    headers = {"Idempotency_Key": "k"}
    sandbox.faults.add({"error_frame_after": 21})
    first = await api.post("/chat/completions", body, **headers)
    again = await api.post("/chat/completions", body, **headers)
    assert len(again.chunks) > len(first.chunks)
    assert await api.balance() == OWNER - Decimal("0.0000002") * 22


async def test_a_month_pays_for_what_it_admitted(sandbox: Sandbox, api: Api):
    key, key_id = await capped(api, 2)
    body = CALL | {"stream": True, "messages": [{"role": "user", "content": "Hello!"}]}
    fault = '{"chunk_delay_s": 0.002}'
    async with key.request("POST", "/chat/completions", body, X_Sandbox_Fault=fault) as response:
        await response.content.readany()
        sandbox.advance_clock(31 * 86_400)
        assert (await key.chat(**CALL)).status == 200
        assert (await key.chat(**CALL)).status == 200
        over_the_cap(await key.chat(**CALL))
        await response.read()
    stored = (await api.get(f"/keys/{key_id}")).json
    assert Decimal(stored["month_spend_usd"]) == COST * 2
    months = {row["date"][:7]: Decimal(row["cost"]) for row in await charges(api)}
    assert sorted(months.values()) == [COST, COST * 2]


async def test_an_organizations_keys_share_its_book(api: Api):
    org_id = await organization(api)
    first, first_id = await new_key(api, organization_id=org_id)
    second, second_id = await new_key(api, organization_id=org_id)
    assert (await first.chat(**CALL)).error[1] == "insufficient_balance"
    await first.pay_in(1)
    for key in (first, second, api):
        assert (await key.chat(**CALL)).status == 200
    assert await first.balance() == await second.balance() == 1 - COST * 2
    assert await api.balance() == OWNER - COST
    assert (await first.get("/billing/usage")).json["total"] == "0.00004"
    assert (await api.get("/billing/usage")).json["total"] == "0.00002"
    by_key = {row["key_id"]: row["account_id"] for row in await charges(api)}
    assert by_key.pop(first_id["key_id"]) == by_key.pop(second_id["key_id"]) == org_id
    assert len(by_key) == 1
    credit = {"user_id": org_id, "amount_usd": "1"}
    assert (await api.post("/_sandbox/credit", credit)).json["balance_usd"] == "1.99996"


async def test_what_was_under_way_when_the_process_ended_is_let_go(tmp_path: Any):
    file = tmp_path / "state.db"
    arguments: Any = {"db": file, "api_key": "sk-xc-mine"}
    with Sandbox(**arguments) as sandbox:
        async with api_of(sandbox) as api:
            await api.chat(**CALL)

            async def hold(gateway: Any) -> None:
                await gateway.store.run(
                    lambda db: db.execute(
                        "INSERT INTO reservations SELECT 'gen_x', account_id, key_id, '99', at,"
                        " 'm', 'fast', '0', '0', '1', 0 FROM entries WHERE kind = 'charge'"
                    )
                )

            sandbox._run(hold)
            opus = {"model": "claude-opus-4-7", "max_tokens": 500_000}
            assert (await api.chat(**opus)).error[1] == "insufficient_balance"
    with Sandbox(**arguments) as sandbox:
        async with api_of(sandbox) as api:
            assert await api.balance() == OWNER - COST
            assert (await api.chat(**opus)).status == 200
