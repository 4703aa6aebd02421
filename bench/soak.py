"""A long run: every kind of call at once, against a sandbox that makes every kind of trouble.

Calls are cancelled, streams left early and views made at random, by a seed. Each call has to end in
its answer, a typed error or its cancellation, and in time; what the client was told has to be what
the gateway holds; and at the end nothing may be left: no seat, task, socket or growing memory, and
no word from asyncio or the garbage collector.
"""

import argparse
import asyncio
import contextlib
import gc
import itertools
import os
import random
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Final

import msgspec

from bench.memory import resident_mebibytes
from nexevo_async import (
    APIConnectionError,
    AsyncNexevo,
    Limits,
    NexevoError,
    RetryPolicy,
    Timeouts,
)

TOTAL: Final = 2.0
"""Seconds that a call may take."""
LATE: Final = 0.3
"""Seconds that it may end later, beside those that the event loop itself was late meanwhile."""
BEAT: Final = 0.05
"""Seconds from one look at how late the event loop is to the next."""
MEBIBYTES: Final = 8
"""How much the process may grow in the last half of the run."""
MESSAGES: Final[Any] = [{"role": "user", "content": "Tell me something, please."}]

CALLS: Final = {"create_and_delete": 2, "keys": 2, "others": 2, "pages": 2}
"""How many calls each kind makes that makes more than one."""
NONE, ONE, EITHER = 0, 1, 2
"""How many conversations there may be of one that was asked for."""

FAULTS: Final[tuple[dict[str, Any], ...]] = (
    {"delay_s": 0.02},
    {"delay_s": 0.3},
    {"delay_s": 5},
    {"drop": "before"},
    {"drop": "after"},
    {"cut_at": 0},
    {"cut_at": 40},
    {"status": 500},
    {"status": 502},
    {"status": 503, "headers": {"Retry-After": "0.05"}},
    {"status": 504},
    {"status": 429, "headers": {"Retry-After": "3600"}},
    {"status": 402},
    {"status": 409},
    {"status": 307, "headers": {"Location": "http://elsewhere.test/"}},
    {"status": 200, "body": "<html>Log in</html>", "headers": {"Content-Type": "text/html"}},
    {"status": 200, "body": {"error": {"message": "No.", "type": "upstream_error"}}},
    {"status": 200, "body": [None]},
    {"error_frame_after": 2},
    {"no_terminator": True},
    {"chunk_delay_s": 0.05},
    {"giant_line_mib": 0.25},
    {"pings_every_s": 0.01},
)

