"""A process that has used both clients forks: each child has a loop and connections of its own."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from programs import environment, run_all

from nexevo_async.testing import Sandbox

ALLOWED = """
import warnings
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
"""
"""From 3.12 on Python warns of each fork of a process that has threads."""

SCRIPTS = {
    "a client that was only constructed": """
        client = Nexevo()
        pid = os.fork()  # would be an error, were there a thread
        if pid == 0:
            client.models.list()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        client.models.list()
    """,
    "os.fork": f"""
        {ALLOWED.replace(chr(10), chr(10) + " " * 8)}
        import asyncio
        from nexevo_async import AsyncNexevo
        import module_level
        asyncio.run(AsyncNexevo().models.list())
        children = []
        for _ in range(8):
            pid = os.fork()
            if pid == 0:
                try:
                    module_level.fifty_calls()
                    asyncio.run(AsyncNexevo().models.list())
                finally:
                    os._exit(sys.exc_info()[0] is not None)
            children.append(pid)
        module_level.fifty_calls()  # the parent goes on meanwhile
        assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 8
        module_level.fifty_calls()
    """,
    **{
        f"multiprocessing, {method}": f"""
        {ALLOWED.replace(chr(10), chr(10) + " " * 8)}
        import multiprocessing, module_level
        if __name__ == "__main__":
            with multiprocessing.get_context("{method}").Pool(2) as pool:
                pids = [pool.apply_async(module_level.fifty_calls) for _ in range(2)]
                assert os.getpid() not in [pid.get(30) for pid in pids]
                pool.close(), pool.join()
            module_level.fifty_calls()
        """
        for method in ("fork", "spawn", "forkserver")
    },
    "children that leave as programs do": f"""
        {ALLOWED.replace(chr(10), chr(10) + " " * 8)}
        client = Nexevo()
        unread = stream(client)
        for calls in range(3):
            pid = os.fork()
            if pid == 0:
                try:
                    next(unread)
                except ClientClosedError:
                    for _ in range(calls):
                        client.models.list()
                    sys.exit(7)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        assert unread.final().text
    """,
}


@pytest.fixture(scope="module")
def gateway() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def ended(gateway: Sandbox):
    return run_all(SCRIPTS, gateway)


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_child_calls_and_the_parent_goes_on(name, ended):
    assert (ended[name].code, ended[name].stderr) == (0, "")


def test_no_connection_serves_two_processes(gateway: Sandbox, ended):
    users = defaultdict(set)
    for request in gateway.requests:
        if request.operation == "conversations.create" and request.idempotency_key:
            users[request.client_port].add(request.idempotency_key.partition("-")[0])
    assert len(users) >= 9 + 3 * 2  # one for each child that got work, and for each parent
    assert [pids for pids in users.values() if len(pids) > 1] == []


@contextmanager
def running(
    gateway: Sandbox, *arguments: str, end: signal.Signals, **env: str
) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-m", *arguments]
    with subprocess.Popen(
        command,
        env=environment(gateway) | env,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
            process.send_signal(end)
            process.wait(10)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # and the children


def test_gunicorn_that_preloads(gateway: Sandbox):
    arguments = ("gunicorn", "--preload", "-w2", "-b127.0.0.1:0", "module_level:wsgi")
    with running(gateway, *arguments, end=signal.SIGTERM) as process:
        assert process.stderr is not None
        listening = next(line for line in process.stderr if "Listening at" in line)
        found = re.search(r"http://\S+", listening)
        assert found is not None
        pids = {httpx.get(found[0], timeout=30).text for _ in range(6)}
        assert str(process.pid) not in pids
    assert process.returncode == 0


def test_celery_that_forks_its_workers(gateway: Sandbox, tmp_path: Path):
    (tmp_path / "control").mkdir()
    folder = {"CELERY_FOLDER": str(tmp_path)}
    send = "import celery_tasks as t; print([t.fifty_calls.delay().get(30) for _ in range(2)])"
    alone = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    worker = ("celery", "-A", "celery_tasks", "worker", "-P", "prefork", "-c2", *alone)
    # It takes seconds to end by itself, with Nexevo or without.
    with running(gateway, *worker, end=signal.SIGKILL, **folder) as process:
        assert process.stderr is not None
        sent = subprocess.run(
            [sys.executable, "-c", send],
            env=environment(gateway) | folder,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        assert str(process.pid) not in sent.stdout
        assert re.fullmatch(r"\[\d+, \d+\]\n", sent.stdout)
