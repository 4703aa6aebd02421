"""An HTTP proxy that knows where its own names lie, and notes what it was asked."""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator

import attrs
from raw_server import accepting


@attrs.define
class Proxy:
    """Forwards to ports of this machine, whatever the name; asks for credentials if it has any."""

    ports: dict[str, int]
    credentials: str | None = None
    refusal: int | None = None
    scheme: str = "http"
    port: int = 0
    asked: list[str] = attrs.field(factory=list)
    heads: list[str] = attrs.field(factory=list, repr=False)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def url_with(self, credentials: str) -> str:
        return self.url.replace("://", f"://{credentials}@")

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            line = head.splitlines()[0]
            self.asked.append(line)
            self.heads.append(head)
            method, target, _ = line.split(" ")
            status = self._status(head)
            if status != 200:
                writer.write(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status)
                await writer.drain()
                return
            host = target if method == "CONNECT" else target.split("/")[2]
            from_there, there = await asyncio.open_connection("127.0.0.1", self.ports[host])
            with contextlib.closing(there):
                if method == "CONNECT":
                    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                else:
                    there.write(head.encode("latin-1"))
                await asyncio.gather(_pipe(reader, there), _pipe(from_there, writer))
        finally:
            writer.close()

    def _status(self, head: str) -> int:
        if self.refusal is not None:
            return self.refusal
        if self.credentials is None:
            return 200
        expected = base64.b64encode(self.credentials.encode()).decode()
        return 200 if f"\r\nProxy-Authorization: Basic {expected}\r\n" in head else 407


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def proxying(
    ports: dict[str, int],
    *,
    credentials: str | None = None,
    refusal: int | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Proxy]:
    proxy = Proxy(ports, credentials, refusal, "http" if tls is None else "https")

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await proxy(reader, writer)

    async with accepting(forward, ssl=tls) as server:
        proxy.port = server.sockets[0].getsockname()[1]
        yield proxy
