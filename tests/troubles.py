"""What can go wrong with a call, each with what it must be called and say."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
from raw_server import Answer, drop, error, events, reply, serving, silence

from nexevo_async import Limits, Timeouts

TRACED = "X-Trace-ID: t1"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


@attrs.frozen
class Trouble:
    """A failure and its error.

    Attributes:
        cls: The error's class; of a stream another, where ``stream_cls`` says so.
        says: What its message matches.
        answer: What the server answers.
        config: What the client is made with.
        base_url: Makes another base URL of the server's.
        before: What is done before the call: ``close`` or ``hold a stream``.
        is_answered: Whether the gateway's trace id is known.
        is_sent: Whether there is an attempt, and all that an error says of one.
    """

    cls: str
    says: str
    answer: Answer = attrs.field(factory=reply)
    config: dict[str, Any] = attrs.field(factory=dict)
    base_url: Callable[[str], str] = str
    before: str | None = None
    is_answered: bool = False
    is_sent: bool = True
    stream_cls: str | None = None
    stream_says: str | None = None

    def error(self, *, stream: bool) -> tuple[str, str]:
        if not stream:
            return self.cls, self.says
        return self.stream_cls or self.cls, self.stream_says or self.says


def raw(data: bytes, *, then_close: bool = True) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        if then_close:
            writer.close()
            await writer.wait_closed()
            raise ConnectionResetError

    return answer


def drip() -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")
        writer.write(b"Transfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"2\r\n: \r\n")
            await writer.drain()
            await asyncio.sleep(0.02)

    return answer


def encoded(body: bytes) -> Answer:
    return reply(body, headers=["Content-Encoding: gzip"])


def encoded_stream(body: bytes) -> Answer:
    zipped = gzip.compress(body, 1)
    return raw(
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(zipped) + zipped
    )


def status(number: int, code: str, cls: str, advice: str) -> Trouble:
    says = rf"failed with {number} {code}: said so\. .*{advice}"
    return Trouble(cls, says, error(number, code, [TRACED]), is_answered=True)


def not_json(body: bytes, why: str) -> Trouble:
    return Trouble(
        "DecodeError",
        rf"answered with 200, but the body is not JSON: {why}.* at \$\..*check base_url",
        reply(body, headers=[TRACED]),
        is_answered=True,
        stream_says=r"answered with 200, but the answer is no event stream \(application/json",
    )


def cut(answer: Answer, says: str) -> Trouble:
    return Trouble(
        "APIConnectionError",
        f"lost the connection: .*{says}.*Check the network",
        answer,
        stream_cls="StreamTruncatedError",
        stream_says=f"was cut off: .*{says}.*partial",
    )


def in_a_stream(answer: Answer, cls: str, says: str) -> Trouble:
    """A trouble that only a stream has: a plain call finds no JSON."""
    return Trouble("DecodeError", "not JSON", answer, stream_cls=cls, stream_says=says)


PIECE = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
DEEP = b'{"conversation_id":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
TROUBLES: dict[str, Trouble] = {
    "no such host": Trouble(
        "APIConnectionError",
        "gateway.invalid.* could not connect: .*not known.*Check the network",
        base_url=lambda _: "http://gateway.invalid/v1",
    ),
    "refused": Trouble(
        "APIConnectionError",
        "could not connect: .*Check the network",
        base_url=lambda _: f"http://127.0.0.1:{_free_port()}/v1",
    ),
    "connect time-out": Trouble(
        "APITimeoutError",
        r"could not connect within connect=0\.05 s\..*Timeouts\(connect=…\)",
        config={"timeouts": Timeouts(connect=0.05)},
        base_url=lambda _: "full",
    ),
    "pool time-out": Trouble(
        "APITimeoutError",
        r"waited pool=0\.05 s for a seat: 1 of 1 seats in use.*Limits\(",
        events(PIECE, hold=True),
        {"limits": Limits(max_connections=1), "timeouts": Timeouts(pool=0.05)},
        before="hold a stream",
    ),
    "read time-out": Trouble(
        "APITimeoutError",
        r"got no more bytes within read=0\.05 s\..*Timeouts\(read=…\)",
        silence(),
        {"timeouts": Timeouts(read=0.05)},
    ),
    "total time-out": Trouble(
        "APITimeoutError",
        r"within total=0\.1 s; it was reading the (answer|stream)\..*Timeouts\(total=…\)",
        drip(),
        {"timeouts": Timeouts(total=0.1)},
    ),
    "dropped": Trouble("APIConnectionError", "lost the connection: Server disc.*Check", drop()),
    "cut body": cut(raw(HEAD + b"Content-Length: 99\r\n\r\n{"), "received 1 of 99 bytes"),
    "cut chunks": cut(events(b": \n", cut=True), "(transfer length|[Rr]eset|closed|disconnected)"),
    "no HTTP": Trouble("APIConnectionError", "Bad status line", raw(b"SSH-2.0-x\r\n\r\n")),
    "bad header": Trouble("APIConnectionError", "header", raw(b"HTTP/1.1 200 X\r\nA B\r\n\r\n")),
    "bad chunk": Trouble(
        "APIConnectionError",
        "chunk size",
        raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n"),
    ),
    "two lengths": Trouble(
        "APIConnectionError",
        "Content-Length",
        raw(HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}"),
    ),
    "more than its length": Trouble(
        "APIConnectionError",
        "lost the connection: ",
        raw(HEAD + b"Content-Length: 2\r\n\r\n{}and more", then_close=False),
    ),
    "huge header": Trouble("APIConnectionError", "8190", reply(headers=["X: " + "x" * 20_000])),
    "no gzip": Trouble("APIConnectionError", "Can not decode .* gzip", encoded(b"no gzip")),
    "gzip that grows": Trouble(
        "DecodeError",
        "not JSON: invalid number",
        encoded(gzip.compress(b"0" * 10_000_000)),
        stream_says="no event stream",
    ),
    "no TLS": Trouble(
        "APIConnectionError",
        "https://127.0.0.1:.*(SSL|TLS).*[Cc]heck",
        base_url=lambda _: "no TLS",
    ),
    "proxy refused": Trouble(
        "APIConnectionError",
        "could not connect: .*the proxy settings",
        config={"proxy": "http://127.0.0.1:1"},
    ),
    "redirect": Trouble(
        "APIStatusError",
        r"failed with 307: the gateway redirects to http://elsewhere\.example/v1, .*base_url",
        reply(b"", 307, [TRACED, "Location: http://elsewhere.example/v1?token=1"]),
        is_answered=True,
    ),
    "wrong": status(400, "invalid_request_error", "BadRequestError", "Correct the request"),
    "unknown": status(401, "invalid_api_key", "AuthenticationError", "Check the key"),
    "no money": status(402, "account_suspended", "InsufficientBalanceError", "Top up"),
    "cap": status(402, "spend_cap_exceeded", "SpendCapExceededError", "cap"),
    "402": status(402, "brand_new", "PaymentRequiredError", "balance"),
    "forbidden": status(403, "geo_policy_violation", "PermissionDeniedError", "role"),
    "not there": status(404, "not_found", "NotFoundError", "Check the id"),
    "conflict": status(409, "conflict", "ConflictError", "Read what is stored"),
    "too large": status(413, "payload_too_large", "RequestTooLargeError", "Send less"),
    "unusual": status(418, "teapot", "APIStatusError", "trace id"),
    "field": status(422, "validation_error", "UnprocessableEntityError", "Correct the field"),
    "too fast": status(429, "rate_limit_exceeded", "RateLimitError", "Send fewer"),
    "quota": status(429, "tenant_monthly_quota_exceeded", "QuotaExceededError", "month"),
    "500": status(500, "internal_error", "InternalServerError", "Try again later"),
    "502": status(502, "upstream_error", "UpstreamError", "another model"),
    "503": status(503, "unavailable", "InternalServerError", "Try again later"),
    "503 in HTML": Trouble(
        "InternalServerError",
        "failed with 503: <html>Sorry</html>.*Try again",
        raw(b"HTTP/1.1 503 X\r\nContent-Type: text/html\r\n\r\n<html>Sorry</html>"),
    ),
    "error inside 200": Trouble(
        "RateLimitError",
        "failed with 200 rate_limit_exceeded: said so",
        error(200, "rate_limit_exceeded", [TRACED]),
        is_answered=True,
    ),
    "login page": Trouble(
        "DecodeError",
        r"not JSON: .*\(text/html; it begins: <html>Log in</html>\).*login page",
        raw(b"HTTP/1.1 200 X\r\nContent-Type: text/html\r\n\r\n<html>Log in</html>"),
        stream_says=r"no event stream \(text/html; it begins: <html>Log in</html>\).*login page",
    ),
    "too deep": not_json(DEEP, "nested too deeply"),
    "no UTF-8": not_json(b'{"conversation_id":"\xff"}', "'utf-8'"),
    "empty": not_json(b"", "it is empty"),
    "cut JSON": not_json(b'{"conversation_id":', "Input data was truncated"),
    "wrong shape": Trouble(
        "DecodeError",
        r"expected a string, got 3 at \$\.conversation_id\..*newer version",
        reply(b'{"conversation_id":3}', headers=[TRACED]),
        is_answered=True,
        stream_says="no event stream",
    ),
    "error frame": in_a_stream(
        events(PIECE, b'data: {"error":{"message":"no","code":"upstream_error"}}\n\n'),
        "UpstreamError",
        "failed with 200 upstream_error: no.*another model",
    ),
    "wrong frame": in_a_stream(
        events(PIECE, b'data: {"choices":3}\n\n'), "DecodeError", r"an event .* at \$\.choices\."
    ),
    "frame that is no JSON": in_a_stream(
        events(PIECE, b"data: {\n\n"), "DecodeError", "an event of the stream is not JSON"
    ),
    "no terminator": in_a_stream(
        events(PIECE), "StreamTruncatedError", r"ended before its terminator.*the 1 characters"
    ),
    "giant event": in_a_stream(
        encoded_stream(b"data: " + b"x" * (65 * 2**20)), "StreamError", "over the cap of 67,108,864"
    ),
    "closed client": Trouble(
        "ClientClosedError", "client is closed.*Make a new one", before="close", is_sent=False
    ),
    "no key": Trouble(
        "ConfigurationError",
        "No API key.*NEXEVO_API_KEY.*Pass api_key=",
        config={"api_key": None},
        is_sent=False,
    ),
    "bad callable key": Trouble(
        "ConfigurationError",
        "callable api_key gave is empty: give a key",
        config={"api_key": lambda: ""},
        is_sent=False,
    ),
}


@asynccontextmanager
async def place_of(trouble: Trouble) -> AsyncIterator[str]:
    """Give the base URL at which the trouble is met."""
    async with serving(trouble.answer) as server:
        base_url = trouble.base_url(server.base_url)
        if base_url == "full":
            with socket.socket() as full:
                full.bind(("127.0.0.1", 0))
                full.listen(0)
                address = full.getsockname()
                waiting = [socket.socket() for _ in range(3)]
                for one in waiting:  # fills the backlog: the next is left without an answer
                    one.setblocking(False)
                    one.connect_ex(address)
                yield f"http://127.0.0.1:{address[1]}/v1"
                for one in waiting:
                    one.close()
        elif base_url == "no TLS":
            async with _plain_text() as port:
                yield f"https://127.0.0.1:{port}/v1"
        else:
            yield base_url


@asynccontextmanager
async def _plain_text() -> AsyncIterator[int]:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
