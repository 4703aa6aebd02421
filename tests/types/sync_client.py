"""What type checkers must see of the sync client; checked, never run."""

import os
import ssl
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, assert_type

from nexevo_sync import (
    TLS,
    UNSET,
    Balance,
    ChatCompletion,
    ChatCompletionChunk,
    ChatStream,
    CheckoutSession,
    CompletionUsage,
    Conversation,
    DailyUsage,
    DataExport,
    Feedback,
    FeedbackSummary,
    Handler,
    Key,
    KeySource,
    Member,
    Message,
    Meta,
    ModelInfo,
    NewKey,
    NewOrganization,
    Nexevo,
    Organization,
    Page,
    Plan,
    Request,
    Response,
    SeatUsage,
    Session,
    SpendCapExceededError,
    TierUsage,
    Timeouts,
    Topup,
    TwoFactorEnabled,
    TwoFactorSetup,
    TwoFactorStatus,
    UpgradeHint,
    Usage,
    User,
    WebhookEvent,
    webhooks,
)


def client() -> None:
    with Nexevo("sk-xc-1", timeouts=Timeouts(total=30)) as nexevo:
        assert_type(nexevo, Nexevo)
        assert_type(nexevo.with_options(max_retries=0), Nexevo)
        assert_type(nexevo.request("GET", "/models"), Response)
        assert_type(nexevo.seats, SeatUsage)
        assert_type(nexevo.close(), None)


def conversations(nexevo: Nexevo) -> None:
    conv = nexevo.conversations.create(title="My Session", metadata={"user_id": 1})
    assert_type(conv, Conversation)
    assert_type(conv.conversation_id, str)
    assert_type(conv.title, str | None)
    assert_type(conv.meta, Meta)
    assert_type(conv["title"], Any)
    page = nexevo.conversations.list(limit=20)
    assert_type(page, Page[Conversation])
    assert_type(page.next_page(), Page[Conversation] | None)
    assert_type(page.data, list[Conversation])
    assert_type(page.has_more, bool)
    assert_type(page.next_cursor, str | None)
    assert_type(page.meta, Meta)
    for item in page:
        assert_type(item, Conversation)
    assert_type(nexevo.conversations.get("conv_1"), Conversation)
    assert_type(nexevo.conversations.update("conv_1", title=None), Conversation)
    assert_type(nexevo.conversations.update("conv_1", title=UNSET), Conversation)
    assert_type(
        nexevo.conversations.append_message(
            "conv_1", role="user", content="Hello!", idempotent=True
        ),
        Message,
    )
    assert_type(nexevo.conversations.list_messages("conv_1"), Page[Message])
    assert_type(nexevo.conversations.delete("conv_1", max_retries=0), None)


def chat(nexevo: Nexevo, *, streamed: bool) -> None:
    messages = [{"role": "user", "content": "Hello!"}]
    completion = nexevo.chat.completions.create(
        model="nexevo/balanced", messages=messages, max_price={"total": Decimal(10)}
    )
    assert_type(completion, ChatCompletion)
    assert_type(completion.text, str)
    assert_type(completion.choices[0].message.content, str | None)
    assert_type(completion.usage, CompletionUsage | None)
    stream = nexevo.chat.completions.create(
        model="nexevo/balanced", messages=[completion.choices[0].message], stream=True
    )
    assert_type(stream, ChatStream)
    with stream:
        for chunk in stream:
            assert_type(chunk, ChatCompletionChunk)
    assert_type(stream.final(), ChatCompletion)
    assert_type(stream.text, str)
    assert_type(stream.usage, CompletionUsage | None)
    assert_type(stream.meta, Meta)
    assert_type(stream.close(), None)
    assert_type(
        nexevo.chat.completions.create(model="nexevo/balanced", messages=messages, stream=streamed),
        ChatCompletion | ChatStream,
    )


def the_rest(nexevo: Nexevo) -> None:
    assert_type(nexevo.models.list(), Page[ModelInfo])
    assert_type(nexevo.feedback.submit(generation_id="gen_1", rating=-1), Feedback)
    assert_type(nexevo.feedback.summary(days=7), FeedbackSummary)


def accounts(nexevo: Nexevo) -> None:
    session = nexevo.auth.register(email="jane@example.com", password="correct horse")
    assert_type(session, Session)
    assert_type(session.access_token, str | None)
    assert_type(nexevo.with_options(api_key=session.access_token), Nexevo)
    assert_type(nexevo.auth.login(email="j@e.com", password="pw", totp_code="123456"), Session)
    assert_type(nexevo.auth.me(), User)
    assert_type(nexevo.auth.update_profile(full_name="Jane Doe"), User)
    assert_type(nexevo.auth.two_fa_status(), TwoFactorStatus)
    assert_type(nexevo.auth.two_fa_setup(), TwoFactorSetup)
    assert_type(nexevo.auth.two_fa_enable(code="123456"), TwoFactorEnabled)
    assert_type(nexevo.auth.two_fa_disable(password="pw", code="123456"), TwoFactorStatus)
    assert_type(nexevo.auth.export_data(), DataExport)
    assert_type(nexevo.auth.request_password_reset(email="jane@example.com"), None)
    assert_type(nexevo.auth.confirm_password_reset(token="t", new_password="pw"), None)
    assert_type(nexevo.auth.change_password(current_password="pw", new_password="pw"), None)
    assert_type(nexevo.auth.logout(), None)
    assert_type(nexevo.auth.deactivate(password="pw"), None)


