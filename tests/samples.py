"""JSON that fits the contract's models, made from their types, and what a model gives of it."""

import typing
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_type_hints

import attrs
import msgspec

from nexevo_async import AsyncNexevo, Body, Handler, Headers, Request, Response
from nexevo_async.contract.model import Model, declared
from nexevo_async.contract.operation import Operation
from nexevo_async.contract.table import OPERATIONS
from nexevo_async.contract.webhooks import WebhookEvent

NEW = "something-new"
SINGLE = [o for o in OPERATIONS if o.answer is not None and o.page is None]
LISTS = [o for o in OPERATIONS if o.page is not None]


def models(*roots: Any) -> set[type[Model]]:
    """Every model that answers are made of."""
    found: set[type[Model]] = set()
    left = [*roots]
    while left:
        cls: Any = left.pop()
        left += typing.get_args(cls)
        if isinstance(cls, type) and issubclass(cls, Model) and cls not in found:
            found.add(cls)
            left += fields(cls).values()
    return found


def fields(cls: type[Model]) -> dict[str, Any]:
    return {name: hint for name, hint in get_type_hints(cls).items() if name in declared(cls)}


def required(cls: type[Model]) -> set[str]:
    return {f.name for f in attrs.fields(cls) if f.init and f.default is attrs.NOTHING}


def is_open_set(hint: Any) -> bool:
    args = typing.get_args(hint)
    return str in args and any(typing.get_origin(a) is typing.Literal for a in args)


def sample(hint: Any, *, full: bool, depth: int = 0) -> Any:
    """A JSON value of a type; ``full`` has every field, and fields and names that nobody knows."""
    if isinstance(hint, type) and issubclass(hint, Model):
        wanted = declared(hint) if full and depth < 4 else required(hint)
        own = {n: sample(fields(hint)[n], full=full, depth=depth + 1) for n in sorted(wanted)}
        return {**own, "x_new": [depth]} if full else own
    if is_open_set(hint):
        return NEW
    if typing.get_origin(hint) is list:
        return [sample(typing.get_args(hint)[0], full=full, depth=depth + 1)]
    if typing.get_origin(hint) is dict:
        inner = typing.get_args(hint)[1]
        return {"k": 1 if inner is Any else sample(inner, full=full, depth=depth + 1)}
    if type(None) in typing.get_args(hint):
        inner = next(a for a in typing.get_args(hint) if a is not type(None))
        return sample(inner, full=full, depth=depth)
    times = {datetime: "2026-01-02T03:04:05Z"}
    plain = {str: "x", int: 3, float: 12.5, bool: True, Decimal: "0.10", **times}
    return plain[hint]


def same(value: Any, raw: Any) -> None:
    """What a model gives, by attribute and by key, is what came."""
    if isinstance(value, Model):
        assert value.to_dict() == raw
        for name in raw:
            same(value[name], raw[name])
            same(getattr(value, name), raw[name])
        for name in declared(type(value)) - raw.keys():
            assert getattr(value, name) in (None, [])
            assert name not in value
    elif isinstance(value, list):
        assert len(value) == len(raw)
        for item, inner in zip(value, raw, strict=True):
            same(item, inner)
    elif isinstance(value, dict):
        assert value.keys() == raw.keys()
        for name, item in value.items():
            same(item, raw[name])
    elif isinstance(value, Decimal):
        assert value == Decimal(str(raw))
        assert not isinstance(raw, str) or str(value) == raw
    elif isinstance(value, datetime):
        assert value == (
            datetime.fromisoformat(raw)
            if isinstance(raw, str)
            else datetime.fromtimestamp(raw, UTC)
        )
    else:
        assert type(value) is type(raw)
        assert value == raw


async def given(operation: Operation[Any], answer: Any) -> Any:
    async def canned(_: Request, __: Handler) -> Response:
        body = Body(msgspec.json.encode(answer))
        return Response(status=operation.status, headers=Headers(), body=body)

    caller = AsyncNexevo("k", middleware=[canned])._caller
    if operation.page is not None:
        return await caller.page(operation, "/x", query={}, options={})
    return await caller.one(operation, "/x", options={})


MODELS = sorted(models(*(o.answer for o in OPERATIONS), WebhookEvent), key=lambda m: m.__name__)
