"""When calls are sent again; which are, and after what, is in test_exactly_once.py."""

import asyncio
import logging
import random
import time
from collections import Counter
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

import pytest
from raw_server import drop, error, reply, serving

from nexevo_async import (
    APIConnectionError,
    APITimeoutError,
    AsyncNexevo,
    AuthenticationError,
    Body,
    Headers,
    InternalServerError,
    RateLimitError,
    Request,
    Response,
    RetryPolicy,
    Timeouts,
)
from nexevo_async.middleware import retry as retry_module

NEVER_SENT = APIConnectionError("refused", never_sent=True)
LOST = APIConnectionError("lost", outcome_unknown=True)
READ = APITimeoutError("silent", limit="read", outcome_unknown=True)
CERTIFICATE = APIConnectionError("untrusted", never_sent=True, retryable=False)


def answer(status: int, code: str | None = None, **headers: str) -> Response:
    body = b'{"conversation_id":"conv_1","choices":[],"data":[]}'
    if code is not None:
        body = b'{"error":{"message":"m","type":"%s"}}' % code.encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status=status, headers=Headers(named), body=Body(body))


class Gateway:
    """Stands in for the transport as an attempt middleware: counts, and answers by a script."""

    def __init__(self, *script: Any) -> None:
        self.script = list(script)
        self.requests: list[Request] = []

    async def __call__(self, request: Request, _: Any) -> Response:
        self.requests.append(request)
        request.progress.attempts += 1
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(step, APIConnectionError):
            request.progress.outcome_unknown |= step.outcome_unknown
            raise step
        if isinstance(step, tuple):
            return answer(*step)
        return answer(step) if isinstance(step, int) else step

    def client(self, **config: Any) -> AsyncNexevo:
        config = {"retry": RetryPolicy(base_delay=0), **config}
        return AsyncNexevo("sk-xc-1", attempt_middleware=[self], **config)


@pytest.mark.parametrize("trouble", [CERTIFICATE, 302, 400, 401, 403, 404, 413, 422])
async def test_what_no_second_try_can_change_is_not_tried_again(trouble):
    gateway = Gateway(trouble, 200)
    with pytest.raises(Exception, match=r"untrusted|failed with"):
        await gateway.client().models.list()
    assert len(gateway.requests) == 1


async def test_one_key_for_all_attempts_and_the_callers_own_wins():
    gateway = Gateway(503)
    with pytest.raises(Exception, match="503"):
        await gateway.client().conversations.create()
    keys = {request.headers["idempotency-key"] for request in gateway.requests}
    assert (len(gateway.requests), len(keys)) == (3, 1)

    gateway = Gateway(503)
    with pytest.raises(Exception, match="503"):
        await gateway.client().conversations.create(idempotency_key="mine")
    assert {r.headers["idempotency-key"] for r in gateway.requests} == {"mine"}

    gateway = Gateway(200)
    for _ in range(2):
        await gateway.client().conversations.create()
    assert len({r.headers["idempotency-key"] for r in gateway.requests}) == 2


class TestDelete:
    async def test_a_404_after_an_unknown_outcome_is_a_success(self):
        for trouble in (LOST, READ, 500, 504):
            assert await Gateway(trouble, 404).client().conversations.delete("c") is None

    async def test_a_404_after_a_known_failure_is_a_404(self):
        for trouble in (NEVER_SENT, 429, 503):
            with pytest.raises(Exception, match="404"):
                await Gateway(trouble, 404).client().conversations.delete("c")

    async def test_of_another_call_it_stays_a_404(self):
        with pytest.raises(Exception, match="404"):
            await Gateway(LOST, 404).client().conversations.update("c", title="x")


class TestLogout:
    """A token that is dead when the call is sent again is what the first attempt was for."""

    async def test_a_401_after_an_unknown_outcome_is_a_success(self):
        for trouble in (LOST, READ, 500, 504):
            assert await Gateway(trouble, 401).client().auth.logout() is None

    async def test_a_401_at_once_or_after_a_known_failure_is_a_401(self):
        for troubles in ([], [NEVER_SENT], [429], [503]):
            with pytest.raises(AuthenticationError):
                await Gateway(*troubles, 401).client().auth.logout()

    async def test_of_another_call_it_stays_a_401(self):
        with pytest.raises(AuthenticationError):
            await Gateway(LOST, 401).client().keys.revoke("key_1")


