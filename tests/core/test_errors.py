import copy
import inspect
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from nexevo_async import Headers, Meta, errors
from nexevo_async.errors import APIStatusError, NexevoError, status_error_class

EVERY = [
    cls
    for _, cls in inspect.getmembers(errors, inspect.isclass)
    if issubclass(cls, NexevoError) and not cls.__name__.startswith("_")
]
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
    "meta": Meta(429, Headers({"X-Trace-ID": "t1"}), 2, 1.5),
}


def made(cls: type[NexevoError]) -> NexevoError:
    takes: set[str] = set()
    for base in cls.__mro__:
        if issubclass(base, NexevoError):
            takes |= set(inspect.signature(base.__init__).parameters)
    return cls("what happened", **{k: v for k, v in VALUES.items() if k in takes})


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


def test_the_tree():
    assert all(issubclass(cls, NexevoError) for cls in EVERY)
    assert not issubclass(errors.QuotaExceededError, errors.RateLimitError)
    assert issubclass(errors.APITimeoutError, errors.APIConnectionError)
    assert not issubclass(APIStatusError, ValueError)
