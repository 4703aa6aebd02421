"""Many calls at once: what each costs, how long the slowest take, and if more at once is slower.

A process that keeps thousands of calls under way spends much of its time in Python's collection of
cycles, whoever's calls they are: so aiohttp's own figures are the measure here too, and
--gc-threshold shows both without it.
"""

import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import attrs

SIZES: Final = (100, 1000, 2000)
MOST_CPU: Final = 2.0
"""How much CPU time of aiohttp's a call may take, at 1,000 at once."""
MOST_P99: Final = 1.5
"""How much longer than with aiohttp the slowest of a hundred calls may take, at 1,000 at once."""
LEAST_KEPT: Final = 0.9
"""How much of its throughput is kept from 100 at once to 2,000, over what aiohttp keeps."""

Task = Callable[[], Awaitable[None]]


@attrs.frozen
class Figures:
    """What one round showed."""

    cpu_us: float
    p99_ms: float
    per_second: float


@attrs.frozen
class Crowd:
    """The figures of each contestant by the size of the crowd, a list a round; aiohttp is first."""

    rounds: Mapping[int, Mapping[str, list[Figures]]]

    def median(self, at_once: int, name: str, figure: str) -> float:
        """Give the middle one of the rounds."""
        values: list[float] = [getattr(f, figure) for f in self.rounds[at_once][name]]
        return statistics.median(values)

    def ratio(self, at_once: int, figure: str) -> float:
        """Give our figure over that of aiohttp."""
        base, mine = self.rounds[at_once].values()
        ratios: list[float] = [
            getattr(m, figure) / getattr(b, figure) for m, b in zip(mine, base, strict=True)
        ]
        return statistics.median(ratios)

    def kept(self) -> float:
        """Give how much of the throughput is kept in the largest crowd, over what aiohttp keeps."""
        return self.ratio(SIZES[-1], "per_second") / self.ratio(SIZES[0], "per_second")

    def faults(self) -> list[str]:
        """Say what is not fast enough."""
        found: list[str] = []
        for figure, most in (("cpu_us", MOST_CPU), ("p99_ms", MOST_P99)):
            if (ratio := self.ratio(1000, figure)) > most:
                found.append(f"1,000 at once: {figure} is {ratio:.2f} × aiohttp's, over {most}")
        if (kept := self.kept()) < LEAST_KEPT:
            found.append(f"2,000 at once: {kept:.2f} of the throughput is kept, over aiohttp's")
        return found

    def __str__(self) -> str:
        columns = f"{'µs of CPU a request':>22}{'p99, ms':>10}{'a second':>10}"
        rows: list[str] = []
        for at_once, contestants in self.rounds.items():
            rows.append(f"{f'async chat, {at_once:,} at once':<28}{columns}")
            rows += [
                f"  {name:<26}{self.median(at_once, name, 'cpu_us'):>22.1f}"
                f"{self.median(at_once, name, 'p99_ms'):>10.0f}"
                f"{self.median(at_once, name, 'per_second'):>10.0f}"
                for name in contestants
            ]
            ratios = (self.ratio(at_once, f) for f in ("cpu_us", "p99_ms", "per_second"))
            rows.append("  {:<26}{:>22.2f}{:>10.2f}{:>10.2f}".format("ratio", *ratios))
        return "\n".join(rows)


async def _figures(task: Task, at_once: int) -> Figures:
    took: list[float] = []

    async def worker() -> None:
        for _ in range(max(4, 2000 // at_once)):
            began = time.perf_counter()
            await task()
            took.append(time.perf_counter() - began)

    await asyncio.gather(*(task() for _ in range(at_once)))  # opens the connections
    gc.collect()
    cpu, began = time.process_time(), time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - began
    return Figures(
        cpu_us=cpu / len(took) * 1e6,
        p99_ms=statistics.quantiles(took, n=100)[98] * 1e3,
        per_second=len(took) / wall,
    )


async def measure(tasks: Mapping[str, Task], rounds: int) -> Crowd:
    """Have the contestants take turns, the order reversed each time."""
    found: dict[int, dict[str, list[Figures]]] = {
        at_once: {name: [] for name in tasks} for at_once in SIZES
    }
    for round_ in range(rounds):
        for at_once in SIZES:
            for name in list(tasks)[:: 1 if round_ % 2 == 0 else -1]:
                found[at_once][name].append(await _figures(tasks[name], at_once))
    return Crowd(found)
