"""What the tests of OpenTelemetry share: an exporter in memory, and calls that are traced."""

import json
import threading
from collections.abc import Callable
from typing import Any

import attrs
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from raw_server import RawServer

from nexevo_async import AsyncNexevo, RetryPolicy
from nexevo_async.integrations.opentelemetry import OpenTelemetry

CANARY = "canary-0123456789abcdef"
MESSAGES = [{"role": "user", "content": CANARY}]
DONE = b"data: [DONE]\n\n"


@attrs.frozen
class Telemetry:
    """An exporter in memory, and what makes clients that export to it."""

    exporter: InMemorySpanExporter
    reader: InMemoryMetricReader
    tracers: TracerProvider
    otel: OpenTelemetry

    @property
    def options(self) -> dict[str, Any]:
        return {
            "middleware": [self.otel.call],
            "attempt_middleware": [self.otel.attempt],
            "retry": RetryPolicy(base_delay=0.001),
        }

    @property
    def spans(self) -> list[ReadableSpan]:
        return [*self.exporter.get_finished_spans()]

    @property
    def calls(self) -> list[ReadableSpan]:
        return [span for span in self.spans if "nexevo.operation" in about(span)]

    @property
    def attempts(self) -> list[ReadableSpan]:
        return [span for span in self.spans if "http.request.method" in about(span)]

    def call(self) -> ReadableSpan:
        (span,) = self.calls
        return span

    def metrics(self) -> dict[str, list[Any]]:
        data = self.reader.get_metrics_data()
        return {
            metric.name: [*metric.data.data_points]
            for resource in (data.resource_metrics if data else [])
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def in_use(self) -> int:
        return sum(point.value for point in self.metrics().get("http.client.active_requests", []))


def about(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def client_of(server: RawServer, telemetry: Telemetry, **config: Any) -> AsyncNexevo:
    return AsyncNexevo("sk-xc-" + CANARY, base_url=server.base_url, **telemetry.options, **config)


def piece(text: str = "a", **more: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, **more}
    chunk = {"id": "chatcmpl-1", "model": "gpt-4o", "choices": [choice]}
    return f"data: {json.dumps(chunk)}\n\n".encode()


USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":2,"completion_tokens":3}}\n\n'
COMPLETION = {
    "id": "chatcmpl-1",
    "model": "gpt-4o",
    "choices": [{"index": 0, "message": {"content": CANARY}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 2, "completion_tokens": 3},
}


async def chat(client: AsyncNexevo, **more: Any) -> Any:
    return await client.chat.completions.create(
        model="nexevo/fast", messages=MESSAGES, max_tokens=7, temperature=0.5, **more
    )


def wait_for(condition: Callable[[], object]) -> None:
    waiting = threading.Event()
    for _ in range(200):
        if condition():
            return
        waiting.wait(0.01)
    raise AssertionError("it never came to hold")
