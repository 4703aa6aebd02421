import asyncio
from typing import Final, final

from nexevo_async.config import RetryPolicy
from nexevo_async.errors import (
    APIConnectionError,
    PaymentRequiredError,
    QuotaExceededError,
    status_error_class,
)
from nexevo_async.messages import Handler, Request, Resend, Response

_NOT_ADMITTED: Final = frozenset({429, 503})
_FAILED: Final = _NOT_ADMITTED | {500, 502, 504}
_ANY: Final = _FAILED | {408}
_FOLLOWS: Final[dict[Resend, frozenset[int]]] = {
    "idempotent": _ANY,
    "keyed": _ANY,
    "generation": _FAILED,
    "once": _NOT_ADMITTED,
}
_REPEATABLE: Final = frozenset[Resend]({"idempotent", "keyed"})
_SPREAD: Final = 0.5
_MOST_DOUBLINGS: Final = 30


@final
class Budget:
    """Keeps a client from hammering a dead server: each call earns a part of a retry.

    Plain numbers, shared by a client's views, its threads and its loops; a lost update between
    threads costs a fraction of a retry.
    """

    __slots__ = ("_tokens",)

    def __init__(self, policy: RetryPolicy) -> None:
        self._tokens = policy.budget

    def earn(self, policy: RetryPolicy) -> None:
        """Count a call."""
        self._tokens = min(policy.budget, self._tokens + policy.budget_refill)

    def spend(self) -> bool:
        """Take a retry, if there is one."""
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@final
class Retry:
    """Sends a call again where its operation allows that, after a wait."""

    __slots__ = ("_budget",)

    def __init__(self, policy: RetryPolicy) -> None:
        self._budget = Budget(policy)

    async def __call__(self, request: Request, call_next: Handler) -> Response:
        """Give the first answer that is final."""
        policy = request.settings.client.retry
        self._budget.earn(policy)
        retries = 0
        while True:
            try:
                response = await call_next(request)
            except APIConnectionError as error:
                again = _may_follow_failure(request, error)
                wait = self._wait(request, retries, None) if again else None
                if wait is None:
                    raise
            else:
                if response.status < 400:
                    return response
                if _leaves_open(request, response):
                    request.progress.outcome_unknown = True
                again = _may_follow_answer(request, response)
                wait = self._wait(request, retries, response.retry_after) if again else None
                if wait is None:
                    return _settled(request, response)
            retries += 1
            request.progress.phase = "waiting to try again"
            await asyncio.sleep(wait)

    def _wait(self, request: Request, retries: int, retry_after: float | None) -> float | None:
        """Give the seconds to wait before the next attempt; None when there is to be none."""
        policy = request.settings.client.retry
        if retries >= request.settings.max_retries:
            return None
        longest = min(policy.max_delay, policy.base_delay * 2 ** min(retries, _MOST_DOUBLINGS))
        if retry_after is not None:
            # A floor, and still spread: all who were refused at once would come back at once.
            longest = min(longest, _SPREAD)
        from random import uniform  # noqa: PLC0415 - loads hashlib, and few calls need it

        wait = (retry_after or 0) + uniform(0, longest)  # noqa: S311 - no secret
        deadline = request.progress.deadline
        late = deadline is not None and asyncio.get_running_loop().time() + wait >= deadline
        if late or (retry_after or 0) > policy.max_retry_after or not self._budget.spend():
            return None
        return wait


def _kind(request: Request) -> Resend:
    if request.operation.resend == "once" and request.settings.idempotent:
        return "keyed"
    return request.operation.resend


def _may_follow_failure(request: Request, error: APIConnectionError) -> bool:
    if not error.retryable:
        return False
    return error.never_sent or _kind(request) in _REPEATABLE


def _may_follow_answer(request: Request, response: Response) -> bool:
    if _is_of_money(response):
        return False
    kind = _kind(request)
    if kind in _REPEATABLE and _is_in_progress(response):
        return True
    return response.status in _FOLLOWS[kind]


def _is_of_money(response: Response) -> bool:
    """Say whether the money or the quota is gone, which no wait changes, whatever the status."""
    error = response.error
    return error is not None and issubclass(
        status_error_class(response.status, error.code, error.type),
        (PaymentRequiredError, QuotaExceededError),
    )


def _is_in_progress(response: Response) -> bool:
    error = response.error
    return response.status == 409 and error is not None and error.is_("idempotency_in_progress")


def _leaves_open(request: Request, response: Response) -> bool:
    """Say whether an answer leaves open whether the gateway did what was asked."""
    if request.operation.method == "GET":
        return False
    # What may follow on a call that must not be done twice says that it was not done.
    undone = _FOLLOWS["generation" if _kind(request) == "generation" else "once"]
    failed = response.status == 408 or response.status >= 500
    return (failed and response.status not in undone) or _is_in_progress(response)


def _settled(request: Request, response: Response) -> Response:
    """Give the final answer: a success where it says that an earlier attempt has done it."""
    if not request.is_done_by(response.status):
        return response
    return Response(
        status=204,
        headers=response.headers,
        attempts=response.attempts,
        elapsed=response.elapsed,
    )
