"""Whole programs on the async client, run as a user would run them."""

import subprocess
import sys
import textwrap
from pathlib import Path

from nexevo_async.testing import Sandbox

PREAMBLE = """
import asyncio, gc, logging, os, sys
# -X dev tells of steps that a busy machine took long for.
logging.getLogger("asyncio").setLevel(logging.ERROR)
from nexevo_async import AsyncNexevo
MESSAGES = [{"role": "user", "content": "Hello!"}]
client = AsyncNexevo()
SLOW = {"X-Sandbox-Fault": '{"delay_s": 30}'}
async def call():
    return await client.conversations.create(title="x")
async def slow_call():
    return await client.conversations.create(extra_headers=SLOW)
async def stream():
    return await client.chat.completions.create(model="nexevo/fast", messages=MESSAGES, stream=True)
def sockets():
    fds = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
    return [os.readlink(fd) for fd in fds if os.path.exists(fd) and "socket" in os.readlink(fd)]
"""


def command(script: str, *, dev: bool = True) -> list[str]:
    # -u: with buffered output, blockbuster 1.5 crashes any interpreter that ends.
    flags = ["-W", "error", "-X", "dev"] if dev else ["-W", "error"]
    return [sys.executable, "-u", *flags, "-c", PREAMBLE + textwrap.dedent(script)]


def environment(sandbox: Sandbox) -> dict[str, str]:
    return {
        "NEXEVO_API_KEY": sandbox.api_key,
        "NEXEVO_BASE_URL": sandbox.base_url,
        "PATH": "/usr/bin:/bin",
    }


def run(
    script: str, sandbox: Sandbox, *, file: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a script; from a file where processes that it starts have to find it again."""
    arguments = command(script)
    if file is not None:
        file.write_text(arguments[-1])
        arguments[-2:] = [str(file)]
    return subprocess.run(
        arguments,
        env=environment(sandbox),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
