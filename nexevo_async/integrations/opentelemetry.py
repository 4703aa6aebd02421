"""Traces and metrics of calls, by OpenTelemetry's conventions for HTTP and generative AI.

The names are those of the semantic conventions 1.44, and for generative AI, which has moved out of
them since, of the last release that had it; what they have no name for begins with ``nexevo.``.
"""

import asyncio
import functools
import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeAlias, final
from urllib.parse import urlsplit

import attrs
import msgspec

from nexevo_async.byte_stream import StreamContent, StreamReport
from nexevo_async.codec.answers import is_failure
from nexevo_async.contract.chat import CREATE
from nexevo_async.contract.operation import Operation
from nexevo_async.errors import status_error_class
from nexevo_async.messages import Handler, Request, Response
from nexevo_async.meta import Meta
from nexevo_async.shapes import is_object
from nexevo_async.version import VERSION

try:
    from opentelemetry import context, metrics, propagate, trace
except ImportError as _error:
    raise ImportError(
        "nexevo_async.integrations.opentelemetry needs the OpenTelemetry API: "
        "pip install 'nexevo[otel]'"
    ) from _error

_Attributes: TypeAlias = dict[str, str | bool | int | float | list[str]]

_CALL_SECONDS: Final = tuple(0.01 * 2**n for n in range(14))
_HTTP_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_FIRST_CHUNK_SECONDS: Final = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1),
    *(0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)
_TOKENS: Final = tuple(4**n for n in range(14))
_ATTEMPTS: Final = (1, 2, 3, 4, 5, 10)
_METHODS: Final = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"}
)


