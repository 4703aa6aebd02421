import itertools
import json
import traceback
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest

from nexevo_async import (
    APIStatusError,
    ChatCompletion,
    Conversation,
    DecodeError,
    InsufficientBalanceError,
    RateLimitError,
    Timeouts,
    errors,
)
from nexevo_async.codec import answers
from nexevo_async.codec.structure import structurer
from nexevo_async.config import CallSettings, ClientConfig, Limits, RetryPolicy
from nexevo_async.contract.conversations import GET, LIST
from nexevo_async.contract.model import Model
from nexevo_async.contract.operation import Operation
from nexevo_async.headers import Headers
from nexevo_async.messages import Body, Request, Response

CONFIG = ClientConfig(
    api_key=None,
    base_url="http://x/v1",
    timeouts=Timeouts(),
    max_retries=0,
    retry=RetryPolicy(),
    limits=Limits(),
    tls=None,
    proxy=None,
    headers=Headers(),
)


def request(operation: Any) -> Request:
    return Request(
        operation=operation,
        path=operation.path,
        headers=Headers(),
        settings=CallSettings(client=CONFIG, timeouts=Timeouts().effective("plain"), max_retries=0),
    )


def response(body: object, status: int = 200, **headers: str) -> Response:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status=status, headers=Headers(named), body=Body(data))


def one(body: object, operation: Any = GET, **headers: str) -> Any:
    return answers.one(operation, request(operation), response(body, **headers))


def page(body: object) -> Any:
    return answers.page(LIST, request(LIST), response(body))


@attrs.frozen(kw_only=True)
class Priced(Model):
    amount: Decimal
    rate: float | None = None
    extra: dict[str, Any] | None = None


PRICED: Any = Operation(name="priced.get", method="GET", path="/priced", answer=Priced, summary="x")


class TestModels:
    def test_a_declared_field_reads_alike_by_attribute_and_by_key(self):
        conv = one({"conversation_id": "c", "created_at": "2026-11-23T02:49:27Z"})
        assert (
            conv.created_at == conv["created_at"] == datetime(2026, 11, 23, 2, 49, 27, tzinfo=UTC)
        )
        assert conv.title is None
        with pytest.raises(KeyError):
            conv["title"]
        assert "title" not in conv
        assert conv.get("title", "none") == "none"
        assert conv.to_dict()["created_at"] == "2026-11-23T02:49:27Z"

    def test_an_unknown_field_is_kept(self):
        conv = one({"conversation_id": "c", "mood": {"deep": [1]}})
        assert conv["mood"] == conv.mood == {"deep": [1]}
        assert list(conv) == ["conversation_id", "mood"] == list(conv.keys())
        assert dict(conv) == conv.to_dict() == {"conversation_id": "c", "mood": {"deep": [1]}}
        with pytest.raises(AttributeError, match="no field 'moood'"):
            _ = conv.moood

    def test_null_is_none(self):
        conv = one({"conversation_id": "c", "title": None, "metadata": None, "messages": None})
        assert (conv.title, conv.metadata, conv.messages) == (None, None, None)
        assert conv["title"] is None

    @pytest.mark.parametrize("stamp", [1795402167, 1795402167.5, "2026-11-23T03:49:27+01:00"])
    def test_times_may_be_epoch_seconds_or_have_an_offset(self, stamp):
        assert one({"conversation_id": "c", "created_at": stamp}).created_at.tzinfo is UTC

    def test_open_sets_take_new_values(self):
        completion = structurer(ChatCompletion)(
            {"choices": [{"message": {"role": "wizard"}, "finish_reason": "bored"}]}
        )
        assert completion.choices[0].finish_reason == "bored"

    def test_meta_is_on_what_the_call_returned_only(self):
        conv = one({"conversation_id": "c", "messages": [{"content": "x"}]}, x_trace_id="t1")
        assert (conv.meta.status, conv.meta.trace_id, conv.meta.attempts) == (200, "t1", 1)
        with pytest.raises(AttributeError, match="part of an answer"):
            _ = conv.messages[0].meta

    def test_one_made_by_hand_reads_like_one_that_came(self):
        conv = Conversation(conversation_id="c", title="t")
        assert conv["title"] == "t"
        assert conv.to_dict() == {"conversation_id": "c", "title": "t"}


