"""What happens on real sockets, counted at the server."""

import asyncio
import gc
import json
import socket
import struct
import threading
import time
import warnings
from typing import Any

import pytest
from raw_server import drop, error, events, reply, serving, silence, unanswering_port

from nexevo_async import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AsyncNexevo,
    ClientClosedError,
    DecodeError,
    Timeouts,
    time_limit,
)
from nexevo_async.transport import session


def client_of(server: Any, **config: Any) -> AsyncNexevo:
    return AsyncNexevo("sk-xc-canary", base_url=server.base_url, **{"max_retries": 0, **config})


class TestLostConnections:
    @pytest.mark.parametrize(
        "call",
        [
            lambda c: c.conversations.get("c"),
            lambda c: c.conversations.delete("c"),
            lambda c: c.conversations.update("c", title="x"),
            lambda c: c.conversations.create(),
            lambda c: c.request("PUT", "/x", json={}),
        ],
        ids=["GET", "DELETE", "PATCH", "POST", "PUT"],
    )
    async def test_aiohttp_does_not_resend_behind_our_back(self, call):
        async with serving(reply(), drop(), reply()) as server, client_of(server) as client:
            await client.conversations.get("c")
            with pytest.raises(APIConnectionError) as caught:
                await call(client)
            assert len(server.seen) == 2
            assert server.seen[0].connection == server.seen[1].connection
            assert caught.value.attempts == 1
            assert caught.value.outcome_unknown is (caught.value.method != "GET")
            assert "lost the connection" in str(caught.value)

    async def test_one_that_is_reset_after_a_stream_is_told_to_nobody(self):
        async def then_reset(writer: asyncio.StreamWriter) -> None:
            await events(b"data: [DONE]\n\n", between=0.01)(writer)
            await asyncio.sleep(0.2)
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()

        said: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, told: said.append(told))
        async with serving(then_reset, reply()) as server, client_of(server) as client:
            await (
                await client.chat.completions.create(model="m", messages=[], stream=True)
            ).final()
            await server.until(lambda: server.open == 0)
            await asyncio.sleep(0.05)
            await client.conversations.get("c")  # finds the connection lost, and forgets it
            gc.collect()
        assert not said

    async def test_an_idempotent_call_goes_through_on_a_new_connection(self):
        async with serving(reply(), drop(), reply()) as server:
            async with client_of(server, max_retries=2) as client:
                await client.conversations.get("c")
                conv = await client.conversations.get("c")
            assert conv.meta.attempts == 2
            assert [seen.connection for seen in server.seen] == [1, 1, 2]

    async def test_a_refused_connection_was_never_sent(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            async with AsyncNexevo("k", base_url=f"http://127.0.0.1:{port}/v1") as client:
                with pytest.raises(APIConnectionError, match="could not connect") as caught:
                    await client.conversations.create(max_retries=1)
        assert (caught.value.attempts, caught.value.never_sent) == (2, True)
        assert caught.value.outcome_unknown is False

    @pytest.mark.parametrize(
        "answer",
        [
            b"nonsense\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort",
        ],
        ids=["no HTTP", "no chunk", "cut"],
    )
    async def test_what_is_no_answer_is_told_in_a_line_without_the_query(self, answer):
        async def answered(writer: asyncio.StreamWriter) -> None:
            writer.write(answer)
            await writer.drain()
            writer.close()

        async with serving(answered) as server, client_of(server) as client:
            with pytest.raises(APIConnectionError, match=r"lost the connection: [BIN]") as caught:
                await client.models.list(extra_query={"q": "canary"})
            assert "q=canary" in server.seen[0].target
        assert "canary" not in str(caught.value)
        assert "\n" not in str(caught.value)


class TestSizes:
    @pytest.mark.parametrize("more", [0, 1, 5 * 2**20])
    async def test_a_large_body_is_sent_whole_and_nobody_is_warned(self, more):
        messages = [{"role": "user", "content": "x" * (2**20 + more)}]
        async with serving(drop(), reply(b'{"choices":[]}')) as server:
            async with client_of(server) as client:
                with pytest.raises(APIConnectionError):
                    await client.chat.completions.create(model="m", messages=messages)
                await client.chat.completions.create(model="m", messages=messages)
        for seen in server.seen:
            assert json.loads(seen.body) == {"model": "m", "messages": messages}
            assert seen.header("content-length") == str(len(seen.body))

    @pytest.mark.parametrize("call", ["GET", "POST"])
    @pytest.mark.parametrize("more", [0, 1])
    async def test_an_answer_may_have_so_much_and_no_byte_more(self, call, more, monkeypatch):
        monkeypatch.setattr(session, "MAX_BODY", 2**20)
        body = b'{"conversation_id":"c"}'.ljust(2**20 + more)
        async with serving(reply(body)) as server, client_of(server, max_retries=2) as client:
            for _ in range(2):
                if more:
                    with pytest.raises(DecodeError, match="body is larger than 1 MiB"):
                        await client.request(call, "/conversations")
                else:
                    answer = await client.request(call, "/conversations")
                    assert answer.json() == {"conversation_id": "c"}
            assert len(server.seen) == 2


class TestTimeouts:
    async def test_read_is_between_bytes_and_says_so(self):
        async with serving(silence()) as server, client_of(server) as client:
            with pytest.raises(APITimeoutError, match=r"read=0.1 s.*Timeouts\(read=…\)") as caught:
                await client.conversations.create(timeouts=Timeouts(read=0.1))
        assert (caught.value.limit, caught.value.limit_seconds) == ("read", 0.1)
        assert caught.value.outcome_unknown

    async def test_total_ends_an_answer_that_drips(self):
        async def drip(writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            for _ in range(1000):
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.05)

        async with serving(drip) as server, client_of(server) as client:
            began = time.monotonic()
            with pytest.raises(APITimeoutError, match=r"total=0.3 s; it was reading the answer"):
                await client.models.list(timeouts=Timeouts(total=0.3))
            assert 0.3 <= time.monotonic() - began < 0.6

    async def test_total_spans_the_attempts_and_their_waits(self):
        async with serving(error(503, "unavailable")) as server:
            client = client_of(server, max_retries=50, timeouts=Timeouts(total=0.4))
            began = time.monotonic()
            with pytest.raises((APIStatusError, APITimeoutError)):
                await client.models.list()
            assert time.monotonic() - began < 0.7
            await client.aclose()

    async def test_connect_has_a_limit_of_its_own(self):
        with unanswering_port() as port:
            async with AsyncNexevo(
                "k", base_url=f"http://127.0.0.1:{port}/v1", max_retries=0
            ) as client:
                with pytest.raises(APITimeoutError, match=r"connect=0.2 s") as caught:
                    await client.conversations.create(timeouts=Timeouts(connect=0.2))
            assert (caught.value.limit, caught.value.outcome_unknown) == ("connect", False)


class TestOneOrigin:
    async def test_an_id_cannot_lead_to_another_path(self):
        async with serving(reply()) as server, client_of(server) as client:
            await client.conversations.get("a/../b?c=d#e%2F é")
            assert server.seen[0].target == "/v1/conversations/a%2F..%2Fb%3Fc%3Dd%23e%252F%20%C3%A9"
            for bad in ("", ".", "..", "a\nb", "a\x00", "\ud800"):
                with pytest.raises(ValueError, match="conversation_id"):
                    await client.conversations.get(bad)
            assert len(server.seen) == 1


class TestLoops:
    def test_one_client_works_from_many_loops_and_closes_itself_with_each(self):
        ended: list[int] = []

        async def serve(started: threading.Event, stop: threading.Event, ports: list[Any]) -> None:
            async with serving(reply()) as server:
                ports.append(server)
                started.set()
                await asyncio.to_thread(stop.wait)

        started, stop, servers = threading.Event(), threading.Event(), []
        thread = threading.Thread(target=lambda: asyncio.run(serve(started, stop, servers)))
        thread.start()
        started.wait()
        client = client_of(servers[0])

        async def call() -> None:
            await asyncio.gather(*(client.conversations.get("c") for _ in range(5)))
            ended.append(1)

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for _ in range(3):
                asyncio.run(call())
            threads = [threading.Thread(target=lambda: asyncio.run(call())) for _ in range(4)]
            for one in threads:
                one.start()
            for one in threads:
                one.join()
            gc.collect()
        deadline = time.monotonic() + 2
        while servers[0].open and time.monotonic() < deadline:
            time.sleep(0.01)
        assert (len(ended), servers[0].open) == (7, 0)
        stop.set()
        thread.join()

    async def test_a_dropped_client_closes_its_connections(self):
        async with serving(reply()) as server:
            await client_of(server).conversations.get("c")
            gc.collect()
            await server.until(lambda: server.open == 0)

    async def test_a_view_outlives_its_client_and_closes_nothing(self):
        async with serving(reply()) as server:
            client = client_of(server)
            view = client.with_options(max_retries=1)
            async with client.with_options(max_retries=2) as other:
                await other.conversations.get("c")
            del client, other
            gc.collect()
            await view.conversations.get("c")
            assert server.connections == 1

    async def test_a_closed_client_says_so(self):
        async with serving(reply(), reply(), silence()) as server:
            client = client_of(server)
            await client.conversations.get("c")
            view = client.with_options(max_retries=1)
            await view.conversations.get("c")
            under_way = asyncio.create_task(client.conversations.get("c"))
            await server.until(lambda: len(server.seen) == 3)
            await client.aclose()
            await client.aclose()
            for call in (under_way, client.models.list(), view.models.list()):
                with pytest.raises(ClientClosedError, match="is closed"):
                    await call
            await server.until(lambda: server.open == 0)


class TestDeadlines:
    """One timer serves all calls with the same total time."""

    async def test_each_call_ends_at_its_own_time_whatever_the_others_do(self):
        async with serving(silence()) as server, client_of(server) as client:

            async def call(total: float, after: float) -> tuple[float, float]:
                await asyncio.sleep(after)
                began = time.monotonic()
                with pytest.raises(APITimeoutError, match=f"total={total:g} s"):
                    await client.models.list(timeouts=Timeouts(total=total))
                return total, time.monotonic() - began

            calls = [call(total, after) for total in (0.2, 0.3) for after in (0, 0.05, 0.1, 0.25)]
            for total, took in await asyncio.gather(*calls):
                assert total <= took < total + 0.15

    async def test_a_call_that_is_done_is_not_ended_later(self):
        async with serving(reply()) as server, client_of(server) as client:
            for _ in range(3):
                await client.conversations.get("c", timeouts=Timeouts(total=0.1))
            await asyncio.sleep(0.25)
            await client.conversations.get("c", timeouts=Timeouts(total=0.1))

    async def test_times_that_are_given_once_are_not_kept(self):
        async with serving(reply()) as server, client_of(server) as client:
            for n in range(100):
                await client.conversations.get("c", timeouts=Timeouts(total=100 + n / 1000))
            assert len(time_limit._of_loop.get()) <= time_limit._KEPT

    async def test_a_cancellation_from_outside_stays_one(self):
        async with serving(silence()) as server, client_of(server) as client:
            task = asyncio.create_task(client.models.list(timeouts=Timeouts(total=0.1)))
            await server.until(lambda: len(server.seen) == 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await client.models.list(timeouts=Timeouts(total=0.1))
            await asyncio.sleep(0.15)  # past the calls' own time: nobody is cancelled any more
