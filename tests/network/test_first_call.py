"""What a program waits for when it calls for the first time."""

import os
from collections.abc import Iterator

import pytest
from network_support import KEY, KINDS, Authority
from own_interpreter import gets_below, printed_by

from nexevo_async.testing import Sandbox

SCHEMES = pytest.mark.parametrize("scheme", ["http", "https"])


@pytest.fixture(scope="module")
def https(authority: Authority) -> Iterator[str]:
    with authority.https(KINDS[0].answer) as url:
        yield url


@pytest.fixture
def environment(scheme: str, https: str, authority: Authority, sandbox: Sandbox) -> dict[str, str]:
    """Where the call goes, and whom it trusts there."""
    return {
        "PATH": os.environ["PATH"],
        "NEXEVO_API_KEY": KEY if scheme == "https" else sandbox.api_key,
        "NEXEVO_BASE_URL": https if scheme == "https" else sandbox.base_url,
        "SSL_CERT_FILE": str(authority.file),
    }


STALL = """
import asyncio, json, sys, time
from nexevo_async import AsyncNexevo

async def main():
    gaps = []
    async def tick():
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0)
            now = time.perf_counter()
            gaps.append(now - last)
            last = now
    ticker = asyncio.create_task(tick())
    await asyncio.sleep(0.05)
    gaps.clear()
    assert "aiohttp" not in sys.modules
    async with AsyncNexevo() as client:
        await client.models.list()
    ticker.cancel()
    assert "aiohttp" in sys.modules
    assert "certifi" not in sys.modules
    print(json.dumps(max(gaps) * 1000))

asyncio.run(main())
"""


@SCHEMES
def test_it_stalls_the_loop_less_than_60_ms(environment: dict[str, str]) -> None:
    assert gets_below(60, lambda: printed_by(STALL, env=environment))


READY = """
import time
began = time.process_time()
import asyncio
from {} import {} as Client

async def main():
    async with Client() as client:
        await client.models.list()

def sync_main():
    with Client() as client:
        client.models.list()

asyncio.run(main()) if Client.__name__ == "AsyncNexevo" else sync_main()
print((time.process_time() - began) * 1000)
"""


@SCHEMES
@pytest.mark.parametrize("client", ["nexevo_async AsyncNexevo", "nexevo_sync Nexevo"])
def test_it_is_answered_350_ms_after_the_first_import(
    environment: dict[str, str], client: str
) -> None:
    """In CPU time, all imports included; the wire here takes next to nothing."""
    script = READY.format(*client.split())
    assert gets_below(350, lambda: printed_by(script, env=environment))


UNBLOCKED = """
import asyncio
from blockbuster import BlockBuster
from nexevo_async import AsyncNexevo

BlockBuster("nexevo_async").activate()

async def main():
    async with AsyncNexevo() as client:
        await client.models.list()
        print("true")

asyncio.run(main())
"""


@SCHEMES
def test_it_does_nothing_that_blocks_on_the_loop(environment: dict[str, str]) -> None:
    assert printed_by(UNBLOCKED, env=environment)
