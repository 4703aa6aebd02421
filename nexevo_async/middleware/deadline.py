import asyncio

from nexevo_async.errors import APITimeoutError
from nexevo_async.messages import Handler, Request, Response


async def deadline(request: Request, call_next: Handler) -> Response:
    """End the call, with its retries and waits, when its total time is over."""
    total = request.settings.timeouts.total
    if total is None:
        return await call_next(request)
    when = asyncio.get_running_loop().time() + total
    request.progress.deadline = when
    scope = asyncio.timeout_at(when)
    try:
        async with scope:
            return await call_next(request)
    except TimeoutError:
        if not scope.expired():
            raise
    raise total_timeout(request, total)


def total_timeout(request: Request, total: float) -> APITimeoutError:
    """Give the error for a call that took longer than its total time."""
    progress = request.progress
    return APITimeoutError(
        f"{request.operation.name} was not done within total={total:g} s; "
        f"it was {progress.phase}. [{request.summary()}]{request.doubt()} "
        "Give it longer with timeouts=Timeouts(total=…).",
        limit="total",
        limit_seconds=total,
        outcome_unknown=progress.outcome_unknown,
        **request.described(),
    )
