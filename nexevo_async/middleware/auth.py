from collections.abc import Awaitable
from typing import Final

from nexevo_async.api_key import AskedKey
from nexevo_async.config import key_from_environment
from nexevo_async.messages import Handler, Request, Response

_NOT_THE_KEY: Final = ("invalid_credentials", "two_factor_required", "two_factor_invalid")


def ask_key(request: Request, call_next: Handler) -> Awaitable[Response]:
    """Have a callable key asked before the attempt, and once more when it is refused.

    It stands around the attempt's middleware, as what a fresh key is tried with is an attempt too.
    """
    key = request.settings.client.api_key
    if isinstance(key, AskedKey) and _needs_key(request):
        return _asked(request, call_next, key)
    return call_next(request)


def auth(request: Request, call_next: Handler) -> Awaitable[Response]:
    """Add the key, last of all, so that no other middleware needs to see it."""
    if _needs_key(request):
        key = request.key or request.settings.client.api_key or key_from_environment()
        assert not isinstance(key, AskedKey)  # noqa: S101 - ask_key() has asked it
        request = request.with_headers({"Authorization": f"Bearer {key.reveal()}"})
    return call_next(request)


def _needs_key(request: Request) -> bool:
    return request.operation.needs_key and "authorization" not in request.headers


async def _asked(request: Request, call_next: Handler, source: AskedKey) -> Response:
    request.progress.phase = "waiting for the callable api_key"
    key, number = await source.ask()
    response = await call_next(request.replace(key=key))
    if response.status != 401 or (response.error and response.error.is_(*_NOT_THE_KEY)):
        return response
    if request.is_done_by(401):  # with a fresh key it would be done to that as well
        return response
    request.progress.phase = "waiting for the callable api_key"
    fresh = await source.refresh(number)
    return response if fresh == key else await call_next(request.replace(key=fresh))
