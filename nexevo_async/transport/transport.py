import asyncio
import importlib
import weakref
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, final

from nexevo_async.config import ClientConfig
from nexevo_async.errors import APIConnectionError, ClientClosedError
from nexevo_async.messages import Request, Response
from nexevo_async.per_loop import PerLoop
from nexevo_async.transport import tls
from nexevo_async.transport.proxy import proxy_for

if TYPE_CHECKING:
    from nexevo_async.transport.session import Session


@final
class LoopState:
    """The session of one event loop, opened once by whoever needs it first."""

    def __init__(self) -> None:
        self.session: Session | None = None
        self.opening: asyncio.Lock = asyncio.Lock()
        self.keeper: AsyncGenerator[None, None] | None = None
        self.proxies: dict[str, str | None] = {}


@final
class Transport:
    """Sends requests over aiohttp, from any number of event loops.

    Making one loads nothing and opens nothing: aiohttp is imported, and TLS is set up, in a worker
    thread by the first call, as both would hold up the caller's loop.
    """

    def __init__(self, config: ClientConfig) -> None:
        self._config = config
        self._states = PerLoop(LoopState, discard=_discard)
        self.closed: bool = False
        # Holds the sessions until the client is garbage: collected with it, they would complain.
        weakref.finalize(self, _close_all, self._states).atexit = False

    async def __call__(self, request: Request) -> Response:
        """Send one request, and read its answer, or its beginning when it is a stream."""
        if self.closed:
            raise closed_error()
        state = self._states.get()
        session = state.session or await self._open(state, request)
        base_url = request.settings.client.base_url
        if base_url not in state.proxies:
            state.proxies[base_url] = proxy_for(base_url, self._config.proxy)
        try:
            response = await session.send(request, state.proxies[base_url])
        except APIConnectionError:
            if self.closed:
                raise closed_error() from None
            raise
        if response.stream is not None:
            response.stream.owner = self
        return response

    async def _open(self, state: LoopState, request: Request) -> "Session":
        request.progress.phase = "setting up"
        async with state.opening:
            if state.session is None:
                secure = request.settings.client.base_url.startswith("https:")
                opened = await asyncio.to_thread(_prepare, self._config, secure)
                state.session = opened
                opened.start(self._config)
                state.keeper = _keeper(opened)
                await anext(state.keeper)
        if self.closed:
            await _close(state)
            raise closed_error()
        return state.session

    async def aclose(self) -> None:
        """Close the running loop's connections now, and those of other loops in their loops."""
        self.closed = True
        mine = self._states.pop()
        _close_all(self._states)
        if mine is not None:
            await _close(mine)


def closed_error() -> ClientClosedError:
    """Give the error for a call on a closed client."""
    return ClientClosedError(
        "The client is closed. Make a new one, or close this one after its last call: "
        "best by `with`, or `async with`, around all the calls."
    )


def _prepare(config: ClientConfig, secure: bool) -> "Session":
    session = importlib.import_module("nexevo_async.transport.session")
    return session.Session(tls.context(config.tls) if secure else None)  # type: ignore[no-any-return]


async def _keeper(session: "Session") -> AsyncGenerator[None, None]:
    """Close the session when the loop ends, unasked.

    An event loop ends the asynchronous generators that were begun in it before it closes: just
    when a session is to be closed, and asyncio has no other hook for that.
    """
    try:
        yield
    finally:
        await session.aclose()


async def _close(state: LoopState) -> None:
    if state.keeper is not None:
        await state.keeper.aclose()


_closing: set[asyncio.Task[None]] = set()  # a loop holds its tasks only weakly


def _close_all(states: PerLoop[LoopState]) -> None:
    """Close the sessions of all loops, each in its loop; from any thread, and without waiting."""

    def close(loop: asyncio.AbstractEventLoop, state: LoopState) -> None:
        task = loop.create_task(_close(state))
        _closing.add(task)
        task.add_done_callback(_closing.discard)

    for loop, state in states.items():
        try:
            loop.call_soon_threadsafe(close, loop, state)
        except RuntimeError:  # the loop is closed
            _discard(state)


def _discard(state: LoopState) -> None:
    if state.session is not None:
        state.session.discard()
