"""The golden answers of ``keys.*``, written by hand from the contract."""

from collections.abc import Awaitable, Callable
from typing import Any

from sandbox_support import TIME, Api, Like, Reply, an_id
from team_support import new_key


def key(**members: Any) -> dict[str, Any]:
    return {
        "key_id": an_id("key_"),
        "name": "prod-2026",
        "prefix": Like("sk-xc-[A-Za-z0-9_-]{4}"),
        "monthly_spend_cap_usd": None,
        "month_spend_usd": "0",
        "alert_webhook_url": None,
        "geo_policy": "any",
        "organization_id": None,
        "created_at": TIME,
        "last_used_at": None,
        "revoked_at": None,
    } | members


async def _made(api: Api, **members: Any) -> str:
    return str((await new_key(api, name="prod-2026", **members))[1]["key_id"])


async def create(api: Api) -> tuple[Reply, Any]:
    reply = await api.post("/keys", {"name": "prod-2026"})
    full_key = reply.json["full_key"]
    assert full_key == Like("sk-xc-[A-Za-z0-9_-]{32}")
    return reply, {"full_key": full_key, "key": key(prefix=full_key[:10])}


async def list_(api: Api) -> tuple[Reply, Any]:
    await _made(api)
    return await api.get("/keys"), {
        "keys": [key(), key(name="sandbox", prefix=api.key[:10], last_used_at=TIME)],
        "has_more": False,
        "next_cursor": None,
    }


async def get(api: Api) -> tuple[Reply, Any]:
    key_id = await _made(api, monthly_spend_cap_usd="0.10", geo_policy="cn-only")
    return await api.get(f"/keys/{key_id}"), key(
        key_id=key_id, monthly_spend_cap_usd="0.10", geo_policy="cn-only"
    )


async def revoke(api: Api) -> tuple[Reply, Any]:
    return await api.call("DELETE", f"/keys/{await _made(api)}"), None


async def update_spend_cap(api: Api) -> tuple[Reply, Any]:
    key_id = await _made(api)
    reply = await api.call("PATCH", f"/keys/{key_id}/spend-cap", {"monthly_spend_cap_usd": "100"})
    return reply, key(key_id=key_id, monthly_spend_cap_usd="100")


async def update_alert_webhook(api: Api) -> tuple[Reply, Any]:
    key_id, url = await _made(api), "https://your-app.com/billing-alert"
    reply = await api.call("PATCH", f"/keys/{key_id}/alert-webhook", {"url": url})
    secret = Like("whsec_[A-Za-z0-9+/]{32}")
    return reply, key(key_id=key_id, alert_webhook_url=url, alert_webhook_secret=secret)


async def update_geo_policy(api: Api) -> tuple[Reply, Any]:
    key_id = await _made(api)
    reply = await api.call("PATCH", f"/keys/{key_id}/geo-policy", {"policy": "overseas-only"})
    return reply, key(key_id=key_id, geo_policy="overseas-only")


GOLDEN: dict[str, Callable[[Api], Awaitable[tuple[Reply, Any]]]] = {
    "keys.create": create,
    "keys.list": list_,
    "keys.get": get,
    "keys.revoke": revoke,
    "keys.update_spend_cap": update_spend_cap,
    "keys.update_alert_webhook": update_alert_webhook,
    "keys.update_geo_policy": update_geo_policy,
}
