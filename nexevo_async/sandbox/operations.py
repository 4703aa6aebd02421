"""The way of one call through the gateway: key, limit, fault, handler, answer."""

import asyncio
import functools
import sqlite3
from collections.abc import Mapping
from typing import Any, Final

import attrs
from aiohttp import web

from nexevo_async.codec.json import decode
from nexevo_async.contract.operation import Operation
from nexevo_async.contract.table import OPERATIONS
from nexevo_async.sandbox import (
    account_data,
    auth,
    billing,
    charges,
    chat,
    conversations,
    feedback,
    idempotency,
    keys,
    models,
    organizations,
    password_reset,
    two_factor,
)
from nexevo_async.sandbox.call import Answer, Call, Handler
from nexevo_async.sandbox.caller import NOBODY, Caller
from nexevo_async.sandbox.faults import FAULT_HEADER, Fault, fault_from
from nexevo_async.sandbox.gate import Rate, bearer, unknown_key
from nexevo_async.sandbox.gateway import Gateway
from nexevo_async.sandbox.idempotency import Slot
from nexevo_async.sandbox.ids import new_id
from nexevo_async.sandbox.keyring import key_caller
from nexevo_async.sandbox.log import RequestEntry
from nexevo_async.sandbox.passwords import Proof, proven
from nexevo_async.sandbox.refusal import RefusalError
from nexevo_async.sandbox.relay import Relaying
from nexevo_async.sandbox.sessions import session_caller
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
    "models.list": models.list_,
    "feedback.submit": feedback.submit,
    "feedback.summary": feedback.summary,
    "auth.register": auth.register,
    "auth.login": auth.login,
    "auth.logout": auth.logout,
    "auth.request_password_reset": password_reset.request,
    "auth.confirm_password_reset": password_reset.confirm,
    "auth.me": auth.me,
    "auth.update_profile": auth.update_profile,
    "auth.change_password": auth.change_password,
    "auth.two_fa_status": two_factor.status,
    "auth.two_fa_setup": two_factor.setup,
    "auth.two_fa_enable": two_factor.enable,
    "auth.two_fa_disable": two_factor.disable,
    "auth.export_data": account_data.export,
    "auth.deactivate": account_data.deactivate,
    "keys.create": keys.create,
    "keys.list": keys.list_,
    "keys.get": keys.get,
    "keys.revoke": keys.revoke,
    "keys.update_spend_cap": keys.update_spend_cap,
    "keys.update_alert_webhook": keys.update_alert_webhook,
    "keys.update_geo_policy": keys.update_geo_policy,
    "billing.balance": billing.balance,
    "billing.usage": billing.usage,
    "billing.get_plan": billing.get_plan,
    "billing.upgrade_hint": billing.upgrade_hint,
    "billing.topup": billing.topup,
    "billing.checkout": billing.open_checkout,
    "organizations.create": organizations.create,
    "organizations.list": organizations.list_,
    "organizations.get": organizations.get,
    "organizations.invite_member": organizations.invite_member,
    "organizations.accept_invitation": organizations.accept_invitation,
    "organizations.list_members": organizations.list_members,
    "organizations.update_member": organizations.update_member,
    "organizations.remove_member": organizations.remove_member,
    "organizations.transfer_owner": organizations.transfer_owner,
}
PREFIX: Final = "/v1"
_LONGEST_IDEMPOTENCY_KEY: Final = 255


@attrs.define
class Exchange:
    """What the gateway keeps of a request while it answers it."""

    entry: RequestEntry
    rate: Rate


EXCHANGE: Final = web.RequestKey("exchange", Exchange)


