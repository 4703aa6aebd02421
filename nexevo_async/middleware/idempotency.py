import secrets

from nexevo_async.messages import Handler, Request, Response


async def idempotency(request: Request, call_next: Handler) -> Response:
    """Give a write one idempotency key for all its attempts; the caller's own wins."""
    if request.operation.method in {"POST", "PATCH"} and "idempotency-key" not in request.headers:
        key = request.idempotency_key or secrets.token_hex(16)
        request = request.with_headers({"Idempotency-Key": key})
    return await call_next(request)
