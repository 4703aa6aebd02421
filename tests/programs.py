"""Whole programs on the sync client, run as their users would run them."""

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs

from nexevo_async.testing import Sandbox

APPS = Path(__file__).parent / "apps"
PREAMBLE = """
import logging, os, sys, threading, time
# -X dev tells of steps that a busy machine took long for.
logging.getLogger("asyncio").setLevel(logging.ERROR)
from nexevo_sync import ClientClosedError, Nexevo
MESSAGES = [{"role": "user", "content": "Hello!"}]
def ended():
    print(time.monotonic(), flush=True)
def stream(client):
    return client.chat.completions.create(model="nexevo/fast", messages=MESSAGES, stream=True)
"""


@attrs.frozen
class Ended:
    """How a program ended: what it printed last is when its own work was done."""

    code: int
    stdout: str
    stderr: str
    at: float

    @property
    def exit_took(self) -> float:
        return self.at - float(self.stdout.split()[-1])


def environment(sandbox: Sandbox) -> dict[str, str]:
    return {
        "NEXEVO_API_KEY": sandbox.api_key,
        "NEXEVO_BASE_URL": sandbox.base_url,
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(APPS),
    }


def command(script: str) -> list[str]:
    program = PREAMBLE + textwrap.dedent(script)
    if "ended()" not in script:
        program += "\nended()"
    return [sys.executable, "-W", "error", "-X", "dev", "-c", program]


def run(script: str, sandbox: Sandbox, timeout: float = 30) -> Ended:
    done = subprocess.run(
        command(script),
        env=environment(sandbox),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr, time.monotonic())


def run_all(scripts: Mapping[str, str], sandbox: Sandbox) -> dict[str, Ended]:
    """Run some at a time: most of what each takes is starting Python."""
    with ThreadPoolExecutor(2) as pool:
        done = pool.map(lambda script: run(script, sandbox), scripts.values())
        return dict(zip(scripts, done, strict=True))
