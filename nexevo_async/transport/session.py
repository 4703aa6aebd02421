"""An aiohttp session: values in, values out; none of aiohttp's types or errors leaves it."""

import asyncio
import contextlib
import functools
import io
import math
import socket
import weakref
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final, TypeVar, cast, final

import aiohttp
from yarl import URL

from nexevo_async.byte_stream import ByteStream
from nexevo_async.config import ClientConfig, EffectiveTimeouts
from nexevo_async.headers import Headers
from nexevo_async.messages import Body, Request, Response
from nexevo_async.time_limit import TimeLimit
from nexevo_async.transport.destination import Destination, destination_of
from nexevo_async.transport.failures import doubt, failure, said, too_large
from nexevo_async.transport.resolver import Resolver
from nexevo_async.transport.transport import Transport, closed_error

T = TypeVar("T")

MAX_BODY: Final = 256 * 1024 * 1024
"""Bytes that an answer may have, unzipped."""

_LARGE: Final = 2**20
"""Bytes of a body over which aiohttp warns of sending it at once."""

_ROUNDED: Final = 1
"""Seconds after its limit that connecting may end: aiohttp rounds up to whole ones."""

_AFTER_DONE: Final = 0.05
"""Seconds that a stream's last bytes may take to come after its terminator."""


class _LostError(Exception):
    """A connection was lost; not an error that aiohttp would answer by sending again, silently."""


async def _no_silent_resend(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    try:
        return await handler(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        raise
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
        raise _LostError(said(error)) from None


# RuntimeError is how aiohttp says that a connection is closed, or its session.
_FAILURES: Final = (aiohttp.ClientError, _LostError, OSError, ValueError, RuntimeError)


_RESENT_BY_AIOHTTP: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})


@functools.lru_cache(maxsize=64)
def _time_limits(
    limits: EffectiveTimeouts, *, only_reads: bool
) -> tuple[aiohttp.ClientTimeout, float | None]:
    """Give the limits for aiohttp to keep, and the one on reads that is ours.

    A timer of aiohttp's is a tenth of a request's CPU. One for reads is not set where the total
    time is sure to end before it, and is ours where the time until the first byte is all spent on
    reading: nothing is to be uploaded, and connecting would have ended before.
    """
    read = limits.read
    if read is not None and limits.total is not None and read >= limits.total:
        read = None
    connect = math.inf if limits.connect is None else limits.connect + _ROUNDED
    ours = only_reads and read is not None and connect <= read
    return (
        aiohttp.ClientTimeout(total=None, connect=limits.connect, sock_read=None if ours else read),
        read if ours else None,
    )


@functools.lru_cache(maxsize=64)
def _base(base_url: str) -> tuple[URL, str]:
    url = URL(base_url, encoded=True)
    return url.origin(), url.raw_path.rstrip("/")


@functools.lru_cache(maxsize=256)  # most calls have no id in their path, or the same again
def _url(base_url: str, path: str, query: str) -> URL:
    origin, prefix = _base(base_url)
    if not query:
        return origin.with_path(prefix + path, encoded=True)
    return URL(f"{origin}{prefix}{path}?{query}", encoded=True)


def _kept_alive_socket(info: tuple[Any, ...]) -> socket.socket:
    """Give a socket that notices a peer which a NAT on the way has forgotten."""
    made = socket.socket(family=info[0], type=info[1], proto=info[2])
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE.items():
        if hasattr(socket, option):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return made


_KEEPALIVE: Final = {
    "TCP_KEEPIDLE": 60,
    "TCP_KEEPALIVE": 60,  # the same on macOS
    "TCP_KEEPINTVL": 30,
    "TCP_KEEPCNT": 5,
}
"""Seconds of silence before the first probe, seconds between two, and probes before the end."""


