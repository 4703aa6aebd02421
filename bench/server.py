"""A canned gateway: fixed bytes for each request, so that the client is all that is measured.

Run as a script it listens on a free port, prints it, and ends when its standard input closes.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Generator
from typing import Final, cast

import uvloop

CHUNKS: Final = 2000
"""Events that carry text in a streamed completion."""

_COMMON: Final = (
    b"HTTP/1.1 200 OK\r\n"
    b"Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
    b"X-Trace-ID: 4bf92f3577b34da6a3ce929d0e0e4736\r\n"
    b"X-RateLimit-Remaining: 59\r\n"
    b"X-RateLimit-Reset: 60\r\n"
)
_GENERATION: Final = (
    b"X-Nexevo-Generation-Id: gen_AbCdEfGhIjKlMnOpQrStUvWx\r\n"
    b"x-nexevo-model-used: gpt-4o\r\n"
    b"x-nexevo-models-tried: gpt-4o\r\n"
)


def _answer(obj: object, headers: bytes = b"") -> bytes:
    body = json.dumps(obj).encode()
    length = b"Content-Length: %d\r\n\r\n" % len(body)
    return _COMMON + headers + b"Content-Type: application/json\r\n" + length + body


NOT_FOUND: Final = _answer({"error": {"message": "No.", "type": "not_found"}}).replace(
    b"200 OK", b"404 Not Found", 1
)


CONVERSATION: Final = _answer(
    {
        "conversation_id": "conv_AbCdEfGhIjKlMnOpQrStUvWx",
        "title": "My Session",
        "metadata": {"user_id": "u_1", "topic": "benchmarks"},
        "message_count": 0,
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
        "messages": [],
    }
)

_HEAD: Final = {"id": "chatcmpl-1", "created": 1767225600, "model": "gpt-4o"}
_USAGE: Final = {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21}

COMPLETION: Final = _answer(
    {
        **_HEAD,
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello! How can I help you today?"},
                "finish_reason": "stop",
            }
        ],
        "usage": _USAGE,
        "nexevo": {"generation_id": "gen_AbCdEfGhIjKlMnOpQrStUvWx"},
    },
    _GENERATION,
)


def _chunk(choices: list[object], **more: object) -> bytes:
    obj = {**_HEAD, "object": "chat.completion.chunk", "choices": choices, **more}
    return _frame(b"data: %s\n\n" % json.dumps(obj).encode())


def _frame(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


BEGINNING: Final = b"".join(
    [
        _COMMON,
        _GENERATION,
        b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        _chunk([{"index": 0, "delta": {"role": "assistant", "content": ""}}]),
    ]
)
"""All that comes of a stream whose ``max_tokens`` is 0."""

STREAM: Final = b"".join(
    [
        BEGINNING,
        *[_chunk([{"index": 0, "delta": {"content": f" word{i}"}}]) for i in range(CHUNKS)],
        _chunk([{"index": 0, "delta": {}, "finish_reason": "stop"}]),
        _chunk([], usage=_USAGE),
        _frame(b"data: [DONE]\n\n"),
        b"0\r\n\r\n",
    ]
)


class _Gateway(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._received = bytearray()

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._received[:end])
            size = end + 4 + _content_length(head)
            if len(self._received) < size:
                return
            body = bytes(self._received[end + 4 : size])
            del self._received[:size]
            self._transport.write(_reply(head, body))


def _content_length(head: bytes) -> int:
    _, _, after = head.lower().partition(b"\r\ncontent-length:")
    return int(after.partition(b"\r\n")[0] or 0)


def _reply(head: bytes, body: bytes) -> bytes:
    if head.startswith(b"GET /v1/conversations/none "):
        return NOT_FOUND
    if head.startswith(b"GET"):
        return CONVERSATION
    asked = json.loads(body)
    if not asked.get("stream"):
        return COMPLETION
    return BEGINNING if asked.get("max_tokens") == 0 else STREAM


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Gateway, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


@contextlib.contextmanager
def canned_server() -> Generator[str]:
    """Run the server in another process, and give its base URL."""
    with subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
        finally:
            process.stdin.close()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(_serve())
