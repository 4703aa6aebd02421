"""CPU time a request: this SDK, raw aiohttp, httpx, requests and openai, side by side in one run.

The canned server runs in a process of its own, so the CPU time of this process is the client's.
The contestants take turns in short rounds, the order reversed each time, and a ratio is the median
of the ratios within the rounds: what else the machine does hits them alike.
"""

import argparse
import asyncio
import gc
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import attrs
import uvloop

from bench.contestants import AsyncTask, SyncTask, async_tasks, sync_tasks
from bench.crowd import Crowd, measure
from bench.server import CHUNKS, canned_server

CEILINGS: Final = (
    ("async GET, 64 at once", "AsyncNexevo", "aiohttp", 1.5),
    ("async chat, 64 at once", "AsyncNexevo", "aiohttp", 1.5),
    ("sync GET, 1 thread", "Nexevo", "httpx", 1.25),
    ("sync GET, 8 threads", "Nexevo", "httpx", 0.6),
    ("sync chat, 1 thread", "Nexevo", "httpx", 1.25),
    ("sync chat, 8 threads", "Nexevo", "httpx", 0.6),
    ("sync chat, 8 threads", "Nexevo", "OpenAI", 0.35),
    ("sync stream", "Nexevo", "OpenAI", 0.15),
)
"""How much of another's CPU time ours may take: the table, ours, the other, the ratio."""

MOST_SYNC_US: Final = 250
"""How many µs of CPU a call of the sync client may take more than one of the async client."""

Times = dict[str, list[float]]


@attrs.frozen(kw_only=True)
class Size:
    """How much to do."""

    rounds: int
    requests: int
    streams: int
    crowds: int


@attrs.frozen(kw_only=True)
class Table:
    """The times of one task: for each contestant the µs of CPU of each round."""

    title: str
    unit: str
    times: Times

    def ratio(self, name: str, other: str | None = None) -> float:
        """Give the contestant's time over that of another, or of the first."""
        base = self.times[other or next(iter(self.times))]
        return statistics.median(
            mine / theirs for mine, theirs in zip(self.times[name], base, strict=True)
        )

    def median(self, name: str) -> float:
        """Give the contestant's time."""
        return statistics.median(self.times[name])

    def __str__(self) -> str:
        rows = [f"{self.title:<28}{'µs of CPU ' + self.unit:>22}{'ratio':>9}"]
        rows += [
            f"  {name:<26}{self.median(name):>22.1f}{self.ratio(name):>9.2f}" for name in self.times
        ]
        return "\n".join(rows)


def _order(names: Mapping[str, object], round_: int) -> list[str]:
    return list(names)[:: 1 if round_ % 2 == 0 else -1]


