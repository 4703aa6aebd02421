"""The sandbox's own paths, which are no part of Nexevo: for tests on this machine alone."""

import asyncio
import ipaddress
import sqlite3
from decimal import Decimal
from typing import Annotated, Any, Final, NotRequired, TypedDict

import attrs
import msgspec
from aiohttp import web

from nexevo_async.sandbox import checkout, ledger, plans
from nexevo_async.sandbox.accounts import create_user, user_json, user_row
from nexevo_async.sandbox.checkout import Checkout
from nexevo_async.sandbox.faults import order_from
from nexevo_async.sandbox.gateway import Gateway
from nexevo_async.sandbox.keyring import create_key, new_api_key
from nexevo_async.sandbox.money import checked, written
from nexevo_async.sandbox.passwords import password_hash
from nexevo_async.sandbox.plans import PlanName
from nexevo_async.sandbox.refusal import RefusalError, invalid, not_found
from nexevo_async.sandbox.router import standings
from nexevo_async.sandbox.validation import body_as
from nexevo_async.sandbox.wire import HttpHandler, json_response, read, route

PREFIX: Final = "/_sandbox"


class ClockBody(TypedDict):
    """How far the clock moves."""

    advance_s: float


class UserBody(TypedDict):
    """A user to make."""

    email: Annotated[str, msgspec.Meta(pattern=r"^[^@\s]+@[^@\s]+$", max_length=254)]
    password: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
    full_name: NotRequired[str | None]


class CreditBody(TypedDict):
    """Money for a user, or for an organization."""

    user_id: str
    amount_usd: Decimal


class PlanBody(TypedDict):
    """The plan of a user, or of an organization."""

    user_id: str
    plan: PlanName


def routes(gateway: Gateway) -> list[web.RouteDef]:
    """Give the routes of the sandbox's own paths."""
    admin = _Admin(gateway)
    pages = Checkout(gateway)
    table: tuple[tuple[str, str, HttpHandler], ...] = (
        ("GET", "/health", admin.health),
        ("GET", "/requests", admin.requests),
        ("DELETE", "/requests", admin.forget_requests),
        ("GET", "/outbox", admin.outbox),
        ("GET", "/router", admin.router),
        ("POST", "/reset", admin.reset),
        ("POST", "/clock", admin.move_clock),
        ("POST", "/users", admin.make_user),
        ("POST", "/credit", admin.credit),
        ("POST", "/plan", admin.choose_plan),
        ("GET", "/ledger", admin.ledger),
        ("GET", checkout.PATH + "/{payment_id}", pages.show),
        ("POST", checkout.PATH + "/{payment_id}", pages.pay),
        ("GET", "/faults", admin.faults),
        ("POST", "/faults", admin.order_fault),
        ("DELETE", "/faults", admin.forget_faults),
    )
    return [route(method, PREFIX + path, _local(handler)) for method, path, handler in table]


def _local(handler: HttpHandler) -> HttpHandler:
    async def guarded(request: web.Request) -> web.StreamResponse:
        if not is_loopback(request.remote):
            raise RefusalError(403, f"{PREFIX} answers this machine only.")
        return await handler(request)

    return guarded


def is_loopback(peer: str | None) -> bool:
    """Say whether a peer's address is this machine's own loopback."""
    if peer is None:
        return False
    address = ipaddress.ip_address(peer.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


class _Admin:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def health(self, _: web.Request) -> web.Response:
        return json_response({"status": "ready"})

    async def requests(self, _: web.Request) -> web.Response:
        return json_response({"requests": [e.as_json() for e in self._gateway.log.entries]})

    async def forget_requests(self, _: web.Request) -> web.Response:
        self._gateway.log.entries.clear()
        return web.Response(status=204)

    async def outbox(self, _: web.Request) -> web.Response:
        return json_response({"outbox": list(self._gateway.outbox)})

    async def router(self, _: web.Request) -> web.Response:
        models = await self._gateway.store.run(standings)
        return json_response({"models": {name: attrs.asdict(m) for name, m in models.items()}})

    async def reset(self, _: web.Request) -> web.Response:
        await self._gateway.reset()
        return web.Response(status=204)

    async def move_clock(self, request: web.Request) -> web.Response:
        body = body_as(ClockBody, await read(request)).members
        try:
            self._gateway.advance_clock(body["advance_s"])
        except ValueError as error:
            raise invalid("advance_s", f"{error}.") from None
        return json_response({"now": self._gateway.now()})

    async def make_user(self, request: web.Request) -> web.Response:
        body = body_as(UserBody, await read(request)).members
        hashed = await asyncio.to_thread(password_hash, body["password"])
        token, now = new_api_key(), self._gateway.now()
        email, full_name = body["email"], body.get("full_name")

        def make(db: sqlite3.Connection) -> dict[str, Any]:
            user_id = create_user(
                db,
                email=email,
                full_name=full_name,
                hashed_password=hashed,
                now=now,
            )
            key_id = create_key(db, user_id=user_id, name="sandbox", secret=token, now=now)
            user = user_json(user_row(db, user_id))
            return {"user": user, "token": token, "key_id": key_id}

        return json_response(await self._gateway.store.run(make))

    async def credit(self, request: web.Request) -> web.Response:
        body = body_as(CreditBody, await read(request)).members
        account_id, amount = body["user_id"], checked(body["amount_usd"])
        now = self._gateway.now()

        def credit(db: sqlite3.Connection) -> str:
            _known(db, account_id)
            ledger.credit(db, account_id, amount, now)
            return written(ledger.balance(db, account_id))

        balance = await self._gateway.store.run(credit)
        return json_response({"user_id": account_id, "balance_usd": balance})

    async def choose_plan(self, request: web.Request) -> web.Response:
        body = body_as(PlanBody, await read(request)).members
        account_id, name = body["user_id"], body["plan"]

        def choose(db: sqlite3.Connection) -> None:
            _known(db, account_id)
            plans.choose(db, account_id, name)

        await self._gateway.store.run(choose)
        return json_response({"user_id": account_id, "plan": name})

    async def ledger(self, _: web.Request) -> web.Response:
        return json_response(await self._gateway.store.run(_ledger))

    async def faults(self, _: web.Request) -> web.Response:
        return json_response({"faults": self._gateway.faults.orders})

    async def order_fault(self, request: web.Request) -> web.Response:
        order = order_from(await read(request))
        self._gateway.faults.orders.append(order)
        return json_response(order)

    async def forget_faults(self, _: web.Request) -> web.Response:
        self._gateway.faults.orders.clear()
        return web.Response(status=204)


def _known(db: sqlite3.Connection, account_id: str) -> None:
    found = db.execute(
        "SELECT 1 FROM users WHERE user_id = :id UNION ALL"
        " SELECT 1 FROM organizations WHERE org_id = :id",
        {"id": account_id},
    ).fetchone()
    if found is None:
        raise not_found("user", account_id)


def _ledger(db: sqlite3.Connection) -> dict[str, Any]:
    by = ("date", "tier", "key_id", "account_id")
    return {
        "books": ledger.balances(db),
        "charges": [dict(row) for row in ledger.totals(db, by)],
    }
