"""Whole programs on the sync client: how they end, what Ctrl-C does, what a fork leaves."""

import signal
import subprocess
import sys
import textwrap
import time

import pytest

from nexevo_async.testing import Sandbox

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

SCRIPTS = {
    "never closed": """
        Nexevo().conversations.create(title="x")
    """,
    "import only": "",
    "never used": "Nexevo()",
    "a stream left unfinished": """
        client = Nexevo()
        next(stream(client))
    """,
    "two clients, closed twice": """
        one, two = Nexevo(), Nexevo()
        one.models.list(), two.models.list()
        one.close(), one.close(), two.close()
    """,
    "used after close": """
        with Nexevo() as client:
            client.models.list()
        try:
            client.models.list()
        except ClientClosedError:
            pass
        else:
            raise AssertionError
    """,
    "a call at exit": """
        import atexit
        client = Nexevo()
        client.models.list()
        atexit.register(client.models.list)
    """,
    "threads": """
        client = Nexevo()
        out = []
        def work():
            for n in range(5):
                conv = client.conversations.create(title=f"{threading.get_ident()} {n}")
                out.append(conv.title == f"{threading.get_ident()} {n}")
                out.append(stream(client).final().text != "")
        threads = [threading.Thread(target=work) for _ in range(20)]
        [t.start() for t in threads], [t.join() for t in threads]
        assert out == [True] * 200, out
    """,
    "a forked child": """
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns on a fork with threads
        client = Nexevo()
        client.models.list()
        pid = os.fork()
        if pid == 0:
            status = 0
            try:
                for _ in range(5):
                    client.models.list()
            except BaseException:
                status = 1
            os._exit(status)
        assert os.waitpid(pid, 0)[1] == 0
        client.models.list()
    """,
    "forked children that leave as programs do": """
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns on a fork with threads
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
    "daemon threads still calling": """
        client = Nexevo()
        client.models.list()
        def work():
            while True:
                client.models.list()
        for _ in range(4):
            threading.Thread(target=work, daemon=True).start()
        time.sleep(0.1)
    """,
    "a call on the portal's own thread": """
        from nexevo_sync import RateLimitError
        inner = Nexevo()
        async def middleware(request, call_next):
            inner.models.list()
        try:
            Nexevo(middleware=[middleware]).models.list()
        except RuntimeError as error:
            assert "own event loop" in str(error), error
        else:
            raise AssertionError
        inner.models.list()
    """,
    "SystemExit in a coroutine": """
        async def middleware(request, call_next):
            sys.exit(3)
        client = Nexevo()
        try:
            client.with_options(middleware=[middleware]).models.list()
        except SystemExit as exit:
            assert exit.code == 3
        client.models.list()
    """,
}


def environment(sandbox: Sandbox) -> dict[str, str]:
    return {
        "NEXEVO_API_KEY": sandbox.api_key,
        "NEXEVO_BASE_URL": sandbox.base_url,
        "PATH": "/usr/bin:/bin",
    }


def command(script: str) -> list[str]:
    program = f"{PREAMBLE}{textwrap.dedent(script)}\nended()"
    return [sys.executable, "-W", "error", "-X", "dev", "-c", program]


@pytest.fixture(scope="module")
def gateway():
    with Sandbox() as sandbox:
        yield sandbox


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_program_ends_by_itself_and_says_nothing(name, gateway):
    done = subprocess.run(
        command(SCRIPTS[name]),
        env=environment(gateway),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    took = time.monotonic() - float(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert took < 2


def test_ctrl_c_ends_the_call_and_the_next_one_works(gateway):
    script = """
        client = Nexevo()
        client.models.list()
        print("ready", flush=True)
        try:
            client.conversations.create(extra_headers={"X-Sandbox-Fault": '{"delay_s": 30}'})
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        print(client.models.list().data[0].object, flush=True)
    """
    with subprocess.Popen(
        command(script), env=environment(gateway), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        waiting_for(lambda: gateway.requests[-1].operation == "conversations.create")
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        assert process.stdout.readline() == "interrupted\n"
        assert time.monotonic() - began < 0.3
        entry = next(r for r in gateway.requests if r.operation == "conversations.create"
                     and r.status is None)  # fmt: skip
        waiting_for(lambda: entry_of(gateway, entry).peer_left is not None)
        assert process.stdout.readline() == "model\n"
        assert process.wait(5) == 0


def entry_of(gateway: Sandbox, entry):
    return next(r for r in gateway.requests if r.time == entry.time)


def waiting_for(condition, seconds: float = 2.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
