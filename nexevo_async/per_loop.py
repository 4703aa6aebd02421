"""State that belongs to one event loop: sessions, and everything that waits."""

import asyncio
import atexit
import os
import socket
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_ALL: "weakref.WeakSet[PerLoop[Any]]" = weakref.WeakSet()


class PerLoop(Generic[T]):
    """One value for each event loop that asks, made when it first asks.

    Args:
        make: Makes the value, in the loop.
        discard: Is given the value of a loop that was closed, when the next loop comes or the
            interpreter exits.
    """

    def __init__(self, make: Callable[[], T], discard: Callable[[T], None] | None = None) -> None:
        self._make = make
        self._discard = discard
        self._values: dict[asyncio.AbstractEventLoop, T] = {}
        self._lock = threading.Lock()
        self._from_parent: list[dict[asyncio.AbstractEventLoop, T]] = []
        _ALL.add(self)

    def get(self) -> T:
        """Give the running loop's value."""
        loop = asyncio.get_running_loop()
        value = self._values.get(loop)
        if value is None:
            self.forget_closed()
            with self._lock:
                value = self._values[loop] = self._make()
        return value

    def pop(self) -> T | None:
        """Forget the running loop's value, and give it; None where no loop is running."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return None
        return self._values.pop(loop, None)

    def items(self) -> list[tuple[asyncio.AbstractEventLoop, T]]:
        """Give every loop and its value."""
        with self._lock:
            return [*self._values.items()]

    def pop_all(self) -> list[tuple[asyncio.AbstractEventLoop, T]]:
        """Forget every loop's value, and give them all."""
        with self._lock:
            values, self._values = self._values, {}
            return [*values.items()]

    def forget_closed(self) -> None:
        """Forget the values of loops that were closed."""
        with self._lock:
            closed = [self._values.pop(loop) for loop in [*self._values] if loop.is_closed()]
        if self._discard is not None:
            for value in closed:
                self._discard(value)

    def forget_parent(self) -> None:
        """Leave the parent's values alone in a forked child.

        They are kept, not freed: closing an inherited connection would take it out of the epoll
        that the child shares with its parent.
        """
        self._from_parent.append(self._values)
        self._values = {}
        self._lock = threading.Lock()


def _after_fork_in_child() -> None:
    for per_loop in list(_ALL):
        per_loop.forget_parent()
    if "uvloop" in sys.modules:
        atexit.register(_replace_libuv_threads)


def _replace_libuv_threads() -> None:
    """Have libuv start its threads anew, as it does when one is first needed after a fork.

    Else it joins the parent's, which the child never had, when the child ends: a segmentation
    fault (https://github.com/libuv/libuv/issues/4443).
    """
    sys.modules["uvloop"].run(_use_a_thread_of_libuv())


async def _use_a_thread_of_libuv() -> None:
    numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
    await asyncio.get_running_loop().getnameinfo(("127.0.0.1", 0), numeric)


@atexit.register
def _at_exit() -> None:
    for per_loop in list(_ALL):
        per_loop.forget_closed()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
