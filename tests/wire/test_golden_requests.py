"""One golden request for each operation, written by hand from the contract."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import attrs
import pytest
from aioresponses.compat import normalize_url

from nexevo_async import AsyncNexevo
from nexevo_async.contract.table import OPERATIONS

CONVERSATION = {"conversation_id": "conv_1"}


@attrs.frozen(kw_only=True)
class Golden:
    operation: str
    call: Callable[[AsyncNexevo], Awaitable[Any]]
    method: str
    path: str
    body: bytes | None = None
    keyed: bool = False
    authorized: bool = True
    answer: Any = None
    status: int = 200
    gives: Callable[[Any], object] = lambda result: result
    expected: object = None


GOLDEN = [
    Golden(
        operation="conversations.create",
        call=lambda c: c.conversations.create(title="My Session"),
        method="POST",
        path="/conversations",
        body=b'{"title":"My Session"}',
        keyed=True,
        answer=CONVERSATION,
        gives=lambda r: r["conversation_id"],
        expected="conv_1",
    ),
    Golden(
        operation="conversations.create",
        call=lambda c: c.conversations.create(metadata={"topic": "über", "n": 1.5}),
        method="POST",
        path="/conversations",
        body='{"metadata":{"topic":"über","n":1.5}}'.encode(),
        keyed=True,
        answer={"conversation": CONVERSATION},
        gives=lambda r: r.conversation_id,
        expected="conv_1",
    ),
    Golden(
        operation="conversations.list",
        call=lambda c: c.conversations.list(limit=20),
        method="GET",
        path="/conversations?limit=20",
        answer={"conversations": [CONVERSATION], "has_more": True, "next_cursor": "c2"},
        gives=lambda r: (r.data[0].conversation_id, r.has_more, r.next_cursor),
        expected=("conv_1", True, "c2"),
    ),
    Golden(
        operation="conversations.list",
        call=lambda c: c.conversations.list(5, "a b&c"),
        method="GET",
        path="/conversations?limit=5&cursor=a+b%26c",
        answer=[CONVERSATION],
        gives=lambda r: (len(r.data), r.has_more, r.next_cursor),
        expected=(1, False, None),
    ),
    Golden(
        operation="conversations.get",
        call=lambda c: c.conversations.get("conv_1"),
        method="GET",
        path="/conversations/conv_1",
        answer={**CONVERSATION, "messages": [{"role": "user", "content": "Hi"}]},
        gives=lambda r: r.messages[0].content,
        expected="Hi",
    ),
    Golden(
        operation="conversations.update",
        call=lambda c: c.conversations.update("conv_1", title=None),
        method="PATCH",
        path="/conversations/conv_1",
        body=b'{"title":null}',
        keyed=True,
        answer=CONVERSATION,
        gives=lambda r: r.title,
    ),
    Golden(
        operation="conversations.update",
        call=lambda c: c.conversations.update("conv_1", metadata={"a": 1}),
        method="PATCH",
        path="/conversations/conv_1",
        body=b'{"metadata":{"a":1}}',
        keyed=True,
        answer={**CONVERSATION, "metadata": {"a": 1}},
        gives=lambda r: r.metadata,
        expected={"a": 1},
    ),
    Golden(
        operation="conversations.delete",
        call=lambda c: c.conversations.delete("conv_1"),
        method="DELETE",
        path="/conversations/conv_1",
        status=204,
    ),
    Golden(
        operation="conversations.append_message",
        call=lambda c: c.conversations.append_message("conv_1", role="user", content="Hello!"),
        method="POST",
        path="/conversations/conv_1/messages",
        body=b'{"role":"user","content":"Hello!"}',
        keyed=True,
        answer={"message_id": "msg_1", "role": "user", "content": "Hello!"},
        gives=lambda r: (r.message_id, r.role, r.content),
        expected=("msg_1", "user", "Hello!"),
    ),
    Golden(
        operation="conversations.list_messages",
        call=lambda c: c.conversations.list_messages("conv_1", limit=2, cursor="x"),
        method="GET",
        path="/conversations/conv_1/messages?limit=2&cursor=x",
        answer={"items": [{"message_id": "msg_1"}], "has_more": False, "next_cursor": None},
        gives=lambda r: r.data[0].message_id,
        expected="msg_1",
    ),
    Golden(
        operation="chat.completions.create",
        call=lambda c: c.chat.completions.create(
            model="nexevo/balanced", messages=[{"role": "user", "content": "Hello!"}]
        ),
        method="POST",
        path="/chat/completions",
        body=b'{"model":"nexevo/balanced","messages":[{"role":"user","content":"Hello!"}]}',
        keyed=True,
        answer={"id": "x", "choices": [{"message": {"role": "assistant", "content": "Hi"}}]},
        gives=lambda r: (r.choices[0].message.content, r["nexevo"]["generation_id"]),
        expected=("Hi", "gen_1"),
    ),
    Golden(
        operation="chat.completions.create",
        call=lambda c: c.chat.completions.create(
            model="gpt-4o:fast",
            messages=[{"role": "user", "content": "Hello!"}],
            temperature=0.5,
            max_tokens=10,
            top_p=None,
            stop=["\n"],
            tools=[{"type": "function"}],
            models=["gpt-4o", "qwen-max"],
            max_price={
                "prompt": "20.10",
                "completion": Decimal("3.000000000000000001"),
                "total": 5,
            },
            provider={"data_collection": "deny"},
            metadata={"conversation_id": "conv_1"},
            extra_body={"seed": 7},
        ),
        method="POST",
        path="/chat/completions",
        body=(
            b'{"model":"gpt-4o:fast","messages":[{"role":"user","content":"Hello!"}],'
            b'"temperature":0.5,"max_tokens":10,"top_p":null,"stop":["\\n"],'
            b'"tools":[{"type":"function"}],"models":["gpt-4o","qwen-max"],'
            b'"max_price":{"prompt":20.10,"completion":3.000000000000000001,"total":5},'
            b'"provider":{"data_collection":"deny"},'
            b'"metadata":{"conversation_id":"conv_1"},"seed":7}'
        ),
        keyed=True,
        answer={"choices": [], "nexevo": {"generation_id": "gen_2"}},
        gives=lambda r: r.nexevo.generation_id,
        expected="gen_2",
    ),
    Golden(
        operation="models.list",
        call=lambda c: c.models.list(),
        method="GET",
        path="/models",
        answer={"object": "list", "data": [{"id": "gpt-4o", "pricing": {"prompt": "2.50"}}]},
        gives=lambda r: (r.data[0].id, str(r.data[0].pricing.prompt)),
        expected=("gpt-4o", "2.50"),
    ),
    Golden(
        operation="feedback.submit",
        call=lambda c: c.feedback.submit(
            generation_id="gen_1", rating=1, comment="Helpful!", tags=["accurate"]
        ),
        method="POST",
        path="/feedback",
        body=b'{"generation_id":"gen_1","rating":1,"comment":"Helpful!","tags":["accurate"]}',
        keyed=True,
        answer={"feedback_id": "fb_1", "rating": 1},
        gives=lambda r: (r.feedback_id, r.rating),
        expected=("fb_1", 1),
    ),
    Golden(
        operation="feedback.summary",
        call=lambda c: c.feedback.summary(days=7),
        method="GET",
        path="/feedback/summary?days=7",
        answer={"days": 7, "total": 1, "by_model": {"gpt-4o": {"total": 1}}},
        gives=lambda r: (r.total, r.by_model["gpt-4o"].total),
        expected=(1, 1),
    ),
    Golden(
        operation="auth.register",
        call=lambda c: c.auth.register(
            email="jane@example.com", password="pässword-1", full_name="Jane"
        ),
        method="POST",
        path="/auth/register",
        body='{"email":"jane@example.com","password":"pässword-1","full_name":"Jane"}'.encode(),
        keyed=True,
        authorized=False,
        answer={"access_token": "t1", "token_type": "Bearer", "user": {"email": "j"}},
        gives=lambda r: (r.access_token, r.user.email),
        expected=("t1", "j"),
    ),
    Golden(
        operation="auth.login",
        call=lambda c: c.auth.login(email="jane@example.com", password="pw"),
        method="POST",
        path="/auth/login",
        body=b'{"email":"jane@example.com","password":"pw"}',
        keyed=True,
        authorized=False,
        answer={"session": {"access_token": "t1", "expires_in": 3600}},
        gives=lambda r: (r["access_token"], r.expires_in),
        expected=("t1", 3600),
    ),
    Golden(
        operation="auth.login",
        call=lambda c: c.auth.login(email="j@e.com", password="pw", totp_code="123456"),
        method="POST",
        path="/auth/login",
        body=b'{"email":"j@e.com","password":"pw","totp_code":"123456"}',
        keyed=True,
        authorized=False,
        answer={"access_token": "t1"},
        gives=lambda r: r.user,
    ),
    Golden(
        operation="auth.logout",
        call=lambda c: c.auth.logout(),
        method="POST",
        path="/auth/logout",
        keyed=True,
        status=204,
    ),
    Golden(
        operation="auth.request_password_reset",
        call=lambda c: c.auth.request_password_reset(email="jane@example.com"),
        method="POST",
        path="/auth/password-reset",
        body=b'{"email":"jane@example.com"}',
        keyed=True,
        authorized=False,
        status=202,
    ),
    Golden(
        operation="auth.confirm_password_reset",
        call=lambda c: c.auth.confirm_password_reset(token="rt", new_password="pw"),
        method="POST",
        path="/auth/password-reset/confirm",
        body=b'{"token":"rt","new_password":"pw"}',
        keyed=True,
        authorized=False,
        status=204,
    ),
    Golden(
        operation="auth.me",
        call=lambda c: c.auth.me(),
        method="GET",
        path="/auth/me",
        answer={"user_id": "u_1", "created_at": "2026-01-02T03:04:05Z"},
        gives=lambda r: (r.user_id, r.created_at.year),
        expected=("u_1", 2026),
    ),
    Golden(
        operation="auth.update_profile",
        call=lambda c: c.auth.update_profile(full_name="Jane Doe"),
        method="PATCH",
        path="/auth/me",
        body=b'{"full_name":"Jane Doe"}',
        keyed=True,
        answer={"user": {"full_name": "Jane Doe"}},
        gives=lambda r: r.full_name,
        expected="Jane Doe",
    ),
    Golden(
        operation="auth.update_profile",
        call=lambda c: c.auth.update_profile(full_name=None),
        method="PATCH",
        path="/auth/me",
        body=b'{"full_name":null}',
        keyed=True,
        answer={"full_name": None},
        gives=lambda r: r["full_name"],
    ),
    Golden(
        operation="auth.change_password",
        call=lambda c: c.auth.change_password(
            current_password="old-pwd", new_password="new-pwd-123"
        ),
        method="POST",
        path="/auth/change-password",
        body=b'{"current_password":"old-pwd","new_password":"new-pwd-123"}',
        keyed=True,
        status=204,
    ),
    Golden(
        operation="auth.two_fa_status",
        call=lambda c: c.auth.two_fa_status(),
        method="GET",
        path="/auth/2fa",
        answer={"enabled": True, "recovery_codes_left": 9},
        gives=lambda r: (r.enabled, r.recovery_codes_left),
        expected=(True, 9),
    ),
    Golden(
        operation="auth.two_fa_setup",
        call=lambda c: c.auth.two_fa_setup(),
        method="POST",
        path="/auth/2fa/setup",
        keyed=True,
        answer={"secret": "S", "otpauth_url": "otpauth://totp/x"},
        gives=lambda r: (r.secret, r.otpauth_url),
        expected=("S", "otpauth://totp/x"),
    ),
    Golden(
        operation="auth.two_fa_enable",
        call=lambda c: c.auth.two_fa_enable(code="012345"),
        method="POST",
        path="/auth/2fa/enable",
        body=b'{"code":"012345"}',
        keyed=True,
        answer={"enabled": True, "recovery_codes": ["a", "b"]},
        gives=lambda r: r.recovery_codes,
        expected=["a", "b"],
    ),
    Golden(
        operation="auth.two_fa_disable",
        call=lambda c: c.auth.two_fa_disable(password="pw", code="012345"),
        method="POST",
        path="/auth/2fa/disable",
        body=b'{"password":"pw","code":"012345"}',
        keyed=True,
        answer={"enabled": False},
        gives=lambda r: r.enabled,
        expected=False,
    ),
    Golden(
        operation="auth.export_data",
        call=lambda c: c.auth.export_data(),
        method="GET",
        path="/auth/export",
        answer={"user": {"user_id": "u_1"}, "conversations": [{"title": "x"}]},
        gives=lambda r: (r.user.user_id, r.conversations),
        expected=("u_1", [{"title": "x"}]),
    ),
    Golden(
        operation="auth.deactivate",
        call=lambda c: c.auth.deactivate(password="pw"),
        method="POST",
        path="/auth/deactivate",
        body=b'{"password":"pw"}',
        keyed=True,
        status=204,
    ),
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
    Golden(
        operation="organizations.create",
        call=lambda c: c.organizations.create("Acme Inc"),
        method="POST",
        path="/organizations",
        body=b'{"name":"Acme Inc"}',
        keyed=True,
        answer={"organization": {"org_id": "org_1"}},
        gives=lambda r: r["organization"]["org_id"],
        expected="org_1",
    ),
    Golden(
        operation="organizations.list",
        call=lambda c: c.organizations.list(),
        method="GET",
        path="/organizations?limit=20",
        answer={"organizations": [{"org_id": "org_1", "role": "owner"}]},
        gives=lambda r: r.data[0].role,
        expected="owner",
    ),
    Golden(
        operation="organizations.get",
        call=lambda c: c.organizations.get("org_1"),
        method="GET",
        path="/organizations/org_1",
        answer={"org_id": "org_1", "owner_user_id": "u_1"},
        gives=lambda r: r.owner_user_id,
        expected="u_1",
    ),
    Golden(
        operation="organizations.invite_member",
        call=lambda c: c.organizations.invite_member(
            "org_1", email="dev@acme.com", role="developer"
        ),
        method="POST",
        path="/organizations/org_1/members",
        body=b'{"email":"dev@acme.com","role":"developer"}',
        keyed=True,
        answer={"member": {"email": "dev@acme.com", "status": "invited"}},
        gives=lambda r: (r.user_id, r.status),
        expected=(None, "invited"),
    ),
    Golden(
        operation="organizations.accept_invitation",
        call=lambda c: c.organizations.accept_invitation(token="it"),
        method="POST",
        path="/organizations/invitations/accept",
        body=b'{"token":"it"}',
        keyed=True,
        answer={"user_id": "u_2", "status": "active", "joined_at": 1767225600},
        gives=lambda r: (r.status, r.joined_at.year),
        expected=("active", 2026),
    ),
    Golden(
        operation="organizations.list_members",
        call=lambda c: c.organizations.list_members("org_1", limit=5),
        method="GET",
        path="/organizations/org_1/members?limit=5",
        answer={"members": [{"user_id": "u_1", "role": "owner"}]},
        gives=lambda r: r.data[0].user_id,
        expected="u_1",
    ),
    Golden(
        operation="organizations.update_member",
        call=lambda c: c.organizations.update_member("org_1", "u_2", role="admin"),
        method="PATCH",
        path="/organizations/org_1/members/u_2",
        body=b'{"role":"admin"}',
        keyed=True,
        answer={"user_id": "u_2", "role": "admin"},
        gives=lambda r: r.role,
        expected="admin",
    ),
    Golden(
        operation="organizations.remove_member",
        call=lambda c: c.organizations.remove_member("org_1", "u_2"),
        method="DELETE",
        path="/organizations/org_1/members/u_2",
        status=204,
    ),
    Golden(
        operation="organizations.transfer_owner",
        call=lambda c: c.organizations.transfer_owner("org_1", new_owner_user_id="u_789"),
        method="POST",
        path="/organizations/org_1/transfer-owner",
        body=b'{"new_owner_user_id":"u_789"}',
        keyed=True,
        answer={"organization": {"org_id": "org_1", "role": "admin", "owner_user_id": "u_789"}},
        gives=lambda r: (r.owner_user_id, r.role),
        expected=("u_789", "admin"),
    ),
    Golden(
        operation="billing.balance",
        call=lambda c: c.billing.balance(),
        method="GET",
        path="/billing/balance",
        answer={"balance_usd": "123456789012.345678901234567890"},
        gives=lambda r: (str(r.balance_usd), r["balance_usd"]),
        expected=(
            "123456789012.345678901234567890",
            Decimal("123456789012.345678901234567890"),
        ),
    ),
    Golden(
        operation="billing.usage",
        call=lambda c: c.billing.usage(days=30),
        method="GET",
        path="/billing/usage?days=30",
        answer={
            "days": 30,
            "total": "0.30",
            "daily": [{"date": "2026-04-27", "cost": "0.30", "requests": 2}],
            "by_tier": {"fast": {"cost": "0.10"}, "byok": {"cost": "0"}},
        },
        gives=lambda r: (r.total, r.daily[0].date, r.daily[0].cost, r.by_tier["fast"].cost),
        expected=(Decimal("0.30"), "2026-04-27", Decimal("0.30"), Decimal("0.10")),
    ),
    Golden(
        operation="billing.get_plan",
        call=lambda c: c.billing.get_plan(),
        method="GET",
        path="/billing/plan",
        answer={"plan": "free", "monthly_quota_usd": "5.00", "rate_limit_rpm": 60},
        gives=lambda r: (r.plan, r.monthly_quota_usd, r.rate_limit_rpm),
        expected=("free", Decimal("5.00"), 60),
    ),
    Golden(
        operation="billing.upgrade_hint",
        call=lambda c: c.billing.upgrade_hint(),
        method="GET",
        path="/billing/upgrade-hint",
        answer={"hint": {"recommend_plan": "pro", "savings_pct": 12.5}},
        gives=lambda r: (r["hint"]["recommend_plan"], f"{r['hint']['savings_pct']}%"),
        expected=("pro", "12.5%"),
    ),
    Golden(
        operation="billing.upgrade_hint",
        call=lambda c: c.billing.upgrade_hint(),
        method="GET",
        path="/billing/upgrade-hint",
        answer={"hint": None},
        gives=lambda r: r["hint"],
    ),
    *(
        Golden(
            operation="billing.topup",
            call=lambda c, amount=amount: c.billing.topup(
                amount_usd=amount, idempotency_key="topup-2026-04-27-001"
            ),
            method="POST",
            path="/billing/topup",
            body=b'{"amount_usd":%b,"idempotency_key":"topup-2026-04-27-001"}' % digits,
            answer={"topup_id": "tu_1", "status": "succeeded", "amount_usd": "20.10"},
            gives=lambda r: (r.topup_id, r.status, r.amount_usd),
            expected=("tu_1", "succeeded", Decimal("20.10")),
        )
        for amount, digits in (
            ("20.10", b"20.10"),
            (20, b"20"),
            (Decimal("0.000000000000000001"), b"0.000000000000000001"),
            ("123456789012.345678901234567890", b"123456789012.345678901234567890"),
            (12345678901234567890123, b"12345678901234567890123"),
            (Decimal("1E+3"), b"1000"),
        )
    ),
    Golden(
        operation="billing.checkout",
        call=lambda c: c.billing.checkout(amount_usd=20, idempotency_key="topup-2026-04-27-001"),
        method="POST",
        path="/billing/checkout",
        body=b'{"amount_usd":20,"idempotency_key":"topup-2026-04-27-001"}',
        answer={"session": {"checkout_url": "https://pay.nexevo.ai/cs_1", "session_id": "cs_1"}},
        gives=lambda r: (r["checkout_url"], r.session_id),
        expected=("https://pay.nexevo.ai/cs_1", "cs_1"),
    ),
]


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda g: g.operation)
async def test_the_request_is_what_the_contract_says(client, wire, golden):
    wire.answer(
        golden.method,
        golden.path,
        payload=golden.answer,
        status=golden.status,
        headers={"X-Nexevo-Generation-Id": "gen_1"},
    )
    result = await golden.call(client)
    (sent,) = wire.sent
    assert sent.method == golden.method
    assert sent.url == str(normalize_url(f"https://api.nexevo.ai/v1{golden.path}"))
    assert sent.body == golden.body
    headers = dict(sent.headers)
    authorization = "Bearer sk-xc-golden" if golden.authorized else None
    assert headers.pop("authorization", None) == authorization
    assert headers.pop("accept") == "application/json"
    assert headers.pop("user-agent").startswith("nexevo-python/")
    content_type = None if golden.body is None else "application/json"
    assert headers.pop("content-type", None) == content_type
    assert (len(headers.pop("idempotency-key", "")) >= 16) is golden.keyed
    assert headers == {}
    assert golden.gives(result) == golden.expected


def test_every_operation_has_a_golden_request():
    assert {golden.operation for golden in GOLDEN} == {op.name for op in OPERATIONS}


async def test_a_stream_asks_for_events(client, wire):
    wire.answer(
        "POST",
        "/chat/completions",
        body=b'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\ndata: [DONE]\n\n',
        content_type="text/event-stream",
    )
    async with await client.chat.completions.create(
        model="nexevo/fast", messages=[{"role": "user", "content": "Hello!"}], stream=True
    ) as stream:
        assert [chunk.text async for chunk in stream] == ["Hi"]
    (sent,) = wire.sent
    assert sent.headers["accept"] == "text/event-stream"
    assert sent.body == (
        b'{"model":"nexevo/fast","messages":[{"role":"user","content":"Hello!"}],"stream":true}'
    )


async def test_the_callers_own_key_and_extras_travel(client, wire):
    wire.answer("POST", "/conversations?trace=on", payload=CONVERSATION)
    await client.conversations.create(
        idempotency_key="my-key",
        extra_headers={"X-Team": "search"},
        extra_query={"trace": "on"},
        extra_body={"title": "Extra"},
    )
    (sent,) = wire.sent
    assert sent.headers["idempotency-key"] == "my-key"
    assert sent.headers["x-team"] == "search"
    assert sent.body == b'{"title":"Extra"}'


async def test_a_call_that_is_not_modelled(client, wire):
    wire.answer("POST", "/somewhere/new?a=1", payload={"fine": True})
    response = await client.request("post", "/somewhere/new", query={"a": 1}, json={"b": None})
    (sent,) = wire.sent
    assert (sent.method, sent.body) == ("POST", b'{"b":null}')
    assert response.json() == {"fine": True}
