import asyncio
import logging
import pickle
import threading
import time
import traceback
from collections.abc import Awaitable
from typing import Any

import pytest
from raw_server import Answer, RawServer, drop, error, reply, serving

from nexevo_async import (
    APITimeoutError,
    AsyncNexevo,
    AuthenticationError,
    ConfigurationError,
    Handler,
    InternalServerError,
    Request,
    Response,
    RetryPolicy,
    Timeouts,
)
from nexevo_sync import Nexevo

CANARY = "sk-xc-canary-0123456789"


def takes(*good: str, code: str = "invalid_api_key", after: float = 0) -> Answer:
    """Answer by the key of the request."""

    def answer(writer: asyncio.StreamWriter) -> Awaitable[None]:
        known = server_of(writer).seen[-1].header("authorization") in {f"Bearer {k}" for k in good}
        return (reply(delay=after) if known else error(401, code))(writer)

    return answer


_SERVERS: list[RawServer] = []


def server_of(_: asyncio.StreamWriter) -> RawServer:
    return _SERVERS[-1]


@pytest.fixture
async def server() -> Any:
    async with serving(takes("new")) as running:
        _SERVERS.append(running)
        yield running
        _SERVERS.pop()


class Vault:
    """Gives a key, and remembers how often and where it was asked."""

    def __init__(self, *keys: Any, wait: float = 0) -> None:
        self.keys = [*keys]
        self.wait = wait
        self.threads: list[int] = []

    @property
    def asked(self) -> int:
        return len(self.threads)

    def now(self) -> Any:
        self.threads.append(threading.get_ident())
        time.sleep(self.wait)
        return self.keys.pop(0) if len(self.keys) > 1 else self.keys[0]

    async def later(self) -> Any:
        self.threads.append(threading.get_ident())
        await asyncio.sleep(self.wait)
        return self.keys.pop(0) if len(self.keys) > 1 else self.keys[0]

    async def __call__(self) -> Any:
        return await self.later()


def client_of(server: RawServer, source: Any, **options: Any) -> AsyncNexevo:
    return AsyncNexevo(
        source, base_url=server.base_url, **{"retry": RetryPolicy(base_delay=0.001), **options}
    )


def keys_seen(server: RawServer) -> list[str]:
    return [(s.header("authorization") or "").removeprefix("Bearer ") for s in server.seen]


@pytest.mark.parametrize("form", ["now", "later", "object", "awaitable"])
async def test_each_attempt_asks(server, form):
    vault = Vault("a", "b", "new")
    source: Any = {
        "now": vault.now,
        "later": vault.later,
        "object": vault,
        "awaitable": lambda: asyncio.wait_for(vault.later(), 5),
    }[form]
    server.answers = [error(503, "unavailable"), error(503, "unavailable"), reply()]
    async with client_of(server, source) as client:
        conv = await client.conversations.get("c")
    assert keys_seen(server) == ["a", "b", "new"]
    assert conv.meta.attempts == vault.asked == 3


async def test_a_function_that_waits_holds_up_nobody(server):
    vault = Vault("new", wait=0.2)
    async with client_of(server, vault.now) as client, client_of(server, "new") as other:
        await other.conversations.get("c")
        waiting = asyncio.ensure_future(client.conversations.get("c"))
        await asyncio.sleep(0.05)
        began = time.monotonic()
        await other.conversations.get("c")
        assert time.monotonic() - began < 0.1
        await waiting
    assert threading.get_ident() not in vault.threads


async def test_a_function_that_does_not_come_back_has_32_threads_at_most(server):
    answer = threading.Event()

    def stuck() -> str:
        vault.now()
        answer.wait()
        return "new"

    vault = Vault("")
    async with client_of(server, stuck, timeouts=Timeouts(total=0.2)) as client:
        try:
            for _ in range(2):
                calls = [client.conversations.get("c") for _ in range(50)]
                failures = await asyncio.gather(*calls, return_exceptions=True)
                assert {type(failure) for failure in failures} == {APITimeoutError}
                await server.until(lambda: vault.asked == 32)
        finally:
            answer.set()
        view = client.with_options(timeouts=Timeouts(total=None))
        await asyncio.gather(*(view.conversations.get("c") for _ in range(50)))
    assert len(server.seen) == 50


@pytest.mark.parametrize("form", ["now", "later"])
async def test_a_function_that_has_no_more_keys_says_so(server, form):
    keys = iter(["new"])

    async def later() -> str:
        return next(keys)

    source = later if form == "later" else lambda: next(keys)
    async with client_of(server, source, timeouts=Timeouts(total=2)) as client:
        await client.conversations.get("c")
        with pytest.raises(RuntimeError, match="raised StopIteration"):
            await client.conversations.get("c")


