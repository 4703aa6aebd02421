import asyncio
import logging
import secrets
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from nexevo_async.sandbox.refusal import error_body
from nexevo_async.sandbox.wire import json_response

# Where aiohttp tells of what went wrong; nothing to print where nobody asked for a log.
_log: Final = logging.getLogger("nexevo.sandbox.http")
_log.addHandler(logging.NullHandler())
_OPTIONS: Final[Mapping[str, Any]] = {"access_log": None, "logger": _log}


class Protocol(web.RequestHandler):
    """Serves a connection, and refuses with the documented body also what is no HTTP.

    aiohttp would repeat the malformed line to the peer and in the log: it may well hold a key.
    """

    __slots__ = ()

    def __init__(self, server: web.Server, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(server, loop=loop, **_OPTIONS)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what no handler can."""
        if status != 400:
            return super().handle_error(request, status, exc, message)
        _log.info("what %s sent is no HTTP (%s)", request.remote, type(exc).__name__)
        response = json_response(
            error_body(400, "This is no HTTP/1.1: a line of the head is malformed, or too long."),
            400,
            {"X-Trace-ID": secrets.token_hex(16)},
        )
        response.force_close()
        return response
