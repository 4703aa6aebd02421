import asyncio
from datetime import UTC, datetime
from decimal import Context, Decimal, Inexact
from typing import Any

import httpx
import pytest

from nexevo_async import (
    AsyncNexevo,
    ConflictError,
    InsufficientBalanceError,
    QuotaExceededError,
    SpendCapExceededError,
    UnprocessableEntityError,
)
from nexevo_async.testing import Sandbox

MESSAGES: Any = [{"role": "user", "content": "Hello!"}]
# 2 tokens of the prompt and 98 of the answer, at 0.20 USD a million.
COST = Decimal("0.00002")
EXACT = Context(prec=60, traps=[Inexact])  # the usual one rounds to 28 digits
LONG = ["123456789012.345678", "0.123456789012345678", "999999999999.999999999999999999"]


async def ask(client: AsyncNexevo, model: str = "nexevo/fast", **more: Any) -> Any:
    return await client.chat.completions.create(
        model=model, messages=MESSAGES, max_tokens=98, **more
    )


async def admin(sandbox: Sandbox, path: str, **body: Any) -> None:
    url = sandbox.base_url.removesuffix("/v1") + "/_sandbox" + path
    async with httpx.AsyncClient() as http:
        (await http.post(url, json=body)).raise_for_status()


async def test_a_completion_is_paid_for_to_the_last_digit(client: AsyncNexevo):
    await ask(client)
    assert (await client.billing.balance()).balance_usd == 100 - COST
    usage = await client.billing.usage(days=2)
    assert usage.total == usage["total"] == COST
    assert usage.daily is not None
    assert [(day.cost, day.requests, day.output_tokens) for day in usage.daily] == [
        (0, 0, 0),
        (COST, 1, 98),
    ]
    assert usage.by_tier is not None
    assert {tier: row.cost for tier, row in usage.by_tier.items()} == {
        "fast": COST,
        "balanced": 0,
        "passthrough": 0,
        "byok": 0,
    }


@pytest.mark.parametrize("digits", LONG)
async def test_eighteen_digits_come_back_as_they_went(client: AsyncNexevo, digits: str):
    topup = await client.billing.topup(amount_usd=digits, idempotency_key="topup-1")
    assert topup.to_dict()["amount_usd"] == digits
    exact = EXACT.add(Decimal(digits), 100)
    assert topup.balance_usd == (await client.billing.balance()).balance_usd == exact
    await ask(client)
    exact = EXACT.subtract(exact, COST)
    assert (await client.billing.balance()).balance_usd == exact
    export = await client.auth.export_data()
    assert export.billing is not None
    assert digits in [entry["amount_usd"] for entry in export.billing["entries"]]


async def test_one_key_is_one_payment(client: AsyncNexevo):
    first = await client.billing.topup(amount_usd="20.10", idempotency_key="topup-1")
    for same in ("20.10", Decimal("20.1")):
        again = await client.billing.topup(amount_usd=same, idempotency_key="topup-1")
        assert again.to_dict() == first.to_dict()
    for call in (
        client.billing.topup(amount_usd="20.11", idempotency_key="topup-1"),
        client.billing.checkout(amount_usd="20.10", idempotency_key="topup-1"),
    ):
        with pytest.raises(ConflictError) as caught:
            await call
        assert caught.value.code == "idempotency_key_reused"
    assert (await client.billing.balance()).balance_usd == Decimal("120.10")


async def test_fifty_at_once_pay_once(client: AsyncNexevo):
    topups = await asyncio.gather(
        *(client.billing.topup(amount_usd=5, idempotency_key="topup-1") for _ in range(50))
    )
    assert len({topup.topup_id for topup in topups}) == 1
    assert (await client.billing.balance()).balance_usd == 105


async def test_a_lost_answer_is_asked_for_again_and_paid_once(
    client: AsyncNexevo, sandbox: Sandbox
):
    sandbox.faults.add({"drop": "after"}, operation="billing.topup", times=2)
    topup = await client.billing.topup(amount_usd=5, idempotency_key="topup-1")
    assert topup.meta.attempts == 3
    assert topup.balance_usd == 105
    sent = [r for r in sandbox.requests if r.operation == "billing.topup"]
    assert [r.idempotency_key for r in sent] == [None] * 3  # it is in the body


async def test_too_large_an_amount_is_the_gateways_to_refuse(client: AsyncNexevo):
    with pytest.raises(UnprocessableEntityError) as caught:
        await client.billing.topup(amount_usd=10**15, idempotency_key="topup-1")
    assert caught.value.param == "amount_usd"


async def test_over_its_cap_a_key_is_refused_until_the_month_ends(
    client: AsyncNexevo, sandbox: Sandbox
):
    new = await client.keys.create("capped", monthly_spend_cap_usd=2 * COST)
    capped = client.with_options(api_key=new.full_key)
    await ask(capped)
    assert (await client.keys.get(new.key.key_id)).month_spend_usd == COST
    await ask(capped)
    for call in (ask(capped), capped.models.list(), capped.billing.balance()):
        with pytest.raises(SpendCapExceededError) as caught:
            await call
        error = caught.value
        assert (error.limit, error.spent, error.status) == (2 * COST, 2 * COST, 402)
        now = datetime.now(UTC)
        first = (now.year + now.month // 12, now.month % 12 + 1, 1)
        assert error.resets_at == datetime(*first, tzinfo=UTC)
    assert error.attempts == 1
    await ask(client)  # other keys are not concerned
    sandbox.advance_clock((error.resets_at - now).total_seconds() + 1)
    await ask(capped)
    assert (await client.keys.get(new.key.key_id)).month_spend_usd == COST


async def test_an_empty_balance_refuses_what_costs(client: AsyncNexevo):
    session = await client.auth.register(email="poor@example.com", password="correct horse")
    poor = client.with_options(api_key=session["access_token"])
    with pytest.raises(InsufficientBalanceError) as caught:
        await ask(poor)
    assert (caught.value.type, caught.value.code) == ("insufficient_balance", "account_suspended")
    await poor.billing.topup(amount_usd=COST, idempotency_key="topup-1")
    await ask(poor)
    assert (await poor.billing.balance()).balance_usd == 0
    await ask(poor, "gpt-4o", extra_body={"provider": {"api_key": "sk-of-mine"}})


async def test_a_plan_has_a_quota_and_a_hint_names_a_cheaper_one(
    client: AsyncNexevo, sandbox: Sandbox
):
    user_id = (await client.auth.me()).user_id
    assert (await client.billing.upgrade_hint()).hint is None
    # 800,000 tokens at 75 USD a million and 5 %, twice: 126 USD.
    await client.billing.topup(amount_usd=100, idempotency_key="topup-1")
    for _ in range(2):
        await client.chat.completions.create(
            model="claude-opus-4-7", messages=MESSAGES, max_tokens=800_000
        )
    hint = (await client.billing.upgrade_hint())["hint"]
    assert (hint["recommend_plan"], hint["savings_pct"]) == ("pro", 4)
    await admin(sandbox, "/plan", user_id=user_id, plan="free")
    assert (await client.billing.get_plan()).monthly_quota_usd == 5
    with pytest.raises(QuotaExceededError) as caught:
        await ask(client)
    assert caught.value.details["limit"] == "5"
    assert caught.value.attempts == 1
    sandbox.advance_clock(31 * 86_400)
    await ask(client)
    assert (await client.billing.upgrade_hint()).hint is None
