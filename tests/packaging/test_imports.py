"""What importing, constructing and calling for the first time cost a program."""

import json
import subprocess
import sys
from typing import Any

import pytest

from nexevo_async.testing import Sandbox

PACKAGES = ("nexevo_async", "nexevo_sync")


def printed_by(script: str, *arguments: str) -> Any:
    """Run a script in an interpreter of its own, and give the JSON that it prints."""
    command = [sys.executable, "-W", "error", "-c", script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


LOADED = """
import json, sys
before = set(sys.modules)
{}
print(json.dumps(sorted({{name.partition(".")[0] for name in set(sys.modules) - before}})))
"""


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_loads_nothing_heavy(package: str) -> None:
    loaded = printed_by(LOADED.format(f"import {package}"))
    heavy = {"aiohttp", "anyio", "asyncio", "attr", "cattrs", "msgspec", "ssl"}
    assert package in loaded
    assert heavy.isdisjoint(loaded)


@pytest.mark.parametrize("client", ["nexevo_async.AsyncNexevo", "nexevo_sync.Nexevo"])
def test_constructing_a_client_loads_no_transport(client: str) -> None:
    package = client.partition(".")[0]
    loaded = printed_by(LOADED.format(f"import {package}; {client}()"))
    heavy = {"aiohttp", "anyio", "yarl", "fastapi", "cyclopts", "rich", "sqlite3"}
    assert heavy.isdisjoint(loaded)


def test_the_async_package_does_not_load_its_twin() -> None:
    loaded = printed_by(LOADED.format("import nexevo_async.client, nexevo_async.testing"))
    assert "nexevo_sync" not in loaded


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_there_and_an_unknown_one_is_an_attribute_error(package: str) -> None:
    script = f"""
import json, {package} as package
for name in package.__all__:
    assert getattr(package, name) is getattr(package, name), name
assert dir(package) == sorted(package.__all__)
try:
    package.AsynNexevo
except AttributeError as error:
    print(json.dumps(str(error)))
"""
    assert "AsynNexevo" in printed_by(script)


CONSTRUCTED = """
import json, time
from {} import {} as Client

def milliseconds():
    began = time.process_time()
    made = [Client("sk-xc-1") for _ in range(1000)]
    return (time.process_time() - began) * 1000

# The best of some: the machine may have something else to do.
print(json.dumps(min(milliseconds() for _ in range(10))))
"""


@pytest.mark.parametrize("client", ["nexevo_async.AsyncNexevo", "nexevo_sync.Nexevo"])
def test_a_thousand_clients_are_made_in_50_ms(client: str) -> None:
    package, _, name = client.partition(".")
    assert printed_by(CONSTRUCTED.format(package, name)) < 50


STALL = """
import asyncio, contextlib, json, sys, time
from nexevo_async import APIConnectionError, AsyncNexevo

async def main(base_url, key):
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
    async with AsyncNexevo(key, base_url=base_url, max_retries=0) as client:
        with contextlib.suppress(APIConnectionError):
            await client.models.list()
    assert "aiohttp" in sys.modules
    ticker.cancel()
    print(json.dumps(max(gaps) * 1000))

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_first_call_stalls_the_loop_less_than_60_ms(sandbox: Sandbox, scheme: str) -> None:
    # Over https the handshake fails, after everything that the first call has to set up.
    base_url = sandbox.base_url.replace("http", scheme, 1)
    stalls = [printed_by(STALL, base_url, sandbox.api_key) for _ in range(3)]
    assert min(stalls) < 60
