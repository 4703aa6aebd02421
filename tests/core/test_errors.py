import copy
import importlib
import inspect
import pickle
import pkgutil
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from multiprocessing import get_context
from pathlib import Path

import msgspec
import pytest

import nexevo_async
import nexevo_sync
from nexevo_async import AsyncNexevo, Body, Handler, Headers, Meta, Request, Response, errors
from nexevo_async.errors import APIStatusError, NexevoError, status_error_class

ROOT = Path(__file__).parents[2]


def everything_loaded() -> None:
    """Import all modules: an error may be defined in any."""
    for package in (nexevo_async, nexevo_sync):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)


def below(cls: type[NexevoError]) -> Iterator[type[NexevoError]]:
    for sub in cls.__subclasses__():
        if not sub.__name__.startswith("_"):
            yield sub
        yield from below(sub)


everything_loaded()
EVERY = [NexevoError, *below(NexevoError)]
VALUES = {
    "operation": "conversations.create",
    "method": "POST",
    "path": "/conversations",
    "attempts": 2,
    "elapsed": 1.5,
    "outcome_unknown": True,
    "never_sent": True,
    "retryable": False,
    "limit": "read",
    "limit_seconds": 60.0,
    "status": 429,
    "code": "rate_limit_exceeded",
    "type": "x",
    "param": "title",
    "details": {"limit": "10.00"},
    "trace_id": "t1",
    "retry_after": 7.5,
    "partial": "so far",
    "json_path": "$.data[3]",
    "cursor": "c1",
    "spent": Decimal("10.00"),
    "resets_at": datetime(2026, 5, 1, tzinfo=UTC),
    "meta": Meta(429, Headers({"X-Trace-ID": "t1"}), 2, 1.5),
}


def made(cls: type[NexevoError]) -> NexevoError:
    takes = {
        name
        for base in cls.__mro__
        if issubclass(base, NexevoError)
        for name, parameter in inspect.signature(base.__init__).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    return cls("what happened", **{name: VALUES[name] for name in takes})


def same(one: NexevoError, other: NexevoError) -> bool:
    return (type(one), one.args, vars(one), str(one)) == (
        type(other),
        other.args,
        vars(other),
        str(other),
    )


def throw(error: NexevoError) -> None:
    raise error


@pytest.mark.parametrize("cls", EVERY, ids=lambda c: c.__name__)
def test_every_error_survives_pickle_and_copy(cls):
    error = made(cls)
    assert str(error) == "what happened"
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert same(pickle.loads(pickle.dumps(error, protocol)), error)  # noqa: S301 - our own
    assert same(copy.deepcopy(error), error)
    assert same(copy.copy(error), error)


def test_errors_cross_processes():
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for cls in EVERY:
            with pytest.raises(cls) as caught:
                pool.submit(throw, made(cls)).result()
            assert vars(caught.value).items() >= vars(made(cls)).items()


@pytest.mark.parametrize(
    ("status", "code", "type_", "cls"),
    [
        (402, "account_suspended", "insufficient_balance", "InsufficientBalanceError"),
        (402, None, "spend_cap_exceeded", "SpendCapExceededError"),
        (402, "new_reason", None, "PaymentRequiredError"),
        (429, "tenant_monthly_quota_exceeded", None, "QuotaExceededError"),
        (429, None, None, "RateLimitError"),
        (403, "geo_policy_violation", None, "PermissionDeniedError"),
        (400, "max_price_unsatisfiable", None, "BadRequestError"),
        (413, None, None, "RequestTooLargeError"),
        (422, None, None, "UnprocessableEntityError"),
        (502, "upstream_error", None, "UpstreamError"),
        (504, None, None, "InternalServerError"),
        (529, None, None, "InternalServerError"),
        (418, None, None, "APIStatusError"),
        (200, "402", None, "PaymentRequiredError"),
        (400, "not_found", None, "NotFoundError"),
    ],
)
def test_the_class_is_chosen_by_code_or_type_and_else_by_status(status, code, type_, cls):
    assert status_error_class(status, code, type_).__name__ == cls


def test_the_tree_in_the_words_of_its_module_is_the_real_one():
    tree = re.findall(r"^ {4}([ │]*)[├└]── (\w+)", errors.__doc__ or "", re.MULTILINE)
    path: list[str] = []
    written: set[tuple[str, str]] = set()
    for indent, name in tree:
        path = [*path[: len(indent) // 4], name]
        written.add((name, path[-2] if len(path) > 1 else "NexevoError"))
    real = {
        (cls.__name__, next(b.__name__ for b in cls.__mro__[1:] if not b.__name__.startswith("_")))
        for cls in below(NexevoError)
    }
    assert written == real


def test_every_error_is_public_in_both_packages_and_in_the_reference():
    names = {cls.__name__ for cls in EVERY}
    assert all(cls.__module__ == "nexevo_async.errors" for cls in EVERY)
    assert names <= set(nexevo_async.__all__)
    assert names <= set(nexevo_sync.__all__)
    reference = (ROOT / "docs/reference/async.md").read_text("utf-8")
    assert names == set(re.findall(r"autoexception:: nexevo_async\.(\w+)", reference))


def test_what_is_an_error_of_what():
    assert not issubclass(errors.QuotaExceededError, errors.RateLimitError)
    assert issubclass(errors.APITimeoutError, errors.APIConnectionError)
    assert not issubclass(APIStatusError, ValueError)


@pytest.mark.parametrize(
    ("said", "limit", "spent", "resets_at"),
    [
        (
            {"limit": "10.00", "spent": "9.50", "resets_at": "2026-05-01T00:00:00Z"},
            Decimal("10.00"),
            Decimal("9.50"),
            datetime(2026, 5, 1, tzinfo=UTC),
        ),
        ({"limit": 10}, 10, None, None),
        ({"limit": 10.5}, None, None, None),  # a float has lost digits
        ({"limit": "ten", "resets_at": []}, None, None, None),
        ({}, None, None, None),
    ],
)
async def test_a_spent_cap_says_what_the_gateway_says_of_it(said, limit, spent, resets_at):
    async def spent_it(_: Request, __: Handler) -> Response:
        error = {"message": "m", "type": "spend_cap_exceeded", "code": "spend_cap_exceeded"}
        body = Body(msgspec.json.encode({"error": error | said}))
        return Response(status=402, headers=Headers(), body=body)

    with pytest.raises(errors.SpendCapExceededError) as caught:
        await AsyncNexevo("k", middleware=[spent_it]).billing.balance()
    error = caught.value
    assert (error.limit, error.spent, error.resets_at) == (limit, spent, resets_at)
    assert error.details == said