class TestWaits:
    @pytest.fixture
    def waits(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        waited: list[float] = []

        async def sleep(seconds: float) -> None:
            waited.append(seconds)

        fake = SimpleNamespace(sleep=sleep, get_running_loop=asyncio.get_running_loop)
        monkeypatch.setattr(retry_module, "asyncio", fake)
        return waited

    async def test_full_jitter_on_a_doubling_wait_with_a_cap(self, waits):
        for _ in range(40):
            client = Gateway(503).client(retry=RetryPolicy(budget=100), max_retries=7)
            with pytest.raises(Exception, match="503"):
                await client.models.list()
        by_retry = [waits[n::7] for n in range(7)]
        for n, drawn in enumerate(by_retry):
            longest = min(8, 0.5 * 2**n)
            assert all(0 <= wait <= longest for wait in drawn)
            assert max(drawn) > longest * 0.7
            assert min(drawn) < longest * 0.3

    @pytest.mark.parametrize("header", [{}, {"retry_after": "2"}])
    async def test_500_who_fail_together_do_not_come_back_together(self, waits, header):
        random.seed(5)
        retries = 3
        for _ in range(500):
            gateway = Gateway(answer(503, **header))
            client = gateway.client(retry=RetryPolicy(), max_retries=retries)
            with pytest.raises(InternalServerError):
                await client.models.list()
        assert len(waits) == 500 * retries
        for n in range(retries):
            tenths = Counter(int(wait * 10) for wait in waits[n::retries])
            assert max(tenths.values()) <= 500 * 0.25

    async def test_a_great_number_of_retries_is_only_a_number(self, waits):
        gateway = Gateway(503)
        policy = RetryPolicy(budget=10_000, max_delay=0.1)
        with pytest.raises(InternalServerError):
            await gateway.client(retry=policy, max_retries=1100).models.list()
        assert len(gateway.requests) == 1101
        assert max(waits) <= 0.1

    @pytest.mark.parametrize("header", ["2", "2.0", "date"])
    async def test_retry_after_is_a_floor(self, waits, header):
        value = formatdate(time.time() + 3, usegmt=True) if header == "date" else header
        gateway = Gateway(answer(503, retry_after=value), 200)
        await gateway.client(retry=RetryPolicy()).conversations.create()
        (wait,) = waits
        assert 2.0 <= wait <= 3.5 if header == "date" else 2.0 <= wait <= 2.6

    async def test_the_rate_limits_reset_counts_only_on_a_rate_limit(self, waits):
        limited = answer(429, "rate_limit_exceeded", x_ratelimit_reset="7")
        await Gateway(limited, 200).client().models.list()
        other = answer(503, "unavailable", x_ratelimit_reset="7")
        await Gateway(other, 200).client().models.list()
        assert 7 <= waits[0] <= 7.5
        assert waits[1] == 0

    @pytest.mark.parametrize("value", ["3600", "61"])
    async def test_a_long_retry_after_fails_at_once(self, waits, value):
        gateway = Gateway(answer(429, "rate_limit_exceeded", retry_after=value))
        with pytest.raises(RateLimitError) as caught:
            await gateway.client().models.list()
        assert (caught.value.retry_after, waits) == (float(value), [])
        assert len(gateway.requests) == 1

    @pytest.mark.parametrize("value", ["soon", "", "nan", "-5", "inf"])
    async def test_a_retry_after_that_is_none_does_no_harm(self, waits, value):
        await Gateway(answer(503, retry_after=value), 200).client().models.list()
        assert waits == [0]

    async def test_no_attempt_begins_past_the_deadline(self, waits):
        gateway = Gateway(answer(503, retry_after="3"))
        with pytest.raises(Exception, match="503") as caught:
            await gateway.client(timeouts=Timeouts(total=2)).models.list()
        assert (caught.value.retry_after, waits, len(gateway.requests)) == (3, [], 1)


@pytest.mark.parametrize("death", [drop(), error(503, "unavailable")])
async def test_a_dead_gateway_is_not_hammered(death):
    async with serving(death) as server:
        policy = RetryPolicy(base_delay=0)
        async with AsyncNexevo("k", base_url=server.base_url, retry=policy) as client:

            async def call(n: int) -> None:
                view = client.with_options(max_retries=5) if n % 2 else client
                with pytest.raises((APIConnectionError, InternalServerError)):
                    await view.models.list()

            await asyncio.gather(*map(call, range(100)))
            for n in range(100):
                await call(n)
        assert 200 < len(server.seen) <= 200 * 1.1 + 10


async def test_each_attempt_is_seen_by_a_hook_and_in_the_log(caplog):
    async def hook(request: Request, call_next: Any) -> Response:
        seen.append(request.progress.attempts + 1)
        return await call_next(request)

    seen: list[int] = []
    caplog.set_level(logging.DEBUG, logger="nexevo")
    async with serving(drop(), error(503, "unavailable"), reply()) as server:
        config: Any = {"retry": RetryPolicy(base_delay=0), "attempt_middleware": [hook]}
        async with AsyncNexevo("k", base_url=server.base_url, **config) as client:
            conv = await client.conversations.get("c")
    logged: list[Any] = [record.nexevo for record in caplog.records]  # type: ignore[attr-defined]
    assert seen == [facts["attempt"] for facts in logged] == [1, 2, 3]
    assert [facts["outcome"] for facts in logged] == ["APIConnectionError", "503", "200"]
    assert conv.meta.attempts == len(server.seen) == 3
