"""What the tests of TLS, proxies and redirects share: ways to call, and an authority."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import trustme
from raw_server import Answer, RawServer, events, reply, serving

from nexevo_async import AsyncNexevo
from nexevo_sync import Nexevo

KEY = "sk-xc-canary-0123456789"
CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hello!"}]}


@attrs.frozen
class Kind:
    """One of the ways to make a call."""

    client: str
    stream: bool

    def __str__(self) -> str:
        return f"{self.client}{' stream' if self.stream else ''}"

    @property
    def answer(self) -> Answer:
        """What a server has to answer."""
        if self.stream:
            return events(b'data: {"choices":[]}\n\n', b"data: [DONE]\n\n")
        return reply(b'{"object":"list","data":[]}')

    async def __call__(self, base_url: str, **config: Any) -> None:
        """Make one call with a client of its own."""
        if self.client == "sync":
            await asyncio.to_thread(self._sync, base_url, config)
            return
        async with AsyncNexevo(KEY, base_url=base_url, **config) as client:
            if self.stream:
                async with await client.chat.completions.create(**CHAT, stream=True) as stream:
                    await stream.final()
            else:
                await client.models.list()

    def _sync(self, base_url: str, config: Any) -> None:
        with Nexevo(KEY, base_url=base_url, **config) as client:
            if self.stream:
                with client.chat.completions.create(**CHAT, stream=True) as stream:
                    stream.final()
            else:
                client.models.list()


KINDS = [Kind(client, stream) for client in ("async", "sync") for stream in (False, True)]


def at_localhost(server: RawServer) -> str:
    return server.base_url.replace("127.0.0.1", "localhost")


class Authority:
    """A certificate authority, and what it has issued, in files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = trustme.CA(organization_name="Nexevo Tests")
        self.file = folder / "ca.pem"
        self.ca.cert_pem.write_to_path(str(self.file))
        self.handshakes: list[str | None] = []

    def server(
        self,
        *names: str,
        since: datetime | None = None,
        until: datetime | None = None,
        clients: "Authority | None" = None,
        newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    ) -> ssl.SSLContext:
        """Give a server's context, with a certificate for these names; it notes handshakes."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = newest
        issued = self.ca.issue_cert(
            *(names or ("localhost", "127.0.0.1")),
            not_before=since or datetime(2020, 1, 1, tzinfo=UTC),
            not_after=until,
        )
        issued.configure_cert(context)
        if clients is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            clients.ca.configure_trust(context)
        self.handshakes.clear()
        context.sni_callback = lambda _, name, __: self.handshakes.append(name)
        return context

    @contextmanager
    def https(self, answer: Answer) -> Iterator[str]:
        """Serve over HTTPS in a thread, for processes that trust this authority."""
        url: Future[str] = Future()
        stop = threading.Event()

        async def serve() -> None:
            async with serving(answer, tls=self.server()) as server:
                url.set_result(server.base_url.replace("127.0.0.1", "localhost"))
                await asyncio.to_thread(stop.wait)

        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(asyncio.run, serve())
            try:
                yield url.result(timeout=10)
            finally:
                stop.set()
                running.result(timeout=10)

    def client(self, name: str = "client") -> Path:
        """Give the file of a client's certificate and its key."""
        path = self.folder / f"{name}.pem"
        issued = self.ca.issue_cert(f"{name}@nexevo.example")
        issued.private_key_and_cert_chain_pem.write_to_path(str(path))
        return path
