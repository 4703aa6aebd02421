"""An event loop whose clock jumps to the next timer instead of waiting for it."""

import asyncio
import functools
import selectors
from collections.abc import Awaitable, Callable
from typing import Any

from nexevo_async import Timeouts

UNLIMITED = Timeouts(connect=None, pool=None, read=None, total=None)
"""For a client's first call: it waits for a thread, whose time no clock can skip."""


class _Jumping(selectors.DefaultSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        # What is on its way over the loopback gets a moment to arrive.
        ready = super().select(min(timeout, 0.002) if timeout else timeout)
        if not ready and timeout:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def in_virtual_time(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(test(*args, **kwargs))  # type: ignore[arg-type]

    return run


def now() -> float:
    return asyncio.get_running_loop().time()
