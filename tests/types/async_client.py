"""What type checkers must see of the async client; checked, never run."""

import os
import ssl
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, assert_type

from nexevo_async import (
    TLS,
    UNSET,
    AsyncNexevo,
    AsyncPage,
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
    Organization,
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


async def client() -> None:
    async with AsyncNexevo("sk-xc-1", timeouts=Timeouts(total=30)) as nexevo:
        assert_type(nexevo, AsyncNexevo)
        assert_type(nexevo.with_options(max_retries=0), AsyncNexevo)
        assert_type(await nexevo.request("GET", "/models"), Response)
        assert_type(nexevo.seats, SeatUsage)
        assert_type(await nexevo.aclose(), None)


async def conversations(nexevo: AsyncNexevo) -> None:
    conv = await nexevo.conversations.create(title="My Session", metadata={"user_id": 1})
    assert_type(conv, Conversation)
    assert_type(conv.conversation_id, str)
    assert_type(conv.title, str | None)
    assert_type(conv.meta, Meta)
    assert_type(conv["title"], Any)
    page = await nexevo.conversations.list(limit=20)
    assert_type(page, AsyncPage[Conversation])
    assert_type(await page.next_page(), AsyncPage[Conversation] | None)
    assert_type(page.data, list[Conversation])
    assert_type(page.has_more, bool)
    assert_type(page.next_cursor, str | None)
    assert_type(page.meta, Meta)
    async for item in page:
        assert_type(item, Conversation)
    assert_type(await nexevo.conversations.get("conv_1"), Conversation)
    assert_type(await nexevo.conversations.update("conv_1", title=None), Conversation)
    assert_type(await nexevo.conversations.update("conv_1", title=UNSET), Conversation)
    assert_type(
        await nexevo.conversations.append_message(
            "conv_1", role="user", content="Hello!", idempotent=True
        ),
        Message,
    )
    assert_type(await nexevo.conversations.list_messages("conv_1"), AsyncPage[Message])
    assert_type(await nexevo.conversations.delete("conv_1", max_retries=0), None)


async def chat(nexevo: AsyncNexevo, *, streamed: bool) -> None:
    messages = [{"role": "user", "content": "Hello!"}]
    completion = await nexevo.chat.completions.create(
        model="nexevo/balanced", messages=messages, max_price={"total": Decimal(10)}
    )
    assert_type(completion, ChatCompletion)
    assert_type(completion.text, str)
    assert_type(completion.choices[0].message.content, str | None)
    assert_type(completion.usage, CompletionUsage | None)
    stream = await nexevo.chat.completions.create(
        model="nexevo/balanced", messages=[completion.choices[0].message], stream=True
    )
    assert_type(stream, ChatStream)
    async with stream:
        async for chunk in stream:
            assert_type(chunk, ChatCompletionChunk)
    assert_type(await stream.final(), ChatCompletion)
    assert_type(stream.text, str)
    assert_type(stream.usage, CompletionUsage | None)
    assert_type(stream.meta, Meta)
    assert_type(await stream.aclose(), None)
    assert_type(stream.close(), None)
    assert_type(
        await nexevo.chat.completions.create(
            model="nexevo/balanced", messages=messages, stream=streamed
        ),
        ChatCompletion | ChatStream,
    )


async def the_rest(nexevo: AsyncNexevo) -> None:
    assert_type(await nexevo.models.list(), AsyncPage[ModelInfo])
    assert_type(await nexevo.feedback.submit(generation_id="gen_1", rating=-1), Feedback)
    assert_type(await nexevo.feedback.summary(days=7), FeedbackSummary)


async def accounts(nexevo: AsyncNexevo) -> None:
    session = await nexevo.auth.register(email="jane@example.com", password="correct horse")
    assert_type(session, Session)
    assert_type(session.access_token, str | None)
    assert_type(nexevo.with_options(api_key=session.access_token), AsyncNexevo)
    assert_type(
        await nexevo.auth.login(email="j@e.com", password="pw", totp_code="123456"), Session
    )
    assert_type(await nexevo.auth.me(), User)
    assert_type(await nexevo.auth.update_profile(full_name="Jane Doe"), User)
    assert_type(await nexevo.auth.two_fa_status(), TwoFactorStatus)
    assert_type(await nexevo.auth.two_fa_setup(), TwoFactorSetup)
    assert_type(await nexevo.auth.two_fa_enable(code="123456"), TwoFactorEnabled)
    assert_type(await nexevo.auth.two_fa_disable(password="pw", code="123456"), TwoFactorStatus)
    assert_type(await nexevo.auth.export_data(), DataExport)
    assert_type(await nexevo.auth.request_password_reset(email="jane@example.com"), None)
    assert_type(await nexevo.auth.confirm_password_reset(token="t", new_password="pw"), None)
    assert_type(await nexevo.auth.change_password(current_password="pw", new_password="pw"), None)
    assert_type(await nexevo.auth.logout(), None)
    assert_type(await nexevo.auth.deactivate(password="pw"), None)


async def keys(nexevo: AsyncNexevo) -> None:
    new = await nexevo.keys.create(name="prod-2026", monthly_spend_cap_usd=Decimal(100))
    assert_type(new, NewKey)
    assert_type(new.full_key, str)
    assert_type(new.key, Key)
    assert_type(new.key.monthly_spend_cap_usd, Decimal | None)
    assert_type(await nexevo.keys.list(limit=20), AsyncPage[Key])
    assert_type(await nexevo.keys.get("key_1"), Key)
    assert_type(await nexevo.keys.update_spend_cap("key_1", monthly_spend_cap_usd="100"), Key)
    assert_type(await nexevo.keys.update_spend_cap("key_1", clear=True), Key)
    assert_type(await nexevo.keys.update_alert_webhook("key_1", url="https://a.com"), Key)
    assert_type(await nexevo.keys.update_geo_policy("key_1", policy="cn-only"), Key)
    assert_type(await nexevo.keys.revoke("key_1"), None)


async def organizations(nexevo: AsyncNexevo) -> None:
    org = await nexevo.organizations.create("Acme Inc")
    assert_type(org, NewOrganization)
    assert_type(org.organization.org_id, str)
    assert_type(await nexevo.organizations.list(), AsyncPage[Organization])
    assert_type(await nexevo.organizations.get("org_1"), Organization)
    assert_type(
        await nexevo.organizations.invite_member("org_1", email="dev@acme.com", role="developer"),
        Member,
    )
    assert_type(await nexevo.organizations.accept_invitation(token="t"), Member)
    assert_type(await nexevo.organizations.list_members("org_1"), AsyncPage[Member])
    assert_type(await nexevo.organizations.update_member("org_1", "u_1", role="admin"), Member)
    assert_type(
        await nexevo.organizations.transfer_owner("org_1", new_owner_user_id="u_789"), Organization
    )
    assert_type(await nexevo.organizations.remove_member("org_1", "u_1"), None)


async def billing(nexevo: AsyncNexevo) -> None:
    balance = await nexevo.billing.balance()
    assert_type(balance, Balance)
    assert_type(balance.balance_usd, Decimal)
    usage = await nexevo.billing.usage(days=7)
    assert_type(usage, Usage)
    assert_type(usage.total, Decimal | None)
    assert_type(usage.by_tier, dict[str, TierUsage] | None)
    for day in usage.daily or ():
        assert_type(day, DailyUsage)
        assert_type(day.cost, Decimal | None)
    assert_type(await nexevo.billing.get_plan(), Plan)
    hint = await nexevo.billing.upgrade_hint()
    assert_type(hint, UpgradeHint)
    if hint.hint is not None:
        assert_type(hint.hint.recommend_plan, str)
        assert_type(hint.hint.savings_pct, float)
    assert_type(await nexevo.billing.topup(amount_usd="20.10", idempotency_key="k"), Topup)
    session = await nexevo.billing.checkout(amount_usd=20, idempotency_key="k", max_retries=0)
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


ASKED = [AsyncNexevo(lambda: "sk-xc-1"), AsyncNexevo(token), AsyncNexevo(source())]


async def tag(request: Request, call_next: Handler) -> Response:
    return await call_next(request.with_headers({"X-Team": "search"}))


TAGGED = AsyncNexevo(middleware=[tag], attempt_middleware=(tag,))


async def mistakes(nexevo: AsyncNexevo) -> None:
    """Each line must be an error: an ignore that is not needed is one."""
    conv = await nexevo.conversations.get("conv_1")
    _ = conv.titel  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
    await nexevo.conversations.append_message("conv_1", role="robot", content="")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await nexevo.keys.update_geo_policy("key_1", policy="mars")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await nexevo.keys.update_spend_cap("key_1", monthly_spend_cap_usd=0.1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await nexevo.feedback.submit(generation_id="gen_1", rating=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await nexevo.billing.topup(amount_usd=20.1, idempotency_key="k")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await nexevo.billing.topup(amount_usd=20)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await nexevo.models.list(timeout=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def network(context: Callable[[], ssl.SSLContext]) -> None:
    assert_type(
        AsyncNexevo(tls=TLS(context=context), proxy="http://proxy.example:3128"), AsyncNexevo
    )
    assert_type(TLS(ca_file=Path("ca.pem")).client_cert, str | os.PathLike[str] | None)
