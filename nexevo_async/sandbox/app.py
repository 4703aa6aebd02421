"""Puts the gateway together, and sees to what every answer has."""

import asyncio
import logging
import secrets
from typing import Any, Final

from aiohttp import web

from nexevo_async.sandbox import admin, operations
from nexevo_async.sandbox.gateway import Gateway
from nexevo_async.sandbox.log import RequestEntry, printable, shown
from nexevo_async.sandbox.operations import EXCHANGE, Exchange
from nexevo_async.sandbox.refusal import RefusalError
from nexevo_async.sandbox.wire import LARGEST_BODY, HttpHandler, json_response, until_cancelled

_log: Final = logging.getLogger("nexevo.sandbox")


def application(gateway: Gateway) -> web.Application:
    """Give the application that serves a gateway."""

    @web.middleware
    async def answered(request: web.Request, handler: HttpHandler) -> web.StreamResponse:
        entry = _entry(request, gateway.now())
        request[EXCHANGE] = Exchange(entry, gateway.limiter.untouched())
        if not request.path.startswith(admin.PREFIX):
            gateway.log.entries.append(entry)
        try:
            return await _never_failing(request, handler)
        except asyncio.CancelledError:
            if not entry.dropped:
                entry.peer_left = gateway.now()
            raise
        finally:
            entry.ended = gateway.now()

    app = web.Application(middlewares=[answered], client_max_size=LARGEST_BODY)
    if gateway.upstream is not None:
        app.cleanup_ctx.append(gateway.upstream.connected)
    app.on_response_prepare.append(_stamp)
    app.add_routes(operations.routes(gateway))
    app.add_routes(admin.routes(gateway))
    return app


def _entry(request: web.Request, now: str) -> RequestEntry:
    peer: Any = request.transport and request.transport.get_extra_info("peername")
    return RequestEntry(
        time=now,
        method=request.method,
        path=request.path,
        headers=shown(request.headers),
        idempotency_key=_shown_key(request),
        client_port=peer[1] if peer else 0,
    )


def _shown_key(request: web.Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    return key and printable(key)


async def _never_failing(request: web.Request, handler: HttpHandler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ConnectionError:
        await until_cancelled()
    except Exception as error:  # noqa: BLE001 - no request may take the sandbox down
        refusal = _refusal(request, error)
        return json_response(refusal.body, refusal.status, refusal.headers)


def _refusal(request: web.Request, error: Exception) -> RefusalError:
    path = request.path
    match error:
        case RefusalError():
            return error
        case web.HTTPNotFound():
            message = f"There is nothing at {path}; the calls are under {operations.PREFIX}."
            return RefusalError(404, message)
        case web.HTTPMethodNotAllowed():
            allow = error.headers["Allow"]
            message = f"{path} does not take {request.method}, but {allow}."
            return RefusalError(405, message, headers={"Allow": allow})
        case web.HTTPException():
            return RefusalError(error.status, f"{request.method} {path}: {error.reason}.")
        case RecursionError():
            return RefusalError(400, "The request is nested too deeply.")
        case _:
            _log.error("%s %s failed", request.method, path, exc_info=error)
            message = "The sandbox failed; its log has the traceback. Please report it."
            return RefusalError(500, message)


async def _stamp(request: web.Request, response: web.StreamResponse) -> None:
    exchange = request.get(EXCHANGE)
    headers = response.headers
    headers.setdefault("X-Trace-ID", secrets.token_hex(16))
    if exchange is not None:
        exchange.entry.status = response.status
        headers.setdefault("X-RateLimit-Remaining", str(exchange.rate.remaining))
        headers.setdefault("X-RateLimit-Reset", str(exchange.rate.reset))
