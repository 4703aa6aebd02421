"""The sync client in the words of the async one, so that a behaviour test is written once."""

import asyncio
import inspect
from collections.abc import AsyncIterator
from typing import Any, Self

_END = object()


class InThread:
    """An object of the sync client, each call of which is awaited while a worker thread makes it.

    What the calls give is as it is, but for what the two clients do not share: views, services,
    pages and streams are wrapped too.
    """

    def __init__(self, target: Any) -> None:
        self.target = target

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.target, "close" if name == "aclose" else name)
        if name == "with_options":
            return lambda **options: InThread(value(**options))
        if not inspect.ismethod(value):
            return _wrapped(value)

        async def call(*args: Any, **kwargs: Any) -> Any:
            return _wrapped(await asyncio.to_thread(value, *args, **kwargs))

        return call

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.target.__enter__)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await asyncio.to_thread(self.target.__exit__, *exc_info)

    async def __aiter__(self) -> AsyncIterator[Any]:
        iterator = iter(self.target)
        while (item := await asyncio.to_thread(next, iterator, _END)) is not _END:
            yield item

    def __repr__(self) -> str:
        return repr(self.target)


def _wrapped(value: Any) -> Any:
    return InThread(value) if type(value).__module__.startswith("nexevo_sync.") else value
