from nexevo_async.errors import APITimeoutError
from nexevo_async.messages import Handler, Request, Response
from nexevo_async.time_limit import TimeLimit


async def deadline(request: Request, call_next: Handler) -> Response:
    """End the call, with its retries and waits, when its total time is over."""
    seconds = request.settings.timeouts.total
    first_token = request.settings.timeouts.first_token if request.stream else None
    if first_token is not None and (seconds is None or first_token < seconds):
        seconds = first_token
        request.progress.limit = "first_token"
    if seconds is None:
        return await call_next(request)
    with TimeLimit(seconds) as limit:
        request.progress.deadline = limit.when
        return await call_next(request)
    raise too_late(request)


def lift_first_token_limit(request: Request) -> None:
    """Have the rest of a stream be held to its total time alone."""
    progress, limits = request.progress, request.settings.timeouts
    if progress.limit == "first_token":
        progress.limit = "total"
        if limits.total is None:
            progress.deadline = None
        elif progress.deadline is not None and limits.first_token is not None:
            progress.deadline += limits.total - limits.first_token


def too_late(request: Request) -> APITimeoutError:
    """Give the error for a call that went past its deadline."""
    progress = request.progress
    limit = progress.limit
    seconds: float = getattr(request.settings.timeouts, limit)
    missed = "was not done" if limit == "total" else "gave nothing of its answer"
    return APITimeoutError(
        f"{request.operation.name} {missed} within {limit}={seconds:g} s; "
        f"it was {progress.phase}. [{request.summary()}]{request.doubt()} "
        f"Give it longer with timeouts=Timeouts({limit}=…).",
        limit=limit,
        limit_seconds=seconds,
        outcome_unknown=progress.outcome_unknown,
        **request.described(),
    )