_SANDBOX: Final = """
import sys
from nexevo_async.testing import Sandbox
with Sandbox() as sandbox:
    print(sandbox.base_url, sandbox.api_key, flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def sandbox() -> Generator[tuple[str, str]]:
    """Run a sandbox in another process, and give its base URL and its key."""
    with subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, "-c", _SANDBOX], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            base_url, key = process.stdout.readline().split()
            yield base_url, key
        finally:
            process.stdin.close()


class Soak:
    """The calls of one run, and what they were told."""

    def __init__(self, client: AsyncNexevo, seed: int) -> None:
        self.client = client
        self.random = random.Random(seed)  # noqa: S311 - no secret
        self.ends: Counter[str] = Counter()
        self.failures: list[str] = []
        self.may_be = bytearray()
        self.ids: list[str] = []
        self.late = self.latest = 0.0
        self.due = time.monotonic()
        self.kinds: tuple[Callable[[], Awaitable[object]], ...] = (
            self.create,
            self.create,
            self.create_and_delete,
            self.append,
            self.read,
            self.pages,
            self.chat,
            self.stream,
            self.stream,
            self.left_stream,
            self.keys,
            self.others,
        )

    # --- What is called ---

    def options(self) -> Any:
        if self.random.random() < 0.5:
            return {}
        fault = msgspec.json.encode(self.random.choice(FAULTS)).decode()
        return {"extra_headers": {"X-Sandbox-Fault": fault}}

    def view(self) -> AsyncNexevo:
        if self.random.random() < 0.7:
            return self.client
        return self.client.with_options(max_retries=self.random.randrange(4))

    def an_id(self) -> str:
        return self.random.choice(self.ids) if self.ids else "conv_none"

    async def create(self) -> tuple[int, str]:
        number = len(self.may_be)
        self.may_be.append(EITHER)
        try:
            conv = await self.view().conversations.create(title=f"soak {number}", **self.options())
        except APIConnectionError as error:
            if not error.outcome_unknown:
                self.may_be[number] = NONE
            raise
        self.may_be[number] = ONE
        if len(self.ids) < 1000:
            self.ids.append(conv.conversation_id)
        return number, conv.conversation_id

    async def create_and_delete(self) -> None:
        number, conversation_id = await self.create()
        self.may_be[number] = EITHER
        options = self.options()
        await self.view().conversations.delete(conversation_id, **options)
        if '"status":200' not in str(options):  # of an answer without a body, that is no lie
            self.may_be[number] = NONE

    async def append(self) -> None:
        await self.view().conversations.append_message(
            self.an_id(), role="user", content="Hello!", **self.options()
        )

    async def read(self) -> None:
        await self.view().conversations.get(self.an_id(), **self.options())

    async def pages(self) -> None:
        page = await self.view().conversations.list(limit=2, **self.options())
        if page.has_more:
            await page.next_page()

    async def chat(self) -> None:
        await self.view().chat.completions.create(
            model="nexevo/fast", messages=MESSAGES, **self.options()
        )

    async def opened(self) -> Any:
        return await self.view().chat.completions.create(
            model="nexevo/fast", messages=MESSAGES, stream=True, **self.options()
        )

    async def stream(self) -> None:
        async with await self.opened() as stream:
            await stream.final()

    async def left_stream(self) -> None:
        stream = await self.opened()
        await anext(stream)
        if self.random.random() < 0.5:
            await stream.aclose()

    async def keys(self) -> None:
        key = (await self.view().keys.create(name="soak", **self.options())).key
        await self.client.keys.revoke(key.key_id, **self.options())

    async def others(self) -> None:
        view = self.view()
        await self.random.choice((view.models.list, view.feedback.summary, view.auth.me))(
            **self.options()
        )
        await view.request("GET", "/models", **self.options())

    # --- How they are made and judged ---

    async def worker(self, until: float) -> None:
        while time.monotonic() < until:
            kind = self.random.choice(self.kinds)
            task = asyncio.ensure_future(self.judged(kind))
            if self.random.random() < 0.1:
                asyncio.get_running_loop().call_later(self.random.random() * 0.2, task.cancel)
            await asyncio.wait([task])
            del task

    async def judged(self, kind: Callable[[], Awaitable[object]]) -> None:
        began, late_before = time.monotonic(), self.held_up()
        try:
            await kind()
            end = "answer"
        except asyncio.CancelledError:
            end = "cancelled"
        except NexevoError as error:
            end = type(error).__name__
        except Exception as error:  # noqa: BLE001 - this is what must not happen
            end = type(error).__name__
            self.failures.append(f"{kind.__name__} raised {error!r}")
        self.ends[end] += 1
        held_up = self.held_up() - late_before
        allowed = CALLS.get(kind.__name__, 1) * TOTAL + LATE + held_up
        late = time.monotonic() - began - allowed
        if late > 0:
            self.failures.append(f"{kind.__name__} ended {late:.2f} s late, in {end}")

    def held_up(self) -> float:
        """Give the seconds that the event loop was late till now, all in all."""
        return self.late + max(0.0, time.monotonic() - self.due)

    async def heartbeat(self) -> None:
        """Measure how late the event loop itself is."""
        while True:
            self.due = time.monotonic() + BEAT
            await asyncio.sleep(BEAT)
            late = time.monotonic() - self.due
            self.late += late
            self.latest = max(self.latest, late)

    async def check_conversations(self) -> None:
        found: Counter[str] = Counter()
        async for conv in await self.client.conversations.list(limit=100):
            found[conv.title or ""] += 1
        for number, may_be in enumerate(self.may_be):
            count = found.pop(f"soak {number}", 0)
            if count > 1 or may_be not in {EITHER, count}:
                self.failures.append(f"conversation {number}: {count} where {may_be} were told of")
        if found:
            self.failures.append(f"{len(found)} conversations that nobody asked for")


def _sockets() -> int:
    links = (f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd"))  # noqa: PTH208
    return sum(os.path.exists(link) and "socket" in os.readlink(link) for link in links)  # noqa: PTH110, PTH115


async def _soak(base_url: str, key: str, arguments: argparse.Namespace) -> list[str]:
    said: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: said.append(str(context)))
    sys.unraisablehook = lambda raised: said.append(repr(raised.exc_value))
    own = _sockets()
    client = AsyncNexevo(
        key,
        base_url=base_url,
        timeouts=Timeouts(connect=2, read=0.6, pool=1, total=TOTAL),
        retry=RetryPolicy(base_delay=0.01, max_delay=0.05),
        limits=Limits(max_connections=arguments.tasks // 2, max_streams=arguments.tasks // 4),
    )
    await client.models.list(timeouts=Timeouts(total=30))
    soak = Soak(client, arguments.seed)
    heartbeat = asyncio.create_task(soak.heartbeat())
    began = time.monotonic()
    workers = [
        asyncio.create_task(soak.worker(began + arguments.seconds)) for _ in range(arguments.tasks)
    ]
    await asyncio.sleep(arguments.seconds / 2)
    gc.collect()
    size = resident_mebibytes()
    await asyncio.gather(*workers)
    heartbeat.cancel()
    await asyncio.wait([heartbeat])
    gc.collect()
    await asyncio.sleep(0.1)
    grown = resident_mebibytes() - size
    print(f"{soak.ends.total():,} calls in {time.monotonic() - began:.0f} s, ", end="")
    print(f"{grown:+.1f} MiB in the last half, the loop at most {soak.latest:.2f} s late")
    print(*(f"  {end:<24}{count:>8}" for end, count in soak.ends.most_common()), sep="\n")
    if grown > MEBIBYTES:
        said.append(f"the process grew by {grown:.1f} MiB")
    await soak.check_conversations()
    seats = client._core.limits._per_loop.get()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    if "0 of" not in seats.described(stream=False):
        said.append(seats.described(stream=True))
    await client.aclose()
    await asyncio.sleep(0.1)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:
        said.append(f"tasks: {left}")
    if _sockets() != own:
        said.append(f"{_sockets() - own} sockets")
    return said + soak.failures


def main() -> int:
    """Run, print, and say by the exit code whether all was well."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of all that is random")
    arguments = parser.parse_args()
    warnings.simplefilter("error")
    print(f"seed {arguments.seed}", flush=True)
    with sandbox() as (base_url, key):
        failures = asyncio.run(_soak(base_url, key, arguments))
    print(*itertools.islice(failures, 20), sep="\n", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
