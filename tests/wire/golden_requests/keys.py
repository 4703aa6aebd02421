"""The golden requests of ``keys.*``, written by hand from the contract."""

from decimal import Decimal

from golden_requests.golden import Golden

GOLDEN = [
    Golden(
        operation="keys.create",
        call=lambda c: c.keys.create(name="prod-2026"),
        method="POST",
        path="/keys",
        body=b'{"name":"prod-2026"}',
        keyed=True,
        answer={"full_key": "sk-xc-new", "key": {"key_id": "key_1"}},
        gives=lambda r: (r["full_key"], r["key"]["key_id"]),
        expected=("sk-xc-new", "key_1"),
    ),
    Golden(
        operation="keys.create",
        call=lambda c: c.keys.create(
            "ci", monthly_spend_cap_usd=Decimal("1E+2"), geo_policy="any", organization_id="org_1"
        ),
        method="POST",
        path="/keys",
        body=(
            b'{"name":"ci","monthly_spend_cap_usd":"100","geo_policy":"any",'
            b'"organization_id":"org_1"}'
        ),
        keyed=True,
        answer={"full_key": "sk-xc-new", "key": {"key_id": "k", "monthly_spend_cap_usd": "100"}},
        gives=lambda r: r.key.monthly_spend_cap_usd,
        expected=Decimal(100),
    ),
    Golden(
        operation="keys.list",
        call=lambda c: c.keys.list(limit=2, cursor="c"),
        method="GET",
        path="/keys?limit=2&cursor=c",
        answer={"keys": [{"key_id": "key_1"}], "has_more": True, "next_cursor": "d"},
        gives=lambda r: (r.data[0].key_id, r.next_cursor),
        expected=("key_1", "d"),
    ),
    Golden(
        operation="keys.get",
        call=lambda c: c.keys.get("key_1"),
        method="GET",
        path="/keys/key_1",
        answer={"key": {"key_id": "key_1", "month_spend_usd": 0.1}},
        gives=lambda r: r.month_spend_usd,
        expected=Decimal("0.1"),
    ),
    Golden(
        operation="keys.revoke",
        call=lambda c: c.keys.revoke("key_1"),
        method="DELETE",
        path="/keys/key_1",
        status=204,
    ),
    Golden(
        operation="keys.update_spend_cap",
        call=lambda c: c.keys.update_spend_cap("key_1", monthly_spend_cap_usd="100.00"),
        method="PATCH",
        path="/keys/key_1/spend-cap",
        body=b'{"monthly_spend_cap_usd":"100.00"}',
        keyed=True,
        answer={"key_id": "key_1", "monthly_spend_cap_usd": "100.00"},
        gives=lambda r: str(r.monthly_spend_cap_usd),
        expected="100.00",
    ),
    Golden(
        operation="keys.update_spend_cap",
        call=lambda c: c.keys.update_spend_cap("key_1", clear=True),
        method="PATCH",
        path="/keys/key_1/spend-cap",
        body=b'{"clear":true}',
        keyed=True,
        answer={"key_id": "key_1", "monthly_spend_cap_usd": None},
        gives=lambda r: r["monthly_spend_cap_usd"],
    ),
    Golden(
        operation="keys.update_alert_webhook",
        call=lambda c: c.keys.update_alert_webhook("key_1", url="https://your-app.com/alert?a=1"),
        method="PATCH",
        path="/keys/key_1/alert-webhook",
        body=b'{"url":"https://your-app.com/alert?a=1"}',
        keyed=True,
        answer={"key_id": "key_1", "alert_webhook_secret": "whsec_c2VjcmV0"},
        gives=lambda r: r.alert_webhook_secret,
        expected="whsec_c2VjcmV0",
    ),
    Golden(
        operation="keys.update_alert_webhook",
        call=lambda c: c.keys.update_alert_webhook("key_1", clear=True),
        method="PATCH",
        path="/keys/key_1/alert-webhook",
        body=b'{"clear":true}',
        keyed=True,
        answer={"key_id": "key_1"},
        gives=lambda r: r.alert_webhook_url,
    ),
    Golden(
        operation="keys.update_geo_policy",
        call=lambda c: c.keys.update_geo_policy("key_1", policy="cn-only"),
        method="PATCH",
        path="/keys/key_1/geo-policy",
        body=b'{"policy":"cn-only"}',
        keyed=True,
        answer={"key_id": "key_1", "geo_policy": "cn-only"},
        gives=lambda r: r.geo_policy,
        expected="cn-only",
    ),
]
