import logging
import time
from collections.abc import Awaitable
from typing import Any, Final

from nexevo_async.errors import NexevoError
from nexevo_async.messages import Handler, Request, Response

_logger: Final = logging.getLogger("nexevo")


def telemetry(request: Request, call_next: Handler) -> Awaitable[Response]:
    """Log one line an attempt: at DEBUG when it went well, at INFO when it did not.

    The record's ``nexevo`` attribute holds the same as a dict, with those headers that are known
    to be harmless; bodies, queries and the key are in neither.
    """
    if not _logger.isEnabledFor(logging.INFO):
        return call_next(request)
    return _logged(request, call_next)


async def _logged(request: Request, call_next: Handler) -> Response:
    began = time.monotonic()
    try:
        response = await call_next(request)
    except NexevoError as error:
        _log(logging.INFO, request, type(error).__name__, began, {})
        raise
    level = logging.DEBUG if response.status < 400 else logging.INFO
    facts = {"status": response.status, "response_headers": response.headers.shown()}
    _log(level, request, str(response.status), began, facts)
    return response


def _log(level: int, request: Request, outcome: str, began: float, facts: dict[str, Any]) -> None:
    milliseconds = (time.monotonic() - began) * 1000
    _logger.log(
        level,
        "%s: %s %s -> %s in %.1f ms (attempt %d)",
        request.operation.name,
        request.operation.method,
        request.path,
        outcome,
        milliseconds,
        request.progress.attempts,
        extra={
            "nexevo": {
                "operation": request.operation.name,
                "method": request.operation.method,
                "path": request.path,
                "outcome": outcome,
                "milliseconds": milliseconds,
                "attempt": request.progress.attempts,
                "request_headers": request.headers.shown(),
                **facts,
            }
        },
    )
