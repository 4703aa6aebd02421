import base64
import json
import time
import traceback
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError as TheirError

import nexevo_sync
from nexevo_async import WebhookVerificationError, webhooks
from nexevo_async.codec.signatures import signature, signing_key
from nexevo_async.testing import sign_webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(b"another secret").decode()
BODY = json.dumps(
    {
        "type": "key.spend_threshold_reached",
        "timestamp": "2026-04-27T12:00:00Z",
        "data": {
            "key_id": "key_1",
            "threshold_pct": 80,
            "monthly_spend_cap_usd": "100.00",
            "month_spend_usd": "80.000000000000000001",
        },
    }
).encode()


def signed(body: bytes = BODY, secret: str = SECRET, **given: Any) -> dict[str, str]:
    return sign_webhook(body, secret, **given)


def accepted(headers: Any, body: Any = BODY, secrets: Any = (SECRET,), **given: Any) -> bool:
    try:
        webhooks.verify(body, headers, secrets, **given)
    except WebhookVerificationError:
        return False
    return True


def test_an_event_is_typed_and_open():
    body = BODY.replace(b'"key_id"', b'"colour": 0.5, "key_id"')
    event = webhooks.verify(body, signed(body), secrets=[SECRET])
    assert event.type == event["type"] == "key.spend_threshold_reached"
    assert event.timestamp == datetime(2026, 4, 27, 12, tzinfo=UTC)
    assert event.data is not None
    assert (event.data.key_id, event.data.threshold_pct) == ("key_1", 80)
    assert event.data.monthly_spend_cap_usd == Decimal("100.00")
    assert str(event.data.month_spend_usd) == "80.000000000000000001"
    assert event.data["colour"] == 0.5
    assert json.loads(body) == event.to_dict()


def test_amounts_that_came_as_numbers_keep_their_digits():
    body = BODY.replace(b'"80.000000000000000001"', b"80.000000000000000001")
    event = webhooks.verify(body, signed(body), [SECRET])
    assert event.data is not None
    assert str(event.data.month_spend_usd) == "80.000000000000000001"


@pytest.mark.parametrize(
    "data", [None, {}, {"key_id": 7, "percent": 3}, [1], "text", {"threshold_pct": 1.5}]
)
def test_an_event_of_a_new_type_is_given_as_it_came(data):
    body = json.dumps({"type": "key.renamed", "data": data, "more": 1}).encode()
    event = webhooks.verify(body, signed(body), [SECRET])
    assert (event.type, event["more"]) == ("key.renamed", 1)
    assert event.to_dict()["data"] == data
    if isinstance(data, dict):
        assert event.data is not None
        assert event.data.to_dict() == data


def test_the_oracle_accepts_what_we_sign_and_we_what_it_signs():
    now = datetime.now(UTC)
    assert Webhook(SECRET).verify(BODY, signed()) == json.loads(BODY)
    theirs = Webhook(SECRET).sign("msg_1", now, BODY.decode())
    ours = signed(id="msg_1", timestamp=now.timestamp())
    assert ours["webhook-signature"] == theirs
    assert accepted({**ours, "webhook-signature": theirs})


def test_the_vector_of_the_specification():
    """From the test suite of Standard Webhooks."""
    body = b'{"test": 2432232314}'
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    assert signed(body, id=headers["webhook-id"], timestamp=1614265330) == headers
    with pytest.raises(WebhookVerificationError, match="is no event"):
        webhooks.verify(body, headers, [SECRET], tolerance=10**10)


@given(
    body=st.binary(max_size=200),
    id=st.text("abcdefgh_-0123456789", min_size=1, max_size=30),
    key=st.binary(min_size=1, max_size=64),
)
def test_our_signature_is_the_oracles(body, id, key):
    secret = "whsec_" + base64.b64encode(key).decode()
    ours = sign_webhook(body, secret, id=id)
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return  # the oracle signs text alone
    when = datetime.fromtimestamp(int(ours["webhook-timestamp"]), UTC)
    assert ours["webhook-signature"] == Webhook(secret).sign(id, when, text)