class TestStrictness:
    @pytest.mark.parametrize(
        ("body", "path", "problem"),
        [
            ({}, "$.conversation_id", "a required field is missing"),
            ({"conversation_id": None}, "$.conversation_id", "expected a string, got null"),
            ({"conversation_id": 1}, "$.conversation_id", "expected a string, got 1"),
            ({"conversation_id": "c", "title": False}, "$.title", "got false"),
            ({"conversation_id": "c", "message_count": 1.9}, "$.message_count", "got 1.9"),
            ({"conversation_id": "c", "message_count": "1"}, "$.message_count", "got a string"),
            ({"conversation_id": "c", "message_count": True}, "$.message_count", "got true"),
            ({"conversation_id": "c", "metadata": []}, "$.metadata", "got an array"),
            ({"conversation_id": "c", "messages": {}}, "$.messages", "expected an array"),
            (
                {"conversation_id": "c", "messages": [{}, {"role": 3}]},
                "$.messages[1].role",
                "expected a string, got 3",
            ),
            ({"conversation_id": "c", "created_at": "yesterday"}, "$.created_at", "a time"),
            ({"conversation_id": "c", "created_at": 1e300}, "$.created_at", "a time"),
            ([], "$", "expected an object, got an array"),
        ],
    )
    def test_a_wrong_type_is_an_error_that_says_where(self, body, path, problem):
        with pytest.raises(DecodeError) as caught:
            one(body, x_trace_id="t1")
        assert caught.value.json_path == path
        assert problem in str(caught.value)
        assert f"at {path}." in str(caught.value)
        assert "conversations.get" in str(caught.value)
        assert caught.value.trace_id == "t1"
        assert caught.value.__context__ is None

    @pytest.mark.parametrize(
        ("body", "path"),
        [
            ({"conversations": [{"conversation_id": 1}]}, "$.conversations[0].conversation_id"),
            ([{}], "$[0].conversation_id"),
            ({"conversations": {}}, "$.conversations"),
            ({"has_more": False}, "$.conversations"),
            ({"data": [], "has_more": "yes"}, "$.has_more"),
            ({"data": [], "next_cursor": 1}, "$.next_cursor"),
            (3, "$"),
        ],
    )
    def test_a_page_says_where_too(self, body, path):
        with pytest.raises(DecodeError) as caught:
            page(body)
        assert caught.value.json_path == path

    @pytest.mark.parametrize(
        "body", [b"", b"<html>", b'{"a":', b"\xff\xfe", b"[" * 100_000, b'{"a":NaN}']
    )
    def test_what_is_no_json_is_a_decode_error(self, body):
        with pytest.raises(DecodeError, match="not JSON"):
            one(body, content_type="text/html")

    def test_a_login_page_is_shown_in_part_without_its_secrets(self):
        html = b"<html>Please log in. sk-xc-canary123 Bearer canary</html>" + b"x" * 1000
        with pytest.raises(DecodeError) as caught:
            one(html, content_type="text/html")
        assert "Please log in" in str(caught.value)
        assert "text/html" in str(caught.value)
        assert "canary" not in str(caught.value)
        assert len(str(caught.value)) < 600

    def test_no_local_of_a_traceback_holds_the_answer(self):
        for body in ({"full_key": "canary"}, b'{"full_key":"canary'):
            try:
                one(body)
            except DecodeError as error:
                shown = traceback.TracebackException.from_exception(error, capture_locals=True)
            # The test's own frame and its helpers hold the body; the SDK's do not.
            ours = [f for f in shown.stack if "nexevo_async" in f.filename]
            assert ours
            assert "canary" not in repr([f.locals for f in ours])


class TestEnvelopes:
    @pytest.mark.parametrize(
        "body", [{"conversation_id": "c"}, {"conversation": {"conversation_id": "c"}}]
    )
    def test_a_single_object_bare_or_named(self, body):
        assert one(body).conversation_id == "c"

    @pytest.mark.parametrize("name", ["conversations", "data", "items", None])
    def test_a_list_under_each_name_or_bare(self, name):
        items = [{"conversation_id": "c"}]
        content = page(
            items if name is None else {name: items, "has_more": True, "next_cursor": "n"}
        )
        assert [conv.conversation_id for conv in content.data] == ["c"]
        assert content.next_cursor == (None if name is None else "n")


