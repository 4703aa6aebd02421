"""The bridge to the async client: one event loop a process, on a thread of its own.

A call crosses to that loop once and back once. It is handed over as a coroutine object, never as a
function and its arguments, so that no frame but the public method's own holds the arguments.
"""

import asyncio
import atexit
import builtins
import contextlib
import importlib.util
import inspect
import os
import sys
import threading
import warnings
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Final, Generic, TypeVar, cast, final

from nexevo_async.errors import ClientClosedError, ConfigurationError

T = TypeVar("T")

_STOP_WITHIN: Final = 1.0
"""Seconds that the interpreter's exit may wait for the connections to close."""

WAIT_SLICE: Final = 0.1 if sys.platform == "win32" else None
"""Seconds of one wait; on Windows, one without an end would not see Ctrl-C."""


class SyncCallInAsyncWarning(RuntimeWarning):
    """A call of the sync client was made where an event loop runs, which waits with it.

    The call works, but nothing else happens in that loop until the answer is there. Python shows
    the warning once for each line of code; to have it raised instead, use the warnings filter.

    Example:
        >>> import warnings
        >>> from nexevo_sync import SyncCallInAsyncWarning
        >>> warnings.simplefilter("error", SyncCallInAsyncWarning)
    """


@final
class Portal:
    """The event loop, its thread, and what other threads hand over to it."""

    def __init__(self) -> None:
        self.is_gone: bool = False
        self._has_uvloop: Final = _has_threads() and importlib.util.find_spec("uvloop") is not None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: Callable[[], None] | None = None
        self._started: Future[None] = Future()
        # A portal thread that is no daemon would keep the interpreter from exiting, for ever.
        self._thread = threading.Thread(target=self._serve, name="nexevo-portal", daemon=True)

    def start(self) -> None:
        """Start the thread.

        Raises:
            ConfigurationError: the system has no thread left.
        """
        try:
            self._thread.start()
        except RuntimeError as error:
            raise _not_started(error) from error

    def submit(self, callback: Callable[[], object]) -> None:
        """Have the loop call something soon.

        Raises:
            ClientClosedError: the loop is gone: it was stopped, or left to the parent of a fork.
            ConfigurationError: it could not start.
        """
        if self._loop is None:
            try:
                self._started.result()
            except Exception as error:
                raise _not_started(error) from error
        assert self._loop is not None  # noqa: S101 - it has started
        try:
            if not self.is_gone:
                self._loop.call_soon_threadsafe(callback)
                return
        except RuntimeError:  # it was closed meanwhile
            pass
        raise gone()

    def is_here(self) -> bool:
        """Say whether this is the portal's own thread."""
        return threading.get_ident() == self._thread.ident

    def must_not_be_here(self) -> None:
        """Refuse to wait on the loop's own thread, where nothing would ever end the wait.

        Raises:
            RuntimeError: this is that thread.
        """
        if self.is_here():
            raise RuntimeError(
                "A call of nexevo_sync was made on its own event loop, where waiting would stop "
                "every call for ever. Code that runs there, such as a middleware, has to await: "
                "use call_next, or nexevo_async.AsyncNexevo."
            )

    def is_of(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Say whether this is the portal's loop."""
        return loop is self._loop

    def stop(self) -> None:
        """Close the connections and end the thread, unless that takes too long."""
        self.is_gone = True
        if self._loop is not None and self._stop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stop)
                self._thread.join(_STOP_WITHIN)

    def _serve(self) -> None:
        try:
            import anyio  # noqa: PLC0415 - loaded by the first call, and off the caller's thread

            anyio.run(self._main, backend_options={"use_uvloop": self._has_uvloop})
        except BaseException as error:
            was_stopped, self.is_gone = self.is_gone, True
            if not self._started.done():
                self._started.set_exception(error)
            elif not was_stopped:
                raise
            # At exit asyncio may want one more thread, to end its executor, and gets none; all
            # else is closed by then.
        finally:
            self.is_gone = True

    async def _main(self) -> None:
        from anyio.from_thread import BlockingPortal  # noqa: PLC0415 - as above

        async with BlockingPortal() as portal:
            loop = asyncio.get_running_loop()
            stopping: list[asyncio.Task[None]] = []  # a loop itself holds its tasks only weakly

            def stop() -> None:
                stopping.append(loop.create_task(portal.stop(cancel_remaining=True)))

            self._stop = stop
            self._loop = loop
            self._started.set_result(None)
            await portal.sleep_until_stopped()


def _has_threads() -> bool:
    """Say whether a thread is one: gevent and eventlet can put greenlets in their place.

    A loop that waits in a greenlet has to do so through what they have patched. uvloop would not,
    and nothing else would run any more.
    """
    gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
    return not (
        (gevent and gevent.is_module_patched("threading"))
        or (eventlet and eventlet.is_monkey_patched("thread"))
    )


def _not_started(error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"The event loop of nexevo_sync could not start: {type(error).__name__}: {error}. "
        "It needs one thread and a few file descriptors; the next call tries again."
    )


def _is_exiting() -> bool:
    # The main thread counts as ended from the moment in which the interpreter begins to exit.
    return _process.is_exiting or not threading.main_thread().is_alive()


def gone() -> BaseException:
    """Give what ends a call whose loop is gone."""
    if not _is_exiting():
        return ClientClosedError(
            "The event loop of nexevo_sync is gone: this belongs to the parent of a forked "
            "process, or code that runs on that loop, such as a middleware, has ended it. "
            "A new call starts another loop."
        )
    if threading.current_thread().daemon:
        return SystemExit()  # ends the thread, as the interpreter would, without a word on stderr
    return ClientClosedError(
        "The interpreter is exiting: nexevo_sync has closed its connections, and opens no more. "
        "Make the last calls before that: in the program itself, or in an atexit handler that was "
        "registered after Nexevo was imported, by a client that has made a call before."
    )


