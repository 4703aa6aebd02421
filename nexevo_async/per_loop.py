"""State that belongs to one event loop: sessions, and everything that waits."""

import asyncio
import os
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
        discard: Is given the value of a loop that was closed, when the next loop comes.
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
            with self._lock:
                closed = [self._values.pop(old) for old in [*self._values] if old.is_closed()]
                value = self._values[loop] = self._make()
            for old_value in closed:
                if self._discard is not None:
                    self._discard(old_value)
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


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
