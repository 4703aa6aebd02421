import os
from collections.abc import Awaitable

from nexevo_async.messages import Handler, Request, Response


def idempotency(request: Request, call_next: Handler) -> Awaitable[Response]:
    """Give a write one idempotency key for all its attempts; the caller's own wins.

    Where the operation takes a key in its body, that one is the only one.
    """
    operation = request.operation
    if (
        operation.method in {"POST", "PATCH"}
        and operation.resend != "keyed"
        and "idempotency-key" not in request.headers
    ):
        key = request.settings.idempotency_key or os.urandom(16).hex()
        request = request.with_headers({"Idempotency-Key": key})
    return call_next(request)
