"""How programs on the sync client end, and what a signal does to a call of theirs."""

import signal
import subprocess
import time

import pytest
from programs import command, environment, run, run_all

from nexevo_async.testing import Sandbox

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
    "a stream left unread": """
        client = Nexevo()
        left = stream(client)
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
    "an exception": """
        sys.excepthook = lambda kind, error, traceback: None
        client = Nexevo()
        left = stream(client)
        next(left)
        ended()
        raise LookupError
    """,
    "sys.exit in a thread": """
        client = Nexevo()
        def work():
            client.models.list()
            sys.exit(5)
        thread = threading.Thread(target=work)
        thread.start(), thread.join()
    """,
    "sys.exit with a stream left unfinished": """
        with Nexevo() as client:
            left = stream(client)
            next(left)
            ended()
            sys.exit(5)
    """,
    "os._exit": """
        client = Nexevo()
        left = stream(client)
        next(left)
        ended()
        os._exit(5)
    """,
    "a first call at exit": """
        import atexit
        def late():
            try:
                Nexevo().models.list()
            except ClientClosedError as error:
                assert "is exiting" in str(error), error
                ended()
        atexit.register(late)
        ended()
    """,
    "a call in atexit, by a client that was not used before": """
        import atexit
        client, other = Nexevo(), Nexevo()
        client.models.list()
        def late():
            try:
                other.models.list()
            except ClientClosedError as error:
                assert "is exiting" in str(error), error
            client.models.list()
            ended()
        atexit.register(late)
    """,
    "a client in __del__": """
        outcomes = []
        class Holder:
            def __init__(self):
                self.client = Nexevo()
                self.client.models.list()
            def __del__(self):
                try:
                    outcomes.append(self.client.models.list().meta.status)
                except (ClientClosedError, RuntimeError) as error:
                    outcomes.append(type(error).__name__)
                self.client.close()
        Holder()
        holders = [Holder()]
        async def drop(request, call_next):
            holders.clear()  # on the thread that would have to answer
            return await call_next(request)
        Nexevo(middleware=[drop]).models.list()
        assert outcomes == [200, "RuntimeError"], outcomes
        kept = Holder()  # deleted when the interpreter is exiting
    """,
    "threads still calling": """
        client = Nexevo()
        client.models.list()
        def work():
            for _ in range(20):
                client.models.list()
                assert stream(client).final().text
            ended()
        for _ in range(4):
            threading.Thread(target=work).start()
    """,
    "a module-level client": """
        import module_level
        assert module_level.fifty_calls() == os.getpid()
    """,
    "a pickled client": """
        import copy, pickle
        client = Nexevo(max_retries=7)
        client.models.list()
        assert client.with_options().models.list().data
        for twin in (pickle.loads(pickle.dumps(client)), copy.deepcopy(client)):
            assert twin.models.list().data
        assert os.environ["NEXEVO_API_KEY"].encode() not in pickle.dumps(client)
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
    "daemon threads that wait for what never comes": """
        client = Nexevo()
        client.models.list()
        def call():
            client.conversations.create(extra_headers={"X-Sandbox-Fault": '{"delay_s": 30}'})
        def read():
            slow = {"X-Sandbox-Fault": '{"chunk_delay_s": 30}'}
            next(client.chat.completions.create(
                model="nexevo/fast", messages=MESSAGES, stream=True, extra_headers=slow
            ))
        for work in (call, read):
            threading.Thread(target=work, daemon=True).start()
        time.sleep(0.3)
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


CODES = {
    "an exception": 1,
    "os._exit": 5,
    "sys.exit with a stream left unfinished": 5,
}


@pytest.fixture(scope="module")
def gateway():
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def ended(gateway):
    return run_all(SCRIPTS, gateway)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_program_ends_by_itself_and_says_nothing(name, ended, gateway):
    done = ended[name]
    assert (done.code, done.stderr) == (CODES.get(name, 0), "")
    # On a busy machine one that is slow gets a second chance, alone; one that hangs hangs again.
    assert done.exit_took < 2 or run(SCRIPTS[name], gateway).exit_took < 2


WAITS = """
    import signal
    def leave(*_):
        sys.exit(4)
    client = Nexevo()
    client.models.list()
    {setup}
    print("ready", flush=True)
    try:
        {waits}
    except (KeyboardInterrupt, SystemExit) as error:
        print(type(error).__name__, flush=True)
        if isinstance(error, SystemExit):
            raise
    print(client.models.list().data[0].object, flush=True)
"""
CALL = """client.conversations.create(extra_headers={"X-Sandbox-Fault": '{"delay_s": 30}'})"""
SLOW = """{"X-Sandbox-Fault": '{"chunk_delay_s": 30}'}"""
STREAM = f"""
        with client.chat.completions.create(
            model="nexevo/fast", messages=MESSAGES, stream=True, extra_headers={SLOW}
        ) as left:
            next(left)
"""


@pytest.mark.parametrize(
    ("sent", "setup", "waits", "says", "code"),
    [
        (signal.SIGINT, "", CALL, ["KeyboardInterrupt", "model"], 0),
        (signal.SIGINT, "", STREAM, ["KeyboardInterrupt", "model"], 0),
        (signal.SIGTERM, "signal.signal(signal.SIGTERM, leave)", CALL, ["SystemExit"], 4),
        (signal.SIGTERM, "", CALL, [], -signal.SIGTERM),
    ],
    ids=["Ctrl-C in a call", "Ctrl-C in a stream", "SIGTERM that is handled", "SIGTERM"],
)
def test_a_signal_ends_the_call_here_and_at_the_gateway(sent, setup, waits, says, code):
    script = WAITS.format(setup=setup, waits=waits)
    with (
        Sandbox() as gateway,
        subprocess.Popen(
            command(script), env=environment(gateway), stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        until(lambda: len(gateway.requests) == 2, within=5)
        time.sleep(0.1)  # the signal is to come while it waits
        process.send_signal(sent)
        began = time.monotonic()
        if says:
            assert process.stdout.readline() == f"{says[0]}\n"
            assert time.monotonic() - began < 0.3
        until(lambda: gateway.requests[1].peer_left is not None, within=1)
        assert [process.stdout.readline().strip() for _ in says[1:]] == says[1:]
        assert process.wait(2) == code


def until(condition, within: float) -> None:
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
