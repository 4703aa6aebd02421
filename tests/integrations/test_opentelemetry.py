"""What a trace shows of a call, whatever becomes of the call."""

import asyncio
import contextlib
import json
import pickle
import subprocess
import sys
import threading
from typing import Any

import pytest
from opentelemetry.trace import SpanKind, StatusCode
from raw_server import drop, error, events, reply, serving, silence
from telemetry_support import (
    CANARY,
    COMPLETION,
    DONE,
    MESSAGES,
    USAGE,
    about,
    chat,
    client_of,
    piece,
    wait_for,
)

from nexevo_async import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AsyncNexevo,
    NexevoError,
    Timeouts,
)
from nexevo_async.integrations.opentelemetry import OpenTelemetry
from nexevo_sync import Nexevo


class TestSpans:
    async def test_a_call_is_one_span_with_a_child_for_each_attempt(self, telemetry):
        async with serving(error(503, "unavailable"), drop(), reply()) as server:
            async with client_of(server, telemetry) as client:
                await client.conversations.get("conv_1")
        call = telemetry.call()
        first, second, third = telemetry.attempts
        where = {"server.address": "127.0.0.1", "server.port": server.port}
        assert (call.name, call.kind, call.status.status_code) == (
            "conversations.get",
            SpanKind.CLIENT,
            StatusCode.UNSET,
        )
        assert about(call) == {
            "nexevo.operation": "conversations.get",
            "nexevo.attempts": 3,
            **where,
        }
        for attempt in (first, second, third):
            assert attempt.parent.span_id == call.context.span_id
            assert attempt.kind is SpanKind.CLIENT
            assert attempt.name == "GET /v1/conversations/{conversation_id}"
        common = {
            "http.request.method": "GET",
            "url.full": f"{server.base_url}/conversations/conv_1",
            "url.template": "/v1/conversations/{conversation_id}",
            **where,
        }
        assert about(first) == common | {"http.response.status_code": 503, "error.type": "503"}
        assert about(second) == common | {
            "http.request.resend_count": 1,
            "error.type": "nexevo_async.errors.APIConnectionError",
        }
        assert about(third) == common | {
            "http.request.resend_count": 2,
            "http.response.status_code": 200,
        }
        assert [a.status.status_code for a in (first, second, third)] == [
            StatusCode.ERROR,
            StatusCode.ERROR,
            StatusCode.UNSET,
        ]

    async def test_a_completion_follows_the_conventions_for_generative_ai(self, telemetry):
        body = json.dumps(COMPLETION).encode()
        headers = ["X-Trace-ID: t1", "X-Nexevo-Generation-Id: gen_1"]
        async with serving(reply(body, headers=headers)) as server:
            async with client_of(server, telemetry) as client:
                await chat(client, metadata={"conversation_id": "conv_1"})
        call = telemetry.call()
        assert call.name == "chat nexevo/fast"
        assert about(call) == {
            "nexevo.operation": "chat.completions.create",
            "nexevo.attempts": 1,
            "nexevo.trace_id": "t1",
            "nexevo.generation_id": "gen_1",
            "server.address": "127.0.0.1",
            "server.port": server.port,
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "nexevo",
            "gen_ai.conversation.id": "conv_1",
            "gen_ai.request.model": "nexevo/fast",
            "gen_ai.request.max_tokens": 7,
            "gen_ai.request.temperature": 0.5,
            "gen_ai.response.id": "chatcmpl-1",
            "gen_ai.response.model": "gpt-4o",
            "gen_ai.response.finish_reasons": ("stop",),
            "gen_ai.usage.input_tokens": 2,
            "gen_ai.usage.output_tokens": 3,
        }

    async def test_a_streamed_completion_says_the_same_and_when_it_began(self, telemetry):
        answer = events(piece("Hel"), piece("lo", finish_reason="stop"), USAGE, DONE, between=0.05)
        async with serving(answer) as server, client_of(server, telemetry) as client:
            stream = await chat(client, stream=True)
            assert telemetry.calls == []
            async with stream:
                async for _ in stream:
                    await asyncio.sleep(0.05)
        told = about(telemetry.call())
        assert told["gen_ai.request.stream"] is True
        assert told["gen_ai.response.finish_reasons"] == ("stop",)
        assert told["gen_ai.response.model"] == "gpt-4o"
        assert told["gen_ai.usage.output_tokens"] == 3
        assert told["nexevo.generation_id"] == "gen_1"
        call, attempt = telemetry.call(), telemetry.attempts[0]
        lasted = (call.end_time - call.start_time) / 1e9
        assert 0 < told["gen_ai.response.time_to_first_chunk"] < lasted - 0.1
        assert attempt.end_time < call.end_time - 0.1e9  # with the headers

    @pytest.mark.parametrize(
        ("answer", "cls"),
        [
            (error(429, "rate_limit_exceeded", ["Retry-After: 100"]), "RateLimitError"),
            (error(402, "account_suspended"), "InsufficientBalanceError"),
            (reply(b"<html>", 418), "APIStatusError"),
            (reply(b'{"error":{"code":"not_found"}}'), "NotFoundError"),
            (reply(b"", 307, ["Location: http://elsewhere.example"]), "APIStatusError"),
        ],
    )
    async def test_a_refusal_names_the_error_that_is_raised(self, telemetry, answer, cls):
        async with serving(answer) as server, client_of(server, telemetry) as client:
            with pytest.raises(APIStatusError) as caught:
                await client.conversations.get("c")
        assert type(caught.value).__name__ == cls
        assert about(telemetry.call())["error.type"] == f"nexevo_async.errors.{cls}"
        assert telemetry.call().status.status_code is StatusCode.ERROR
        assert telemetry.call().status.description is None

    async def test_a_call_that_never_left_has_no_attempt(self, telemetry, monkeypatch):
        monkeypatch.delenv("NEXEVO_API_KEY", raising=False)
        async with serving(silence()) as server, client_of(server, telemetry) as client:
            with pytest.raises(APITimeoutError):
                await client.models.list(timeouts=Timeouts(total=0.05))
            assert about(telemetry.call())["error.type"].endswith(".APITimeoutError")
            assert telemetry.in_use() == 0

    async def test_a_refreshed_key_is_an_attempt_of_its_own(self, telemetry):
        keys = iter(["old", "new"])
        async with serving(error(401, "token_expired"), reply()) as server:
            source: Any = lambda: next(keys)  # noqa: E731
            async with AsyncNexevo(source, base_url=server.base_url, **telemetry.options) as client:
                await client.conversations.get("c")
        assert [about(a).get("http.request.resend_count") for a in telemetry.attempts] == [None, 1]
        assert [about(a)["http.response.status_code"] for a in telemetry.attempts] == [401, 200]

    async def test_a_path_of_the_users_own_is_in_no_name(self, telemetry):
        async with serving(reply()) as server, client_of(server, telemetry) as client:
            await client.request("GET", "/secret-ids/1", query={"q": CANARY})
            await client.request("PURGE", "/secret-ids/1")
        assert [a.name for a in telemetry.attempts] == ["GET", "HTTP"]
        assert [c.name for c in telemetry.calls] == ["request GET", "request PURGE"]
        purge = about(telemetry.attempts[1])
        assert purge["http.request.method"] == "_OTHER"
        assert purge["http.request.method_original"] == "PURGE"

    @pytest.mark.parametrize("stream", [False, True])
    async def test_an_odd_body_or_answer_is_no_trouble(self, telemetry, stream):
        odd = reply(b'{"id":1,"choices":[{"message":{},"finish_reason":2}]}')
        bad = events(b'data: {"id":1,"choices":[]}\n\n')
        async with serving(bad if stream else odd) as server:
            async with client_of(server, telemetry) as client:
                with pytest.raises(NexevoError):
                    await _final(client, stream=stream, extra_body=ODD)
        assert telemetry.call().name == "chat"


