from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from nexevo_async import AsyncNexevo, NotFoundError
from nexevo_async.testing import Sandbox

MESSAGES = [{"role": "user", "content": "Hello!"}]
Call = Callable[[Any], Awaitable[Any]]


def chat(**arguments: Any) -> Call:
    call = {"model": "gpt-4o", "messages": MESSAGES} | arguments
    return lambda client: client.chat.completions.create(**call)


def cap(amount: Any, **clear: Any) -> Call:
    return lambda client: client.keys.update_spend_cap(
        "key_1", monthly_spend_cap_usd=amount, **clear
    )


def topup(amount_usd: Any, idempotency_key: Any = "topup-1") -> Call:
    return lambda client: client.billing.topup(
        amount_usd=amount_usd, idempotency_key=idempotency_key
    )


def webhook(url: Any, **clear: Any) -> Call:
    return lambda client: client.keys.update_alert_webhook("key_1", url=url, **clear)


WRONG: list[tuple[str, Call, type[Exception], str]] = [
    (
        "a role outside the set",
        lambda c: c.conversations.append_message("conv_1", role="boss", content="x"),
        ValueError,
        "role must be one of user, assistant, system, tool",
    ),
    (
        "metadata over 4 KB",
        lambda c: c.conversations.create(metadata={"a": "ü" * 2045}),
        ValueError,
        "4,096",
    ),
    (
        "metadata that is no object",
        lambda c: c.conversations.create(metadata=["a"]),
        TypeError,
        "metadata must be a JSON object",
    ),
    (
        "metadata that is no JSON",
        lambda c: c.conversations.create(metadata={"a": {1, 2}}),
        TypeError,
        "metadata cannot be written as JSON",
    ),
    ("a title that is no string", lambda c: c.conversations.create(title=3), TypeError, "title"),
    ("an id of two dots", lambda c: c.conversations.get(".."), ValueError, "another path"),
    ("an empty id", lambda c: c.conversations.delete(""), ValueError, "empty"),
    ("an id with a newline", lambda c: c.conversations.get("a\nb"), ValueError, "control"),
    ("an id that is no string", lambda c: c.conversations.get(7), TypeError, "conversation_id"),
    ("a limit that is no int", lambda c: c.conversations.list(limit="5"), TypeError, "limit"),
    ("a price that is a float", chat(max_price={"total": 0.1}), TypeError, "must not be a float"),
    ("a price that is no number", chat(max_price={"total": "NaN"}), ValueError, "decimal number"),
    ("messages that are a string", chat(messages="Hello!"), TypeError, "messages must be a list"),
    ("a message that is a string", chat(messages=["Hello!"]), TypeError, r"messages\[0\]"),
    ("a temperature of 3", chat(temperature=3), ValueError, "temperature must be from 0 to 2"),
    ("a stream that is no bool", chat(stream=1), TypeError, "stream must be True or False"),
    (
        "a rating of 5",
        lambda c: c.feedback.submit(generation_id="gen_1", rating=5),
        ValueError,
        "rating must be 1",
    ),
    (
        "tags that are one string",
        lambda c: c.feedback.submit(generation_id="gen_1", rating=1, tags="accurate"),
        TypeError,
        "tags must be a list",
    ),
    (
        "a newline in an idempotency key",
        lambda c: c.conversations.create(idempotency_key="a\nb"),
        ValueError,
        "idempotency_key must be printable ASCII",
    ),
    (
        "a newline in a header",
        lambda c: c.models.list(extra_headers={"X-A": "b\r\nX-C: d"}),
        ValueError,
        "control",
    ),
    ("timeouts that are a number", lambda c: c.models.list(timeouts=3), TypeError, "Timeouts"),
    ("a key without a name", lambda c: c.keys.create(""), ValueError, "1 to 100 characters"),
    ("a name of 101", lambda c: c.keys.create("x" * 101), ValueError, "1 to 100 .* not 101"),
    ("a name that is none", lambda c: c.keys.create(None), TypeError, "name must be a string"),
    ("a cap that is a float", cap(0.1), TypeError, "must not be a float"),
    ("a cap below 0", cap("-1"), ValueError, "must not be negative"),
    ("a cap that is no number", cap("1,5"), ValueError, "decimal number"),
    ("a cap without end", cap("Infinity"), ValueError, "decimal number"),
    ("a cap of a billion digits", cap("1e999999999"), ValueError, "far from any amount"),
    ("a cap and clear", cap("1", clear=True), ValueError, "or clear=True, not both"),
    ("neither cap nor clear", cap(None), ValueError, "or clear=True, one of them"),
    ("a clear that is no bool", cap(None, clear=1), TypeError, "clear must be True or False"),
    ("a webhook by http", webhook("http://a.com/x"), ValueError, "https:// URL"),
    ("a webhook by javascript", webhook("javascript:alert(1)"), ValueError, "https:// URL"),
    ("a webhook without a host", webhook("https:///x"), ValueError, "https:// URL"),
    ("a webhook without a scheme", webhook("//a.com"), ValueError, "https:// URL"),
    ("a webhook with a port of letters", webhook("https://a.com:x"), ValueError, "https:// URL"),
    ("a webhook with a newline", webhook("https://a.com/\nx"), ValueError, "https:// URL"),
    ("a webhook with a space before", webhook(" https://a.com"), ValueError, "https:// URL"),
    ("a webhook with a backslash", webhook("https://a.com\\@b.com"), ValueError, "https:// URL"),
    ("a webhook with a bad bracket", webhook("https://[::1"), ValueError, "https:// URL"),
    ("a webhook with credentials", webhook("https://a:b@c.com/x"), ValueError, "no credentials"),
    ("a webhook and clear", webhook("https://a.com", clear=True), ValueError, "not both"),
    ("neither webhook nor clear", webhook(None), ValueError, "one of them"),
    (
        "a geo policy outside the set",
        lambda c: c.keys.update_geo_policy("key_1", policy="mars-only"),
        ValueError,
        "policy must be one of cn-only, overseas-only, any",
    ),
    (
        "a new key's geo policy outside the set",
        lambda c: c.keys.create("x", geo_policy=""),
        ValueError,
        "geo_policy must be one of",
    ),
    (
        "a member's role outside the set",
        lambda c: c.organizations.invite_member("org_1", email="a@b.c", role="boss"),
        ValueError,
        "role must be one of owner, admin, developer",
    ),
    (
        "a member's id of two dots",
        lambda c: c.organizations.remove_member("org_1", ".."),
        ValueError,
        "user_id is '..'",
    ),
    (
        "a password that is bytes",
        lambda c: c.auth.login(email="a@b.c", password=b"pw"),
        TypeError,
        "password must be a string, not bytes",
    ),
    (
        "a code that is a number",
        lambda c: c.auth.login(email="a@b.c", password="pw", totp_code=123456),
        TypeError,
        "totp_code must be a string, not int$",
    ),
    (
        "a password that is no text",
        lambda c: c.auth.deactivate(password="\ud800"),
        ValueError,
        "JSON",
    ),
    (
        "a profile without a name",
        lambda c: c.auth.update_profile(),
        TypeError,
        "full_name",
    ),
    ("a payment that is a float", topup(20.1), TypeError, "amount_usd must not be a float"),
    ("a payment that is a bool", topup(True), TypeError, "str, int or Decimal, not bool"),
    ("a payment of nothing", topup("0.00"), ValueError, "amount_usd must be above 0"),
    ("a payment below 0", topup("-1"), ValueError, "must not be negative"),
    ("a payment without end", topup(Decimal("Infinity")), ValueError, "decimal number"),
    ("a payment of no number", topup(Decimal("NaN")), ValueError, "decimal number"),
    ("a payment with a comma", topup("20,10"), ValueError, "decimal number"),
    ("a payment of a billion digits", topup("1e999999999"), ValueError, "far from any amount"),
    ("a payment without a key", topup(20, ""), ValueError, "printable ASCII"),
    ("a payment's key with a newline", topup(20, "a\nb"), ValueError, "printable ASCII"),
    ("a payment's key that is none", topup(20, None), TypeError, "idempotency_key must be a str"),
    (
        "a checkout that is a float",
        lambda c: c.billing.checkout(amount_usd=20.0, idempotency_key="k"),
        TypeError,
        "amount_usd must not be a float",
    ),
    ("days that are no int", lambda c: c.billing.usage(days="7"), TypeError, "days must be an int"),
    ("a path that leads elsewhere", lambda c: c.request("GET", "/../x"), ValueError, "dot segm"),
]


@pytest.mark.parametrize(
    ("call", "error", "says"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG]
)
async def test_a_bad_argument_is_refused_before_anything_is_sent(
    client: AsyncNexevo, sandbox: Sandbox, call: Call, error: type[Exception], says: str
):
    with pytest.raises(error, match=says):
        await call(client)
    assert sandbox.requests == []


async def test_an_id_stays_one_segment_of_the_path(client: AsyncNexevo, sandbox: Sandbox):
    with pytest.raises(NotFoundError, match=r"GET /conversations/a%2F\.\.%2Fb%3Fc%23d%20e"):
        await client.conversations.get("a/../b?c#d e")
    assert [request.operation for request in sandbox.requests] == ["conversations.get"]


@pytest.mark.parametrize("key", ["", " ", "sk-xc-a\n", "sk-xc-\x00", "Bearer sk-xc-a"])
def test_a_key_that_cannot_travel_is_refused_by_a_view_too(client: AsyncNexevo, key: str):
    with pytest.raises(ValueError, match="api_key") as caught:
        client.with_options(api_key=key)
    assert "sk-xc" not in str(caught.value).replace("begins with sk-xc-", "")
