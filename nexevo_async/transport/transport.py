import asyncio
import contextlib
import functools
import importlib
import weakref
from collections.abc import AsyncGenerator, Awaitable
from typing import TYPE_CHECKING, final

from nexevo_async.config import ClientConfig
from nexevo_async.errors import ClientClosedError
from nexevo_async.messages import Request, Response
from nexevo_async.per_loop import PerLoop
from nexevo_async.worker import in_thread

if TYPE_CHECKING:
    from nexevo_async.transport.session import Session


@final
class LoopState:
    """The session of one event loop, opened once by whoever needs it first."""

    def __init__(self) -> None:
        self.session: Session | None = None
        self.opening: asyncio.Lock = asyncio.Lock()
        self.keeper: AsyncGenerator[None, None] | None = None


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

    def __call__(self, request: Request) -> Awaitable[Response]:
        """Send one request, and read its answer, or its beginning when it is a stream."""
        if self.closed:
            raise closed_error()
        state = self._states.get()
        session = state.session
        if session is None or not session.reaches(request.settings.client.base_url):
            return self._send_by_opened(state, request)
        return session.send(request, self)

    async def _send_by_opened(self, state: LoopState, request: Request) -> Response:
        session = await self._open(state, request)
        return await session.send(request, self)

    async def _open(self, state: LoopState, request: Request) -> "Session":
        request.progress.phase = "setting up"
        base_url = request.settings.client.base_url
        async with state.opening:
            if state.session is None:
                opened = await in_thread(functools.partial(_session, self._config, base_url))
                if self.closed:
                    raise closed_error()
                opened.start()
                state.session = opened
                state.keeper = _keeper(opened)
                await anext(state.keeper)
            elif not state.session.reaches(base_url):
                await in_thread(functools.partial(state.session.reach, base_url))
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


def _session(config: ClientConfig, base_url: str) -> "Session":
    importlib.import_module("nexevo_async.codec.converter")  # which the answer needs
    module = importlib.import_module("nexevo_async.transport.session")
    session: Session = module.Session(config)
    session.reach(base_url)
    return session


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
    keeper, state.keeper = state.keeper, None  # two may close at once
    if keeper is not None:
        await keeper.aclose()


@final
class _Close:
    """Closes a session in its loop, and one whose loop is closed before it comes to that."""

    __slots__ = ("_state",)

    def __init__(self, state: LoopState) -> None:
        self._state: LoopState | None = state

    def __call__(self) -> None:
        if self._state is not None:
            state, self._state = self._state, None
            _discard(state)

    def __del__(self) -> None:
        self()


def _close_all(states: PerLoop[LoopState]) -> None:
    """Close the sessions of all loops, each in its loop; from any thread, and without waiting."""
    here = states.pop()
    if here is not None:
        _discard(here)
    for loop, state in states.pop_all():
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(_Close(state))


def _discard(state: LoopState) -> None:
    if state.session is not None and state.keeper is not None:
        state.session.discard()
        with contextlib.suppress(StopIteration, RuntimeError):  # it ends at once, or is ending
            state.keeper.aclose().send(None)
