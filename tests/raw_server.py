"""A server that answers just the bytes it is told, and counts what reached it."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any

import attrs


@attrs.define
class Seen:
    """A request as it came in."""

    target: str
    head: str = attrs.field(repr=False)
    body: bytes
    connection: int

    def header(self, name: str) -> str | None:
        for line in self.head.splitlines()[1:]:
            key, _, value = line.partition(":")
            if key.strip().lower() == name.lower():
                return value.strip()
        return None


Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@attrs.define
class RawServer:
    """Gives each request the next of its answers, and the last one for ever."""

    answers: list[Answer]
    scheme: str = "http"
    port: int = 0
    seen: list[Seen] = attrs.field(factory=list)
    connections: int = 0
    open: int = 0
    slammed: int = 0
    """So many connections are closed as soon as they are open."""
    listen: Callable[[], Awaitable[None]] | None = None
    """Begins to listen, where that was left for later: until then connections are refused."""

    @property
    def base_url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/v1"

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        connection = self.connections
        first = b""
        if self.slammed:
            self.slammed -= 1
            writer.transport.abort()
        try:
            while True:
                head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                length = next(
                    (
                        int(line.split(":")[1])
                        for line in head.splitlines()
                        if line.lower().startswith("content-length")
                    ),
                    0,
                )
                body = await reader.readexactly(length)
                self.seen.append(Seen(head.split(" ")[1], head, body, connection))
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                first = await self._until_left(answer(writer), reader)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()

    @staticmethod
    async def _until_left(answering: Awaitable[None], reader: asyncio.StreamReader) -> bytes:
        """Answer, unless the peer leaves before; give what it sent meanwhile."""
        task = asyncio.ensure_future(answering)
        leaving = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait([task, leaving], return_when=asyncio.FIRST_COMPLETED)
            if leaving.done() and not leaving.result():
                raise ConnectionResetError
            await task
            return leaving.result() if leaving.done() else b""
        finally:
            task.cancel()
            leaving.cancel()
            await asyncio.wait([task, leaving])
            if not task.cancelled():
                task.exception()  # was raised above, if anybody is left to see it

    async def until(self, condition: Callable[[], bool], seconds: float = 2.0) -> None:
        """Wait until something is so, or fail."""
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.01)


def reply(
    body: bytes = b'{"conversation_id":"conv_1"}',
    status: int = 200,
    headers: Sequence[str] = (),
    delay: float = 0,
) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(delay)
        lines = [f"HTTP/1.1 {status} X", "Content-Type: application/json", *headers]
        head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""])
        writer.write(head.encode() + body)
        await writer.drain()

    return answer


def error(status: int, code: str, headers: Sequence[str] = ()) -> Answer:
    body = f'{{"error":{{"message":"said so","type":"{code}","code":"{code}"}}}}'
    return reply(body.encode(), status, headers)


def drop() -> Answer:
    """Close the connection without an answer, after the request was read."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()
        raise ConnectionResetError

    return answer


def silence() -> Answer:
    async def answer(_: asyncio.StreamWriter) -> None:
        await asyncio.sleep(3600)

    return answer


def events(*pieces: bytes, between: float = 0, cut: bool = False, hold: bool = False) -> Answer:
    """Answer with a chunked event stream, each piece in a chunk of its own."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"X-Nexevo-Generation-Id: gen_1\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        for piece in pieces:
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await writer.drain()
            await asyncio.sleep(between)
        if hold:
            await asyncio.sleep(3600)
        if cut:
            writer.transport.abort()
            raise ConnectionResetError
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    return answer


Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def accepting(handle: Handle, **options: Any) -> AsyncIterator[asyncio.Server]:
    """Handle connections until the end, and then cut off those that are left."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handle(reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            tasks.discard(task)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, **options)
    try:
        yield server
    finally:
        server.close()
        for task in [*tasks]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def serving(
    *answers: Answer, tls: ssl.SSLContext | None = None, listening: bool = True
) -> AsyncIterator[RawServer]:
    handler = RawServer(list(answers), "http" if tls is None else "https")
    async with accepting(
        handler, limit=2**24, backlog=1024, ssl=tls, start_serving=listening
    ) as server:
        handler.port = server.sockets[0].getsockname()[1]
        handler.listen = server.start_serving
        yield handler


@contextlib.contextmanager
def unanswering_port() -> Iterator[int]:
    """Give a port that is listened at, and whose backlog is full: a connection is never made."""
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        yield full.getsockname()[1]
