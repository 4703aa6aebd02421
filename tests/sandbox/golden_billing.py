"""The golden answers of ``billing.*``, written by hand from the contract."""

from collections.abc import Awaitable, Callable
from typing import Any

from sandbox_support import Api, Like, Reply, an_id, encoded

KEY = "topup-2026-04-27-001"
DATE = Like(r"\d{4}-\d\d-\d\d")
NOTHING = {"cost": "0", "requests": 0, "input_tokens": 0, "output_tokens": 0}


async def balance(api: Api) -> tuple[Reply, Any]:
    await api.chat(model="nexevo/balanced", max_tokens=1000)
    # 2 tokens at 3 USD, and 1,000 at 12 USD a million.
    return await api.get("/billing/balance"), {"balance_usd": "99.987994"}


async def usage(api: Api) -> tuple[Reply, Any]:
    for model in ("nexevo/fast", "nexevo/auto", "gpt-4o"):
        await api.chat(model=model, max_tokens=1000)
    await api.chat(max_tokens=1000, provider={"api_key": "sk-of-mine"})
    fast = {"cost": "0.0002004", "requests": 1, "input_tokens": 2, "output_tokens": 1000}
    balanced = fast | {"cost": "0.012006"}
    passthrough = fast | {"cost": "0.01050525"}
    today = {"cost": "0.02271165", "requests": 4, "input_tokens": 8, "output_tokens": 4000}
    return await api.get("/billing/usage?days=2"), {
        "days": 2,
        "total": "0.02271165",
        "daily": [{"date": DATE, **NOTHING}, {"date": DATE, **today}],
        "by_tier": {
            "fast": fast,
            "balanced": balanced,
            "passthrough": passthrough,
            "byok": fast | {"cost": "0"},
        },
    }


async def get_plan(api: Api) -> tuple[Reply, Any]:
    plan = {"plan": "payg", "monthly_quota_usd": None, "rate_limit_rpm": 60}
    return await api.get("/billing/plan"), plan


async def upgrade_hint(api: Api) -> tuple[Reply, Any]:
    user = (await api.get("/auth/me")).json["user_id"]
    await api.post("/_sandbox/plan", {"user_id": user, "plan": "pro"})
    await api.chat(model="nexevo/balanced", max_tokens=1000)
    return await api.get("/billing/upgrade-hint"), {
        "hint": {
            "recommend_plan": "payg",
            "savings_pct": 99,
            "reason": "30 days as the last would cost 0.012006 USD on payg, and 20.0096048 USD on"
            " pro.",
        }
    }


async def topup(api: Api) -> tuple[Reply, Any]:
    body = b'{"amount_usd":20.10,"idempotency_key":%b}' % encoded(KEY).encode()
    return await api.post("/billing/topup", body), {
        "topup_id": an_id("tu_"),
        "status": "succeeded",
        "amount_usd": "20.10",
        "balance_usd": "120.10",
    }


async def checkout(api: Api) -> tuple[Reply, Any]:
    reply = await api.post("/billing/checkout", {"amount_usd": 20, "idempotency_key": KEY})
    session_id = reply.json["session_id"]
    assert session_id == an_id("cs_")
    return reply, {
        "checkout_url": f"{api.root}/_sandbox/checkout/{session_id}",
        "session_id": session_id,
        "amount_usd": "20",
        "status": "open",
    }


GOLDEN: dict[str, Callable[[Api], Awaitable[tuple[Reply, Any]]]] = {
    "billing.balance": balance,
    "billing.usage": usage,
    "billing.get_plan": get_plan,
    "billing.upgrade_hint": upgrade_hint,
    "billing.topup": topup,
    "billing.checkout": checkout,
}