def _caller_of(
    db: sqlite3.Connection, token: str, now: str
) -> tuple[Caller | None, RefusalError | None]:
    """Give who calls, and why that caller may call nothing at present."""
    caller = key_caller(db, token, now)
    if caller is None:
        return session_caller(db, token, now), None
    return caller, charges.refusal_of_spent_cap(db, caller.key_id, now)


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
        caller = await self._caller(request, exchange)
        data = await read(request)
        entry.request_bytes = len(data)
        slot = self._slot(request, caller)
        with gateway.running.claimed(slot):
            fault = self._fault(request, caller)
            return await self._answer(request, caller, data, fault, slot)

    async def _caller(self, request: web.Request, exchange: Exchange) -> Caller:
        gateway = self._gateway
        if not self._operation.needs_key:
            exchange.rate = gateway.limiter.count(f"peer {request.remote}")
            return NOBODY
        token = bearer(request.headers.get("Authorization"))
        caller, refusal = await gateway.store.run(
            functools.partial(_caller_of, token=token, now=gateway.now())
        )
        if caller is None:
            raise unknown_key()
        exchange.entry.key_id = caller.key_id
        exchange.rate = gateway.limiter.count(caller.key_id)
        if refusal is not None:
            raise refusal
        return caller

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
        gateway, store = self._gateway, self._gateway.store
        print_ = idempotency.fingerprint(store.seal, request.path_qs, data)
        generation_id, failed = new_id("gen_"), dict[str, RefusalError]()

        def call(proof: Proof, db: sqlite3.Connection) -> Call:
            return Call(
                operation=self._operation,
                db=db,
                caller=caller,
                ids=tuple(request.match_info[name] for name in self._operation.parameters),
                query=query,
                body=body.members,
                raw=body.raw,
                now=gateway.now(),
                site=gateway.site,
                generation_id=generation_id,
                seal=store.seal,
                proof=proof,
                chance=gateway.chance,
                has_upstream=gateway.upstream is not None,
                failed=failed,
            )

        name = self._operation.name
        try:
            async with proven(name, caller, body.members, store, gateway.throttle) as proof:
                called = functools.partial(call, proof)
                answer = await store.run(lambda db: self._handle(called(db), slot, print_))
            if gateway.upstream is not None and answer.relay is not None:
                relaying = Relaying(
                    upstream=gateway.upstream,
                    store=store,
                    sender=sender,
                    body=body,
                    called=called,
                    handle=lambda call: self._handle(call, slot, print_),
                    keep=lambda call, answer: self._keep(call, slot, print_, answer),
                    alert=gateway.alerts.wake,
                    failed=failed,
                )
                relayed = await relaying.serve(answer.relay)
                if isinstance(relayed, web.StreamResponse):
                    return relayed
                answer = relayed
            if fault.delay_s:
                await asyncio.sleep(fault.delay_s)
            if fault.drop == "after":
                await sender.hang_up()
            if body.members.get("stream"):
                return await self._stream(sender, answer, body, fault)
            return await sender.plain(self._operation.status, answer.body, answer.headers)
        finally:
            if body.members.get("stream"):
                await asyncio.shield(self._finish(generation_id, sender.tokens))

    def _handle(self, call: Call, slot: Slot | None, print_: bytes) -> Answer:
        answer = None if slot is None else idempotency.stored(call, slot, print_)
        if answer is None:
            answer = self._handler(call)
            if answer.relay is None:
                self._keep(call, slot, print_, answer)
        return answer

    def _keep(self, call: Call, slot: Slot | None, print_: bytes, answer: Answer) -> None:
        if slot is not None:
            idempotency.store(call, slot, print_, answer)
        # Here, and not by the request that waits: its caller may have left meanwhile.
        self._gateway.outbox.extend(answer.mails)
        if answer.alerts:
            self._gateway.alerts.wake()

    async def _stream(
        self, sender: Sender, answer: Answer, body: CheckedBody, fault: Fault
    ) -> web.StreamResponse:
        events = frames(decode(answer.body), include_usage=chat.wants_usage(body.raw), fault=fault)
        # A gateway cannot know in its headers how long the answer will be that it begins.
        headers = {k: v for k, v in answer.headers.items() if k != "X-Usage-Output-Tokens"}
        return await sender.stream(events, headers)

    async def _finish(self, generation_id: str, output_tokens: int) -> None:
        """Count and charge what a stream has sent, however it ended."""
        gateway = self._gateway
        due = await gateway.store.run(
            functools.partial(
                chat.finish,
                generation_id=generation_id,
                output_tokens=output_tokens,
                now=gateway.now(),
            )
        )
        if due:
            gateway.alerts.wake()
