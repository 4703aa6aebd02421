"""The way of one call through the gateway: key, limit, fault, handler, answer."""

import asyncio
import functools
from collections.abc import Mapping
from typing import Any, Final

import attrs
from aiohttp import web

from nexevo_async.codec.json import decode
from nexevo_async.contract.operation import Operation
from nexevo_async.contract.table import OPERATIONS
from nexevo_async.sandbox import catalogue, chat, conversations, feedback, idempotency
from nexevo_async.sandbox.accounts import Caller, caller_of
from nexevo_async.sandbox.call import Answer, Call, Handler
from nexevo_async.sandbox.faults import FAULT_HEADER, Fault, fault_from
from nexevo_async.sandbox.gate import Rate, bearer, unknown_key
from nexevo_async.sandbox.gateway import Gateway
from nexevo_async.sandbox.idempotency import Slot
from nexevo_async.sandbox.log import RequestEntry
from nexevo_async.sandbox.refusal import RefusalError
from nexevo_async.sandbox.stream import frames
from nexevo_async.sandbox.validation import CheckedBody, checked_body, checked_query
from nexevo_async.sandbox.wire import Sender, read, route

HANDLERS: Final[Mapping[str, Handler]] = {
    "conversations.create": conversations.create,
    "conversations.list": conversations.list_,
    "conversations.get": conversations.get,
    "conversations.update": conversations.update,
    "conversations.delete": conversations.delete,
    "conversations.append_message": conversations.append_message,
    "conversations.list_messages": conversations.list_messages,
    "chat.completions.create": chat.create,
    "models.list": catalogue.list_,
    "feedback.submit": feedback.submit,
    "feedback.summary": feedback.summary,
}
PREFIX: Final = "/v1"
_LONGEST_IDEMPOTENCY_KEY: Final = 255


@attrs.define
class Exchange:
    """What the gateway keeps of a request while it answers it."""

    entry: RequestEntry
    rate: Rate


EXCHANGE: Final = web.RequestKey("exchange", Exchange)


def routes(gateway: Gateway) -> list[web.RouteDef]:
    """Give a route for every operation of the contract."""
    return [
        route(
            operation.method,
            PREFIX + operation.path,
            Endpoint(gateway, operation, HANDLERS[operation.name]).serve,
        )
        for operation in OPERATIONS
    ]


class Endpoint:
    """Serves one operation."""

    def __init__(self, gateway: Gateway, operation: Operation[Any], handler: Handler) -> None:
        self._gateway = gateway
        self._operation = operation
        self._handler = handler

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""
        gateway, exchange = self._gateway, request[EXCHANGE]
        entry = exchange.entry
        entry.operation = self._operation.name
        secret = bearer(request.headers.get("Authorization"))
        caller = await gateway.store.run(functools.partial(caller_of, secret=secret))
        if caller is None:
            raise unknown_key()
        entry.key_id = caller.key_id
        exchange.rate = gateway.limiter.count(caller.key_id)
        data = await read(request)
        entry.request_bytes = len(data)
        slot = self._slot(request, caller)
        with gateway.running.claimed(slot):
            fault = self._fault(request, caller)
            return await self._answer(request, caller, data, fault, slot)

    def _fault(self, request: web.Request, caller: Caller) -> Fault:
        own = request.headers.get(FAULT_HEADER)
        if own is not None:
            return fault_from(own)
        return self._gateway.faults.take(self._operation.name, caller.key_id)

    def _slot(self, request: web.Request, caller: Caller) -> Slot | None:
        key = request.headers.get("Idempotency-Key")
        if key is None or self._operation.method not in {"POST", "PATCH"}:
            return None
        if not key.isascii() or not 0 < len(key) <= _LONGEST_IDEMPOTENCY_KEY:
            raise RefusalError(
                400,
                f"An Idempotency-Key has 1 to {_LONGEST_IDEMPOTENCY_KEY} ASCII characters.",
                param="Idempotency-Key",
            )
        return Slot(caller.key_id, self._operation.name, key)

    async def _answer(
        self, request: web.Request, caller: Caller, data: bytes, fault: Fault, slot: Slot | None
    ) -> web.StreamResponse:
        sender = Sender(request, request[EXCHANGE].entry, fault)
        if fault.drop == "before":
            await asyncio.sleep(fault.delay_s or 0)
            await sender.hang_up()
        if fault.status is not None:
            await asyncio.sleep(fault.delay_s or 0)
            return await sender.plain(fault.status, fault.content(), fault.headers or {})
        query = checked_query(self._operation, request.query)
        body = checked_body(self._operation, data)
        print_ = idempotency.fingerprint(request.path_qs, data)
        answer = await self._gateway.store.run(
            lambda db: self._handle(
                Call(
                    operation=self._operation,
                    db=db,
                    caller=caller,
                    ids=tuple(request.match_info[name] for name in self._operation.parameters),
                    query=query,
                    body=body.members,
                    raw=body.raw,
                    now=self._gateway.now(),
                ),
                slot,
                print_,
            )
        )
        if fault.delay_s:
            await asyncio.sleep(fault.delay_s)
        if fault.drop == "after":
            await sender.hang_up()
        if body.members.get("stream"):
            return await self._stream(sender, answer, body, fault)
        return await sender.plain(self._operation.status, answer.body, answer.headers)

    def _handle(self, call: Call, slot: Slot | None, print_: bytes) -> Answer:
        if slot is None:
            return self._handler(call)
        answer = idempotency.stored(call.db, slot, print_)
        if answer is None:
            answer = self._handler(call)
            idempotency.store(call.db, slot, print_, answer)
        return answer

    async def _stream(
        self, sender: Sender, answer: Answer, body: CheckedBody, fault: Fault
    ) -> web.StreamResponse:
        completion = decode(answer.body)
        events = frames(completion, include_usage=chat.wants_usage(body.raw), fault=fault)
        # A gateway cannot know in its headers how long the answer will be that it begins.
        headers = {k: v for k, v in answer.headers.items() if k != "X-Usage-Output-Tokens"}
        try:
            return await sender.stream(events, headers)
        finally:
            if sender.tokens < completion["usage"]["completion_tokens"]:
                await self._gateway.store.run(
                    functools.partial(
                        chat.correct_output,
                        generation_id=completion["nexevo"]["generation_id"],
                        output_tokens=sender.tokens,
                    )
                )