@final
class Session:
    """The connections of one event loop."""

    def __init__(self, config: ClientConfig) -> None:
        self._config = config
        self._destinations: dict[str, Destination] = {}
        self._session: aiohttp.ClientSession | None = None
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def reach(self, base_url: str) -> None:
        """Find out how a base URL is reached; this takes its time, and needs no loop.

        Raises:
            ConfigurationError: a file or a proxy that was named cannot be used.
        """
        self._destinations[base_url] = destination_of(base_url, self._config)

    def reaches(self, base_url: str) -> bool:
        """Say whether it is known how a base URL is reached."""
        return base_url in self._destinations

    def start(self) -> None:
        """Make the session, in its loop."""
        self._loop = asyncio.get_running_loop()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,  # the seats are the limit
                keepalive_timeout=self._config.limits.keepalive,
                socket_factory=self._socket,
                resolver=Resolver(),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(_no_silent_resend,),
            auto_decompress=True,
        )

    def _socket(self, info: tuple[Any, ...]) -> socket.socket:
        made = _kept_alive_socket(info)
        self._sockets.add(made)
        return made

    async def send(self, request: Request, owner: Transport) -> Response:
        """Send one request.

        Raises:
            APIConnectionError: no whole answer came back.
            ClientClosedError: none came, as the client was closed meanwhile.
        """
        assert self._session is not None  # noqa: S101 - start() was called
        destination = self._destinations[request.settings.client.base_url]
        progress = request.progress
        progress.attempts += 1
        progress.phase = "connecting, sending or waiting for the answer"
        timeout, read = _time_limits(
            request.settings.timeouts, only_reads=request.body is None and not request.stream
        )
        try:
            answering = self._session.request(
                request.operation.method,
                _url(request.settings.client.base_url, request.path, request.query),
                headers=request.headers.pairs + destination.headers,
                data=None if request.body is None else _data(request.body),
                allow_redirects=False,
                middlewares=None if request.operation.method in _RESENT_BY_AIOHTTP else (),
                timeout=timeout,
                **destination.options,
            )
            response = await _within(read, answering)
            if destination.proxy and response.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
                response.close()
                # As for https://, where the proxy answers before there is a request.
                raise aiohttp.ClientHttpProxyError(
                    response.request_info, response.history, status=response.status
                )
            if request.stream and _is_stream(response):
                return Response(
                    status=response.status,
                    headers=Headers(response.headers),
                    stream=_stream(response, request, destination, owner),
                    attempts=progress.attempts,
                    elapsed=progress.elapsed,
                )
            progress.phase = "reading the answer"
            try:
                if response.content.is_eof():  # as of most answers when their headers are there
                    body = response.content.read_nowait()
                else:
                    body = await _body(response, request, read)
            finally:
                response.release()
            return Response(
                status=response.status,
                headers=Headers(response.headers),
                body=Body(body),
                attempts=progress.attempts,
                elapsed=progress.elapsed,
            )
        except _FAILURES as error:
            failed = failure(request, destination, error)
        except asyncio.CancelledError:
            doubt(request)
            raise
        # Raised where aiohttp's own error, whose traceback holds the headers, is not its context.
        raise closed_error() if owner.closed else failed

    async def aclose(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def discard(self) -> None:
        """Drop the connections at once: in their loop, or after it was closed before them."""
        if self._session is None or self._session.connector is None:
            return
        self._session.connector._close(abort_ssl=True)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - close() needs a loop that goes on
        if self._loop.is_closed():
            for made in [*self._sockets]:
                _drop(self._loop, made)


def _drop(loop: Any, made: socket.socket) -> None:
    """Do what a closed loop does not do any more for a connection that was left open."""
    transport = getattr(loop, "_transports", {}).get(made.fileno())
    if transport is not None:
        with contextlib.suppress(RuntimeError):  # from whoever else counts on the loop
            transport._call_connection_lost(None)  # noqa: SLF001
    made.close()


def _data(body: Body) -> bytes | io.BytesIO:
    """Give a body in the form in which aiohttp sends it without holding up the loop."""
    return body.data if len(body) <= _LARGE else io.BytesIO(body.data)


def _within(read: float | None, waiting: Awaitable[T]) -> Awaitable[T]:
    return waiting if read is None else _limited(read, waiting)


async def _limited(read: float, waiting: Awaitable[T]) -> T:
    with TimeLimit(read):
        return await waiting
    raise aiohttp.SocketTimeoutError


async def _body(response: aiohttp.ClientResponse, request: Request, read: float | None) -> bytes:
    """Give a body that is still arriving, each part within the limit on reads."""
    content, size, parts = response.content, 0, list[bytes]()
    unwatch = _fail_with_its_connection(response)
    try:
        while not content.at_eof():
            parts.append(await _within(read, content.readany()))
            size += len(parts[-1])
            if size > MAX_BODY:  # what is zipped may grow to any size
                raise too_large(request, response.status, MAX_BODY)
    finally:
        unwatch()
    return b"".join(parts)


def _fail_with_its_connection(response: aiohttp.ClientResponse) -> Callable[[], object]:
    """Have a body fail when its connection is lost before its end.

    After chunks that it cannot read aiohttp closes the connection, and forgets who reads.

    Returns:
        What leaves the body alone again.
    """
    content, connection = response.content, response.connection
    protocol = None if connection is None else connection.protocol
    if protocol is None:  # all of it came
        return lambda: None
    lost = protocol.closed

    def fail(_: object) -> None:
        if not content.is_eof() and content.exception() is None:
            why = protocol.exception()
            content.set_exception(aiohttp.ClientPayloadError(why and said(why)))

    if lost is None:
        fail(None)
        return lambda: None
    lost.remove_done_callback(_heed)
    lost.add_done_callback(_heed)
    lost.add_done_callback(fail)
    return functools.partial(lost.remove_done_callback, fail)


def _heed(lost: asyncio.Future[None]) -> None:
    """Ask why a connection was lost: else asyncio tells that nobody did."""
    if not lost.cancelled():
        lost.exception()


def _is_stream(response: aiohttp.ClientResponse) -> bool:
    """Say whether this is the stream that was asked for: an error may come as JSON with a 200."""
    kind = response.headers.get("Content-Type", "").lower()
    return response.status < 300 and "json" not in kind and "html" not in kind


def _stream(
    response: aiohttp.ClientResponse,
    request: Request,
    destination: Destination,
    owner: Transport,
) -> ByteStream:
    async def read() -> bytes:
        request.progress.phase = "reading the stream"
        try:
            return await response.content.readany()
        except _FAILURES as error:
            if arrived := _arrived(response.content):
                return arrived
            failed = failure(request, destination, error)
        raise failed

    async def finish() -> None:
        try:
            async with asyncio.timeout(_AFTER_DONE):
                await response.content.readany()
        except _FAILURES:
            pass
        response.release()

    unwatch = _fail_with_its_connection(response)

    def close() -> None:
        unwatch()
        connection = response.connection
        response.close()
        if connection is not None:  # of a closed loop, the answer leaves it open, and it complains
            connection.close()

    return ByteStream(read=read, finish=finish, close=close, owner=owner)


def _arrived(content: aiohttp.StreamReader) -> bytes:
    """Give what had come of a body that failed: aiohttp raises the failure, and keeps the rest."""
    failure = content.exception()
    if failure is None:
        return b""
    content.set_exception(cast("BaseException", None))
    try:
        return content.read_nowait()
    finally:
        content.set_exception(failure)
