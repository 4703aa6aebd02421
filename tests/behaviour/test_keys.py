from decimal import Decimal

import pytest

from nexevo_async import (
    AsyncNexevo,
    AuthenticationError,
    NotFoundError,
    PermissionDeniedError,
    webhooks,
)
from nexevo_async.testing import sign_webhook

MESSAGES = [{"role": "user", "content": "Hello!"}]


async def test_a_key_lives_from_create_to_revoke(client: AsyncNexevo):
    new = await client.keys.create("prod-2026", monthly_spend_cap_usd="100.50", geo_policy="any")
    assert new["full_key"].startswith("sk-xc-")
    assert new.full_key not in repr(new)
    key = new.key
    assert key.name == "prod-2026"
    assert key.prefix == new.full_key[:10]
    assert str(key.monthly_spend_cap_usd) == "100.50"
    assert key.month_spend_usd == 0
    assert key.revoked_at is None

    holder = client.with_options(api_key=new.full_key)
    await holder.models.list()
    stored = await client.keys.get(key.key_id)
    assert "full_key" not in stored
    assert stored.last_used_at is not None
    assert key.key_id in [k.key_id async for k in await client.keys.list(limit=1)]

    assert await client.keys.revoke(key.key_id) is None
    with pytest.raises(AuthenticationError) as caught:
        await holder.models.list()
    assert caught.value.code == "invalid_api_key"
    assert new.full_key not in str(caught.value)


async def test_a_cap_is_set_digit_for_digit_and_cleared(client: AsyncNexevo):
    key_id = (await client.keys.create("capped")).key.key_id
    for cap, stored in (
        ("100", "100"),
        ("0.000000000000000001", "0.000000000000000001"),
        (20, "20"),
        (Decimal("20.10"), "20.10"),
        (Decimal("1E+3"), "1000"),
    ):
        key = await client.keys.update_spend_cap(key_id, monthly_spend_cap_usd=cap)
        assert key.to_dict()["monthly_spend_cap_usd"] == stored
        assert key.monthly_spend_cap_usd == Decimal(stored)
    cleared = await client.keys.update_spend_cap(key_id, clear=True)
    assert cleared.monthly_spend_cap_usd is None


async def test_a_webhook_is_set_with_a_secret_that_verifies_and_cleared(client: AsyncNexevo):
    key_id = (await client.keys.create("watched")).key.key_id
    key = await client.keys.update_alert_webhook(key_id, url="https://your-app.com/billing-alert")
    assert key.alert_webhook_url == "https://your-app.com/billing-alert"
    secret = key.alert_webhook_secret
    assert secret
    assert secret not in repr(key)
    body = b'{"type": "key.spend_threshold_reached"}'
    assert webhooks.verify(body, sign_webhook(body, secret), [secret]).type
    assert (await client.keys.get(key_id)).alert_webhook_secret is None
    cleared = await client.keys.update_alert_webhook(key_id, clear=True)
    assert cleared.alert_webhook_url is None


async def test_a_geo_policy_forbids_models(client: AsyncNexevo):
    new = await client.keys.create("at home")
    key = await client.keys.update_geo_policy(new.key.key_id, policy="cn-only")
    assert key.geo_policy == "cn-only"
    holder = client.with_options(api_key=new.full_key)
    with pytest.raises(PermissionDeniedError) as caught:
        await holder.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    assert caught.value.code == "geo_policy_violation"
    await holder.chat.completions.create(model="qwen-max", messages=MESSAGES)


async def test_an_unknown_key_is_a_404(client: AsyncNexevo):
    for call in (
        client.keys.get("key_none"),
        client.keys.revoke("key_none"),
        client.keys.update_spend_cap("key_none", clear=True),
        client.keys.update_alert_webhook("key_none", clear=True),
        client.keys.update_geo_policy("key_none", policy="any"),
    ):
        with pytest.raises(NotFoundError):
            await call
