"""The tests of a user's project, run as the user would run them."""

import importlib.metadata
import re
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1] / "user_project"
SYNC = "test_sync.py"


def asyncio(mode: str, *more: str) -> tuple[str, ...]:
    return ("-oasyncio_default_fixture_loop_scope=function", f"-oasyncio_mode={mode}", *more)


RUNS: dict[str, tuple[int, tuple[str, ...]]] = {
    "sync, no other plugin": (4, (SYNC, "-pno:asyncio", "-pno:anyio")),
    "pytest-asyncio, auto": (17, asyncio("auto", "--ignore=test_anyio.py")),
    "pytest-asyncio, strict": (10, asyncio("strict", "test_scopes.py")),
    "pytest-asyncio, one loop for all": (
        7,
        asyncio("auto", SYNC, "test_auto.py", "-oasyncio_default_test_loop_scope=session"),
    ),
    "anyio": (2, ("test_anyio.py", "-pno:asyncio")),
    "two workers": (17, asyncio("auto", "-n2", "--ignore=test_anyio.py")),
}


def run(arguments: tuple[str, ...]) -> "subprocess.CompletedProcess[str]":
    # Plugins of this project's own tests, which take seconds to load.
    others = ("-pno:schemathesis", "-pno:hypothesispytest")
    command = [sys.executable, "-W", "error", "-m", "pytest", "-q", *others, *arguments]
    return subprocess.run(
        command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture(scope="module")
def runs() -> "dict[str, Future[subprocess.CompletedProcess[str]]]":
    with ThreadPoolExecutor(2) as pool:
        return {name: pool.submit(run, arguments) for name, (_, arguments) in RUNS.items()}


@pytest.mark.parametrize("name", RUNS)
def test_it_is_green_and_says_nothing(
    name: str, runs: "dict[str, Future[subprocess.CompletedProcess[str]]]"
):
    done = runs[name].result()
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(rf"^{RUNS[name][0]} passed in ", done.stdout, re.MULTILINE), done.stdout
    assert done.stderr == ""


def test_pytest_finds_the_plugin_by_itself():
    names = [e.name for e in importlib.metadata.entry_points(group="pytest11")]
    assert "nexevo" in names, "install it anew: pip install -e ."
    done = run(asyncio("auto", SYNC, "-pno:nexevo"))
    assert done.returncode == 1
    assert "fixture 'nexevo_sandbox' not found" in done.stdout
