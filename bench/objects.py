"""Objects that a call in flight keeps, of those that Python's collector looks at.

They are what makes a call dearer the more of them are under way: the collector goes through them
all, time and again.
"""

import asyncio
import gc
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Final

from bench.contestants import async_tasks

CEILING: Final = 1.3
"""How many objects of plain aiohttp's a call in flight may keep."""
CALLS: Final = 200


async def _kept(task: Callable[[], Awaitable[None]]) -> float:
    async def call() -> None:
        await task()

    async def in_flight(calls: int) -> list[asyncio.Task[None]]:
        tasks = [asyncio.create_task(call()) for _ in range(calls)]
        await asyncio.sleep(1)
        gc.collect()
        return tasks

    tasks = await in_flight(1)  # what there is once, however many calls
    before = len(gc.get_objects())
    tasks += await in_flight(CALLS)
    kept = len(gc.get_objects()) - before
    for each in tasks:
        each.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return kept / CALLS


async def _compare(base_url: str) -> bool:
    async with async_tasks(base_url) as tasks:
        kept = {name: await _kept(task) for name, task in tasks["crowd"].items()}
    theirs, ours = kept.values()
    figures = ", ".join(f"{name} {count:.0f}" for name, count in kept.items())
    print(f"{figures}, ratio {ours / theirs:.2f}")
    return ours / theirs <= CEILING


def main() -> int:
    """Count, print, and say by the exit code whether it is few enough."""
    with socket.create_server(("127.0.0.1", 0), backlog=CALLS * 4) as silent:  # accepts none
        base_url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        return 0 if asyncio.run(_compare(base_url)) else 1


if __name__ == "__main__":
    sys.exit(main())