@final
class _Process:
    """The portal of this process."""

    def __init__(self) -> None:
        self.portal: Portal | None = None
        self.is_exiting = False
        self.starting = threading.RLock()  # a signal handler may call while its thread starts one
        self._of_parents: list[Portal] = []

    def start(self) -> Portal:
        with self.starting:
            if _is_exiting():
                raise gone()
            if self.portal is None or self.portal.is_gone:
                portal = Portal()
                portal.start()
                self.portal = portal
            return self.portal

    def stop(self) -> None:
        self.is_exiting = True
        if self.portal is not None:
            self.portal.stop()

    def forget_parent(self) -> None:
        """Leave the parent's portal alone in a forked child.

        It is kept, not freed: closing the inherited loop would take its sockets out of the epoll
        that the child shares with its parent.
        """
        if self.portal is not None:
            self.portal.is_gone = True
            self._of_parents.append(self.portal)
        self.portal = None
        self.starting = threading.RLock()


_process: Final = _Process()

# Registered when Nexevo is imported: exit handlers that the program registers after that run
# before this one, and may still make calls.
atexit.register(_process.stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_process.forget_parent)


def portal() -> Portal:
    """Give the portal of this process; the first to ask starts it.

    Raises:
        ClientClosedError: the interpreter is exiting.
        RuntimeError: this is the portal's own thread.
    """
    running = _process.portal
    if running is None or running.is_gone:
        running = _process.start()
    running.must_not_be_here()
    return running


@final
class _Call(Generic[T]):
    """One coroutine on its way through the loop; the thread that called waits for it."""

    __slots__ = ("_answer", "_coroutine", "_done", "_failure", "_task")

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._coroutine = coroutine
        self._done = threading.Lock()
        self._done.acquire()
        self._answer: T | None = None
        self._failure: BaseException | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    def cancel(self) -> None:
        if self._task is None:
            self._coroutine.close()
        else:
            self._task.cancel()

    async def _run(self) -> None:
        try:
            self._answer = await self._coroutine
        except BaseException as error:  # noqa: BLE001 - SystemExit too is the caller's, not the loop's
            self._failure = error
        finally:
            self._done.release()

    def wait(self) -> None:
        while not self._done.acquire(timeout=-1 if WAIT_SLICE is None else WAIT_SLICE):
            pass

    def take_failure(self) -> BaseException | None:
        """Give the failure and let go of it: its traceback leads back to this call."""
        failure, self._failure = self._failure, None
        return failure

    def answer(self) -> T:
        return cast("T", self._answer)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Make a call of the async client, for a user who may be where an event loop runs.

    Warns:
        SyncCallInAsyncWarning: one does.

    Raises:
        ClientClosedError: the interpreter is exiting.
        ConfigurationError: the loop of nexevo_sync could not start.
        RuntimeError: this is the portal's own thread.
    """
    try:
        _warn_where_a_loop_runs(coroutine)
    except SyncCallInAsyncWarning:
        coroutine.close()
        raise
    return wait_for(coroutine)


def wait_for(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine of the async client on the portal, and give what it gives.

    Whatever ends the wait, such as Ctrl-C, ends the coroutine too.
    """
    call = _Call(coroutine)
    via: Portal | None = None
    try:
        via = portal()
        via.submit(call.start)
        call.wait()
    except BaseException:
        _cancel(call, via)
        raise
    failure = call.take_failure()
    if failure is None:
        return call.answer()
    if (via.is_gone and isinstance(failure, asyncio.CancelledError)) or (
        # Its loop got no worker thread: to look up a name, say.
        _is_exiting() and isinstance(failure, RuntimeError) and "shutdown" in str(failure)
    ):
        failure = gone()
    try:
        raise failure
    finally:
        del failure  # else it and its traceback keep each other alive


def _warn_where_a_loop_runs(coroutine: Coroutine[Any, Any, object]) -> None:
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return
    # A notebook's cell has nothing else to do. Greenlets share one thread, and so the running loop.
    if hasattr(builtins, "__IPYTHON__") or (_process.portal and _process.portal.is_of(loop)):
        return
    twin = getattr(coroutine, "__qualname__", "its twin")
    level, frame = 1, inspect.currentframe()
    while frame is not None and frame.f_globals["__name__"].startswith("nexevo_sync."):
        level, frame = level + 1, frame.f_back
    warnings.warn(
        f"An event loop stands still here until nexevo_sync has the answer of {twin}. Await it "
        "instead: nexevo_async.AsyncNexevo has the same calls. Where that cannot be, make the "
        "call in another thread: await asyncio.to_thread(…).",
        SyncCallInAsyncWarning,
        stacklevel=level,
    )


def _cancel(call: _Call[Any], via: Portal | None) -> None:
    if via is not None and not via.is_gone:
        with contextlib.suppress(ClientClosedError, SystemExit):  # the loop has just gone
            via.submit(call.cancel)
            return
    call.cancel()


def run_if_started(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that closes a client; where no portal runs, it has nothing to wait for.

    On the portal's own thread, where the garbage collector may run a ``__del__``, it is not waited
    for.
    """
    running = _process.portal
    if running is None or running.is_gone:
        with contextlib.suppress(StopIteration):
            coroutine.send(None)
        coroutine.close()
    elif running.is_here():
        task = asyncio.get_running_loop().create_task(coroutine)
        _closing.add(task)
        task.add_done_callback(_closing.discard)
    else:
        wait_for(coroutine)


_closing: Final[set[asyncio.Task[None]]] = set()  # a loop itself holds its tasks only weakly
