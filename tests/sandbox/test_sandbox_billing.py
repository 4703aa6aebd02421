"""Payments, reports and plans."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientSession
from auth_support import PASSWORD, register
from command_support import running
from sandbox_support import Api, eventually
from team_support import new_key, organization

from nexevo_async.testing import Sandbox

PAYMENT = {"amount_usd": 20, "idempotency_key": "topup-2026-04-27-001"}


def payment(amount: str, key: str = "topup-1") -> bytes:
    return b'{"amount_usd":%b,"idempotency_key":"%b"}' % (amount.encode(), key.encode())


@pytest.mark.parametrize("path", ["/billing/topup", "/billing/checkout"])
@pytest.mark.parametrize(
    ("body", "param"),
    [
        (payment("0"), "amount_usd"),
        (payment("-1"), "amount_usd"),
        (payment("1e-19"), "amount_usd"),
        (payment("1e13"), "amount_usd"),
        (payment("1e300"), "amount_usd"),
        (payment('"20"'), "amount_usd"),
        (payment("true"), "amount_usd"),
        (payment("null"), "amount_usd"),
        (payment("1", ""), "idempotency_key"),
        (payment("1", "x" * 256), "idempotency_key"),
        (payment("1", r"a\nb"), "idempotency_key"),
        (b'{"amount_usd":1}', "idempotency_key"),
        (b'{"idempotency_key":"k"}', "amount_usd"),
    ],
)
async def test_a_payment_that_cannot_be_made_is_refused(
    api: Api, path: str, body: bytes, param: str
):
    assert (await api.post(path, body)).error == (422, "validation_error", param)
    assert await api.balance() == 100


@pytest.mark.parametrize("path", ["/billing/topup", "/billing/checkout"])
async def test_fifty_at_once_are_one_payment(api: Api, path: str):
    replies = await asyncio.gather(*(api.post(path, PAYMENT) for _ in range(50)))
    assert [reply.status for reply in replies] == [200] * 50
    assert len({reply.text for reply in replies}) == 1
    assert await api.balance() == (120 if path == "/billing/topup" else 100)


async def test_of_fifty_different_payments_with_one_key_one_is_made(api: Api):
    replies = await asyncio.gather(
        *(api.post("/billing/topup", payment(str(amount))) for amount in range(1, 51))
    )
    (made,) = [reply for reply in replies if reply.status == 200]
    assert all(
        reply.error == (409, "idempotency_key_reused", None)
        for reply in replies
        if reply is not made
    )
    assert str(await api.balance()) == made.json["balance_usd"]


async def test_the_answer_is_that_of_the_first_time(api: Api):
    first = await api.post("/billing/topup", PAYMENT)
    await api.pay_in(5)
    for same in ("20", "20.00", "2E+1"):
        again = await api.post("/billing/topup", payment(same, PAYMENT["idempotency_key"]))
        assert again.json == first.json
    assert await api.balance() == 125


async def test_a_key_belongs_to_the_account(api: Api):
    second, _ = await new_key(api)
    other = await api.another()
    assert (await api.post("/billing/topup", PAYMENT)).status == 200
    assert (await second.post("/billing/topup", PAYMENT)).status == 200
    assert (await other.post("/billing/topup", PAYMENT)).status == 200
    assert (await api.balance(), await other.balance()) == (120, 120)


async def test_killed_after_the_charge_it_charges_once(tmp_path: Path):
    arguments = ("--port", "0", "--db", str(tmp_path / "state.db"), "--api-key", "sk-xc-mine")
    with running(*arguments) as command:
        async with ClientSession() as session:
            api = Api(session, command.base_url, "sk-xc-mine")
            slow = asyncio.create_task(
                api.post("/billing/topup", PAYMENT, X_Sandbox_Fault='{"delay_s": 60}')
            )
            while await api.balance() == 100:
                await asyncio.sleep(0.01)
            command.process.kill()  # it is booked, and not answered
            with pytest.raises(aiohttp.ClientError):
                await slow
    with running(*arguments) as command:
        async with ClientSession() as session:
            api = Api(session, command.base_url, "sk-xc-mine")
            assert await api.balance() == 120
            again = await api.post("/billing/topup", PAYMENT)
            assert (again.status, again.json["balance_usd"]) == (200, "120")
            assert await api.balance() == 120


async def test_usage_is_by_utc_day_and_only_of_the_days_asked_for(sandbox: Sandbox, api: Api):
    for _ in range(4):
        await api.chat(model="nexevo/fast", max_tokens=98)
        sandbox.advance_clock(86_400)
    reply = (await api.get("/billing/usage?days=3")).json
    assert [row["cost"] for row in reply["daily"]] == ["0.00002", "0.00002", "0"]
    assert [row["date"] for row in reply["daily"]] == sorted(row["date"] for row in reply["daily"])
    assert reply["total"] == reply["by_tier"]["fast"]["cost"] == "0.00004"
    assert len((await api.get("/billing/usage")).json["daily"]) == 7


@pytest.mark.parametrize("days", ["0", "-1", "367", "x", "1.5"])
async def test_days_that_are_none_are_refused(api: Api, days: str):
    reply = await api.get(f"/billing/usage?days={days}")
    assert reply.error == (422, "validation_error", "days")


async def test_a_fee_is_due_with_the_months_first_completion(sandbox: Sandbox, api: Api):
    user = {"user_id": (await api.get("/auth/me")).json["user_id"]}
    await api.post("/_sandbox/plan", user | {"plan": "pro"})
    assert await api.balance() == 100
    for _ in range(2):
        await api.chat(model="nexevo/fast", max_tokens=98)
    assert str(await api.balance()) == "79.999968"  # 20 off, and twice 80 % of 0.00002
    sandbox.advance_clock(31 * 86_400)
    await api.chat(model="nexevo/fast", max_tokens=98)
    assert str(await api.balance()) == "59.999952"
    await api.post("/_sandbox/plan", user | {"plan": "scale"})
    assert (await api.chat()).error[1] == "insufficient_balance"
    assert str(await api.balance()) == "59.999952"


async def test_a_quota_is_the_accounts_and_the_months(sandbox: Sandbox, api: Api):
    user = {"user_id": (await api.get("/auth/me")).json["user_id"]}
    await api.post("/_sandbox/plan", user | {"plan": "free"})
    key, _ = await new_key(api)
    # 63,492 tokens at 78.75 USD a million and their prompt: 4.999995… of 5.
    opus = {"model": "claude-opus-4-7", "max_tokens": 63_491}
    assert (await key.chat(**opus)).status == 200
    for refused in (api, key):
        reply = await refused.chat(**opus)
        assert reply.error == (429, "tenant_monthly_quota_exceeded", None)
        assert reply.json["error"]["limit"] == "5"
        assert "Retry-After" not in reply.headers
    assert (await api.get("/models")).status == 200
    sandbox.advance_clock(31 * 86_400)
    assert (await api.chat(**opus)).status == 200


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"user_id": "u_x", "plan": "pro"}, (404, "not_found", None)),
        ({"user_id": "u_x", "plan": "gold"}, (422, "validation_error", "plan")),
    ],
)
async def test_a_plan_for_nobody_or_of_no_name_is_refused(api: Api, body: Any, error: Any):
    assert (await api.post("/_sandbox/plan", body)).error == error


@pytest.mark.usefixtures("cheap_hashes")
async def test_who_leaves_leaves_the_books_behind(api: Api):
    ada = await register(api)
    org_id = await organization(ada)
    shared, _ = await new_key(ada, organization_id=org_id)
    pages: list[str] = []
    for key in (ada, shared):
        await key.post("/billing/topup", PAYMENT)
        body = payment("7", "canary")
        pages.append((await key.post("/billing/checkout", body)).json["checkout_url"])
    before = (await api.get("/_sandbox/ledger")).json
    assert (await ada.post("/auth/deactivate", {"password": PASSWORD})).status == 204
    assert (await api.get("/_sandbox/ledger")).json == before
    for page in pages:
        async with api.session.post(page) as response:  # too late
            assert "expired" in await response.text()
    assert (await api.get("/_sandbox/ledger")).json == before
    again = await register(api)
    assert await again.balance() == 0


async def test_a_late_answer_to_a_payment_finds_it_made(sandbox: Sandbox, api: Api):
    sandbox.faults.add({"delay_s": 30}, operation="billing.topup")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(api.post("/billing/topup", PAYMENT), 0.2)
    await eventually(lambda: sandbox.requests[0].peer_left is not None)
    assert (await api.post("/billing/topup", PAYMENT)).json["balance_usd"] == "120"
    assert await api.balance() == 120
