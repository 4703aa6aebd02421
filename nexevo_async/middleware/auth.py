from collections.abc import Awaitable
from typing import Final

from nexevo_async.api_key import AskedKey
from nexevo_async.config import key_from_environment
from nexevo_async.messages import Handler, Request, Response
from nexevo_async.secret import Secret

_NOT_THE_KEY: Final = ("invalid_credentials", "two_factor_required", "two_factor_invalid")


def auth(request: Request, call_next: Handler) -> Awaitable[Response]:
    """Add the key, last of all, so that no other middleware needs to see it."""
    if request.operation.needs_key and "authorization" not in request.headers:
        key = request.settings.client.api_key or key_from_environment()
        if isinstance(key, AskedKey):
            return _asked(request, call_next, key)
        request = _with_key(request, key)
    return call_next(request)


def _with_key(request: Request, key: Secret) -> Request:
    return request.with_headers({"Authorization": f"Bearer {key.reveal()}"})


async def _asked(request: Request, call_next: Handler, source: AskedKey) -> Response:
    request.progress.phase = "waiting for the callable api_key"
    key, number = await source.ask()
    response = await call_next(_with_key(request, key))
    if response.status != 401 or (response.error and response.error.is_(*_NOT_THE_KEY)):
        return response
    if request.is_done_by(401):  # with a fresh key it would be done to that as well
        return response
    request.progress.phase = "waiting for the callable api_key"
    fresh = await source.refresh(number)
    return response if fresh == key else await call_next(_with_key(request, fresh))