@pytest.mark.parametrize("part", ["body", "webhook-id", "webhook-timestamp", "webhook-signature"])
def test_each_byte_flipped_is_refused(part):
    headers = signed()
    whole = BODY if part == "body" else headers[part].encode()
    for place in range(len(whole)):
        for bit in (1, 0x20):
            changed = bytearray(whole)
            changed[place] ^= bit
            if part == "body":
                assert not accepted(headers, bytes(changed))
            else:
                assert not accepted({**headers, part: changed.decode("latin-1")})


def test_the_body_has_to_be_the_bytes_that_came():
    again = json.dumps(json.loads(BODY), separators=(",", ":")).encode()
    assert not accepted(signed(), again)
    assert not accepted(signed(), BODY + b"\n")
    assert accepted(signed(), bytearray(BODY))


@pytest.mark.parametrize("body", [json.loads(BODY), BODY.decode(), None, [BODY]])
def test_a_decoded_body_is_told_how_to_get_the_bytes(body):
    with pytest.raises(TypeError, match=r"await request\.body\(\).*request\.get_data\(\)"):
        webhooks.verify(body, signed(), [SECRET])


@pytest.mark.parametrize(
    ("away", "tolerance", "good"),
    [
        (-290, 300, True),
        (290, 300, True),
        (-310, 300, False),
        (310, 300, False),
        (-310, 320, True),
        (310, 320, True),
        (-5, 2, False),
        (-(10**9), 300, False),
        (10**10, 300, False),
    ],
)
def test_the_time_may_be_a_little_away(away, tolerance, good):
    headers = signed(timestamp=time.time() + away)
    assert accepted(headers, tolerance=tolerance) is good
    if tolerance == 300:
        try:
            Webhook(SECRET).verify(BODY, headers)
        except TheirError:
            assert not good
        else:
            assert good


def test_the_message_says_which_way_the_time_is_off():
    for away, says in ((-1000, r"1,00\d s old"), (1000, r"\d s in the future")):
        with pytest.raises(WebhookVerificationError, match=says):
            webhooks.verify(BODY, signed(timestamp=int(time.time()) + away), [SECRET])


@pytest.mark.parametrize("stamp", ["", " ", "1e9", "-5", "0x10", "١٢٣", "9" * 40, "12.5", "now"])
def test_a_time_stamp_that_is_none_is_refused(stamp):
    headers = {**signed(), "webhook-timestamp": stamp}
    assert not accepted(headers)
    # Nor from whoever knows the secret:
    key = signing_key(SECRET)
    assert key
    headers["webhook-signature"] = signature(key, headers["webhook-id"], stamp, BODY)
    assert not accepted(headers, tolerance=10**12)


def test_several_secrets_and_several_signatures():
    old, new = signed(), signed(secret=OTHER)
    assert accepted(old, secrets=[OTHER, SECRET])
    assert accepted(new, secrets=[OTHER, SECRET])
    assert not accepted(old, secrets=[OTHER])
    both = signed(secret=OTHER, id="m", timestamp=time.time())
    mine = signed(id="m", timestamp=int(both["webhook-timestamp"]))["webhook-signature"]
    lines = f"v1a,xyz v1,bm9uZQ== {both['webhook-signature']} {mine}"
    assert accepted({**both, "webhook-signature": lines}, secrets=[SECRET])
    assert accepted({**both, "webhook-signature": [both["webhook-signature"], mine]})


@pytest.mark.parametrize(
    "signature",
    [
        "",
        " ",
        "v1",
        "v1,",
        "v2,{0}",
        "v1a,{0}",
        "{0}",
        "v1,{0}x",
        "v1,{0}\n",
        "V1,{0}",
        "v1, {0}",
        "v1,{0},",
        "v1;{0}",
        "v1,\x00",
        "v1,é",
        "v1,\ud800",
        "v1," + "A" * 10**6,
    ],
)
def test_a_malformed_signature_is_refused(signature):
    headers = signed()
    plain = headers["webhook-signature"].removeprefix("v1,")
    assert not accepted({**headers, "webhook-signature": signature.replace("{0}", plain)})


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_each_header_is_needed_once(name):
    headers = signed()
    missing = {k: v for k, v in headers.items() if k != name}
    with pytest.raises(WebhookVerificationError, match=f"{name} is missing"):
        webhooks.verify(BODY, missing, [SECRET])
    if name != "webhook-signature":
        with pytest.raises(WebhookVerificationError, match="more than once"):
            webhooks.verify(BODY, [*headers.items(), (name, headers[name])], [SECRET])
        with pytest.raises(WebhookVerificationError, match=f"{name} is empty"):
            webhooks.verify(BODY, {**headers, name: ""}, [SECRET])


