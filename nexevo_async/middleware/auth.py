from collections.abc import Awaitable

from nexevo_async.config import key_from_environment
from nexevo_async.messages import Handler, Request, Response


def auth(request: Request, call_next: Handler) -> Awaitable[Response]:
    """Add the key, last of all, so that no other middleware needs to see it."""
    if "authorization" not in request.headers:
        key = request.settings.client.api_key or key_from_environment()
        request = request.with_headers({"Authorization": f"Bearer {key.reveal()}"})
    return call_next(request)
