"""An amount of money is the digits on the wire, in every field of every model and argument."""

import inspect
import typing
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import MODELS, fields, sample

from nexevo_async import AsyncNexevo, Body, Handler, Headers, MaxPrice, Request, Response
from nexevo_async.codec import json as codec
from nexevo_async.codec.converter import structurer
from nexevo_async.contract.model import Model

FIELDS = [
    pytest.param(model, name, id=f"{model.__name__}.{name}")
    for model in MODELS
    for name, hint in fields(model).items()
    if Decimal in (hint, *typing.get_args(hint))
]
DIGITS = st.from_regex(r"-?(0\.[0-9]{1,18}|[1-9][0-9]{0,17}(\.[0-9]{1,18})?)", fullmatch=True)


def read(model: type[Model], name: str, wire: str) -> Any:
    good = msgspec.json.encode(sample(model, full=False) | {name: None}).decode()
    body = good.replace(f'"{name}":null', f'"{name}":{wire}', 1).encode()
    return structurer(model)(codec.decode_with_digits(body))


@pytest.mark.parametrize(("model", "name"), FIELDS)
@settings(max_examples=20, deadline=None)
@given(digits=DIGITS)
def test_every_digit_of_every_field_arrives(model: type[Model], name: str, digits: str):
    for wire in (f'"{digits}"', digits):
        amount = getattr(read(model, name, wire), name)
        assert type(amount) is Decimal
        assert format(amount, "f") == digits


def services(owner: Any) -> Iterator[Any]:
    for name, member in inspect.getmembers(owner):
        if "nexevo_async.services." in type(member).__module__ and not name.startswith("_"):
            yield member
            yield from services(member)


SENT: list[bytes] = []


async def _record(request: Request, _: Handler) -> Response:
    SENT.append(request.body.data if request.body else b"")
    return Response(status=500, headers=Headers(), body=Body(b""))


Call = Callable[[Any], Awaitable[Any]]


def calls() -> Iterator[tuple[str, Call]]:
    """Every argument of every call that is money, as a function of its value."""
    for service in services(AsyncNexevo("k", middleware=[_record], max_retries=0)):
        for name, method in inspect.getmembers(service, inspect.iscoroutinefunction):
            parameters = inspect.signature(method).parameters
            others = {
                n: [{"role": "user"}] if n == "messages" else "x"
                for n, p in parameters.items()
                if p.default is p.empty and p.kind is not p.VAR_KEYWORD
            }
            for argument, parameter in parameters.items():
                kinds = (parameter.annotation, *typing.get_args(parameter.annotation))
                if Decimal in kinds or MaxPrice in kinds:
                    yield (
                        f"{type(service).__name__}.{name}({argument})",
                        _call(method, others, argument, within=MaxPrice in kinds),
                    )


def _call(method: Any, others: dict[str, Any], argument: str, *, within: bool) -> Call:
    return lambda value: method(**others | {argument: {"total": value} if within else value})


CALLS = dict(calls())


def test_the_walk_finds_the_arguments_and_fields_that_are_money():
    assert {"Keys.create(monthly_spend_cap_usd)", "Completions.create(max_price)"} <= CALLS.keys()
    assert {"Key.month_spend_usd", "ModelPricing.prompt"} <= {p.id for p in FIELDS}


@pytest.mark.parametrize("call", CALLS)
async def test_a_float_is_refused_before_anything_is_sent(call: str):
    SENT.clear()
    with pytest.raises(TypeError, match="must not be a float"):
        await CALLS[call](0.1)
    assert not SENT


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("digits", ["20.10", "123456789012345678.123456789012345678", "7"])
async def test_every_digit_of_every_argument_is_sent(call: str, digits: str):
    for value in (digits, Decimal(digits)):
        SENT.clear()
        with pytest.raises(Exception, match="failed with 500"):
            await CALLS[call](value)
        assert digits.encode() in SENT[0]