def test_headers_as_frameworks_have_them():
    headers = signed()
    assert accepted({k.upper(): v for k, v in headers.items()})
    assert accepted({k.title(): [v] for k, v in headers.items()})
    assert accepted([(k.encode(), v.encode()) for k, v in headers.items()])
    assert accepted({k.encode(): (v.encode(),) for k, v in headers.items()})
    assert accepted({**headers, "Content-Type": "x", "webhook-idx": "y"})
    for wrong in (None, 5, "webhook-id: 1", [1, 2]):
        with pytest.raises(TypeError, match="headers must be"):
            webhooks.verify(BODY, wrong, [SECRET])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("secrets", "kind"),
    [
        (SECRET, TypeError),
        (None, TypeError),
        ([SECRET, 3], TypeError),
        ([], ValueError),
        (["whsec_"], ValueError),
        ([""], ValueError),
        ([SECRET, "whsec_!!!"], ValueError),
        (["whsec_c2VjcmV0c"], ValueError),
    ],
)
def test_secrets_that_are_none_are_refused_without_being_shown(secrets, kind):
    with pytest.raises(kind, match="secrets") as caught:
        webhooks.verify(BODY, signed(), secrets)
    assert "whsec_c2V" not in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_secret_needs_no_prefix():
    assert accepted(signed(), secrets=[SECRET.removeprefix("whsec_")])


@pytest.mark.parametrize("tolerance", ["300", None, True, -1, float("nan"), float("inf")])
def test_a_tolerance_that_is_none_is_refused(tolerance):
    with pytest.raises((TypeError, ValueError), match="tolerance"):
        webhooks.verify(BODY, signed(), [SECRET], tolerance)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b'{"type": 3}',
        b'{"type": null}',
        b"[" * 100_000,
        b'{"type": "key.spend_threshold_reached", "data": {"threshold_pct": "80"}}',
        b'{"type": "key.spend_threshold_reached", "data": []}',
    ],
)
def test_a_signed_body_that_is_no_event_is_refused(body):
    with pytest.raises(WebhookVerificationError, match="The signature is right, but"):
        webhooks.verify(body, signed(body), [SECRET])


@pytest.mark.parametrize("broken", ["signature", "time", "body", "header", "secret"])
def test_no_secret_shows_in_a_traceback(broken):
    key = b"canary-of-a-webhook-secret"
    secret = "whsec_" + base64.b64encode(key).decode()
    body = b"[]" if broken == "body" else BODY
    headers = signed(body, secret, timestamp=1 if broken == "time" else None)
    if broken == "signature":
        headers["webhook-signature"] = "v1,AAAA"
    if broken == "header":
        del headers["webhook-id"]
    secrets = [secret, "whsec_???"] if broken == "secret" else [secret]
    with pytest.raises((WebhookVerificationError, ValueError)) as caught:
        webhooks.verify(body, headers, secrets)
    error = caught.value
    assert error.__traceback__
    public = error.__traceback__.tb_next
    assert public
    assert "secrets" in public.tb_frame.f_locals  # the public function's own argument
    own = {k: v for k, v in public.tb_frame.f_locals.items() if k != "secrets"}
    shown = traceback.TracebackException(
        type(error), error, public.tb_next, capture_locals=True
    ).format()
    text = "".join([*shown, repr(own), repr(error)])
    assert "canary" not in text
    assert secret.removeprefix("whsec_") not in text


def test_the_sync_package_has_the_same_module():
    assert nexevo_sync.webhooks is webhooks


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_***"])
def test_the_signer_refuses_what_is_no_secret(secret):
    with pytest.raises(ValueError, match="base64"):
        sign_webhook(BODY, secret)
