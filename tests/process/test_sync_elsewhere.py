"""The sync client where other things run the show: notebooks, web handlers, greenlets, a freeze."""

import asyncio
import signal
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from programs import command, environment, run
from raw_server import reply, serving

from nexevo_async.testing import Sandbox
from nexevo_sync import Nexevo, SyncCallInAsyncWarning


@pytest.fixture(scope="module")
def gateway() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


CELL = """
import warnings
from nexevo_async import AsyncNexevo
from nexevo_sync import Nexevo
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    client = Nexevo()
    made = client.conversations.create(title="from a cell")
    got = await AsyncNexevo().conversations.get(made.conversation_id)
    listed = [c.conversation_id for c in client.conversations.list()]
print(got.title, listed == [got.conversation_id], [str(w.message) for w in caught])
"""
KERNEL = f"""
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel(kernel_name="python3")
try:
    client.execute_interactive({CELL!r}, timeout=20)
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
"""


def test_a_cell_of_a_notebook_uses_both_clients_and_is_not_warned(gateway: Sandbox):
    gateway.reset()
    done = subprocess.run(
        [sys.executable, "-c", KERNEL],
        env=environment(gateway) | {"JUPYTER_PLATFORM_DIRS": "1"},
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "from a cell True []\n"), done.stderr


def test_an_async_handler_that_calls_the_sync_client_is_warned_once(gateway: Sandbox):
    app = FastAPI()
    nexevo = Nexevo(gateway.api_key, base_url=gateway.base_url)

    @app.get("/")
    async def handler() -> int:
        return len([nexevo.conversations.create() for _ in range(2)])

    with TestClient(app) as browser, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("default", SyncCallInAsyncWarning)
        assert [browser.get("/").json() for _ in range(3)] == [2, 2, 2]
    line = handler.__code__.co_firstlineno + 2
    assert [(w.category, w.filename, w.lineno) for w in caught] == [
        (SyncCallInAsyncWarning, __file__, line)
    ]
    nexevo.close()


PATCHES = {
    "gevent": "import gevent.monkey; gevent.monkey.patch_all()",
    "eventlet": "import eventlet; eventlet.monkey_patch()",
}
GREENLETS = """
    # Imported before it is patched, which is the harder order: see the preamble.
    import warnings
    warnings.simplefilter("ignore")
    {patch}
    import threading, time
    client = Nexevo()
    client.models.list()
    ticks = []
    def tick():
        while True:
            ticks.append(time.monotonic())
            time.sleep(0.01)
    threading.Thread(target=tick, daemon=True).start()
    right = []
    def work(n):
        for _ in range(3):
            right.append(client.conversations.create(title=str(n)).title == str(n))
            right.append(stream(client).final().text != "")
            with stream(client) as left:
                right.append(next(left) is not None)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(20)]
    [t.start() for t in threads], [t.join() for t in threads]
    assert right == [True] * 180, right
    ticks.clear()
    client.conversations.create(extra_headers={{"X-Sandbox-Fault": '{{"delay_s": 0.3}}'}})
    assert len(ticks) > 1, len(ticks)  # others run while one waits
    client.close()
"""


@pytest.mark.parametrize("library", PATCHES)
def test_greenlets_in_place_of_threads_work(library: str, gateway: Sandbox):
    done = run(GREENLETS.format(patch=PATCHES[library]), gateway)
    assert (done.code, done.stderr) == (0, "")
    assert done.exit_took < 2


async def test_a_process_that_was_frozen_while_its_connections_died_goes_on():
    writers: list[asyncio.StreamWriter] = []

    async def answer(writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reply(delay=0.05)(writer)

    script = """
        client = Nexevo("sk-xc-1", base_url=sys.argv[1], max_retries=0)
        threads = [threading.Thread(target=client.conversations.create) for _ in range(8)]
        [t.start() for t in threads], [t.join() for t in threads]
        print("warm", flush=True)
        for _ in sys.stdin:
            pass
        for n in range(20):
            assert client.conversations.create().conversation_id == "conv_1"
    """
    async with serving(answer) as server:
        process = await asyncio.create_subprocess_exec(
            *command(textwrap.dedent(script)),
            server.base_url,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"warm\n"
        assert server.connections == 8
        process.send_signal(signal.SIGSTOP)
        for writer in writers:
            writer.transport.abort()
        await server.until(lambda: server.open == 0)
        process.send_signal(signal.SIGCONT)
        _, stderr = await asyncio.wait_for(process.communicate(b""), 20)
        assert (process.returncode, stderr) == (0, b"")
        assert len(server.seen) == 8 + 20
        assert server.connections == 9


CROWD = """
    import random
    client = Nexevo()
    questions = [f"question {n}" for n in range(5)]
    def ask(n, **more):
        question = [{"role": "user", "content": questions[n]}]
        return client.chat.completions.create(model="nexevo/fast", messages=question, **more)
    barrier = threading.Barrier(201)
    outcomes = [[] for _ in range(200)]
    def work(me):
        barrier.wait()  # the first use of all is a race
        for n in range(2):
            mine = f"{me} {n}"
            try:
                outcomes[me].append(client.conversations.create(title=mine).title == mine)
                with ask(me % 5, stream=True) as stream:
                    outcomes[me].append(("".join(c.text for c in stream), me % 5))
                outcomes[me].append((ask(me % 5).text, me % 5))
            except ClientClosedError:
                outcomes[me].append("closed")
    threads = [threading.Thread(target=work, args=(n,)) for n in range(200)]
    [t.start() for t in threads]
    barrier.wait()
    while sum(map(len, outcomes)) < 300:
        time.sleep(0.001)
    client.close()  # while most are at it
    [t.join() for t in threads]
    client = Nexevo()
    right = [(ask(n).text, n) for n in range(5)]
    flat = [outcome for each in outcomes for outcome in each]
    wrong = [o for o in flat if o is not True and o != "closed" and o not in right]
    assert not wrong, wrong[:5]
    print(len(flat), flat.count("closed"))
"""


def test_two_hundred_threads_get_their_own_answers_or_hear_that_the_client_is_closed(
    gateway: Sandbox,
):
    done = run(CROWD, gateway, timeout=50)
    assert (done.code, done.stderr) == (0, "")
    outcomes, closed = map(int, done.stdout.split()[:2])
    assert 300 <= outcomes - closed < 1200
    assert closed > 0
