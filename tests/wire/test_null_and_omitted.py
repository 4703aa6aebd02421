"""What changes an object: an argument that is not given is not sent, and None is null or refused.

Each field of each PATCH has its row, so that a new one without it fails.
"""

import copy
import json
import pickle
import re
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest

from nexevo_async import UNSET, AsyncNexevo, Body, Headers, Request, Response
from nexevo_async.contract.table import OPERATIONS

ANSWER = Body(b'{"conversation_id":"conv_1","key_id":"key_1"}')


@attrs.frozen(kw_only=True)
class Field:
    """A field, and what the call that changes it makes of None and of nothing.

    Attributes:
        none: What is sent for None: null; or why None is refused.
        omitted: Why the call is refused without it; None where the field is then absent.
        beside: What the call needs beside the field, when it is not given.
    """

    operation: str
    name: str
    value: Any
    sent: Any
    none: str | None
    omitted: str | None = None
    beside: dict[str, Any] = attrs.field(factory=dict)


FIELDS = [
    Field(operation="conversations.update", name="title", value="x", sent="x", none=None),
    Field(
        operation="conversations.update",
        name="metadata",
        value={"a": None},
        sent={"a": None},
        none=None,
    ),
    Field(
        operation="auth.update_profile",
        name="full_name",
        value="Jane",
        sent="Jane",
        none=None,
        omitted="required",
    ),
    Field(
        operation="keys.update_spend_cap",
        name="monthly_spend_cap_usd",
        value="20.10",
        sent="20.10",
        none="give monthly_spend_cap_usd= or clear=True, one of them",
        omitted="give monthly_spend_cap_usd= or clear=True, one of them",
    ),
    Field(
        operation="keys.update_spend_cap",
        name="clear",
        value=True,
        sent=True,
        none="clear must be True or False, not None",
        beside={"monthly_spend_cap_usd": "1"},
    ),
    Field(
        operation="keys.update_alert_webhook",
        name="url",
        value="https://a.b/c",
        sent="https://a.b/c",
        none="give url= or clear=True, one of them",
        omitted="give url= or clear=True, one of them",
    ),
    Field(
        operation="keys.update_alert_webhook",
        name="clear",
        value=True,
        sent=True,
        none="clear must be True or False, not None",
        beside={"url": "https://a.b/c"},
    ),
    Field(
        operation="keys.update_geo_policy",
        name="policy",
        value="any",
        sent="any",
        none="policy must be a string, not None",
        omitted="required",
    ),
    Field(
        operation="organizations.update_member",
        name="role",
        value="admin",
        sent="admin",
        none="role must be a string, not None",
        omitted="required",
    ),
]
PATCHES = [operation for operation in OPERATIONS if operation.method == "PATCH"]


def test_every_field_of_every_patch_has_its_row():
    fields = {(patch.name, name) for patch in PATCHES for name in patch.body.__annotations__}
    assert {(field.operation, field.name) for field in FIELDS} == fields


def test_what_says_not_given_is_false_and_survives_copies():
    assert not UNSET
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(UNSET, protocol)) is UNSET  # noqa: S301 - our own
    assert copy.deepcopy(UNSET) is UNSET


@pytest.mark.parametrize("field", FIELDS, ids=lambda f: f"{f.operation}-{f.name}")
class TestFields:
    @pytest.fixture
    def sent(self) -> list[Any]:
        return []

    @pytest.fixture
    def call(self, field: Field, sent: list[Any]) -> Callable[..., Awaitable[Any]]:
        """Make the field's call with these arguments, and keep the body that would go out."""
        operation = next(o for o in PATCHES if o.name == field.operation)

        async def kept(request: Request, _: Any) -> Response:
            assert request.body is not None
            sent.append(json.loads(request.body.data))
            return Response(status=200, headers=Headers(), body=ANSWER)

        client = AsyncNexevo("k", middleware=[kept])
        service, method = field.operation.split(".")
        ids = [f"{name}_1" for name in operation.parameters]
        return lambda **given: getattr(getattr(client, service), method)(*ids, **given)

    async def test_a_value_is_sent(self, field, call, sent):
        await call(**{field.name: field.value})
        assert sent == [{field.name: field.sent}]

    async def test_none_is_null_or_refused(self, field, call, sent):
        if field.none is None:
            await call(**{field.name: None})
            assert sent == [{field.name: None}]
        else:
            with pytest.raises((TypeError, ValueError), match=re.escape(field.none)):
                await call(**{field.name: None})
            assert sent == []

    async def test_what_is_not_given_is_not_sent(self, field, call, sent):
        if field.omitted is None:
            await call(**field.beside)
            assert field.name not in sent[0]
        else:
            with pytest.raises((TypeError, ValueError), match=re.escape(field.omitted)):
                await call()
            assert sent == []
