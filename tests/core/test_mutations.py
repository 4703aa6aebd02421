"""Each field of each answer gets each other JSON type: it is held exactly, or named as wrong."""

import copy
import itertools
import typing
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from samples import LISTS, SINGLE, fields, is_open_set, required, same, sample

from nexevo_async import DecodeError
from nexevo_async.codec import answers
from nexevo_async.contract.model import Model
from nexevo_async.contract.operation import Operation
from nexevo_async.headers import Headers
from nexevo_async.messages import Body, Request, Response

MISSING = object()
OTHERS: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -7, 10**30, 1.5, 1e300, "", "x", "1", "1.50", "NaN"),
    *("2026-01-02T03:04:05+01:00", [], [None], [1], ["x"], [[]], {}, {"a": 1}, {"a": "x"}),
    MISSING,
)


def misfits(hint: Any, value: Any, path: str) -> set[str]:
    """The paths at which a value does not fit a type, by the contract's words alone."""
    args = typing.get_args(hint)
    if value is None and type(None) in args:
        return set()
    if is_open_set(hint):
        hint = str
    elif type(None) in args:
        (hint,) = (a for a in args if a is not type(None))
    if not _is_one(hint, value):
        return {path}
    inner = typing.get_args(hint)
    if isinstance(value, list) and inner:
        return set().union(*(misfits(inner[0], v, f"{path}[{i}]") for i, v in enumerate(value)))
    if isinstance(hint, type) and issubclass(hint, Model):
        absent = {f"{path}.{name}" for name in required(hint) - value.keys()}
        return absent.union(
            *(misfits(h, value[n], f"{path}.{n}") for n, h in fields(hint).items() if n in value)
        )
    if isinstance(value, dict) and hint is not Any:
        return set().union(*(misfits(inner[1], v, f"{path}[{k!r}]") for k, v in value.items()))
    return set()


def _is_one(hint: Any, value: Any) -> bool:
    is_number = type(value) in (int, float)
    if hint is Any:
        return True
    if typing.get_origin(hint) is not None:
        return type(value) is typing.get_origin(hint)
    if issubclass(hint, Model):
        return type(value) is dict
    if hint is Decimal:
        return is_number or value in ("1", "1.50", "0.10")
    if hint is datetime:
        return (is_number and abs(value) < 1e11) or (type(value) is str and value[:2] == "20")
    return type(value) is hint or (hint is float and type(value) is int)


def places(hint: Any, value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in a value there is something that the contract gives a type."""
    yield at
    if isinstance(value, dict):
        for name in value:
            yield from places(hint, value[name], (*at, name))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from places(hint, item, (*at, i))


def mutants(hint: Any, good: Any) -> Iterator[Any]:
    for at, other in itertools.product(places(hint, good), OTHERS):
        if not at:
            if other is not MISSING:
                yield other
            continue
        bad = copy.deepcopy(good)
        inner = bad
        for step in at[:-1]:
            inner = inner[step]
        if other is MISSING:
            del inner[at[-1]]
        else:
            inner[at[-1]] = other
        yield bad


def decoded(operation: Operation[Any], answer: Any) -> Any:
    body = Body(msgspec.json.encode(answer))
    response = Response(status=operation.status, headers=Headers(), body=body)
    request = Request(operation=operation, path="/x", headers=Headers(), settings=None)  # type: ignore[arg-type]
    decode = answers.one if operation.page is None else answers.page
    return decode(operation, request, response)


def held_or_named(
    operation: Operation[Any], answer: Any, hint: Any, mutant: Any, root: str
) -> bool:
    """Say whether the mutant was refused; fail where it is neither held exactly nor named."""
    wrong = misfits(hint, mutant, root)
    if not wrong:
        result = decoded(operation, answer)
        same(result if operation.page is None else result.data, mutant)
        return False
    with pytest.raises(DecodeError) as caught:
        decoded(operation, answer)
    assert caught.value.json_path in wrong
    assert f"at {caught.value.json_path}." in str(caught.value)
    return True


@pytest.mark.parametrize("operation", SINGLE, ids=lambda o: o.name)
def test_of_a_single_object(operation: Operation[Any]):
    model = operation.answer
    good = sample(model, full=True)
    assert not misfits(model, good, "$")
    refused = [
        held_or_named(operation, mutant, model, mutant, "$") for mutant in mutants(model, good)
    ]
    assert sum(refused) > len(good)
    assert not all(refused)


@pytest.mark.parametrize(
    "operation", [o for o in SINGLE if o.envelope is not None], ids=lambda o: o.name
)
def test_of_a_single_object_under_its_name(operation: Operation[Any]):
    model, name = operation.answer, operation.envelope
    for mutant in mutants(model, sample(model, full=True)):
        if isinstance(mutant, dict):
            held_or_named(operation, {name: mutant}, model, mutant, f"$.{name}")


@pytest.mark.parametrize("operation", LISTS, ids=lambda o: o.name)
def test_of_the_items_of_a_page(operation: Operation[Any]):
    item, hint = sample(operation.answer, full=True), list[operation.answer]  # type: ignore[name-defined]
    refused = [
        held_or_named(operation, {operation.page: mutant}, hint, mutant, f"$.{operation.page}")
        for mutant in mutants(hint, [sample(operation.answer, full=False), item])
    ]
    assert sum(refused) > len(item)