def keys(nexevo: Nexevo) -> None:
    new = nexevo.keys.create(name="prod-2026", monthly_spend_cap_usd=Decimal(100))
    assert_type(new, NewKey)
    assert_type(new.full_key, str)
    assert_type(new.key, Key)
    assert_type(new.key.monthly_spend_cap_usd, Decimal | None)
    assert_type(nexevo.keys.list(limit=20), Page[Key])
    assert_type(nexevo.keys.get("key_1"), Key)
    assert_type(nexevo.keys.update_spend_cap("key_1", monthly_spend_cap_usd="100"), Key)
    assert_type(nexevo.keys.update_spend_cap("key_1", clear=True), Key)
    assert_type(nexevo.keys.update_alert_webhook("key_1", url="https://a.com"), Key)
    assert_type(nexevo.keys.update_geo_policy("key_1", policy="cn-only"), Key)
    assert_type(nexevo.keys.revoke("key_1"), None)


def organizations(nexevo: Nexevo) -> None:
    org = nexevo.organizations.create("Acme Inc")
    assert_type(org, NewOrganization)
    assert_type(org.organization.org_id, str)
    assert_type(nexevo.organizations.list(), Page[Organization])
    assert_type(nexevo.organizations.get("org_1"), Organization)
    assert_type(
        nexevo.organizations.invite_member("org_1", email="dev@acme.com", role="developer"),
        Member,
    )
    assert_type(nexevo.organizations.accept_invitation(token="t"), Member)
    assert_type(nexevo.organizations.list_members("org_1"), Page[Member])
    assert_type(nexevo.organizations.update_member("org_1", "u_1", role="admin"), Member)
    assert_type(
        nexevo.organizations.transfer_owner("org_1", new_owner_user_id="u_789"), Organization
    )
    assert_type(nexevo.organizations.remove_member("org_1", "u_1"), None)


def billing(nexevo: Nexevo) -> None:
    balance = nexevo.billing.balance()
    assert_type(balance, Balance)
    assert_type(balance.balance_usd, Decimal)
    usage = nexevo.billing.usage(days=7)
    assert_type(usage, Usage)
    assert_type(usage.total, Decimal | None)
    assert_type(usage.by_tier, dict[str, TierUsage] | None)
    for day in usage.daily or ():
        assert_type(day, DailyUsage)
        assert_type(day.cost, Decimal | None)
    assert_type(nexevo.billing.get_plan(), Plan)
    hint = nexevo.billing.upgrade_hint()
    assert_type(hint, UpgradeHint)
    if hint.hint is not None:
        assert_type(hint.hint.recommend_plan, str)
        assert_type(hint.hint.savings_pct, float)
    assert_type(nexevo.billing.topup(amount_usd="20.10", idempotency_key="k"), Topup)
    session = nexevo.billing.checkout(amount_usd=20, idempotency_key="k", max_retries=0)
    assert_type(session, CheckoutSession)
    assert_type(session.checkout_url, str)


def no_money(error: SpendCapExceededError) -> None:
    assert_type(error.limit, Decimal | None)
    assert_type(error.resets_at, datetime | None)


def an_alert(body: bytes, headers: dict[str, str]) -> None:
    event = webhooks.verify(body, headers, secrets=["whsec_c2VjcmV0"])
    assert_type(event, WebhookEvent)
    if event.data is not None:
        assert_type(event.data.month_spend_usd, Decimal | None)


async def token() -> str:
    return "sk-xc-1"


def source() -> KeySource:
    return token


ASKED = [Nexevo(lambda: "sk-xc-1"), Nexevo(token), Nexevo(source())]


async def tag(request: Request, call_next: Handler) -> Response:
    return await call_next(request.with_headers({"X-Team": "search"}))


TAGGED = Nexevo(middleware=[tag], attempt_middleware=(tag,))


def mistakes(nexevo: Nexevo) -> None:
    """Each line must be an error: an ignore that is not needed is one."""
    conv = nexevo.conversations.get("conv_1")
    _ = conv.titel  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
    nexevo.conversations.append_message("conv_1", role="robot", content="")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    nexevo.keys.update_geo_policy("key_1", policy="mars")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    nexevo.keys.update_spend_cap("key_1", monthly_spend_cap_usd=0.1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    nexevo.feedback.submit(generation_id="gen_1", rating=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    nexevo.billing.topup(amount_usd=20.1, idempotency_key="k")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    nexevo.billing.topup(amount_usd=20)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    nexevo.models.list(timeout=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def network(context: Callable[[], ssl.SSLContext]) -> None:
    assert_type(Nexevo(tls=TLS(context=context), proxy="http://proxy.example:3128"), Nexevo)
    assert_type(TLS(ca_file=Path("ca.pem")).client_cert, str | os.PathLike[str] | None)
