"""What the tests of the sandbox share: a bare HTTP client, and values known by their form."""

import asyncio
import io
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, NamedTuple

import aiohttp
import msgspec

from nexevo_async.testing import Sandbox


class Like:
    """Equals every string of a form."""

    def __init__(self, pattern: str) -> None:
        self._pattern = re.compile(pattern)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and self._pattern.fullmatch(other) is not None

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<like {self._pattern.pattern}>"


TIME = Like(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def an_id(prefix: str) -> Like:
    return Like(re.escape(prefix) + "[A-Za-z0-9_-]{24}")


class Reply(NamedTuple):
    status: int
    headers: Any
    text: str

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.text)

    @property
    def error(self) -> tuple[int, str, str | None]:
        error = self.json["error"]
        assert error["message"]
        known = {"insufficient_balance": "account_suspended"}
        assert error["code"] == known.get(error["type"], error["type"])
        assert error.keys() <= {"message", "type", "code", "param", "limit", "spent", "resets_at"}
        return self.status, error["type"], error.get("param")

    @property
    def events(self) -> list[str]:
        return [e.removeprefix("data: ") for e in self.text.split("\n\n") if e.startswith("data")]

    @property
    def chunks(self) -> list[Any]:
        return [msgspec.json.decode(event) for event in self.events if event != "[DONE]"]


class Api:
    """Speaks plain HTTP with one key, or with none."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str, key: str) -> None:
        self.session = session
        self.base_url = base_url
        self.root = base_url.removesuffix("/v1")
        host, port = self.root.removeprefix("http://").split(":")
        self.address = (host, int(port))
        self.key = key

    def request(self, method: str, path: str, json: Any = None, **headers: str) -> Any:
        data = None if json is None else io.BytesIO(as_bytes(json))
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.key and "Authorization" not in names and not path.startswith("/_sandbox"):
            names["Authorization"] = f"Bearer {self.key}"
        base = self.root if path.startswith("/_sandbox") else self.base_url
        return self.session.request(method, base + path, data=data, headers=names)

    async def call(self, method: str, path: str, json: Any = None, **headers: str) -> Reply:
        async with self.request(method, path, json, **headers) as response:
            return Reply(response.status, response.headers, await response.text())

    async def get(self, path: str, **headers: str) -> Reply:
        return await self.call("GET", path, **headers)

    async def post(self, path: str, json: Any = None, **headers: str) -> Reply:
        return await self.call("POST", path, json, **headers)

    async def conversation(self, **members: Any) -> str:
        return str((await self.post("/conversations", members)).json["conversation_id"])

    async def chat(self, *, fault: Any = None, **members: Any) -> Reply:
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello!"}]} | members
        headers = {} if fault is None else {"X_Sandbox_Fault": encoded(fault)}
        return await self.post("/chat/completions", body, **headers)

    async def another(self, email: str = "other@sandbox.test") -> "Api":
        made = await self.post("/_sandbox/users", {"email": email, "password": "pw"})
        assert made.status == 200
        other = Api(self.session, self.base_url, made.json["token"])
        await other.pay_in()
        return other

    async def pay_in(self, amount_usd: int = 100) -> None:
        payment = {"amount_usd": amount_usd, "idempotency_key": secrets.token_hex()}
        assert (await self.post("/billing/topup", payment)).status == 200

    async def balance(self) -> Decimal:
        return Decimal((await self.get("/billing/balance")).json["balance_usd"])


def as_bytes(json: Any) -> bytes:
    return json if isinstance(json, bytes) else msgspec.json.encode(json)


def encoded(obj: Any) -> str:
    return msgspec.json.encode(obj).decode()


async def on_the_wire(api: Api, request: bytes) -> bytes:
    """Send bytes and give all that comes until the connection closes."""
    reader, writer = await asyncio.open_connection(*api.address)
    writer.write(request)
    try:
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        writer.close()


@asynccontextmanager
async def api_of(sandbox: Sandbox) -> AsyncIterator[Api]:
    async with aiohttp.ClientSession() as session:
        yield Api(session, sandbox.base_url, sandbox.api_key)


async def stalled(sandbox: Sandbox) -> int:
    """Wait until nothing more goes out, and give the bytes of the bodies that did."""
    seen: list[int] = []
    while len(seen) < 5 or not seen[-1] or len(set(seen[-5:])) > 1:  # a busy machine may pause
        await asyncio.sleep(0.1)
        seen.append(sum(entry.response_bytes for entry in sandbox.requests))
    return seen[-1]


async def eventually(check: Any, within: float = 2.0) -> None:
    """Wait until something holds that another thread brings about."""
    deadline = asyncio.get_running_loop().time() + within
    while not check():
        assert asyncio.get_running_loop().time() < deadline, "it never came to hold"
        await asyncio.sleep(0.01)