@pytest.mark.parametrize("code", ["invalid_api_key", "token_expired", "something_new"])
async def test_a_refused_key_is_asked_for_once_more(server, caplog, code):
    caplog.set_level(logging.DEBUG, logger="nexevo")
    server.answers = [takes("new", code=code)]
    vault = Vault("old", "new")
    async with client_of(server, vault.later, max_retries=0) as client:
        conv = await client.conversations.create()
    assert keys_seen(server) == ["old", "new"]
    assert conv.meta.attempts == 2
    assert [record.nexevo["attempt"] for record in caplog.records] == [1, 2]  # type: ignore[attr-defined]
    assert len({s.header("idempotency-key") for s in server.seen}) == 1


async def test_the_attempt_with_the_fresh_key_passes_the_attempts_middleware_too(server):
    async def watch(request: Request, call_next: Handler) -> Response:
        seen.append((request.progress.attempts, "authorization" in request.headers))
        assert "old" not in repr(request)
        return await call_next(request)

    seen: list[tuple[int, bool]] = []
    source = Vault("old", "new").later
    async with client_of(server, source, attempt_middleware=[watch]) as client:
        await client.conversations.get("c")
    assert seen == [(0, False), (1, False)]
    assert keys_seen(server) == ["old", "new"]


async def test_a_second_refusal_is_the_error(server):
    vault = Vault("old", "older", "oldest")
    async with client_of(server, vault.later) as client:
        with pytest.raises(AuthenticationError) as caught:
            await client.conversations.get("c")
    assert caught.value.attempts == vault.asked == 2


async def test_the_same_key_is_not_sent_again(server):
    vault = Vault("old")
    async with client_of(server, vault.later) as client:
        with pytest.raises(AuthenticationError) as caught:
            await client.conversations.get("c")
    assert (caught.value.attempts, vault.asked) == (1, 2)


@pytest.mark.parametrize(
    "code", ["invalid_credentials", "two_factor_required", "two_factor_invalid"]
)
async def test_a_refusal_that_is_not_of_the_key_asks_nobody(server, code):
    server.answers = [error(401, code)]
    vault = Vault("old", "new")
    async with client_of(server, vault.later) as client:
        with pytest.raises(AuthenticationError):
            await client.auth.change_password(current_password="a", new_password="b")
    assert vault.asked == len(server.seen) == 1


async def test_a_key_that_does_not_change_is_not_refreshed(server):
    async with client_of(server, "old") as client:
        with pytest.raises(AuthenticationError):
            await client.conversations.get("c")
    assert len(server.seen) == 1


async def test_a_trouble_after_the_refresh_is_retried_as_ever(server):
    vault = Vault("old", "new")
    server.answers = [error(401, "token_expired"), error(503, "unavailable"), takes("new")]
    async with client_of(server, vault.later, max_retries=1) as client:
        conv = await client.conversations.get("c")
    assert conv.meta.attempts == 3
    async with client_of(server, Vault("old", "new").later, max_retries=0) as client:
        server.answers = [error(401, "token_expired"), error(503, "unavailable")]
        with pytest.raises(InternalServerError):
            await client.conversations.get("c")


@pytest.mark.parametrize("form", ["now", "later"])
async def test_500_refusals_at_once_are_one_refresh(server, form):
    """The key is rotated while 500 calls are under way: none fails, and one asks for all."""
    rotated = asyncio.Event()
    calls = 0
    current = "old"

    def now() -> str:
        nonlocal calls
        calls += 1
        return current

    async def later() -> str:
        return now()

    def refuse(writer: asyncio.StreamWriter) -> Awaitable[None]:
        old = server.seen[-1].header("authorization") == "Bearer old"

        async def answer() -> None:
            if old:
                await rotated.wait()
            await (error(401, "token_expired") if old else reply())(writer)

        return answer()

    server.answers = [refuse]
    async with client_of(server, now if form == "now" else later, max_retries=0) as client:
        tasks = [asyncio.ensure_future(client.conversations.get(f"c{n}")) for n in range(500)]
        await server.until(lambda: len(server.seen) == 500, seconds=20)
        assert calls == 500
        current = "new"
        rotated.set()
        answers = await asyncio.gather(*tasks)
        assert calls == 501
        assert {a.meta.attempts for a in answers} == {2}
        assert keys_seen(server).count("new") == 500
        await client.conversations.get("c")
        assert calls == 502


