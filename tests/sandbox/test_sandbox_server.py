import asyncio
import gc
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sandbox_support import api_of, eventually

from nexevo_async.errors import ConfigurationError
from nexevo_async.sandbox import operations
from nexevo_async.testing import Sandbox


def sandbox_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("nexevo-sandbox")]


@pytest.mark.usefixtures("running")  # it has loaded what there is to load
def test_sandbox_of_ones_own_starts_fast_and_leaves_nothing():
    before = set(threading.enumerate())
    began = time.monotonic()
    with Sandbox() as sandbox:
        started = time.monotonic()
        assert started - began < 0.5
        assert set(threading.enumerate()) > before
        host, port = sandbox.base_url.removeprefix("http://").removesuffix("/v1").split(":")
        assert host == "127.0.0.1"
    assert set(threading.enumerate()) == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)))


async def test_stop_waits_for_no_stream_and_no_idle_connection():
    async with Sandbox() as sandbox, api_of(sandbox) as api:
        body = {
            "model": "gpt-4o",
            "stream": True,
            "max_tokens": 1000,
            "messages": [{"role": "user", "content": "Hello!"}],
        }
        slow = '{"chunk_delay_s": 0.01}'
        await asyncio.gather(*(api.get("/models") for _ in range(5)))
        streams = [api.request("POST", "/chat/completions", body, X_Sandbox_Fault=slow)
                   for _ in range(5)]  # fmt: skip
        responses = await asyncio.gather(*(stream.__aenter__() for stream in streams))
        waiting = asyncio.create_task(api.get("/models", X_Sandbox_Fault='{"delay_s": 60}'))
        await eventually(lambda: len(sandbox.requests) == 11)
        began = time.monotonic()
        await sandbox.__aexit__(None, None, None)
        assert time.monotonic() - began < 0.3
        for response in responses:
            response.close()
        await asyncio.wait([waiting])
        assert waiting.exception() is not None


async def longest_stall(enter: Callable[[], Awaitable[None]]) -> float:
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.001)
            longest = max(longest, time.monotonic() - began)

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0.01)
    await enter()
    watching.cancel()
    return longest


async def test_entering_leaves_the_users_loop_free():
    async def enter() -> None:
        async with Sandbox():
            pass

    # Hashing the owner's password alone takes 40 ms, each time; a busy machine is not so regular.
    assert min([await longest_stall(enter) for _ in range(5)]) < 0.03


async def test_cancelled_while_it_starts_it_stops():
    async def enter() -> None:
        async with Sandbox():
            pytest.fail("it was cancelled before")

    before = len(sandbox_threads())
    entering = asyncio.create_task(enter())
    await eventually(lambda: len(sandbox_threads()) > before)
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering
    assert len(sandbox_threads()) == before


def test_not_entered_it_says_so():
    sandbox = Sandbox()
    for use in (
        lambda: sandbox.base_url,
        lambda: sandbox.requests,
        sandbox.reset,
        sandbox.faults.clear,
    ):
        with pytest.raises(RuntimeError, match="enter it with"):
            use()


def test_it_can_be_entered_again_but_not_twice():
    sandbox = Sandbox()
    for _ in range(2):
        with sandbox:
            assert sandbox.requests == []
            with pytest.raises(RuntimeError, match="runs already"):
                sandbox.__enter__()
    with pytest.raises(RuntimeError, match="not running"):
        sandbox.reset()


def test_taken_port_is_told():
    with Sandbox() as sandbox:
        port = int(sandbox.base_url.removesuffix("/v1").rpartition(":")[2])
        before = threading.active_count()
        with pytest.raises(ConfigurationError, match=f"cannot listen at 127.0.0.1:{port}"):
            Sandbox(port=port).__enter__()
        assert threading.active_count() == before


@pytest.mark.parametrize(
    "arguments",
    [{"port": -1}, {"port": 65536}, {"rate_limit_rpm": 0}, {"api_key": ""}, {"api_key": "a b"}],
)
def test_wrong_argument_is_refused(arguments: dict[str, Any]):
    with pytest.raises(ValueError, match=r"\w"):
        Sandbox(**arguments)


def test_no_repr_shows_a_secret():
    with Sandbox(api_key="sk-xc-canary") as sandbox:
        shown = repr([sandbox, sandbox.faults, vars(sandbox), sandbox._settings])
    assert "canary" not in shown
    assert sandbox.api_key == "sk-xc-canary"


async def test_unexpected_exception_is_a_documented_500_and_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def broken(call: Any) -> Any:
        call.db.execute("DELETE FROM conversations")
        raise ZeroDivisionError

    monkeypatch.setitem(operations.HANDLERS, "models.list", broken)  # type: ignore[arg-type]
    with Sandbox() as sandbox:
        async with api_of(sandbox) as api:
            conv_id = await api.conversation()
            with caplog.at_level(logging.ERROR, "nexevo.sandbox"):
                reply = await api.get("/models")
            assert reply.error == (500, "internal_error", None)
            assert "ZeroDivisionError" in caplog.text
            assert api.key not in caplog.text
            assert (await api.get(f"/conversations/{conv_id}")).status == 200


async def test_thousand_tasks_are_answered(sandbox: Sandbox):
    async with api_of(sandbox) as api:
        conv_id = await api.conversation()
        began = time.monotonic()
        replies = await asyncio.gather(*(api.get(f"/conversations/{conv_id}") for _ in range(1000)))
        assert {r.status for r in replies} == {200}
        # A full backlog would cost a whole second for the connections that it turned away.
        assert time.monotonic() - began < 5


def test_nothing_is_left_for_the_collector_to_complain_of():
    script = """
import asyncio, gc, logging, urllib.request
from nexevo_async.testing import Sandbox
logging.getLogger("asyncio").setLevel(logging.ERROR)  # a busy machine makes it warn of slow steps
with Sandbox() as sandbox:
    urllib.request.urlopen(sandbox.base_url.removesuffix("/v1") + "/_sandbox/health").close()
async def main():
    async with Sandbox() as sandbox:
        reader, writer = await asyncio.open_connection(*sandbox.base_url[7:-3].split(":"))
        writer.write(b"GET / HTTP/1.1\\r\\nno header\\r\\n\\r\\n")
        await reader.read()
        writer.close()
        await writer.wait_closed()
asyncio.run(main())
gc.collect()
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", script],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_blocking_calls_stay_off_the_users_loop_and_the_sandboxs():
    script = """
import asyncio
from blockbuster import blockbuster_ctx
from nexevo_async.testing import Sandbox
import aiohttp
async def main():
    async with Sandbox() as sandbox:
        with blockbuster_ctx():
            headers = {"Authorization": f"Bearer {sandbox.api_key}"}
            async with aiohttp.ClientSession(headers=headers) as session:
                async with session.post(sandbox.base_url + "/conversations", data=b"{}") as r:
                    assert r.status == 200, await r.text()
asyncio.run(main())
"""
    # -u: with buffered output, blockbuster 1.5 crashes any interpreter that ends.
    done = subprocess.run(
        [sys.executable, "-u", "-c", script],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    gc.collect()
