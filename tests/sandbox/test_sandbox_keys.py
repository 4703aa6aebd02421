"""API keys: what is kept of them, what they may do, and when they die."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest
from sandbox_support import TIME, Api, api_of
from team_support import new_key

from nexevo_async.testing import Sandbox

pytestmark = pytest.mark.usefixtures("cheap_hashes")
OVERSEAS = ["gpt-4o", "claude-opus-4-7"]
CN = ["deepseek-chat", "qwen-max"]
ALIASES = ["nexevo/fast", "nexevo/balanced", "nexevo/auto"]


async def patch(api: Api, key: Any, what: str, **body: Any) -> Any:
    return await api.call("PATCH", f"/keys/{key['key_id']}/{what}", body)


async def test_full_key_is_shown_once_and_works(api: Api):
    made = await api.post("/keys", {"name": "prod-2026"})
    full_key, key = made.json["full_key"], made.json["key"]
    new = Api(api.session, api.base_url, full_key)
    assert (await new.get("/models")).status == 200
    for path in ("/keys", f"/keys/{key['key_id']}", "/_sandbox/requests"):
        reply = await new.get(path)
        assert reply.status == 200
        assert full_key not in reply.text
    assert key["prefix"] == full_key[:10]


async def test_list_is_newest_first_and_paged(api: Api):
    for number in range(4):
        await new_key(api, name=str(number))
    names, path = [], "/keys?limit=2"
    while path:
        page = (await api.get(path)).json
        names.append([key["name"] for key in page["keys"]])
        path = page["has_more"] and f"/keys?limit=2&cursor={page['next_cursor']}"
    assert names == [["3", "2"], ["1", "0"], ["sandbox"]]


async def test_use_is_noted_on_the_clock(sandbox: Sandbox, api: Api):
    new, key = await new_key(api)
    assert key["last_used_at"] is None
    await new.get("/models")
    first = (await api.get(f"/keys/{key['key_id']}")).json["last_used_at"]
    sandbox.advance_clock(3600)
    await new.get("/models")
    later = (await api.get(f"/keys/{key['key_id']}")).json["last_used_at"]
    assert key["created_at"] < first < later


async def test_revoked_key_is_refused_from_the_next_request_on(sandbox: Sandbox, api: Api):
    new, key = await new_key(api)
    path = f"/keys/{key['key_id']}"
    assert (await new.get("/models")).status == 200
    assert (await api.call("DELETE", path)).status == 204
    assert (await new.get("/models")).error == (401, "invalid_api_key", None)
    shown = (await api.get(path)).json
    assert shown["revoked_at"] == TIME
    sandbox.advance_clock(60)
    assert (await api.call("DELETE", path)).status == 204
    assert (await api.get(path)).json == shown
    assert shown in (await api.get("/keys")).json["keys"]
    assert (await new.get("/models")).status == 401


async def test_key_may_revoke_itself(api: Api):
    new, key = await new_key(api)
    assert (await new.call("DELETE", f"/keys/{key['key_id']}")).status == 204
    assert (await new.get("/models")).status == 401


async def test_request_under_way_ends_when_its_key_is_revoked(api: Api):
    new, key = await new_key(api)
    slow = asyncio.create_task(new.chat(fault={"delay_s": 0.3}))
    await asyncio.sleep(0.1)
    assert (await api.call("DELETE", f"/keys/{key['key_id']}")).status == 204
    assert (await slow).status == 200


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("spend-cap", {"clear": True}),
        ("alert-webhook", {"url": "https://x.test"}),
        ("geo-policy", {"policy": "any"}),
    ],
)
async def test_revoked_key_stays_as_it_is(api: Api, what: str, body: Any):
    _, key = await new_key(api)
    await api.call("DELETE", f"/keys/{key['key_id']}")
    assert (await patch(api, key, what, **body)).error == (409, "conflict", None)


@pytest.mark.parametrize("cap", ["100.00", "0", "0.1", "007", "9" * 20 + "." + "1" * 19])
async def test_cap_is_kept_digit_for_digit(api: Api, cap: str):
    _, key = await new_key(api, monthly_spend_cap_usd=cap)
    assert key["monthly_spend_cap_usd"] == cap
    _, key = await new_key(api)
    reply = await patch(api, key, "spend-cap", monthly_spend_cap_usd=cap, clear=False)
    assert reply.json["monthly_spend_cap_usd"] == cap
    assert (await api.get(f"/keys/{key['key_id']}")).json["monthly_spend_cap_usd"] == cap
    cleared = await patch(api, key, "spend-cap", clear=True)
    assert cleared.json["monthly_spend_cap_usd"] is None


@pytest.mark.parametrize(
    "cap", [100, 1.5, "", "1e3", "-1", "+1", ".5", "1.", "1,5", "1\n", "NaN", "٣", "1" * 41]
)
async def test_what_is_no_decimal_string_is_no_cap(api: Api, cap: Any):
    refusal = (422, "validation_error", "monthly_spend_cap_usd")
    made = await api.post("/keys", {"name": "k", "monthly_spend_cap_usd": cap})
    assert made.error == refusal
    _, key = await new_key(api)
    assert (await patch(api, key, "spend-cap", monthly_spend_cap_usd=cap)).error == refusal


@pytest.mark.parametrize(
    ("what", "body", "param"),
    [
        ("spend-cap", {}, "monthly_spend_cap_usd"),
        ("spend-cap", {"clear": False}, "monthly_spend_cap_usd"),
        ("spend-cap", {"monthly_spend_cap_usd": None}, "monthly_spend_cap_usd"),
        ("spend-cap", {"monthly_spend_cap_usd": "1", "clear": True}, "clear"),
        ("spend-cap", {"clear": 1}, "clear"),
        ("alert-webhook", {}, "url"),
        ("alert-webhook", {"url": None}, "url"),
        ("alert-webhook", {"url": "https://x.test", "clear": True}, "clear"),
        ("alert-webhook", {"url": "http://x.test"}, "url"),
        ("alert-webhook", {"url": "https://"}, "url"),
        ("alert-webhook", {"url": "https:///path"}, "url"),
        ("alert-webhook", {"url": "https://x.test:99999"}, "url"),
        ("alert-webhook", {"url": "https://[::1"}, "url"),
        ("alert-webhook", {"url": "https://x.test/\r\nX: y"}, "url"),
        ("alert-webhook", {"url": "https://x.test/ y"}, "url"),
        ("alert-webhook", {"url": "https://x.test/" + "y" * 2048}, "url"),
        ("geo-policy", {}, "policy"),
        ("geo-policy", {"policy": "mars-only"}, "policy"),
        ("geo-policy", {"policy": None}, "policy"),
    ],
)
async def test_wrong_setting_is_422_and_changes_nothing(api: Api, what: str, body: Any, param: str):
    _, key = await new_key(api, monthly_spend_cap_usd="5")
    assert (await patch(api, key, what, **body)).error == (422, "validation_error", param)
    assert (await api.get(f"/keys/{key['key_id']}")).json == key


@pytest.mark.parametrize("name", ["", "x" * 101, None, 1])
async def test_name_has_1_to_100_characters(api: Api, name: Any):
    assert (await api.post("/keys", {"name": name})).error == (422, "validation_error", "name")
    assert (await new_key(api, name="ü" * 100))[1]["name"] == "ü" * 100


async def test_webhooks_secret_is_shown_when_its_url_is_set(api: Api):
    _, key = await new_key(api)
    first = await patch(api, key, "alert-webhook", url="https://x.test/alert")
    again = await patch(api, key, "alert-webhook", url="https://x.test/alert")
    found = [reply.json["alert_webhook_secret"] for reply in (first, again)]
    assert found[0] != found[1]
    for secret in found:
        assert 24 <= len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) <= 64
    shown = await api.get(f"/keys/{key['key_id']}")
    assert shown.json["alert_webhook_url"] == "https://x.test/alert"
    cleared = await patch(api, key, "alert-webhook", clear=True)
    assert cleared.json["alert_webhook_url"] is None
    for reply in (shown, await api.get("/keys"), cleared):
        assert "whsec_" not in reply.text
        assert "alert_webhook_secret" not in reply.text


@pytest.mark.parametrize(
    ("policy", "models"),
    [("cn-only", CN), ("overseas-only", OVERSEAS), ("any", OVERSEAS + CN), (None, OVERSEAS + CN)],
)
async def test_key_lists_the_models_that_it_may_use(api: Api, policy: str | None, models: Any):
    new, _ = await new_key(api, geo_policy=policy)
    listed = [model["id"] for model in (await new.get("/models")).json["data"]]
    assert listed == models + ALIASES


@pytest.mark.parametrize(
    ("policy", "own", "foreign"),
    [("cn-only", CN, OVERSEAS), ("overseas-only", OVERSEAS, CN)],
)
async def test_geo_policy_holds(api: Api, policy: str, own: list[str], foreign: list[str]):
    new, _ = await new_key(api, geo_policy=policy)
    for model in foreign:
        for name in (model, f"{model}:cheap"):
            reply = await new.chat(model=name)
            assert reply.error == (403, "geo_policy_violation", "model")
    refused = await new.chat(model=foreign[0], models=[foreign[1], "no-such-model"], stream=True)
    assert refused.error == (403, "geo_policy_violation", "model")
    for model in own:
        assert (await new.chat(model=model)).json["model"] == model
    for alias in ALIASES:
        assert (await new.chat(model=alias)).json["model"] in own
    reply = await new.chat(model=foreign[0], models=[foreign[1], own[1], own[0]])
    assert reply.json["model"] == own[1]
    assert reply.headers["x-nexevo-models-tried"] == own[1]


async def test_price_and_policy_together(api: Api):
    new, _ = await new_key(api, geo_policy="cn-only")
    reply = await new.chat(model="gpt-4o", models=["qwen-max"], max_price={"prompt": 1})
    assert reply.error == (400, "max_price_unsatisfiable", "max_price")
    reply = await new.chat(
        model="gpt-4o", models=["qwen-max", "deepseek-chat"], max_price={"prompt": 1}
    )
    assert reply.json["model"] == "deepseek-chat"


async def test_changed_policy_holds_from_the_next_request_on(api: Api):
    new, key = await new_key(api)
    assert (await new.chat(model="gpt-4o")).status == 200
    await patch(api, key, "geo-policy", policy="cn-only")
    assert (await new.chat(model="gpt-4o")).status == 403
    await patch(api, key, "geo-policy", policy="any")
    assert (await new.chat(model="gpt-4o")).status == 200


async def test_key_that_the_sandbox_starts_with_works_though_it_was_revoked(tmp_path: Path):
    for _ in range(3):
        with Sandbox(db=tmp_path / "state.db", api_key="sk-xc-mine") as sandbox:
            async with api_of(sandbox) as api:
                key = (await api.get("/keys")).json["keys"][0]
                assert (await api.call("DELETE", f"/keys/{key['key_id']}")).status == 204
                assert (await api.get("/keys")).status == 401


async def test_created_once_with_one_idempotency_key(api: Api):
    one, two = [await api.post("/keys", {"name": "k"}, Idempotency_Key="make-it") for _ in range(2)]
    assert one.json == two.json
    assert len((await api.get("/keys")).json["keys"]) == 2
