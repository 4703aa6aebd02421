"""One client on many event loops, in many threads, and in the children of a fork."""

import asyncio
import json
import signal
import subprocess

import pytest
from async_programs import command, run
from raw_server import drop, reply, serving

from nexevo_async.testing import Sandbox


@pytest.fixture(scope="module")
def gateway():
    with Sandbox() as sandbox:
        yield sandbox


def test_one_client_on_every_kind_of_loop_one_after_another_and_at_once(gateway):
    done = run(
        """
        import threading
        import anyio, uvloop
        from nexevo_async import Limits
        client = AsyncNexevo(limits=Limits(max_connections=2))
        ended = []
        async def calls():  # more than there are seats, so that some wait
            await asyncio.gather(*(call() for _ in range(6)))
            await (await stream()).final()
            ended.append(1)
        for _ in range(3):
            asyncio.run(calls())
        threads = [threading.Thread(target=lambda: asyncio.run(calls())) for _ in range(4)]
        [t.start() for t in threads], [t.join() for t in threads]
        anyio.run(calls)
        anyio.run(calls, backend_options={"use_uvloop": True})
        uvloop.run(calls())
        assert (len(ended), sockets()) == (10, []), (len(ended), sockets())
        """,
        gateway,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_loops_that_are_gone_are_let_go(gateway):
    done = run(
        """
        import threading
        def loops():
            gc.collect()
            return sum(isinstance(obj, asyncio.AbstractEventLoop) for obj in gc.get_objects())
        for _ in range(10):
            asyncio.run(call())
            assert loops() <= 1, loops()  # the last one, until the next comes
        threads = [threading.Thread(target=lambda: asyncio.run(call())) for _ in range(4)]
        [t.start() for t in threads], [t.join() for t in threads]
        asyncio.run(call())
        assert loops() <= 1, loops()
        """,
        gateway,
    )
    assert (done.returncode, done.stderr) == (0, "")


CALLS = """
import multiprocessing, threading
async def calls(name):
    for n in range(50):
        await client.conversations.create(idempotency_key=f"{name}-{n}")
def work(name):
    asyncio.run(asyncio.wait_for(calls(name), 10))
"""

FORKING = """
async def parent():
    await calls("before")
    children = []
    for n in range(4):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                # The child's main thread is inside its parent's loop.
                thread = threading.Thread(target=work, args=[f"inner{n}"])
                thread.start(), thread.join()
                status = 0
            finally:
                os._exit(status)
        children.append(pid)
    own = sockets()
    await calls("during")
    for pid in children:
        assert await asyncio.to_thread(os.waitpid, pid, 0) == (pid, 0)
    await calls("during")
    assert sockets() == own, (sockets(), own)  # with the connection it had before
asyncio.run(parent())
children = []
for n in range(4):
    pid = os.fork()
    if pid == 0:
        work(f"outer{n}")
        sys.exit(7)
    children.append(pid)
work("after")
for pid in children:
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
"""

MULTIPROCESSING = """
if __name__ == "__main__":
    work("parent")
    context = multiprocessing.get_context(METHOD)
    children = [context.Process(target=work, args=[f"child{n}"]) for n in range(2)]
    [child.start() for child in children], [child.join() for child in children]
    assert [child.exitcode for child in children] == [0, 0]
    work("parent")
"""


def connections_by_process(sandbox: Sandbox) -> dict[str, set[int]]:
    """Give the ports from which each process called: those of two are never the same."""
    ports: dict[str, set[int]] = {}
    for entry in sandbox.requests:
        if entry.idempotency_key:
            ports.setdefault(entry.idempotency_key.split("-")[0], set()).add(entry.client_port)
    return ports


def test_eight_forked_children_call_while_their_parent_goes_on(gateway):
    gateway.reset()
    done = run(CALLS + FORKING, gateway)
    assert (done.returncode, done.stderr) == (0, "")
    ports = connections_by_process(gateway)
    children = {f"{kind}{n}" for kind in ("inner", "outer") for n in range(4)}
    assert ports.keys() == {"before", "during", "after", *children}
    assert ports.pop("during") == ports["before"]
    assert len(set.union(*ports.values())) == sum(map(len, ports.values()))


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_multiprocessing_use_the_client_of_their_module(method, gateway, tmp_path):
    gateway.reset()
    script = f"{CALLS}{MULTIPROCESSING.replace('METHOD', repr(method))}"
    done = run(script, gateway, file=tmp_path / "program.py")
    assert (done.returncode, done.stderr) == (0, "")
    ports = connections_by_process(gateway)
    assert ports.keys() == {"parent", "child0", "child1"}
    assert len(set.union(*ports.values())) == sum(map(len, ports.values()))


def test_a_child_forked_from_a_program_on_uvloop_ends_as_it_wants_to(gateway):
    done = run(
        """
        import warnings
        import uvloop
        warnings.simplefilter("ignore", DeprecationWarning)  # libuv keeps threads
        uvloop.run(call())
        for loop in (None, asyncio, uvloop):
            pid = os.fork()
            if pid == 0:
                if loop is not None:
                    loop.run(call())
                sys.exit(7)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7, loop
        """,
        gateway,
    )
    assert (done.returncode, done.stderr) == (0, "")


STOPPED = """
    import json
    from nexevo_async import Limits
    client = AsyncNexevo("k", base_url="{base_url}", limits=Limits(keepalive={keepalive}))
    async def main():
        await asyncio.gather(*(client.conversations.get("c") for _ in range(10)))
        go = asyncio.Event()
        asyncio.get_running_loop().add_reader(0, go.set)
        print("warm", flush=True)
        await go.wait()
        asyncio.get_running_loop().remove_reader(0)
        for n in range(10):
            await client.conversations.get("after")
            await client.conversations.create(title="after")
        await client.aclose()
    asyncio.run(main())
"""


@pytest.mark.parametrize("keepalive", [0.2, 60])
async def test_a_process_that_was_stopped_for_longer_than_its_connections_lived(keepalive):
    """With a short keep-alive they are not tried again; else they are seen to be closed."""
    writers: list[asyncio.StreamWriter] = []

    async def warming(writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reply(delay=0.1)(writer)

    async def dead_if_known(writer: asyncio.StreamWriter) -> None:
        await (drop() if writer in writers else reply())(writer)

    async with serving(*[warming] * 10, dead_if_known) as server:
        script = STOPPED.format(base_url=server.base_url, keepalive=keepalive)
        process = await asyncio.create_subprocess_exec(
            *command(script), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            assert await process.stdout.readline() == b"warm\n"
            process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(0.5)
            if keepalive == 60:
                for writer in writers:
                    writer.close()
            process.stdin.write(b"go\n")
            process.send_signal(signal.SIGCONT)
            _, said = await asyncio.wait_for(process.communicate(), 20)
        finally:
            if process.returncode is None:
                process.kill()
        assert (process.returncode, said) == (0, b"")
        assert len(writers) == 10
        after = [json.loads(seen.body or b"{}") for seen in server.seen[10:]]
        assert after == [{}, {"title": "after"}] * 10  # each was sent once
