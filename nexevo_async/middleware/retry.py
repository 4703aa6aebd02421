import asyncio
import random
from typing import Final, final

from nexevo_async.config import RetryPolicy
from nexevo_async.errors import APIConnectionError, APITimeoutError
from nexevo_async.messages import Handler, Request, Response

_RETRYABLE: Final = frozenset({408, 429, 500, 502, 503, 504})
_GENERATION: Final = frozenset({429, 500, 502, 503, 504})
_SPREAD: Final = 0.5
_NOT_ADMITTED: Final = frozenset({429, 503})


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
                again = _may_follow_answer(request, response)
                wait = self._wait(request, retries, response.retry_after) if again else None
                if wait is None:
                    return _settled(request, response)
                if response.status not in _NOT_ADMITTED:
                    _doubt(request)
            retries += 1
            request.progress.phase = "waiting to try again"
            await asyncio.sleep(wait)

    def _wait(self, request: Request, retries: int, retry_after: float | None) -> float | None:
        """Give the seconds to wait before the next attempt; None when there is to be none."""
        policy = request.settings.client.retry
        if retries >= request.settings.max_retries:
            return None
        longest = min(policy.max_delay, policy.base_delay * 2**retries)
        wait = random.uniform(0, longest)  # noqa: S311 - no secret
        if retry_after is not None:
            # A floor, and still spread: all who were refused at once would come back at once.
            wait = retry_after + min(wait, _SPREAD)
        deadline = request.progress.deadline
        late = deadline is not None and asyncio.get_running_loop().time() + wait >= deadline
        if late or (retry_after or 0) > policy.max_retry_after or not self._budget.spend():
            return None
        return wait


def _kind(request: Request) -> str:
    if request.operation.resend == "once" and request.settings.idempotent:
        return "keyed"
    return request.operation.resend


def _may_follow_failure(request: Request, error: APIConnectionError) -> bool:
    if not error.retryable:
        return False
    if _kind(request) in {"idempotent", "keyed"}:
        return True
    return error.never_sent and not (isinstance(error, APITimeoutError) and error.limit == "read")


def _may_follow_answer(request: Request, response: Response) -> bool:
    if response.status < 400:
        return False
    error = response.error
    if error is not None and error.is_("tenant_monthly_quota_exceeded"):
        return False
    match _kind(request):
        case "idempotent" | "keyed":
            in_progress = error is not None and error.is_("idempotency_in_progress")
            return response.status in _RETRYABLE or (response.status == 409 and in_progress)
        case "generation":
            return response.status in _GENERATION
        case _:
            return response.status in _NOT_ADMITTED


def _doubt(request: Request) -> None:
    if request.operation.method != "GET":
        request.progress.outcome_unknown = True


def _settled(request: Request, response: Response) -> Response:
    """Give the final answer: what an earlier attempt of ours may have deleted is deleted."""
    deleting = request.operation.method == "DELETE" and request.progress.outcome_unknown
    if response.status != 404 or not deleting:
        return response
    return Response(
        status=204,
        headers=response.headers,
        attempts=response.attempts,
        elapsed=response.elapsed,
    )
