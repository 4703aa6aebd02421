"""How an answer goes out: as it should, or as a fault has it."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any, Final, NoReturn, TypeAlias

import msgspec
from aiohttp import web

from nexevo_async.sandbox.faults import Fault
from nexevo_async.sandbox.log import RequestEntry
from nexevo_async.sandbox.refusal import RefusalError
from nexevo_async.sandbox.stream import PING, Frame

LARGEST_BODY: Final = 4 << 20
JSON: Final = "application/json"
# So many chunks go into one write, and no other request waits longer for its turn than that.
_BURST: Final = 16
_EVENTS: Final = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
_encoder: Final = msgspec.json.Encoder()


HttpHandler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


def route(method: str, path: str, handler: HttpHandler) -> web.RouteDef:
    """Give a route for that method alone: aiohttp would answer HEAD wherever it answers GET."""
    return web.route(method, path, handler, **({"allow_head": False} if method == "GET" else {}))


async def read(request: web.Request) -> bytes:
    """Give a request's body.

    Raises:
        RefusalError: it is too large, or was encoded wrongly.
    """
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise RefusalError(413, f"A body has at most {LARGEST_BODY:,} bytes.") from None
    except web.RequestPayloadError:
        raise RefusalError(400, "The body does not arrive as its headers say.") from None


async def until_cancelled() -> NoReturn:
    """Wait for the cancellation that follows the loss of the connection."""
    await asyncio.get_running_loop().create_future()
    raise RuntimeError("a future that nobody has was resolved")


def json_response(
    body: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Give an answer with a JSON body."""
    return web.Response(
        status=status, body=_encoder.encode(body), content_type=JSON, headers=headers
    )


class Sender:
    """Sends one answer."""

    def __init__(self, request: web.Request, entry: RequestEntry, fault: Fault) -> None:
        self._request = request
        self._entry = entry
        self._fault = fault
        self.tokens: int = 0

    async def hang_up(self) -> NoReturn:
        """Close the connection once what was written has gone out."""
        self._entry.dropped = True
        transport = self._request.transport
        if transport is not None:
            while transport.get_write_buffer_size():  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.001)
            transport.abort()
        await until_cancelled()

    async def plain(
        self, status: int, body: bytes, headers: Mapping[str, str]
    ) -> web.StreamResponse:
        """Send a whole body."""
        if body:
            headers = {"Content-Type": JSON, **headers}
        if self._fault.cut_at is not None:
            await self._cut(status, body, headers)
        self._entry.response_bytes = len(body)
        return web.Response(status=status, body=body, headers=headers)

    async def _cut(self, status: int, body: bytes, headers: Mapping[str, str]) -> NoReturn:
        response = web.StreamResponse(status=status, headers=headers)
        response.content_length = len(body)
        await response.prepare(self._request)
        await self._write(response, body)
        await self.hang_up()

    async def stream(
        self, frames: Iterator[Frame], headers: Mapping[str, str]
    ) -> web.StreamResponse:
        """Send events as they are made."""
        response = web.StreamResponse(headers={**_EVENTS, **headers})
        await response.prepare(self._request)
        pause = self._fault.chunk_delay_s or self._fault.pings_every_s
        while batch := list(itertools.islice(frames, 1 if pause else _BURST)):
            if pause:
                await self._wait(response, pause)
            await self._write(response, b"".join(frame.data for frame in batch))
            self.tokens += sum(frame.tokens for frame in batch)
            await asyncio.sleep(0)
        if self._fault.cut_at is not None:
            await self.hang_up()
        await response.write_eof()
        return response

    async def relay(
        self, frames: AsyncIterator[Frame], headers: Mapping[str, str]
    ) -> web.StreamResponse:
        """Send events as they come from elsewhere; of a stream's faults, cut_at alone is done."""
        response = web.StreamResponse(headers={**_EVENTS, **headers})
        await response.prepare(self._request)
        async for frame in frames:
            await self._write(response, frame.data)
        await response.write_eof()
        return response

    async def _wait(self, response: web.StreamResponse, seconds: float) -> None:
        every = self._fault.pings_every_s
        if every is not None:
            pings = int(seconds / every)
            for _ in range(pings):
                await asyncio.sleep(every)
                await self._write(response, PING)
            seconds -= pings * every
        await asyncio.sleep(seconds)

    async def _write(self, response: web.StreamResponse, data: bytes) -> None:
        cut = self._fault.cut_at
        if cut is not None:
            data = data[: cut - self._entry.response_bytes]
        await response.write(data)
        self._entry.response_bytes += len(data)
        if cut is not None and self._entry.response_bytes >= cut:
            await self.hang_up()