async def _async_times(
    tasks: Mapping[str, AsyncTask], *, at_once: int, rounds: int, each: int, parts: int = 1
) -> Times:
    async def worker(task: Callable[[], Awaitable[None]]) -> None:
        for _ in range(each // at_once):
            await task()

    times: Times = {name: [] for name in tasks}
    for round_ in range(-1, rounds):
        for name in _order(tasks, round_):
            gc.collect()
            began = time.process_time()
            await asyncio.gather(*[worker(tasks[name]) for _ in range(at_once)])
            spent = time.process_time() - began
            if round_ >= 0:  # the first is for warming up
                times[name].append(spent / (each // at_once * at_once * parts) * 1e6)
    return times


def _sync_times(
    tasks: Mapping[str, SyncTask], *, threads: int, rounds: int, each: int, parts: int = 1
) -> Times:
    def worker(task: SyncTask) -> None:
        for _ in range(each // threads):
            task()

    times: Times = {name: [] for name in tasks}
    with ThreadPoolExecutor(threads) as pool:
        for round_ in range(-1, rounds):
            for name in _order(tasks, round_):
                gc.collect()
                began = time.process_time()
                for done in [pool.submit(worker, tasks[name]) for _ in range(threads)]:
                    done.result()
                spent = time.process_time() - began
                if round_ >= 0:
                    times[name].append(spent / (each // threads * threads * parts) * 1e6)
    return times


async def _async_tables(base_url: str, size: Size) -> tuple[list[Table], Crowd]:
    tables: list[Table] = []
    async with async_tasks(base_url) as tasks:
        for what in ("GET", "chat"):
            for at_once in (1, 64):
                times = await _async_times(
                    tasks[what], at_once=at_once, rounds=size.rounds, each=size.requests
                )
                title = f"async {what}, {at_once} at once"
                tables.append(Table(title=title, unit="a request", times=times))
        times = await _async_times(
            tasks["stream"], at_once=1, rounds=size.rounds, each=size.streams, parts=CHUNKS
        )
        tables.append(Table(title="async stream", unit="a chunk", times=times))
        crowd = await measure(tasks["crowd"], size.crowds)
    return tables, crowd


def _sync_tables(base_url: str, size: Size) -> list[Table]:
    tables: list[Table] = []
    with sync_tasks(base_url) as tasks:
        for what in ("GET", "chat"):
            for threads in (1, 8):
                times = _sync_times(
                    tasks[what], threads=threads, rounds=size.rounds, each=size.requests
                )
                title = f"sync {what}, {threads} thread{'s' * (threads > 1)}"
                tables.append(Table(title=title, unit="a request", times=times))
        times = _sync_times(
            tasks["stream"], threads=1, rounds=size.rounds, each=size.streams, parts=CHUNKS
        )
        tables.append(Table(title="sync stream", unit="a chunk", times=times))
    return tables


def _slow_bridge(tables: Mapping[str, Table]) -> list[str]:
    """Say where the way to the background loop and back takes too long."""
    extra = {
        what: tables[f"sync {what}, 1 thread"].median("Nexevo")
        - tables[f"async {what}, 1 at once"].median("AsyncNexevo")
        for what in ("GET", "chat")
    }
    return [
        f"sync {what}: {us:.0f} µs more than async is over {MOST_SYNC_US}"
        for what, us in extra.items()
        if us > MOST_SYNC_US
    ]


def main() -> int:
    """Measure, print, and with --check say by the exit code whether it is fast enough."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail over a ceiling")
    parser.add_argument("--quick", action="store_true", help="a few short rounds")
    parser.add_argument("--uvloop", action="store_true", help="run the async clients on uvloop")
    parser.add_argument("--only", choices=("async", "sync"), help="leave out the other half")
    parser.add_argument(
        "--gc-threshold", type=int, help="new objects before Python's collector runs, else 700"
    )
    arguments = parser.parse_args()
    if arguments.gc_threshold is not None:
        gc.set_threshold(arguments.gc_threshold)
    size = (
        Size(rounds=9, requests=256, streams=1, crowds=3)
        if arguments.quick
        else Size(rounds=31, requests=256, streams=2, crowds=9)
    )
    with canned_server() as base_url:
        tables: list[Table] = []
        crowds: list[Crowd] = []
        if arguments.only != "sync":
            run = uvloop.run if arguments.uvloop else asyncio.run
            tables, crowd = run(_async_tables(base_url, size))
            crowds.append(crowd)
        if arguments.only != "async":
            tables += _sync_tables(base_url, size)
    print(*tables, *crowds, sep="\n\n")
    if not arguments.check:
        return 0
    by_title = {table.title: table for table in tables}
    slow = [
        f"{title}: {ratio:.2f} × {other} is over {ceiling}"
        for title, ours, other, ceiling in CEILINGS
        if title in by_title and (ratio := by_title[title].ratio(ours, other)) > ceiling
    ]
    if arguments.only is None:
        slow += _slow_bridge(by_title)
    slow += [fault for crowd in crowds for fault in crowd.faults()]
    print(*slow, sep="\n", file=sys.stderr)
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
