"""Whole programs on the async client: what they print, how they exit, what they leave open."""

import subprocess
import sys
import textwrap

import pytest

from nexevo_async.testing import Sandbox

PREAMBLE = """
import asyncio, gc, logging, os, sys
# -X dev tells of steps that a busy machine took long for.
logging.getLogger("asyncio").setLevel(logging.ERROR)
from nexevo_async import AsyncNexevo
MESSAGES = [{"role": "user", "content": "Hello!"}]
client = AsyncNexevo()
async def call():
    return await client.conversations.create(title="x")
async def stream():
    return await client.chat.completions.create(model="nexevo/fast", messages=MESSAGES, stream=True)
def sockets():
    fds = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
    return [os.readlink(fd) for fd in fds if os.path.exists(fd) and "socket" in os.readlink(fd)]
"""

WAYS_NOT_TO_CLOSE = {
    "three loops in a row": """
        for _ in range(3):
            asyncio.run(call())
            assert not sockets(), sockets()
    """,
    "a client of its own in each": """
        async def main():
            for _ in range(3):
                await AsyncNexevo().conversations.create()
        asyncio.run(main())
        assert not sockets(), sockets()
    """,
    "a stream left unfinished": """
        async def main():
            s = await stream()
            await anext(s)
        asyncio.run(main())
        assert not sockets(), sockets()
    """,
    "a stream dropped": """
        async def main():
            await anext(await stream())
            gc.collect()
            await call()
        asyncio.run(main())
        assert not sockets(), sockets()
    """,
    "an exception in the middle": """
        async def main():
            await call()
            s = await stream()
            async for chunk in s:
                raise LookupError("mine")
        try:
            asyncio.run(main())
        except LookupError:
            pass
        assert not sockets(), sockets()
    """,
    "a task cancelled at the end": """
        async def main():
            task = asyncio.create_task(call())
            await asyncio.sleep(0)
        asyncio.run(main())
        assert not sockets(), sockets()
    """,
    "closed twice": """
        async def main():
            async with client:
                await call()
            await client.aclose()
        asyncio.run(main())
        assert not sockets(), sockets()
    """,
    "closed from another loop": """
        asyncio.run(call())
        asyncio.run(client.aclose())
        assert not sockets(), sockets()
    """,
    "a loop of anyio's": """
        import anyio
        anyio.run(call)
        anyio.run(call, backend_options={"use_uvloop": True})
        assert not sockets(), sockets()
    """,
    "a cycle": """
        class Holder: pass
        async def main():
            holder = Holder()
            holder.self, holder.client = holder, AsyncNexevo()
            await holder.client.conversations.create()
            del holder
            gc.collect()
            await asyncio.sleep(0.05)
            assert not sockets() or len(sockets()) <= 3, sockets()
        asyncio.run(main())
        assert not sockets(), sockets()
    """,
    "never used": "",
    "exit in a call's middle": """
        async def main():
            await call()
            sys.exit(0)
        asyncio.run(main())
    """,
}


def run(script: str, sandbox: Sandbox) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        # -u: with buffered output, blockbuster 1.5 crashes any interpreter that ends.
        [
            sys.executable,
            "-u",
            "-W",
            "error",
            "-X",
            "dev",
            "-c",
            PREAMBLE + textwrap.dedent(script),
        ],
        env={
            "NEXEVO_API_KEY": sandbox.api_key,
            "NEXEVO_BASE_URL": sandbox.base_url,
            "PATH": "/usr/bin:/bin",
        },
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


@pytest.fixture(scope="module")
def gateway():
    with Sandbox() as sandbox:
        yield sandbox


@pytest.mark.parametrize("way", WAYS_NOT_TO_CLOSE)
def test_nothing_is_left_behind_and_nothing_is_said(way, gateway):
    done = run(WAYS_NOT_TO_CLOSE[way], gateway)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")


def test_a_child_of_a_fork_has_connections_of_its_own(gateway):
    done = run(
        """
        import warnings
        async def main():
            await call()
            before = sockets()
            pid = os.fork()
            if pid == 0:
                try:
                    # The parent's loop is no loop of the child's: it makes its own.
                    import threading
                    out = []
                    t = threading.Thread(target=lambda: out.append(asyncio.run(call())))
                    t.start(); t.join()
                    os._exit(0 if out and out[0].conversation_id else 1)
                except BaseException:
                    os._exit(2)
            _, status = await asyncio.to_thread(os.waitpid, pid, 0)
            assert status == 0, status
            for _ in range(3):
                await call()
            assert sockets() == before, (sockets(), before)
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns on a fork with threads
        asyncio.run(main())
        """,
        gateway,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_first_call_needs_no_import_of_aiohttp_before(gateway):
    done = run(
        """
        assert "aiohttp" not in sys.modules
        asyncio.run(call())
        assert "aiohttp" in sys.modules
        """,
        gateway,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_loop_is_never_blocked(gateway):
    done = run(
        """
        from blockbuster import BlockBuster
        from nexevo_async import NexevoError, Timeouts
        BlockBuster("nexevo_async").activate()
        async def main():
            conv = await call()
            await client.conversations.get(conv.conversation_id)
            async with await stream() as s:
                assert await s.final()
            async with await stream() as s:
                await anext(s)
            unreachable = client.with_options(base_url="http://127.0.0.1:1/v1", max_retries=1)
            secure = client.with_options(base_url="https://localhost:1/v1", max_retries=0)
            slow = client.with_options(timeouts=Timeouts(total=0.001))
            for view in (unreachable, secure, slow):
                try:
                    await view.models.list()
                except NexevoError:
                    pass
                else:
                    raise AssertionError
            await client.aclose()
        asyncio.run(main())
        """,
        gateway,
    )
    assert (done.returncode, done.stderr) == (0, "")
