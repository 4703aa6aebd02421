import base64
import gc
import logging
import pickle
import time
import traceback
from decimal import Decimal
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from raw_server import drop, error, events, reply, serving, silence

import nexevo_async
from nexevo_async import (
    AsyncNexevo,
    ClientClosedError,
    Limits,
    Meta,
    NexevoError,
    Request,
    Response,
    RetryPolicy,
    Timeouts,
)

CANARY = "sk-xc-canary-0123456789"
MESSAGES = [{"role": "user", "content": "Hello!"}]


class TestBadInput:
    """Nothing is sent: the server would count it."""

    @pytest.mark.parametrize(
        ("call", "kind", "says"),
        [
            (
                lambda c: c.conversations.create(title=1),
                TypeError,
                "title must be a string, not int",
            ),
            (
                lambda c: c.conversations.create(metadata=[]),
                TypeError,
                "metadata must be a JSON obj",
            ),
            (lambda c: c.conversations.create(metadata={"a": "x" * 4096}), ValueError, "4,096"),
            (lambda c: c.conversations.create(metadata={"a": float("nan")}), ValueError, "JSON"),
            (lambda c: c.conversations.create(metadata={"a": object()}), TypeError, "JSON"),
            (lambda c: c.conversations.create(metadata={1: 2}), TypeError, "strings as its keys"),
            (lambda c: c.conversations.create(title="\ud800"), ValueError, "JSON"),
            (lambda c: c.conversations.create(colour="red"), TypeError, "no argument 'colour'"),
            (lambda c: c.conversations.create(timeouts=5), TypeError, r"Timeouts\(connect="),
            (lambda c: c.conversations.create(max_retries=-1), ValueError, "at least 0"),
            (lambda c: c.conversations.create(max_retries=True), TypeError, "int"),
            (lambda c: c.conversations.create(idempotent=1), TypeError, "True or False"),
            (lambda c: c.conversations.create(idempotency_key=""), ValueError, "printable"),
            (lambda c: c.conversations.create(idempotency_key="a\nb"), ValueError, "printable"),
            (lambda c: c.conversations.create(idempotency_key="é"), ValueError, "printable"),
            (lambda c: c.conversations.create(idempotency_key="x" * 256), ValueError, "255"),
            (lambda c: c.conversations.create(extra_headers={"A": "b\r\nC: d"}), ValueError, "'A'"),
            (lambda c: c.conversations.create(extra_headers={"A B": "c"}), ValueError, "'A B'"),
            (lambda c: c.conversations.create(extra_headers={"A": 1}), TypeError, "strings"),
            (lambda c: c.conversations.create(extra_body=3), TypeError, "body"),
            (lambda c: c.conversations.get("c", extra_body={"a": 1}), ValueError, "sends no body"),
            (lambda c: c.conversations.get(7), TypeError, "conversation_id must be a string"),
            (lambda c: c.conversations.get(None), TypeError, "not None"),
            (lambda c: c.conversations.list(limit="20"), TypeError, "limit must be an int"),
            (
                lambda c: c.conversations.append_message("c", role="wizard", content="x"),
                ValueError,
                "role must be one of user, assistant, system, tool, not 'wizard'",
            ),
            (
                lambda c: c.conversations.append_message("c", role="user", content=None),
                TypeError,
                "content must be a string, not None",
            ),
            (lambda c: c.chat.completions.create(model=1, messages=[]), TypeError, "model"),
            (lambda c: c.chat.completions.create(model="m", messages="Hi"), TypeError, "messages"),
            (lambda c: c.chat.completions.create(model="m", messages=["Hi"]), TypeError, r"\[0\]"),
            (
                lambda c: c.chat.completions.create(model="m", messages=[], temperature=2.1),
                ValueError,
                "from 0 to 2",
            ),
            (
                lambda c: c.chat.completions.create(
                    model="m", messages=[], max_price={"total": 0.1}
                ),
                TypeError,
                "must not be a float",
            ),
            (
                lambda c: c.chat.completions.create(
                    model="m", messages=[], max_price={"total": Decimal("NaN")}
                ),
                ValueError,
                "finite",
            ),
            (
                lambda c: c.chat.completions.create(
                    model="m", messages=[], max_price={"total": "1_0"}
                ),
                ValueError,
                "decimal number",
            ),
            (
                lambda c: c.chat.completions.create(model="m", messages=[], stop=3),
                TypeError,
                "stop",
            ),
            (
                lambda c: c.chat.completions.create(model="m", messages=[], tools={}),
                TypeError,
                "tools",
            ),
            (
                lambda c: c.chat.completions.create(model="m", messages=[], stream=1),
                TypeError,
                "stream",
            ),
            (lambda c: c.feedback.submit(generation_id="g", rating=2), ValueError, "1 .thumb up"),
            (lambda c: c.feedback.submit(generation_id="g", rating=True), TypeError, "rating"),
            (
                lambda c: c.feedback.submit(generation_id="g", rating=1, tags="accurate"),
                TypeError,
                "tags must be a list",
            ),
            (lambda c: c.feedback.summary(days=7.0), TypeError, "days must be an int"),
            (lambda c: c.request("GET", "models"), ValueError, "begin with one slash"),
            (lambda c: c.request("GET", "//evil.example/"), ValueError, "one slash"),
            (lambda c: c.request("GET", "/a/../b"), ValueError, "dot segments"),
            (lambda c: c.request("GET", "/a/%2E%2e/b"), ValueError, "dot segments"),
            (lambda c: c.request("GET", "/a?b=c"), ValueError, "query"),
            (lambda c: c.request("GET", "/a b"), ValueError, "percent-encoded"),
            (lambda c: c.request("GET\r\nX: y", "/a"), ValueError, "method"),
        ],
    )
    async def test_a_wrong_argument_is_refused_before_anything_is_sent(self, call, kind, says):
        async with serving(reply()) as server:
            async with AsyncNexevo("k", base_url=server.base_url) as client:
                with pytest.raises(kind, match=says):
                    await call(client)
            assert server.connections == 0

    @pytest.mark.parametrize(
        ("arguments", "kind"),
        [
            ({"api_key": 3}, TypeError),
            ({"base_url": "api.nexevo.ai"}, ValueError),
            ({"base_url": "ftp://x"}, ValueError),
            ({"base_url": "http://user:pw@x/v1"}, ValueError),
            ({"base_url": "http://x/v1?a=b"}, ValueError),
            ({"timeouts": 5}, TypeError),
            ({"retry": 5}, TypeError),
            ({"limits": 5}, TypeError),
            ({"tls": "ca.pem"}, TypeError),
            ({"proxy": 5}, TypeError),
            ({"headers": {"A\n": "b"}}, ValueError),
            ({"max_retries": 1.5}, TypeError),
        ],
    )
    def test_a_client_checks_what_it_is_told(self, arguments, kind):
        with pytest.raises(kind):
            AsyncNexevo(**arguments)

    @pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan")])
    def test_a_limit_is_a_time(self, value):
        with pytest.raises(ValueError, match="total"):
            Timeouts(total=value)
        with pytest.raises(TypeError):
            Timeouts(total="5")  # type: ignore[arg-type]


