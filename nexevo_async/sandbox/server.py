"""Runs a sandbox on a thread and event loop of its own."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from concurrent.futures import Future
from os import PathLike
from typing import Final, TypeVar

import attrs
from aiohttp import web

from nexevo_async.errors import ConfigurationError
from nexevo_async.sandbox import operations
from nexevo_async.sandbox.app import application
from nexevo_async.sandbox.gateway import Gateway, Seed
from nexevo_async.sandbox.passwords import password_hash
from nexevo_async.sandbox.protocol import Protocol
from nexevo_async.sandbox.store import Store
from nexevo_async.sandbox.upstream import Upstream
from nexevo_async.secret import Secret

T = TypeVar("T")

_HOST: Final = "127.0.0.1"
_LAST_PORT: Final = 65535
# A thousand tasks may well connect at the same moment.
_BACKLOG: Final = 4096
# How long handlers may go on when the sandbox stops; streams would for as long as they like.
_GRACE_S: Final = 0.02


@attrs.frozen(kw_only=True)
class Settings:
    """How a sandbox is set up.

    Attributes:
        port: The port; 0 for any that is free.
        db: The database file; None for memory.
        api_key: The owner's key.
        email: The owner's address.
        password: The owner's password.
        rate_limit_rpm: Requests that a key may send a minute; None for no limit.
        seed: With what the router's draws begin; None makes them differ each time.
        upstream: What answers where a model is named; None is the built-in model.
    """

    port: int = 0
    db: str | PathLike[str] | None = None
    api_key: Secret
    email: str
    password: Secret
    rate_limit_rpm: int | None = None
    seed: int | None = None
    upstream: Upstream | None = None

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.port <= _LAST_PORT:
            raise ValueError(f"port must be 0 to {_LAST_PORT}, not {self.port}")
        if self.rate_limit_rpm is not None and self.rate_limit_rpm < 1:
            raise ValueError(f"rate_limit_rpm must be 1 or more, not {self.rate_limit_rpm}")


@contextlib.asynccontextmanager
async def _going_on(work: Coroutine[None, None, None]) -> AsyncGenerator[None]:
    """Do something beside the block, and end it with the block."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class Server:
    """A sandbox that runs, or will."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._thread = threading.Thread(target=self._run, name="nexevo-sandbox", daemon=True)
        self._started: Future[tuple[Gateway, str]] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()

    def start(self) -> str:
        """Start, and give the base URL once requests are answered.

        Raises:
            ConfigurationError: the port or the database cannot be used.
        """
        self._thread.start()
        try:
            return self._started.result()[1]
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop, with whatever is still going on; harmless when it was stopped before."""
        if self._loop is None:
            self._stop.set()  # nobody waits for it yet
        else:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def run(self, work: Callable[[Gateway], Awaitable[T]]) -> T:
        """Do something to the gateway on its own loop, from any other thread."""
        if self._loop is None or not self._thread.is_alive():
            raise RuntimeError("the sandbox is not running")
        gateway = self._started.result()[0]

        async def there() -> T:
            return await work(gateway)

        return asyncio.run_coroutine_threadsafe(there(), self._loop).result()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if not self._started.done():
                self._started.set_exception(error)
            else:
                raise

    async def _serve(self) -> None:
        settings = self._settings
        self._loop = asyncio.get_running_loop()
        hashed = await asyncio.to_thread(password_hash, settings.password.reveal())
        store = Store(settings.db)
        try:
            await store.open()
            seed = Seed(email=settings.email, hashed_password=hashed, api_key=settings.api_key)
            gateway = Gateway(store, seed, settings.rate_limit_rpm, settings.seed)
            gateway.upstream = settings.upstream
            await gateway.seed()
            runner = web.AppRunner(
                application(gateway),
                handler_cancellation=True,
                shutdown_timeout=_GRACE_S,
            )
            try:
                with contextlib.closing(await self._listen(runner)) as listening:
                    port = listening.sockets[0].getsockname()[1]
                    gateway.url = f"http://{_HOST}:{port}"
                    self._started.set_result((gateway, gateway.url + operations.PREFIX))
                    async with _going_on(gateway.alerts.deliver()):
                        await self._stop.wait()
            finally:
                await runner.cleanup()
        finally:
            await store.close()

    async def _listen(self, runner: web.AppRunner) -> asyncio.Server:
        await runner.setup()
        server, port, loop = runner.server, self._settings.port, asyncio.get_running_loop()
        if server is None:
            raise RuntimeError("the runner was set up without a server")
        try:
            return await loop.create_server(
                lambda: Protocol(server, loop), _HOST, port, backlog=_BACKLOG
            )
        except OSError as error:
            raise ConfigurationError(
                f"The sandbox cannot listen at {_HOST}:{port}: {error.strerror}. "
                "Give another port, or 0 for any that is free."
            ) from None