ODD = {"model": 3, "metadata": 4, "top_p": "x"}


async def _final(client: AsyncNexevo, **more: Any) -> Any:
    return await (await chat(client, **more)).final()


class TestTheTrace:
    async def test_it_goes_on_to_the_gateway(self, telemetry):
        async with serving(error(503, "unavailable"), reply()) as server:
            async with client_of(server, telemetry) as client:
                with telemetry.tracers.get_tracer("app").start_as_current_span("app") as app:
                    await client.conversations.get("c")
                sent = [seen.header("traceparent") for seen in server.seen]
        assert len(sent) == 2
        assert sent == [
            f"00-{a.context.trace_id:032x}-{a.context.span_id:016x}-{a.context.trace_flags:02x}"
            for a in telemetry.attempts
        ]
        assert telemetry.call().parent.span_id == app.get_span_context().span_id
        assert {s.context.trace_id for s in telemetry.spans} == {app.get_span_context().trace_id}

    def test_it_is_the_callers_in_tasks_threads_and_the_sync_client(self, telemetry, sandbox):
        tracer = telemetry.tracers.get_tracer("app")
        expected: list[int] = []

        async def in_tasks() -> None:
            async with AsyncNexevo(
                sandbox.api_key, base_url=sandbox.base_url, **telemetry.options
            ) as client:

                async def work() -> None:
                    with tracer.start_as_current_span("app") as span:
                        expected.append(span.get_span_context().trace_id)
                        await client.models.list()

                await asyncio.gather(*(work() for _ in range(5)))

        def in_thread(client: Nexevo) -> None:
            with tracer.start_as_current_span("app") as span:
                expected.append(span.get_span_context().trace_id)
                client.models.list()
                client.chat.completions.create(
                    model="nexevo/fast", messages=MESSAGES, stream=True
                ).final()

        asyncio.run(in_tasks())
        with Nexevo(sandbox.api_key, base_url=sandbox.base_url, **telemetry.options) as client:
            threads = [threading.Thread(target=in_thread, args=[client]) for _ in range(5)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        wait_for(lambda: len(telemetry.calls) == 15)
        assert len(set(expected)) == 10
        assert {call.context.trace_id for call in telemetry.calls} == set(expected)
        by_span = {span.context.span_id: span for span in telemetry.spans}
        for span in telemetry.calls + telemetry.attempts:
            assert by_span[span.parent.span_id].context.trace_id == span.context.trace_id


class TestMetrics:
    async def test_they_count_calls_attempts_and_tokens(self, telemetry):
        body = json.dumps(COMPLETION).encode()
        answers = [error(503, "unavailable"), reply(body), events(piece(), USAGE, DONE)]
        async with serving(*answers, error(404, "not_found")) as server:
            async with client_of(server, telemetry) as client:
                await chat(client)
                await (await chat(client, stream=True)).final()
                with pytest.raises(APIStatusError):
                    await client.conversations.get("c")
        metrics = telemetry.metrics()
        server_is = {"server.address": "127.0.0.1", "server.port": server.port}
        assert [
            (point.attributes["nexevo.operation"], point.count, point.sum)
            for point in metrics["nexevo.client.call.attempts"]
        ] == [("chat.completions.create", 2, 3), ("conversations.get", 1, 1)]
        assert [point.count for point in metrics["nexevo.client.call.duration"]] == [2, 1]
        assert dict(metrics["nexevo.client.call.duration"][1].attributes) == {
            "nexevo.operation": "conversations.get",
            "error.type": "nexevo_async.errors.NotFoundError",
            **server_is,
        }
        asked = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "nexevo",
            "gen_ai.request.model": "nexevo/fast",
            "gen_ai.response.model": "gpt-4o",
            **server_is,
        }
        (duration,) = metrics["gen_ai.client.operation.duration"]
        assert (dict(duration.attributes), duration.count) == (asked, 2)
        assert duration.explicit_bounds[:3] == (0.01, 0.02, 0.04)
        assert {
            (point.attributes["gen_ai.token.type"], point.count, point.sum)
            for point in metrics["gen_ai.client.token.usage"]
        } == {("input", 2, 4), ("output", 2, 6)}
        (first,) = metrics["gen_ai.client.operation.time_to_first_chunk"]
        assert first.count == 1
        http = metrics["http.client.request.duration"]
        assert [
            (p.attributes["http.response.status_code"], p.attributes.get("error.type"), p.count)
            for p in http
        ] == [(503, "503", 1), (200, None, 2), (404, "404", 1)]
        assert telemetry.in_use() == 0

    async def test_a_failure_to_connect_is_counted_too(self, telemetry):
        async with AsyncNexevo(
            "k", base_url="http://127.0.0.1:1/v1", max_retries=0, **telemetry.options
        ) as client:
            with pytest.raises(APIConnectionError):
                await client.models.list()
        (point,) = telemetry.metrics()["http.client.request.duration"]
        assert point.attributes["error.type"] == "nexevo_async.errors.APIConnectionError"
        assert telemetry.in_use() == 0


