"""A key that is asked for anew, rather than known from the beginning."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias, final

import attrs

from nexevo_async.errors import ConfigurationError
from nexevo_async.per_loop import PerLoop
from nexevo_async.secret import Secret
from nexevo_async.worker import in_thread

KeySource: TypeAlias = Callable[[], str | Awaitable[str]]
"""Gives the key when it is called, at once or when it is awaited."""

MAX_THREADS: Final = 32
"""So many threads of an event loop ask a client's function for the key at once."""


def key_problem(value: str) -> str | None:
    """Say what keeps a text from being a key; None where it can be one."""
    if not value.strip():
        return "is empty: give a key that begins with sk-xc-, or None to read NEXEVO_API_KEY"
    if value.lower().startswith("bearer "):
        return "begins with 'Bearer ': give the key alone, the client adds the scheme"
    if value != value.strip():
        return "has white space around it (a newline from a file?): strip it"
    if not value.isascii() or not value.isprintable() or " " in value:
        return "has a character that no key has (a control character, a space or non-ASCII)"
    return None


@attrs.define
class _Shared:
    """What the tasks of one event loop share.

    Attributes:
        lock: Held while the key is asked for after a refusal.
        number: How often it was.
        key: What was given then.
        threads: Bounds the threads of a function that does not come back.
    """

    lock: asyncio.Lock = attrs.field(factory=asyncio.Lock)
    number: int = 0
    key: Secret | None = None
    threads: asyncio.Semaphore = attrs.field(factory=lambda: asyncio.Semaphore(MAX_THREADS))


@final
class AskedKey:
    """A key that is asked for before each attempt, and once more when it is refused.

    A function that is not async runs in a worker thread: it may wait for a vault, or for a call of
    the sync client, and holds up nobody else.
    """

    __slots__ = ("_is_async", "_shared", "_source")

    def __init__(self, source: KeySource) -> None:
        self._source: Final = source
        call = getattr(source, "__call__", None)  # noqa: B004 - an object with an async __call__
        self._is_async: Final = any(map(inspect.iscoroutinefunction, (source, call)))
        self._shared: Final = PerLoop(_Shared)

    async def ask(self) -> tuple[Secret, int]:
        """Give the key, and how often it had been refreshed before."""
        shared = self._shared.get()
        number = shared.number
        return await self._ask(shared), number

    async def refresh(self, number: int) -> Secret:
        """Give the key after a refusal: asked for once, however many were refused together.

        Args:
            number: What `ask` gave with the key that was refused.
        """
        shared = self._shared.get()
        async with shared.lock:
            if shared.key is None or shared.number == number:
                shared.key = await self._ask(shared)
                shared.number += 1
            return shared.key

    async def _ask(self, shared: _Shared) -> Secret:
        answer = self._source() if self._is_async else await in_thread(self._source, shared.threads)
        try:
            return _checked(await answer if inspect.isawaitable(answer) else answer)
        finally:
            del answer  # it may be secret, and tracebacks can show locals


def _checked(answer: object) -> Secret:
    if not isinstance(answer, str):
        problem: str | None = f"is {type(answer).__name__}, not a string"
    elif (problem := key_problem(answer)) is None:
        return Secret(answer)
    del answer
    raise ConfigurationError(f"The key that the callable api_key gave {problem}")
