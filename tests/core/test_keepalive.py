"""Connections that the server closes while they are idle, just as they are used again."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import attrs

from nexevo_async import APIConnectionError, AsyncNexevo, Limits, RetryPolicy

MESSAGES = [{"role": "user", "content": "Hello!"}]

SAFE: dict[str, Callable[..., Awaitable[object]]] = {
    "GET": lambda c, n: c.conversations.get(f"c{n}"),
    "PATCH": lambda c, n: c.conversations.update(f"c{n}", title="x"),
    "DELETE": lambda c, n: c.conversations.delete(f"c{n}"),
    "keyed POST": lambda c, n: c.billing.topup(amount_usd=1, idempotency_key=f"key-{n}"),
    "POST said to be idempotent": lambda c, n: c.conversations.append_message(
        f"c{n}", role="user", content="x", idempotent=True
    ),
}
ONCE: dict[str, Callable[..., Awaitable[object]]] = {
    "POST": lambda c, n: c.conversations.append_message(f"c{n}", role="user", content="x"),
    "PUT": lambda c, n: c.request("PUT", f"/things/{n}", json={}),
    "completion": lambda c, n: c.chat.completions.create(
        model="m", messages=MESSAGES, extra_query={"n": n}
    ),
}


@attrs.define
class Impatient:
    """A server that closes idle connections, some with a request on its way.

    Attributes:
        idle: Seconds for which it keeps an idle connection.
        every: Of so many requests on a connection that was used before, one finds it closed; no
            request does twice.
        done: What it did, and how often.
    """

    idle: float
    every: int = 0
    used_again: int = 0
    met: set[str] = attrs.field(factory=set)
    closed_idle: int = 0
    done: Counter[str] = attrs.field(factory=Counter)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        patience = None
        try:
            while first := await asyncio.wait_for(reader.read(1), patience):
                head = (first + await reader.readuntil(b"\r\n\r\n")).decode()
                headers = dict(line.split(": ", 1) for line in head.splitlines()[1:] if line)
                body = await reader.readexactly(int(headers.get("Content-Length", 0)))
                payment = body.decode() if "topup" in head else None  # its key is in there
                asked = f"{head.partition(' HTTP')[0]} {payment}"
                if patience and self.every and asked not in self.met:
                    self.used_again += 1
                    if self.used_again % self.every == 0:
                        self.met.add(asked)
                        writer.transport.abort()
                        return
                self.done[asked] += 1
                patience = self.idle
                answer = b'{"conversation_id":"c","choices":[]}'
                status = b"HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\n" % len(answer)
                writer.write(status + answer)
        except TimeoutError:
            self.closed_idle += 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def meet(
        self,
        calls: dict[str, Callable[..., Awaitable[object]]],
        rounds: int,
        **config: Any,
    ) -> list[BaseException]:
        """Have five clients a call make it so often, and give the errors.

        Every other pause is about as long as the server's patience.
        """
        ends: list[object] = []
        server = await asyncio.start_server(self, "127.0.0.1", 0)
        base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        numbers = iter(range(10_000))

        async def work(call: Callable[..., Awaitable[object]]) -> None:
            async with AsyncNexevo("k", base_url=base_url, **config) as client:
                for n in range(rounds):
                    pause = random.uniform(0.9, 1.1) if n % 2 else 0  # noqa: S311 - no secret
                    await asyncio.sleep(pause * self.idle)
                    calling = call(client, next(numbers))
                    ends.extend(await asyncio.gather(calling, return_exceptions=True))

        async with server:
            await asyncio.gather(*(work(call) for call in calls.values() for _ in range(5)))
        assert len(ends) == len(calls) * 5 * rounds
        return [end for end in ends if isinstance(end, BaseException)]


async def test_a_connection_that_closes_as_it_is_used_costs_no_safe_call_its_success():
    server = Impatient(idle=0.05, every=20)
    # So short pauses collide in many a call, which is not what a budget of retries is for.
    policy = RetryPolicy(base_delay=0.01, budget=100)
    errors = await server.meet(SAFE, 24, retry=policy)
    assert errors == []
    assert server.met
    assert server.closed_idle > 0
    assert len(server.done) == 600
    assert set(server.done.values()) == {1}


async def test_another_call_says_that_its_outcome_is_unknown_and_is_never_done_twice():
    server = Impatient(idle=0.05, every=5)
    errors = await server.meet(ONCE, 10)
    assert len(errors) >= len(server.met) > 0
    for error in errors:
        assert isinstance(error, APIConnectionError)
        assert (error.outcome_unknown, error.attempts) == (True, 1)
    assert len(server.done) == 150 - len(errors)
    assert set(server.done.values()) == {1}


async def test_a_client_that_lets_go_before_the_server_meets_no_closed_connection():
    server = Impatient(idle=0.4)
    config: dict[str, Any] = {"limits": Limits(keepalive=0.1), "max_retries": 0}
    assert await server.meet(SAFE | ONCE, 6, **config) == []
    assert server.closed_idle == 0
    assert len(server.done) == 240