class TestMiddleware:
    async def test_a_users_own_sees_every_call_and_every_attempt_without_the_key(self):
        calls: list[Request] = []
        attempts: list[Request] = []

        async def call(request: Request, call_next: Any) -> Response:
            calls.append(request)
            return await call_next(request.with_headers({"X-Call": "1"}))

        async def attempt(request: Request, call_next: Any) -> Response:
            attempts.append(request)
            return await call_next(request)

        async with serving(error(503, "unavailable"), reply()) as server:
            async with AsyncNexevo(
                CANARY,
                base_url=server.base_url,
                retry=RetryPolicy(base_delay=0),
                middleware=[call],
                attempt_middleware=[attempt],
            ) as client:
                await client.conversations.create()
        assert (len(calls), len(attempts)) == (1, 2)
        assert calls[0].operation.name == "conversations.create"
        assert all(request.headers["x-call"] == "1" for request in attempts)
        assert all("authorization" not in request.headers for request in attempts)
        assert CANARY not in repr([calls, attempts])
        assert server.seen[1].header("x-call") == "1"

    async def test_it_may_keep_something_by_the_request_that_goes_with_it_and_change_none(self):
        kept: WeakKeyDictionary[Request, Meta] = WeakKeyDictionary()

        async def attempt(request: Request, call_next: Any) -> Response:
            with pytest.raises(AttributeError, match="immutable"):
                request.path = "/elsewhere"  # type: ignore[misc]
            with pytest.raises(TypeError, match="nothing"):
                request.replace(nothing=1)
            response = await call_next(request)
            kept[request] = response.meta
            assert kept[request].status == 200
            return response

        async with serving(reply()) as server:
            async with AsyncNexevo(
                CANARY, base_url=server.base_url, attempt_middleware=[attempt]
            ) as client:
                await client.conversations.get("c")
            assert server.seen[0].target == "/v1/conversations/c"
        gc.collect()
        assert not kept

    async def test_an_answer_of_ones_own_and_a_bad_answer(self):
        async def canned(request: Request, _: Any) -> Response:
            return Response(
                status=200,
                headers=nexevo_async.Headers({"X-Trace-ID": "mine"}),
                body=nexevo_async.Body(b'{"conversation_id":"c"}'),
            )

        async with AsyncNexevo("k", middleware=[canned]) as client:
            conv = await client.conversations.get("c")
        assert conv.meta.trace_id == "mine"


