"""Function calls a request: work that no other process on the machine makes look like more."""

import asyncio
import cProfile
import pstats
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

from bench.contestants import async_tasks
from bench.server import canned_server

CEILING: Final = 2.0
"""How many function calls of plain aiohttp's a request may take."""
AT_ONCE: Final = 50
EACH: Final = 4


async def _calls(task: Callable[[], Awaitable[None]]) -> float:
    async def worker() -> None:
        for _ in range(EACH):
            await task()

    async def all_workers() -> None:
        await asyncio.gather(*(worker() for _ in range(AT_ONCE)))

    for _ in range(2):  # opens the connections, and compiles what is compiled once
        await all_workers()
    with cProfile.Profile() as profile:
        await all_workers()
    stats: Any = pstats.Stats(profile)
    return float(stats.total_calls) / AT_ONCE / EACH


async def _compare(base_url: str) -> bool:
    good = True
    async with async_tasks(base_url) as tasks:
        for what in ("GET", "chat"):
            counts = {
                name: await _calls(task)
                for name, task in tasks[what].items()
                if name in {"aiohttp", "AsyncNexevo"}
            }
            ratio = counts["AsyncNexevo"] / counts["aiohttp"]
            figures = ", ".join(f"{name} {count:.0f}" for name, count in counts.items())
            print(f"{what}: {figures}, ratio {ratio:.2f}")
            good = good and ratio <= CEILING
    return good


def main() -> int:
    """Count, print, and say by the exit code whether it is few enough."""
    with canned_server() as base_url:
        return 0 if asyncio.run(_compare(base_url)) else 1


if __name__ == "__main__":
    sys.exit(main())
