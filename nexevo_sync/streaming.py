"""A streamed completion, pumped from the event loop to the thread that reads it."""

import asyncio
import contextlib
import queue
import threading
import time
import weakref
from collections.abc import Coroutine, Iterator
from types import TracebackType
from typing import Any, Final, NoReturn, Self, TypeVar, cast, final

from nexevo_async.byte_stream import ByteSource
from nexevo_async.contract.chat import ChatCompletion, ChatCompletionChunk, CompletionUsage
from nexevo_async.errors import ClientClosedError, NexevoError
from nexevo_async.meta import Meta
from nexevo_async.streaming import ChatStream as AsyncChatStream
from nexevo_async.streaming import reroute
from nexevo_sync.portal import WAIT_SLICE, gone, portal

T = TypeVar("T")

_AHEAD: Final = 256 * 1024
"""Bytes that may wait to be read; then the connection, and so the gateway, has to wait."""

_GO_ON: Final = 64 * 1024
"""Bytes left at which the pump goes on: while it wakes, the reader has something to read."""


@final
class ChatStream(Iterator[ChatCompletionChunk]):
    """A completion as it is written: ``for`` gives its chunks.

    Close it, best by ``with``: leaving early gives the connection back at once, and has the
    gateway stop. A stream that ends in any other way than the gateway's own terminator raises.

    Example:
        >>> stream = client.chat.completions.create(
        ...     model="nexevo/fast", messages=[{"role": "user", "content": "Hello!"}], stream=True
        ... )
        >>> with stream:
        ...     for chunk in stream:
        ...         _ = chunk.text
        >>> stream.text == stream.final().choices[0].message.content
        True
    """

    def __init__(self, stream: AsyncChatStream) -> None:
        self._stream = stream
        self._reading = threading.RLock()  # a signal handler may read on while its thread reads
        self._pump = reroute(stream, _Pump)
        # The pump's task holds the pump, but nothing holds a stream that is dropped.
        weakref.finalize(self, self._pump.close).atexit = False

    @property
    def text(self) -> str:
        """The text of the first choice so far."""
        return self._stream.text

    @property
    def usage(self) -> CompletionUsage | None:
        """The tokens; None until the gateway has sent them, which is near the end."""
        return self._stream.usage

    @property
    def meta(self) -> Meta:
        """What the gateway said beside the stream, such as trace and generation id."""
        return self._stream.meta

    def final(self) -> ChatCompletion:
        """Read what is left, and give the whole completion.

        Returns:
            The same as a call without ``stream`` would have given.

        Raises:
            StreamTruncatedError: The stream ended before its terminator.
            APIStatusError: The gateway said in the stream that it failed.

        Example:
            >>> stream = client.chat.completions.create(
            ...     model="nexevo/fast",
            ...     messages=[{"role": "user", "content": "Hello!"}],
            ...     stream=True,
            ... )
            >>> completion = stream.final()
            >>> completion.choices[0].finish_reason
            'stop'
        """
        for _ in self:
            pass
        with self._reading:
            return _done(self._stream.final())

    def close(self) -> None:
        """Give the connection back; harmless when the stream has ended."""
        self._pump.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __aiter__(self) -> NoReturn:
        raise TypeError(
            "this is a stream of the sync client: use `for chunk in stream`, "
            "or nexevo_async.AsyncNexevo for `async for`"
        )

    def __next__(self) -> ChatCompletionChunk:
        with self._reading:
            if self._pump.closed:
                self._stream.close()  # what it has read ahead is nobody's any more
            try:
                return _done(self._stream.__anext__())
            except StopAsyncIteration:
                raise StopIteration from None


def _done(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that waits for nothing but the pump, and so for this thread alone."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return cast("T", end.value)
    raise AssertionError("it was to wait in the pump")


@final
class _Pump:
    """Reads the bytes of a stream in one task of the loop, ahead of the thread that takes them."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._portal = portal()
        self._arrived: queue.SimpleQueue[bytes | BaseException] = queue.SimpleQueue()
        self._put = 0  # bytes in all: each number is written by one thread alone
        self._taken = 0
        self._is_started = False
        self._task: asyncio.Task[None] | None = None
        self._room = asyncio.Event()
        self._is_waiting_for_room = False
        self.closed: bool = False

    @property
    def ahead(self) -> int:
        """The bytes that wait to be taken."""
        return self._put - self._taken

    # What the reading thread calls. It never suspends: the thread itself waits.

    async def read(self, deadline: float | None = None) -> bytes:
        if self.closed:
            return b""
        try:
            data = self._arrived.get_nowait()
        except queue.Empty:
            data = self._wait(deadline)
        if isinstance(data, BaseException):
            self._arrived.put(data)  # it is the end, however often one asks
            if self._portal.is_gone and isinstance(data, asyncio.CancelledError):
                raise gone()
            raise data
        self._taken += len(data)
        if self._is_waiting_for_room and self.ahead <= _GO_ON:
            self._is_waiting_for_room = False
            self._portal.submit(self._room.set)
        return data

    def _wait(self, deadline: float | None) -> bytes | BaseException:
        self._portal.must_not_be_here()
        if not self._is_started:
            self._portal.submit(self._start)
            self._is_started = True
        while not self._portal.is_gone:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            waits = [seconds for seconds in (WAIT_SLICE, left) if seconds is not None]
            with contextlib.suppress(queue.Empty):
                return self._arrived.get(timeout=min(waits, default=None))
            if left == 0:
                raise TimeoutError
        raise gone()

    async def finish(self) -> None:
        self.closed = True
        with contextlib.suppress(ClientClosedError, SystemExit):
            self._portal.submit(self._start_finishing)

    # What any thread may call.

    def close(self) -> None:
        """Give the connection back soon, and wake the thread that waits for more."""
        if not self.closed:
            self.closed = True
            self._arrived.put(b"")
            with contextlib.suppress(ClientClosedError, SystemExit):  # it went with the loop
                self._portal.submit(self._close)

    # What the loop calls.

    def _start(self) -> None:
        if not self.closed:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def _close(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._source.close()

    def _start_finishing(self) -> None:
        task = self._task
        self._task = asyncio.get_running_loop().create_task(self._finish(task))

    async def _finish(self, task: asyncio.Task[None] | None) -> None:
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        await self._source.finish()

    async def _run(self) -> None:
        try:
            while data := await self._source.read():
                self._put += len(data)
                self._arrived.put(data)
                if self.ahead >= _AHEAD:
                    await self._wait_for_room()
            self._arrived.put(b"")
        except BaseException as error:  # noqa: BLE001 - all of it is the reader's, nothing the loop's
            # On one of ours the reader closes, when it has come to it and can say what it is.
            if not self.closed and not isinstance(error, NexevoError):
                self._source.close()
            self._arrived.put(error)

    async def _wait_for_room(self) -> None:
        while self.ahead > _GO_ON:
            self._room.clear()
            self._is_waiting_for_room = True
            if self.ahead > _GO_ON:  # the reader may not have seen that it is waited for
                await self._room.wait()
