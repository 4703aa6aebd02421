"""A streamed completion, pumped from the event loop to the thread that reads it."""

import asyncio
import contextlib
import queue
import weakref
from collections.abc import Iterator
from types import TracebackType
from typing import Final, NoReturn, Self, final

from nexevo_async.contract.chat import ChatCompletion, ChatCompletionChunk, CompletionUsage
from nexevo_async.errors import ClientClosedError
from nexevo_async.messages import Meta
from nexevo_async.streaming import ChatStream as AsyncChatStream
from nexevo_async.streaming import closed_early
from nexevo_sync.portal import WAIT_SLICE, gone, portal, wait_for

_AHEAD: Final = 256
"""Chunks that may wait to be read; then the connection, and so the gateway, has to wait."""

_GO_ON: Final = 64
"""Chunks left at which the pump goes on: while it wakes, the reader has something to read."""


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
        self._pump = _Pump(stream)
        self._drop = weakref.finalize(self, self._pump.close)
        self._drop.atexit = False
        self._texts: list[str] = []
        self._usage: CompletionUsage | None = None
        self._end: BaseException | None = None

    @property
    def text(self) -> str:
        """The text of the first choice so far."""
        if len(self._texts) > 1:
            self._texts = ["".join(self._texts)]
        return self._texts[0] if self._texts else ""

    @property
    def usage(self) -> CompletionUsage | None:
        """The tokens; None until the gateway has sent them, which is near the end."""
        return self._usage

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
        return wait_for(self._stream.final())

    def close(self) -> None:
        """Give the connection back; harmless when the stream has ended."""
        if self._end is None:
            self._end = closed_early(self._stream, self.text)
            self._drop()

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
        if self._end is not None:
            raise self._end
        chunk = self._pump.next()
        if isinstance(chunk, BaseException):
            self._drop.detach()
            self._end = self._end or chunk  # another thread may have closed the stream meanwhile
            raise self._end
        if text := chunk.text:
            self._texts.append(text)
        if chunk.usage is not None:
            self._usage = chunk.usage
        return chunk


@final
class _Pump:
    """Reads a stream in one task of the loop, ahead of the thread that takes the chunks.

    It knows nothing of the `ChatStream` in front of it, so that one that is dropped is garbage.
    """

    def __init__(self, stream: AsyncChatStream) -> None:
        self._stream = stream
        self._portal = portal()
        self._chunks: queue.SimpleQueue[ChatCompletionChunk | BaseException] = queue.SimpleQueue()
        self._is_started = False
        self._task: asyncio.Task[None] | None = None
        self._room = asyncio.Event()
        self._is_waiting_for_room = False

    def next(self) -> ChatCompletionChunk | BaseException:
        """Give the next chunk, or what the stream ended with."""
        try:
            chunk = self._chunks.get_nowait()
        except queue.Empty:
            chunk = self._wait()
        if self._is_waiting_for_room and self._chunks.qsize() <= _GO_ON:
            self._is_waiting_for_room = False
            self._portal.submit(self._room.set)
        if isinstance(chunk, BaseException):
            self._chunks.put(chunk)  # for other threads that wait here
            if self._portal.is_gone and isinstance(chunk, asyncio.CancelledError):
                return gone()
        return chunk

    def close(self) -> None:
        """Give the connection back soon; from any thread, and without waiting."""
        with contextlib.suppress(ClientClosedError, SystemExit):  # it went with the loop
            self._portal.submit(self._close)

    def _wait(self) -> ChatCompletionChunk | BaseException:
        self._portal.must_not_be_here()
        if not self._is_started:
            self._portal.submit(self._start)
            self._is_started = True
        while not self._portal.is_gone:
            with contextlib.suppress(queue.Empty):
                return self._chunks.get(timeout=WAIT_SLICE)
        raise gone()

    def _start(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def _close(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._stream.close()

    async def _run(self) -> None:
        try:
            async for chunk in self._stream:
                self._chunks.put(chunk)
                if self._chunks.qsize() >= _AHEAD:
                    await self._wait_for_room()
        except BaseException as error:  # noqa: BLE001 - all of it is the reader's, nothing the loop's
            self._stream.close()
            self._chunks.put(error)
        else:
            self._chunks.put(StopIteration())

    async def _wait_for_room(self) -> None:
        while self._chunks.qsize() > _GO_ON:
            self._room.clear()
            self._is_waiting_for_room = True
            if self._chunks.qsize() > _GO_ON:  # the reader may not have seen that it is waited for
                await self._room.wait()