class TestMoney:
    @pytest.mark.parametrize(
        "digits",
        ["20.10", "0.1", "123456789012345678.123456789012345678", "3", "-0.00", "1E-7", "2e3"],
    )
    @pytest.mark.parametrize("quoted", [True, False])
    def test_every_digit_arrives(self, digits, quoted):
        wire = f'"{digits}"' if quoted else digits
        priced = one(f'{{"amount":{wire},"rate":0.1,"extra":{{"x":1.10}}}}'.encode(), PRICED)
        assert str(priced.amount) == str(Decimal(digits))
        assert type(priced.amount) is Decimal
        # Users' own numbers stay what JSON says.
        assert type(priced.rate) is float
        assert type(priced.extra["x"]) is float
        assert type(priced.to_dict()["extra"]["x"]) is float
        json.dumps(priced.to_dict())

    @pytest.mark.parametrize("wire", ["true", '"1_0"', '"NaN"', '"Infinity"', '" 1"', '""', "[]"])
    def test_what_is_no_amount_is_refused(self, wire):
        with pytest.raises(DecodeError) as caught:
            one(f'{{"amount":{wire}}}'.encode(), PRICED)
        assert caught.value.json_path == "$.amount"

    def test_a_problem_beside_an_amount_that_came_as_a_number(self):
        with pytest.raises(DecodeError) as caught:
            one(b'{"amount":1.5,"rate":"fast"}', PRICED)
        assert caught.value.json_path == "$.rate"


CODES: dict[int, tuple[str, ...]] = {
    400: ("invalid_request_error", "max_price_unsatisfiable"),
    401: (
        "invalid_api_key",
        "invalid_credentials",
        "two_factor_required",
        "two_factor_invalid",
        "token_expired",
    ),
    402: ("insufficient_balance", "account_suspended", "spend_cap_exceeded"),
    403: ("permission_denied", "geo_policy_violation"),
    404: ("not_found",),
    409: ("conflict", "idempotency_key_reused", "idempotency_in_progress"),
    413: ("payload_too_large",),
    422: ("validation_error",),
    429: ("rate_limit_exceeded", "tenant_monthly_quota_exceeded"),
    500: ("internal_error",),
    502: ("upstream_error",),
    503: ("unavailable",),
}


class TestErrorsInsideAnAnswer:
    @pytest.mark.parametrize(
        ("error", "cls"),
        [
            ({"message": "m", "type": "rate_limit_exceeded"}, RateLimitError),
            (
                {"message": "m", "type": "insufficient_balance", "code": "x"},
                InsufficientBalanceError,
            ),
            ({"message": "m", "code": "account_suspended"}, InsufficientBalanceError),
            ({"message": "m", "code": 429}, RateLimitError),
            ({"message": "m", "code": "never_heard_of"}, APIStatusError),
            ("m", APIStatusError),
        ],
    )
    def test_a_200_that_holds_an_error_is_that_error(self, error, cls):
        with pytest.raises(APIStatusError) as caught:
            one({"error": error})
        assert type(caught.value) is cls
        assert caught.value.status == 200
        assert ": m" in str(caught.value)

    @pytest.mark.parametrize("status", CODES)
    def test_each_code_is_the_same_class_with_its_status_and_inside_a_200(self, status):
        for code, member in itertools.product(CODES[status], ("code", "type")):
            body = {"error": {"message": "m", member: code}}
            classes = set()
            for sent in (status, 200):
                with pytest.raises(APIStatusError) as caught:
                    answers.one(GET, request(GET), response(body, sent))
                classes.add(type(caught.value))
                assert caught.value.status == sent
            assert len(classes) == 1
            assert APIStatusError not in classes

    def test_the_codes_are_all_that_are_known(self):
        assert {code for codes in CODES.values() for code in codes} == set(errors._BY_CODE)

    def test_a_null_error_is_none(self):
        assert one({"conversation_id": "c", "error": None}).conversation_id == "c"
