"""A key that is asked for anew, rather than known from the beginning."""

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias, final

import attrs

from nexevo_async.errors import ConfigurationError
from nexevo_async.per_loop import PerLoop
from nexevo_async.secret import Secret

KeySource: TypeAlias = Callable[[], str | Awaitable[str]]
"""Gives the key when it is called, at once or when it is awaited."""


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
class _Refreshed:
    """What the tasks of one event loop share: the key after the last refresh, and its number."""

    lock: asyncio.Lock = attrs.field(factory=asyncio.Lock)
    number: int = 0
    key: Secret | None = None


@final
class AskedKey:
    """A key that is asked for before each attempt, and once more when it is refused.

    A function that is not async runs in a worker thread: it may wait for a vault, or for a call of
    the sync client, and holds up nobody else.
    """

    __slots__ = ("_is_async", "_refreshed", "_source")

    def __init__(self, source: KeySource) -> None:
        self._source: Final = source
        call = getattr(source, "__call__", None)  # noqa: B004 - an object with an async __call__
        self._is_async: Final = any(map(inspect.iscoroutinefunction, (source, call)))
        self._refreshed: Final = PerLoop(_Refreshed)

    async def ask(self) -> tuple[Secret, int]:
        """Give the key, and how often it had been refreshed before."""
        number = self._refreshed.get().number
        return await self._ask(), number

    async def refresh(self, number: int) -> Secret:
        """Give the key after a refusal: asked for once, however many were refused together.

        Args:
            number: What `ask` gave with the key that was refused.
        """
        refreshed = self._refreshed.get()
        async with refreshed.lock:
            if refreshed.key is None or refreshed.number == number:
                refreshed.key = await self._ask()
                refreshed.number += 1
            return refreshed.key

    async def _ask(self) -> Secret:
        # An exit handler gets no thread from asyncio.
        at_once = self._is_async or not threading.main_thread().is_alive()
        answer = self._source() if at_once else await asyncio.to_thread(self._source)
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