class TestViews:
    async def test_a_view_changes_what_it_is_told_to_and_no_more(self):
        async with serving(reply()) as server:
            base = AsyncNexevo("one", base_url=server.base_url, headers={"X-A": "1", "X-B": "1"})
            view = base.with_options(api_key="two", headers={"x-b": "2"}, max_retries=0)
            await view.conversations.get("c")
            await base.conversations.get("c")
            first, second = server.seen
            assert [first.header(n) for n in ("authorization", "x-a", "x-b")] == [
                "Bearer two",
                "1",
                "2",
            ]
            assert [second.header(n) for n in ("authorization", "x-b")] == ["Bearer one", "1"]
            assert server.connections == 1
            await base.aclose()
            with pytest.raises(ClientClosedError):
                await view.conversations.get("c")

    def test_making_one_is_cheap(self):
        client = AsyncNexevo("k")
        began = time.perf_counter()
        for _ in range(1000):
            client.with_options(timeouts=Timeouts(total=5))
        assert time.perf_counter() - began < 0.5

    def test_timeouts_are_laid_over_those_of_the_client(self):
        client = AsyncNexevo("k", timeouts=Timeouts(read=7, total=None))
        timeouts = client.with_options(timeouts=Timeouts(connect=1))._caller.config.timeouts
        assert timeouts.effective("plain") == (1, 10, 7, None, None)
        assert Timeouts().effective("generation") == (5, 10, 600, 600, None)
        assert Timeouts().effective("stream") == (5, 10, 60, None, None)


class TestPickle:
    async def test_a_client_pickles_without_its_key(self, monkeypatch):
        client = AsyncNexevo(
            CANARY,
            base_url="http://127.0.0.1:1/v1",
            timeouts=Timeouts(total=3),
            limits=Limits(max_connections=7),
            headers={"X-A": "1"},
            max_retries=4,
        )
        data = pickle.dumps(client)
        assert CANARY.encode() not in data
        monkeypatch.delenv("NEXEVO_API_KEY", raising=False)
        again = pickle.loads(data)  # noqa: S301 - our own
        config = again._caller.config
        assert config.api_key is None
        assert (config.base_url, config.max_retries) == ("http://127.0.0.1:1/v1", 4)
        assert (config.timeouts.total, config.limits.max_connections) == (3, 7)
        assert dict(config.headers) == {"X-A": "1"}


async def test_a_plain_for_over_a_page_names_the_right_form():
    async with serving(reply(b'{"data":[]}')) as server:
        async with AsyncNexevo("k", base_url=server.base_url) as client:
            with pytest.raises(TypeError, match="async for item in page"):
                iter(await client.conversations.list())


class TestSecrets:
    async def test_the_key_shows_nowhere_but_on_the_wire(self, caplog):
        caplog.set_level(logging.DEBUG)
        shown: list[str] = []
        troubles = [
            drop(),
            error(401, "invalid_api_key"),
            reply(b"<html>"),
            reply(b'{"conversation_id":3}'),
            silence(),
            events(b'data: {"choices":[]}\n\n', cut=True),
        ]
        async with serving(*troubles) as server:
            client = AsyncNexevo(CANARY, base_url=server.base_url, max_retries=0)
            view = client.with_options(timeouts=Timeouts(read=0.2))
            for _ in troubles[:-1]:
                try:
                    await view.conversations.create(title="x")
                except NexevoError as caught:
                    shown += traceback.TracebackException.from_exception(
                        caught, capture_locals=True, compact=False
                    ).format()
                    shown += [repr(caught), repr(vars(caught))]
            stream = await view.chat.completions.create(model="m", messages=MESSAGES, stream=True)
            try:
                await stream.final()
            except NexevoError as caught:
                shown += traceback.TracebackException.from_exception(
                    caught, capture_locals=True
                ).format()
            for thing in (client, view, view._caller, view._caller.config, stream, view._core):
                shown += [repr(thing), repr(getattr(thing, "__dict__", ""))]
            await client.aclose()
            assert all(s.header("authorization") == f"Bearer {CANARY}" for s in server.seen)
            assert len(server.seen) == len(troubles)
        shown += [f"{record.getMessage()} {vars(record)}" for record in caplog.records]
        text = "\n".join(shown)
        assert len(text) > 10_000
        assert CANARY not in text
        assert base64.b64encode(CANARY.encode()).decode() not in text


class TestTelemetry:
    async def test_one_line_an_attempt(self, caplog):
        caplog.set_level(logging.DEBUG, logger="nexevo")
        async with serving(
            error(503, "unavailable"), reply(headers=["X-Trace-ID: t1", "X-Odd: 1"])
        ) as s:
            async with AsyncNexevo("k", base_url=s.base_url, retry=RetryPolicy(base_delay=0)) as c:
                await c.conversations.get("conv_1")
        first, second = caplog.records
        assert (first.levelname, second.levelname) == ("INFO", "DEBUG")
        assert "conversations.get: GET /conversations/conv_1 -> 503 in" in first.getMessage()
        assert "(attempt 2)" in second.getMessage()
        facts: dict[str, Any] = second.nexevo  # type: ignore[attr-defined]
        assert facts["status"] == 200
        assert facts["response_headers"]["X-Trace-ID"] == "t1"
        assert facts["response_headers"]["X-Odd"] == "***"
        assert facts["request_headers"]["Authorization"] == "***"