@final
class OpenTelemetry:
    """Two middlewares, of which the first traces calls and the second their attempts.

    A call is one span, from its beginning until its answer is read or its stream is closed, in
    whatever way; each attempt is a span in it, and carries the trace on to the gateway. What is
    asked and answered is in neither: no body, prompt, query, key or other header.

    Args:
        tracer_provider: Makes the spans; None for the global one.
        meter_provider: Makes the metrics; None for the global one.

    Example:
        >>> from nexevo_async.integrations.opentelemetry import OpenTelemetry
        >>> otel = OpenTelemetry()
        >>> traced = AsyncNexevo(middleware=[otel.call], attempt_middleware=[otel.attempt])
        >>> models = await traced.models.list()
        >>> await traced.aclose()
    """

    def __init__(
        self,
        *,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        self._providers: Final = tracer_provider, meter_provider
        self._tracer: Final = trace.get_tracer("nexevo", VERSION, tracer_provider)
        self._metrics: Final = _Metrics(metrics.get_meter("nexevo", VERSION, meter_provider))

    async def call(self, request: Request, call_next: Handler) -> Response:
        """Trace a call, with its retries and waits; for ``middleware``.

        Args:
            request: The call.
            call_next: The rest of the chain.

        Returns:
            The answer, as it came.
        """
        call = self._begun(request)
        token = context.attach(trace.set_span_in_context(call.span))
        try:
            response = await call_next(request)
        except BaseException as error:
            call.end(type(error), None, None)
            raise
        finally:
            context.detach(token)
        meta = response.meta
        if response.stream is None:
            call.end(_refusal(response), meta, _answer(response) if call.chat else None)
        else:
            report = response.stream.report
            response.stream.on_close(lambda: call.end_stream(meta, report))
        return response

    async def attempt(self, request: Request, call_next: Handler) -> Response:
        """Trace an attempt, and send its place in the trace along; for ``attempt_middleware``.

        The span of a stream's attempt ends with its headers, as the conventions for HTTP have it.

        Args:
            request: The call.
            call_next: The rest of the chain.

        Returns:
            The answer, as it came.
        """
        name, about, more = _http(request)
        span = self._tracer.start_span(
            name, kind=trace.SpanKind.CLIENT, attributes={**about, **more}
        )
        began = time.monotonic()
        outcome: _Attributes = {}
        active = self._metrics.active
        active.add(1, about)
        token = context.attach(trace.set_span_in_context(span))
        try:
            carrier: dict[str, str] = {}
            propagate.inject(carrier)
            response = await call_next(request.with_headers(carrier) if carrier else request)
            outcome["http.response.status_code"] = response.status
            if response.status >= 400:
                outcome["error.type"] = str(response.status)
        except BaseException as error:
            active.add(-1, about)
            outcome.update(_error_type(type(error)))
            raise
        finally:
            context.detach(token)
            _finish(span, outcome)
            self._metrics.attempt.record(time.monotonic() - began, {**about, **outcome})
        if response.stream is None:
            active.add(-1, about)
        else:
            response.stream.on_close(lambda: active.add(-1, about))
        return response

    def _begun(self, request: Request) -> "_Call":
        operation = request.operation.name
        server = _server(request.settings.client.base_url).attributes
        about: _Attributes = {"nexevo.operation": operation, **server}
        chat: _Attributes | None = None
        told = about
        name = operation
        if operation == CREATE.name:
            question = _question(request)
            chat = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "nexevo", **server}
            name = "chat"
            if isinstance(question.model, str):
                chat["gen_ai.request.model"] = question.model
                name = f"chat {question.model}"
            told = {**about, **chat, **question.settings()}
            if request.stream:
                told["gen_ai.request.stream"] = True
        span = self._tracer.start_span(name, kind=trace.SpanKind.CLIENT, attributes=told)
        return _Call(request, self._metrics, span, about, chat)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what it was made with, so that a client that has these middlewares is pickled."""
        return _unpickled, self._providers


def _unpickled(
    tracer_provider: trace.TracerProvider | None, meter_provider: metrics.MeterProvider | None
) -> OpenTelemetry:
    return OpenTelemetry(tracer_provider=tracer_provider, meter_provider=meter_provider)


@final
class _Metrics:
    def __init__(self, meter: metrics.Meter) -> None:
        def seconds(name: str, description: str, buckets: Sequence[float]) -> metrics.Histogram:
            return meter.create_histogram(
                name, "s", description, explicit_bucket_boundaries_advisory=buckets
            )

        self.call: Final = seconds(
            "nexevo.client.call.duration",
            "Duration of calls, with their retries and waits.",
            _CALL_SECONDS,
        )
        self.attempts: Final = meter.create_histogram(
            "nexevo.client.call.attempts",
            "{attempt}",
            "Attempts that calls took.",
            explicit_bucket_boundaries_advisory=_ATTEMPTS,
        )
        self.attempt: Final = seconds(
            "http.client.request.duration", "Duration of HTTP client requests.", _HTTP_SECONDS
        )
        self.active: Final = meter.create_up_down_counter(
            "http.client.active_requests", "{request}", "Number of active HTTP requests."
        )
        self.chat: Final = seconds(
            "gen_ai.client.operation.duration", "GenAI operation duration.", _CALL_SECONDS
        )
        self.first_chunk: Final = seconds(
            "gen_ai.client.operation.time_to_first_chunk",
            "Time to receive the first chunk.",
            _FIRST_CHUNK_SECONDS,
        )
        self.tokens: Final = meter.create_histogram(
            "gen_ai.client.token.usage",
            "{token}",
            "Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )


@final
@attrs.define(eq=False)
class _Call:
    """A call under way; it holds no stream, which would then not be freed when it is dropped."""

    request: Request
    metrics: _Metrics
    span: trace.Span
    about: _Attributes
    chat: _Attributes | None = None
    began: float = attrs.field(factory=time.monotonic)

    def end_stream(self, meta: Meta, report: StreamReport) -> None:
        answer = None
        if report.content is not None and self.chat is not None:
            answer = _outlined(report.content)
            if report.content.first_at is not None:
                waited = report.content.first_at - self.began
                self.span.set_attribute("gen_ai.response.time_to_first_chunk", waited)
                self.metrics.first_chunk.record(waited, self.chat)
        self.end(report.failure, meta, answer)

    def end(
        self, failure: type[BaseException] | None, meta: Meta | None, answer: "_Answer | None"
    ) -> None:
        seconds = time.monotonic() - self.began
        attempts = self.request.progress.attempts
        error = _error_type(failure)
        outcome: _Attributes = {"nexevo.attempts": attempts, **error}
        if meta is not None:
            for name, value in (
                ("nexevo.trace_id", meta.trace_id),
                ("nexevo.generation_id", meta.generation_id),
            ):
                if value is not None:
                    outcome[name] = value
            if self.chat is not None:
                outcome.update(self._answered(self.chat, meta, answer or _Answer()))
        _finish(self.span, outcome)
        self.metrics.call.record(seconds, {**self.about, **error})
        self.metrics.attempts.record(attempts, {**self.about, **error})
        if self.chat is not None:
            self.metrics.chat.record(seconds, {**self.chat, **error})

    def _answered(self, chat: _Attributes, meta: Meta, answer: "_Answer") -> _Attributes:
        outcome: _Attributes = {}
        model = answer.model or meta.model_used
        if answer.id is not None:
            outcome["gen_ai.response.id"] = answer.id
        if model is not None:
            outcome["gen_ai.response.model"] = chat["gen_ai.response.model"] = model
        if answer.choices:
            # A stream that was left has no reason yet; the conventions call that an error.
            reasons = [choice.finish_reason or "error" for choice in answer.choices]
            outcome["gen_ai.response.finish_reasons"] = reasons
        usage = answer.usage or _Usage()
        for kind, counted, said in (
            ("input", usage.prompt_tokens, meta.usage.input_tokens),
            ("output", usage.completion_tokens, meta.usage.output_tokens),
        ):
            tokens = said if counted is None else counted
            if tokens is not None:
                outcome[f"gen_ai.usage.{kind}_tokens"] = tokens
                self.metrics.tokens.record(tokens, {**chat, "gen_ai.token.type": kind})
        return outcome


class _Question(msgspec.Struct):
    """What is told of a question: its settings, and nothing that was written."""

    model: Any = None
    max_tokens: Any = None
    temperature: Any = None
    top_p: Any = None
    metadata: Any = None

    def settings(self) -> _Attributes:
        told: _Attributes = {}
        for name in ("max_tokens", "temperature", "top_p"):
            value = getattr(self, name)
            if type(value) is int or type(value) is float:
                told[f"gen_ai.request.{name}"] = value
        conversation = self.metadata.get("conversation_id") if is_object(self.metadata) else None
        if isinstance(conversation, str):
            told["gen_ai.conversation.id"] = conversation
        return told


class _Choice(msgspec.Struct):
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Answer(msgspec.Struct):
    """What is told of an answer: its circumstances, and nothing that was written."""

    id: str | None = None
    model: str | None = None
    choices: list[_Choice] = []
    usage: _Usage | None = None


def _question(request: Request) -> _Question:
    try:
        return msgspec.json.decode(request.body.data if request.body else b"", type=_Question)
    except ValueError:
        return _Question()


def _answer(response: Response) -> _Answer:
    try:
        return msgspec.json.decode(response.body.data if response.body else b"", type=_Answer)
    except ValueError:
        return _Answer()


def _outlined(content: StreamContent) -> _Answer:
    try:
        return msgspec.convert(content.outline(), _Answer)
    except ValueError:
        return _Answer()


class _Server(NamedTuple):
    attributes: _Attributes
    path: str


@functools.lru_cache(maxsize=64)
def _server(base_url: str) -> _Server:
    url = urlsplit(base_url)
    port = url.port or (443 if url.scheme == "https" else 80)
    return _Server({"server.address": url.hostname or "", "server.port": port}, url.path)


def _http(request: Request) -> tuple[str, _Attributes, _Attributes]:
    """Give the name of an attempt's span, what its metrics have too, and what it alone has."""
    base_url = request.settings.client.base_url
    server = _server(base_url)
    method = request.operation.method
    about: _Attributes = {"http.request.method": method, **server.attributes}
    more: _Attributes = {"url.full": base_url + request.path}
    name = method
    if method not in _METHODS:
        name, about["http.request.method"] = "HTTP", "_OTHER"
        more["http.request.method_original"] = method
    is_of_contract = isinstance(request.operation, Operation)
    if is_of_contract:  # else the path is the user's own, with its ids
        template = about["url.template"] = server.path + request.operation.path
        name = f"{name} {template}"
    if request.progress.attempts:
        more["http.request.resend_count"] = request.progress.attempts
    return name, about, more


def _refusal(response: Response) -> type[Exception] | None:
    """Give the class of the error that the answer will be raised as."""
    if not is_failure(response):
        return None
    error = response.error
    code, type_ = (error.code, error.type) if error else (None, None)
    return status_error_class(response.status, code, type_)


def _error_type(failure: type[BaseException] | None) -> _Attributes:
    """Give the attribute that marks a failure; to be cancelled is none."""
    if failure is None or issubclass(failure, asyncio.CancelledError):
        return {}
    return {"error.type": f"{failure.__module__}.{failure.__qualname__}"}


def _finish(span: trace.Span, outcome: _Attributes) -> None:
    span.set_attributes(outcome)
    if "error.type" in outcome:
        span.set_status(trace.StatusCode.ERROR)
    span.end()