async def test_nothing_that_was_said_or_is_secret_is_exported(telemetry):
    said = events(piece(CANARY), b'data: {"error":{"message":"%s"}}\n\n' % CANARY.encode())
    refused = reply(b'{"error":{"message":"%s","param":"%s"}}' % ((CANARY.encode(),) * 2), 400)
    page = reply(b"<html>" + CANARY.encode(), 403, [f"X-Other: {CANARY}"])
    session = reply(b'{"access_token":"%s"}' % CANARY.encode())
    async with serving(reply(json.dumps(COMPLETION).encode()), said, refused, page, session) as s:
        async with client_of(s, telemetry) as client:
            await chat(client, tools=[{"x": CANARY}], stop=[CANARY], extra_headers={"X-A": CANARY})
            for call in (
                (await chat(client, stream=True)).final(),
                client.conversations.create(title=CANARY, metadata={"a": CANARY}),
                client.request("GET", "/x", query={"token": CANARY}),
                client.auth.login(email="a@b.c", password=CANARY),
            ):
                with contextlib.suppress(NexevoError):
                    await call
        assert len(s.seen) == 5
    assert len(telemetry.spans) == 10
    everything = "".join(span.to_json() for span in telemetry.spans)
    data = telemetry.reader.get_metrics_data()
    assert data is not None
    assert CANARY not in everything + data.to_json()
    assert not any(span.events for span in telemetry.spans)


def test_without_opentelemetry_the_import_says_what_to_install():
    script = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "try: import nexevo_async.integrations.opentelemetry\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "pip install 'nexevo[otel]'" in done.stdout


def test_a_client_that_is_traced_can_be_pickled():
    otel = OpenTelemetry()
    client = AsyncNexevo("k", middleware=[otel.call], attempt_middleware=[otel.attempt])
    again = pickle.loads(pickle.dumps(client))  # noqa: S301 - our own
    (call,) = again._middleware
    assert isinstance(call.__self__, OpenTelemetry)