async def test_a_refresh_that_fails_fails_its_call_and_the_next_asks_again(server):
    async def source() -> str:
        asked.append(1)
        if len(asked) == 2:
            raise OSError("the vault is sealed")
        return "old" if len(asked) < 4 else "new"

    asked: list[int] = []
    async with client_of(server, source) as client:
        with pytest.raises(OSError, match="sealed"):
            await client.conversations.get("c")
        await client.conversations.get("c")
    assert len(asked) == 4


async def test_a_refresh_that_is_cancelled_leaves_the_lock(server):
    vault = Vault("old", "new", "new")

    async def slow() -> str:
        key: str = await vault.later()
        if vault.asked == 2:
            await asyncio.sleep(60)
        return key

    async with client_of(server, slow) as client:
        stuck = asyncio.ensure_future(client.conversations.get("c"))
        await server.until(lambda: vault.asked == 2)
        stuck.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stuck
        await client.conversations.get("c")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (None, "is NoneType, not a string"),
        (CANARY.encode(), "is bytes, not a string"),
        ("", "is empty"),
        (f"Bearer {CANARY}", "begins with 'Bearer '"),
        (f"{CANARY}\n", "has white space"),
        (f"{CANARY} {CANARY}", "has a character"),
    ],
)
@pytest.mark.parametrize("form", ["now", "later"])
async def test_what_is_no_key_is_said_without_showing_it(server, form, given, says):
    async with client_of(server, getattr(Vault(given), form)) as client:
        with pytest.raises(ConfigurationError, match=f"callable api_key gave {says}") as caught:
            await client.conversations.get("c")
    error_ = caught.value
    ours = error_.__traceback__.tb_next  # type: ignore[union-attr]  # without this test's locals
    shown = traceback.TracebackException(type(error_), error_, ours, capture_locals=True)
    assert CANARY not in "".join(shown.format())
    assert not server.seen


@pytest.mark.parametrize("bad", [7, b"sk-xc-a", ["sk-xc-a"]])
def test_what_is_neither_key_nor_function_is_refused(bad):
    with pytest.raises(TypeError, match="or a function without arguments"):
        AsyncNexevo(bad)
    with pytest.raises(TypeError, match="or a function without arguments"):
        AsyncNexevo("k").with_options(api_key=bad)


async def test_a_view_can_have_a_function_and_shows_no_key(server):
    async with client_of(server, "old") as client:
        view = client.with_options(api_key=Vault("new").later)
        await view.conversations.get("c")
        assert "new" not in repr([view, view._caller.config])
        assert keys_seen(server) == ["new"]


async def test_a_call_that_needs_no_key_does_not_ask(server):
    server.answers = [reply(b"{}")]
    vault = Vault("old")
    async with client_of(server, vault.later) as client:
        await client.auth.login(email="a@b.c", password="pw")
    assert vault.asked == 0
    assert server.seen[0].header("authorization") is None


async def test_a_client_with_a_function_pickles_without_it(server, monkeypatch):
    client = client_of(server, lambda: CANARY)
    again = pickle.loads(pickle.dumps(client))  # noqa: S301 - our own
    monkeypatch.setenv("NEXEVO_API_KEY", "new")
    async with again:
        await again.conversations.get("c")
    assert keys_seen(server) == ["new"]


async def test_each_loop_refreshes_for_itself(server):
    vault = Vault("old", "new")
    client = client_of(server, vault.later)

    async def call() -> None:
        async with client.with_options(max_retries=0) as view:
            await view.conversations.get("c")

    await call()
    await asyncio.to_thread(lambda: asyncio.run(call()))
    await client.aclose()
    assert vault.asked == 3


async def test_on_the_sync_client_a_function_may_use_a_sync_client(server):
    server.answers = [reply(b'{"access_token":"new"}'), takes("new")]
    login = Nexevo(base_url=server.base_url)

    def source() -> str:
        return login.auth.login(email="a@b.c", password="pw")["access_token"]  # type: ignore[no-any-return]

    def use() -> None:
        with login, Nexevo(source, base_url=server.base_url) as client:
            client.conversations.get("c")

    await asyncio.to_thread(use)
    assert len(server.seen) == 2


async def test_a_logout_that_is_sent_again_ends_no_other_session(server):
    """Its token is dead, so that it is over; with the next one, that would be ended as well."""
    server.answers = [drop(), takes("next")]
    vault = Vault("mine", "mine", "next")
    async with client_of(server, vault.later) as client:
        await client.auth.logout()
    assert keys_seen(server) == ["mine", "mine"]
