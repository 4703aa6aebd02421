"""Who may be re-sent after what: the contract's table, cell by cell, counted at the server.

``again`` is sent again, and goes through when the trouble passes; ``error`` is raised at once.
A question mark says that the error, which the call ends with when the trouble lasts, has
``outcome_unknown``; of a GET, which changes nothing, no error has. Whatever happens, nothing is
done twice, all attempts of a call carry one idempotency key, and ``max_retries=0`` is one request.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import attrs
import pytest
from raw_server import Answer, RawServer, drop, error, events, reply, serving, silence

import nexevo_async
from nexevo_async import AsyncNexevo, Request, Response, RetryPolicy, StreamTruncatedError, Timeouts

TABLE: Final = """
what goes wrong          | idempotent | keyed  | chat   | stream | once   | said to be | the error
connection refused       | again      | again  | again  | again  | again  | again      | APIConnectionError
closed as it opened      | again?     | again? | error? | error? | error? | again?     | APIConnectionError
lost when it was sent    | again?     | again? | error? | error? | error? | again?     | APIConnectionError
lost when it was done    | again?     | again? | error? | error? | error? | again?     | APIConnectionError
cut in the answer        | again?     | again? | error? | cut    | error? | again?     | APIConnectionError
no answer in read=       | again?     | again? | error? | error? | error? | again?     | APITimeoutError
402 insufficient_balance | error      | error  | error  | error  | error  | error      | InsufficientBalanceError
402 spend_cap_exceeded   | error      | error  | error  | error  | error  | error      | SpendCapExceededError
408 request_timeout      | again?     | again? | error? | error? | error? | again?     | APIStatusError
409 conflict             | error      | error  | error  | error  | error  | error      | ConflictError
409 idempotency_in_progress | again?  | again? | error? | error? | error? | again?     | ConflictError
429 rate_limit_exceeded  | again      | again  | again  | again  | again  | again      | RateLimitError
429 tenant_monthly_quota_exceeded | error | error | error | error | error | error      | QuotaExceededError
429 account_suspended    | error      | error  | error  | error  | error  | error      | InsufficientBalanceError
500 internal_error       | again?     | again? | again  | again  | error? | again?     | InternalServerError
502 upstream_error       | again?     | again? | again  | again  | error? | again?     | UpstreamError
503 unavailable          | again      | again  | again  | again  | again  | again      | InternalServerError
504 unavailable          | again?     | again? | again  | again  | error? | again?     | InternalServerError
"""  # noqa: E501

MESSAGES: Final = [{"role": "user", "content": "Hello!"}]
DONE_EVENTS: Final = (b'data: {"choices":[]}\n\n', b"data: [DONE]\n\n")


async def _stream(client: AsyncNexevo, **options: Any) -> object:
    async with await client.chat.completions.create(
        model="m", messages=MESSAGES, stream=True, **options
    ) as stream:
        return await stream.final()


def _append(client: AsyncNexevo, **options: Any) -> Awaitable[object]:
    return client.conversations.append_message("conv_1", role="user", content="x", **options)


CALLS: Final[dict[str, list[tuple[str, Callable[..., Awaitable[object]]]]]] = {
    "idempotent": [
        ("get", lambda c, **o: c.conversations.get("conv_1", **o)),
        ("update", lambda c, **o: c.conversations.update("conv_1", title="x", **o)),
        ("delete", lambda c, **o: c.conversations.delete("conv_1", **o)),
        ("logout", lambda c, **o: c.auth.logout(**o)),
    ],
    "keyed": [
        ("topup", lambda c, **o: c.billing.topup(amount_usd=1, idempotency_key="topup-1", **o)),
    ],
    "chat": [
        ("chat", lambda c, **o: c.chat.completions.create(model="m", messages=MESSAGES, **o)),
        ("chat-idempotent", lambda c, **o: CALLS["chat"][0][1](c, idempotent=True, **o)),
    ],
    "stream": [("stream", _stream)],
    "once": [("append", _append)],
    "said to be": [("append-idempotent", lambda c, **o: _append(c, idempotent=True, **o))],
}


@attrs.frozen
class Cell:
    trouble: str
    name: str
    call: Callable[..., Awaitable[object]]
    says: str
    error: str

    @property
    def again(self) -> bool:
        return self.says.startswith("again")


def cells() -> list[Any]:
    header, *rows = (
        [part.strip() for part in line.split("|")] for line in TABLE.strip().splitlines()
    )
    return [
        pytest.param(Cell(row[0], name, call, says, row[-1]), id=f"{name}-{row[0]}")
        for row in rows
        for column, says in zip(header[1:-1], row[1:-1], strict=True)
        for name, call in CALLS[column]
    ]


@attrs.define
class Gateway:
    """Does what it is asked, as often as it is asked; but once a key where it honours keys."""

    server: RawServer
    honours_keys: bool
    done: list[str] = attrs.field(factory=list)

    def carry_out(self) -> Answer:
        request = self.server.seen[-1]
        method, key = request.head.split(" ")[0], request.header("idempotency-key")
        if method == "GET":
            return reply()
        once = f"{method} {request.target}"
        if method in {"PATCH", "DELETE"} or request.target.endswith("/logout"):
            again = once in self.done
        else:
            once = f"{once} {key} {request.body!r}"  # a payment's key is in its body
            again = self.honours_keys and once in self.done
        if not again:
            self.done.append(once)
        if request.target.endswith("/logout"):
            return error(401, "invalid_api_key") if again else reply(b"", 204)
        if method == "DELETE":
            return error(404, "not_found") if again else reply(b"", 204)
        if request.target.endswith("/completions"):
            streamed = request.header("accept") == "text/event-stream"
            return events(*DONE_EVENTS) if streamed else reply(b'{"choices":[]}')
        return reply()

    async def well(self, writer: asyncio.StreamWriter) -> None:
        await self.carry_out()(writer)

    async def lost(self, writer: asyncio.StreamWriter) -> None:
        self.carry_out()
        await drop()(writer)

    async def silent(self, writer: asyncio.StreamWriter) -> None:
        self.carry_out()
        await silence()(writer)

    async def cut(self, writer: asyncio.StreamWriter) -> None:
        self.carry_out()
        writer.write(b'HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\ndata: {"con')
        await writer.drain()
        raise ConnectionResetError

    def troubled(self, trouble: str) -> Answer:
        match trouble:
            case "connection refused" | "closed as it opened":
                return self.well
            case "lost when it was sent":
                return drop()
            case "lost when it was done":
                return self.lost
            case "cut in the answer":
                return self.cut
            case "no answer in read=":
                return self.silent
            case _:
                status, code = trouble.split()
                return error(int(status), code)


IS_DONE: Final = {"lost when it was done", "cut in the answer", "no answer in read="}


@pytest.mark.parametrize("cell", cells())
class TestTheTable:
    async def called(self, cell: Cell, *, lasts: bool, retries: int = 2) -> Any:
        """Make the call, and give what came of it, what was done and how often it was sent."""

        async def attempted(request: Request, call_next: Any) -> Response:
            attempts.append(request)
            if len(attempts) == 2 and not lasts:
                await server.listen()
            return await call_next(request)

        attempts: list[Request] = []
        slams = 0 if cell.trouble != "closed as it opened" else 99 if lasts else 1
        async with serving(listening=cell.trouble != "connection refused") as server:
            gateway = Gateway(server, honours_keys=cell.name in {"topup", "append-idempotent"})
            troubled = gateway.troubled(cell.trouble)
            server.answers = [troubled] if lasts else [troubled, gateway.well]
            server.slammed = slams
            async with AsyncNexevo(
                "sk-xc-1",
                base_url=server.base_url,
                retry=RetryPolicy(base_delay=0),
                timeouts=Timeouts(read=0.05 if lasts else 0.2),
                attempt_middleware=[attempted],
            ) as client:
                try:
                    result = await cell.call(client, max_retries=retries)
                except nexevo_async.NexevoError as caught:
                    result = caught
            sent = len(server.seen) + slams - server.slammed
        keys = {seen.header("idempotency-key") for seen in server.seen}
        assert len(keys) <= 1, "all attempts carry one key"
        assert len(gateway.done) <= 1, "nothing is done twice"
        return result, len(gateway.done), sent, len(attempts)

    def check(self, cell: Cell, result: Any) -> None:
        expected = StreamTruncatedError if cell.says == "cut" else getattr(nexevo_async, cell.error)
        assert type(result) is expected
        if cell.says != "cut":
            assert result.outcome_unknown is (cell.says.endswith("?") and cell.name != "get")
            assert ("outcome is unknown" in str(result)) is result.outcome_unknown

    async def test_trouble_that_passes(self, cell):
        result, done, sent, attempts = await self.called(cell, lasts=False)
        refused = cell.trouble == "connection refused"
        if cell.again:
            assert not isinstance(result, Exception)
            assert (done, sent, attempts) == (cell.name != "get", 2 - refused, 2)
        else:
            self.check(cell, result)
            assert (done, sent, attempts) == (cell.trouble in IS_DONE, 1, 1)

    @pytest.mark.parametrize("retries", [2, 0])
    async def test_trouble_that_lasts(self, cell, retries):
        result, done, sent, attempts = await self.called(cell, lasts=True, retries=retries)
        self.check(cell, result)
        assert result.attempts == attempts == (retries + 1 if cell.again else 1)
        assert sent == (0 if cell.trouble == "connection refused" else attempts)
        assert done == (cell.trouble in IS_DONE and cell.name != "get")
