"""Whole programs on the async client: what they print, how they exit, what they leave open."""

import re

import pytest
from async_programs import run
from network_support import Authority
from raw_server import reply

from nexevo_async.testing import Sandbox

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
    "in a reference cycle": """
        class Holder: pass
        async def main():
            own = len(sockets())
            holder = Holder()
            holder.self, holder.client = holder, AsyncNexevo()
            await holder.client.conversations.create()
            assert len(sockets()) > own
            del holder
            gc.collect()
            await asyncio.sleep(0)
            assert len(sockets()) == own, sockets()
        asyncio.run(main())
        assert not sockets(), sockets()
    """,
    "collected inside the loop": """
        async def main():
            own = len(sockets())
            await AsyncNexevo().conversations.create()
            await asyncio.sleep(0)
            assert len(sockets()) == own, sockets()
        asyncio.run(main())
    """,
    "the main task cancelled": """
        async def main():
            asyncio.get_running_loop().call_later(0.2, asyncio.current_task().cancel)
            await slow_call()
        try:
            asyncio.run(main())
        except asyncio.CancelledError:
            assert not sockets(), sockets()
        else:
            raise AssertionError
    """,
    "Ctrl-C": """
        import signal
        async def main():
            await call()
            asyncio.get_running_loop().call_later(0.2, signal.raise_signal, signal.SIGINT)
            await slow_call()
        try:
            asyncio.run(main())
        except KeyboardInterrupt:
            assert not sockets(), sockets()
        else:
            raise AssertionError
    """,
    "a call and a stream pending": """
        async def main():
            await call()
            unread = await stream()
            pending = asyncio.create_task(slow_call())
            await asyncio.sleep(0.1)
        asyncio.run(main())
        assert not sockets(), sockets()
    """,
    "loop.stop, and the loop closed alone": """
        loop = asyncio.new_event_loop()
        task = loop.create_task(call())
        task.add_done_callback(lambda _: loop.stop())
        loop.run_forever()
        loop.close()
    """,
    "the loop closed alone, and another begun": """
        loop = asyncio.new_event_loop()
        loop.run_until_complete(call())
        loop.close()
        asyncio.run(call())
        assert not sockets(), sockets()
    """,
    "the loop closed alone under a stream": """
        loop = asyncio.new_event_loop()
        unread = loop.run_until_complete(stream())
        loop.run_until_complete(anext(unread))
        loop.close()
        del unread, client
        gc.collect()
        assert not sockets(), sockets()
    """,
    "the client dropped by the last task of a loop closed alone": """
        async def main():
            await AsyncNexevo().conversations.create()
        loop = asyncio.new_event_loop()
        loop.run_until_complete(main())
        loop.close()
        assert not sockets(), sockets()
    """,
    "the client dropped before its loop was closed alone": """
        loop = asyncio.new_event_loop()
        loop.run_until_complete(call())
        del client
        gc.collect()
        loop.close()
        assert not sockets(), sockets()
    """,
    "the loop never closed": """
        loop = asyncio.new_event_loop()
        loop.run_until_complete(call())
        unread = loop.run_until_complete(stream())
    """,
    "the first call of all at exit": """
        import atexit
        atexit.register(lambda: asyncio.run(call()))
    """,
    "another call at exit, by a key that is asked for": """
        import atexit
        key = os.environ["NEXEVO_API_KEY"]
        asked = AsyncNexevo(lambda: key)
        async def last():
            await call()
            await asked.models.list()
        asyncio.run(last())
        atexit.register(lambda: asyncio.run(last()))
    """,
    "never used": "",
    "exit in a call's middle": """
        async def main():
            await call()
            sys.exit(0)
        asyncio.run(main())
    """,
}


@pytest.fixture(scope="module")
def gateway():
    with Sandbox() as sandbox:
        yield sandbox


@pytest.mark.parametrize("way", WAYS_NOT_TO_CLOSE)
def test_nothing_is_left_behind_and_nothing_is_said(way, gateway):
    done = run(WAYS_NOT_TO_CLOSE[way], gateway)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")


def test_connections_over_tls_leave_no_word_either(gateway, tmp_path):
    authority = Authority(tmp_path)
    with authority.https(reply()) as url:
        done = run(
            f"""
            from nexevo_async import TLS
            def make():
                return AsyncNexevo(base_url="{url}", tls=TLS(ca_file="{authority.file}"))
            async def call(client=None):
                await (client or make()).conversations.get("c")
            def run_and_close_alone(call):
                loop = asyncio.new_event_loop()
                loop.run_until_complete(call)
                loop.close()
            client = make()
            run_and_close_alone(call(client))
            del client
            run_and_close_alone(call())
            asyncio.run(call())
            gc.collect()
            assert not sockets(), sockets()
            """,
            gateway,
        )
    assert (done.returncode, done.stderr) == (0, "")


ENDINGS = {
    "sys.exit(3)": ("sys.exit(3)", 3),
    "an exception": ("raise LookupError('mine')", 1),
    "Ctrl-C": ("import signal; signal.raise_signal(signal.SIGINT); await slow_call()", -2),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_program_that_fails_says_what_it_said_without_us(ending, gateway):
    statement, code = ENDINGS[ending]
    done = run(
        f"""
        async def main():
            await call()
            unread = await stream()
            pending = asyncio.create_task(slow_call())
            await asyncio.sleep(0.1)
            {statement}
        asyncio.run(main())
        """,
        gateway,
    )
    assert (done.returncode, done.stdout) == (code, "")
    assert not re.search("Unclosed|unclosed|ignored|awaited|pending!|Warning", done.stderr)


def test_a_name_that_nobody_looks_up_keeps_no_program_from_ending(gateway):
    done = run(
        """
        import socket, time
        from nexevo_async import APITimeoutError, Timeouts
        socket.getaddrinfo = lambda *args, **options: time.sleep(600)
        lost = client.with_options(base_url="http://nexevo.test/v1", max_retries=0)
        async def main():
            try:
                await lost.models.list(timeouts=Timeouts(connect=0.1))
            except APITimeoutError as error:
                assert error.limit == "connect"
            else:
                raise AssertionError
        asyncio.run(main())
        """,
        gateway,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_key_that_nobody_gives_keeps_no_program_from_ending(gateway):
    done = run(
        """
        import time
        from nexevo_async import APITimeoutError, Timeouts
        from nexevo_sync import Nexevo
        vault = {"api_key": lambda: time.sleep(600), "timeouts": Timeouts(total=0.1)}
        asked, sync_asked = AsyncNexevo(**vault), Nexevo(**vault)
        async def main():
            await asked.models.list()
        for call in (lambda: asyncio.run(main()), sync_asked.models.list):
            try:
                call()
            except APITimeoutError as error:
                assert (error.limit, error.attempts) == ("total", 0)
            else:
                raise AssertionError
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
                    await view.models.list(extra_headers={"X-Sandbox-Fault": '{"delay_s": 1}'})
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
