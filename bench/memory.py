"""Memory: what calls leave behind, in six ways to make them.

Each way first runs a third as often, to fill caches and the allocator's arenas. After that neither
the process nor the number of objects may grow.
"""

import argparse
import asyncio
import gc
import itertools
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

from bench.server import canned_server
from nexevo_async import AsyncNexevo, NotFoundError, Timeouts

KEY: Final = "sk-xc-benchmark"
MESSAGES: Final[Any] = [{"role": "user", "content": "Hello!"}]
AT_ONCE: Final = 20
MEBIBYTES: Final = 5
"""How much the process may grow."""
OBJECTS: Final = 500
"""How many objects may be new: those of a few connections, not one a call."""

_numbers: Final = itertools.count()

Mode = Callable[[], Awaitable[None]]


def modes(client: AsyncNexevo, base_url: str) -> Mapping[str, Mode]:
    """Give the ways to make calls, by name."""

    async def same_client() -> None:
        await client.conversations.get(f"conv_{next(_numbers)}")

    async def with_options() -> None:
        view = client.with_options(timeouts=Timeouts(total=60 + next(_numbers) / 1000))
        await view.conversations.get("conv_1")

    async def new_client_closed() -> None:
        async with AsyncNexevo(KEY, base_url=base_url) as own:
            await own.conversations.get("conv_1")

    async def new_client_not_closed() -> None:
        await AsyncNexevo(KEY, base_url=base_url).conversations.get("conv_1")

    async def aborted_stream() -> None:
        stream = await client.chat.completions.create(
            model="nexevo/fast", messages=MESSAGES, max_tokens=0, stream=True
        )
        await anext(stream)
        if next(_numbers) % 2:
            await stream.aclose()

    async def error() -> None:
        try:
            await client.conversations.get("none")
        except NotFoundError:
            return
        raise AssertionError

    return {
        "same client": same_client,
        "with_options each call": with_options,
        "new client each call, closed": new_client_closed,
        "new client each call, not closed": new_client_not_closed,
        "aborted streams": aborted_stream,
        "errors": error,
    }


async def _repeat(mode: Mode, times: int) -> None:
    async def worker() -> None:
        for _ in range(times // AT_ONCE):
            await mode()

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    await asyncio.sleep(0.05)  # for connections to be gone
    gc.collect()


def resident_mebibytes() -> float:
    """Give the size of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20


async def _measure(base_url: str, calls: int) -> list[str]:
    failures: list[str] = []
    async with AsyncNexevo(KEY, base_url=base_url) as client:
        for name, mode in modes(client, base_url).items():
            await _repeat(mode, calls // 3)
            size, objects = resident_mebibytes(), len(gc.get_objects())
            await _repeat(mode, calls)
            grown = resident_mebibytes() - size
            more = len(gc.get_objects()) - objects
            print(f"{name:<34}{grown:>+8.2f} MiB{more:>+8} objects", flush=True)
            if grown >= MEBIBYTES or more >= OBJECTS:
                failures.append(f"{name}: {grown:+.2f} MiB, {more:+} objects in {calls:,} calls")
    return failures


def main() -> int:
    """Measure, print, and say by the exit code whether anything grew."""
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000, help="calls of each way")
    arguments = parser.parse_args()
    with canned_server() as base_url:
        failures = asyncio.run(_measure(base_url, arguments.calls))
    print(*failures, sep="\n", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
