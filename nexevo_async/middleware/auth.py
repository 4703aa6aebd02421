from nexevo_async.config import key_from_environment
from nexevo_async.messages import Handler, Request, Response


async def auth(request: Request, call_next: Handler) -> Response:
    """Add the key, last of all, so that no other middleware needs to see it."""
    if "authorization" in request.headers:
        return await call_next(request)
    key = request.config.api_key or key_from_environment()
    return await call_next(request.with_headers({"Authorization": f"Bearer {key.reveal()}"}))
