"""The OpenAPI document is valid, says all, and the sandbox answers as it says."""

import json
import subprocess
import sys
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from nexevo_async.contract.table import OPERATIONS
from nexevo_async.sandbox.openapi import document
from nexevo_async.testing import Sandbox

DOCUMENT = document()
EVERY = ("connect", "delete", "get", "head", "options", "patch", "post", "put", "trace")


def described() -> dict[str, dict[str, Any]]:
    return {
        operation["operationId"]: operation
        for path in DOCUMENT["paths"].values()
        for method, operation in path.items()
        if method in EVERY
    }


def test_it_is_valid_openapi():
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_it_has_every_operation_and_its_marks():
    operations = described()
    assert operations.keys() == {o.name for o in OPERATIONS}
    for operation in OPERATIONS:
        told = operations[operation.name]
        assert told.get("x-provisional", False) is (operation.documented == "P")
        assert (told.get("security") == []) is not operation.needs_key
        assert str(operation.status) in told["responses"]
        assert ("requestBody" in told) is (operation.body is not None)


@pytest.mark.parametrize(
    ("schema", "field", "provisional"),
    [
        ("KeyBody", "name", False),
        ("KeyBody", "geo_policy", True),
        ("Key", "key_id", False),
        ("Key", "prefix", True),
        ("NewKey", "full_key", False),
        ("AlertWebhookBody", "url", False),
        ("AlertWebhookBody", "clear", True),
        ("SpendCapBody", "clear", False),
        ("Organization", "org_id", False),
        ("Member", "status", True),
        ("User", "email", True),
        ("FeedbackBody", "comment", False),
        ("FeedbackSummary", "total", True),
        ("NexevoInfo", "generation_id", False),
        ("PaymentBody", "amount_usd", False),
        ("Balance", "balance_usd", False),
        ("PlanHint", "savings_pct", False),
        ("PlanHint", "reason", True),
        ("CheckoutSession", "checkout_url", False),
        ("CheckoutSession", "status", True),
    ],
)
def test_a_field_is_marked_as_its_docstring_marks_it(schema: str, field: str, provisional: bool):
    told = DOCUMENT["components"]["schemas"][schema]["properties"][field]
    assert told.get("x-provisional", False) is provisional


def test_money_and_times_are_told():
    schemas = DOCUMENT["components"]["schemas"]
    assert schemas["Key"]["properties"]["month_spend_usd"]["anyOf"][0]["format"] == "decimal"
    assert schemas["Key"]["properties"]["created_at"]["anyOf"][0]["format"] == "date-time"
    assert schemas["MaxPriceBody"]["properties"]["total"] == {"type": "number"}
    assert schemas["PaymentBody"]["properties"]["amount_usd"]["type"] == "number"
    assert "_json" not in json.dumps(DOCUMENT)


def test_an_idempotency_key_is_told_where_it_travels():
    for operation in OPERATIONS:
        parameters = described()[operation.name].get("parameters", [])
        in_header = {"$ref": "#/components/parameters/IdempotencyKey"} in parameters
        writes = operation.method in {"POST", "PATCH"}
        assert in_header is (writes and operation.name not in {"billing.topup", "billing.checkout"})


def test_a_streamed_chat_is_told():
    content = described()["chat.completions.create"]["responses"]["200"]["content"]
    assert content["text/event-stream"]["schema"]["x-event"] == {
        "$ref": "#/components/schemas/ChatCompletionChunk"
    }


def test_the_command_prints_it():
    command = [sys.executable, "-c", "from nexevo_async.cli import main; main()", "openapi"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert json.loads(done.stdout) == DOCUMENT


schema = schemathesis.openapi.from_dict(DOCUMENT)


@schema.parametrize()
@settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_the_sandbox_answers_as_it_says(case: schemathesis.Case, running_sandbox: Sandbox):
    if case.operation.label != "POST /auth/logout":
        case.headers["Authorization"] = f"Bearer {running_sandbox.api_key}"
    response = case.call(base_url=running_sandbox.base_url)
    case.validate_response(
        response,
        checks=[
            not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            response_headers_conformance,
            response_schema_conformance,
        ],
    )
