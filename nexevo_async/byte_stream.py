"""The body of an answer while it is on its way."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol, final

import attrs


class ByteSource(Protocol):
    """Where the bytes of a stream come from; see `ByteStream`."""

    @property
    def closed(self) -> bool:
        """Whether no more will come, as it was closed."""
        ...

    async def read(self, deadline: float | None = None) -> bytes:
        """Give the next bytes; ``b""`` at the end."""
        ...

    async def finish(self) -> None:
        """Give the connection back after the last of the content, to be used again."""

    def close(self) -> None:
        """Give the connection back."""


class StreamContent(Protocol):
    """What the reader of a stream has made of it so far."""

    first_at: float | None
    """When the first piece came, on the monotonic clock."""

    def outline(self) -> dict[str, Any]:
        """Give the answer without what was written."""
        ...


@attrs.define(eq=False)
class StreamReport:
    """What the reader of a stream lets others know of it, also when both are gone.

    Attributes:
        failure: The class of the error that reading it ended with.
        content: What came.
    """

    failure: type[Exception] | None = None
    content: StreamContent | None = None


@final
class ByteStream:
    """The body of an answer as it arrives; whoever holds it closes it.

    Args:
        read: Gives the next bytes, and ``b""`` at the end.
        finish: Waits a moment for the end of a body whose content is whole, so that its connection
            can be used again, and gives it back.
        close: Gives the connection back, at once and without waiting.
        owner: What must not be freed while this is read.
    """

    __slots__ = (
        "__weakref__",
        "_closers",
        "_finish",
        "_is_reading",
        "_loop",
        "_owner",
        "_read",
        "closed",
        "report",
    )

    def __init__(
        self,
        read: Callable[[], Awaitable[bytes]],
        finish: Callable[[], Awaitable[None]],
        close: Callable[[], None],
        owner: object = None,
    ) -> None:
        self._read = read
        self._finish = finish
        self._closers = [close]
        self._loop = asyncio.get_running_loop()
        self._is_reading = False
        self.closed: bool = False
        self._owner = owner
        self.report: Final = StreamReport()

    async def read(self, deadline: float | None = None) -> bytes:
        """Give the next bytes; ``b""`` at the end.

        Args:
            deadline: When they must have come, on the loop's clock.

        Raises:
            RuntimeError: Another task is reading.
            TimeoutError: They had not come.
        """
        if self._is_reading:
            raise RuntimeError("another task reads this stream: have one at a time read it")
        self._is_reading = True
        try:
            if self.closed:
                return b""
            if deadline is None:
                return await self._read()
            async with asyncio.timeout_at(deadline):
                return await self._read()
        finally:
            self._is_reading = False

    async def finish(self) -> None:
        """Give the connection back after the last of the content, to be used again."""
        try:
            await self._finish()
        finally:
            self.close()

    def on_close(self, call: Callable[[], None]) -> None:
        """Have something done once, when the stream closes.

        What is done must not hold the stream: one that is dropped has to be freed at once.
        """
        if self.closed:
            call()
        else:
            self._closers.append(call)

    def close(self) -> None:
        """Give the connection back; harmless when it was given back before."""
        if not self.closed:
            self.closed = True
            _call_all(self._closers)

    def __del__(self) -> None:
        if not self.closed:
            # Dropped without being closed: its loop alone may touch the connection.
            try:
                self._loop.call_soon_threadsafe(_call_all, self._closers)
            except RuntimeError:  # the loop is closed, and its sockets with it
                for call in self._closers:
                    with contextlib.suppress(RuntimeError):
                        call()


def _call_all(calls: list[Callable[[], None]]) -> None:
    for call in calls:
        call()
