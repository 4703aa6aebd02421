"""Accounts for tests, and a second factor that does not ask the one under test."""

import base64
import hashlib
import hmac
from datetime import datetime
from typing import Any

from sandbox_support import Api, Reply

EMAIL = "ada@example.test"
PASSWORD = "correct horse"
NEW_PASSWORD = "another horse"


def nobody(api: Api) -> Api:
    return as_(api, "")


def as_(api: Api, token: str) -> Api:
    return Api(api.session, api.base_url, token)


async def register(api: Api, email: str = EMAIL, password: str = PASSWORD, **more: Any) -> Api:
    """Open an account and give who acts with its session."""
    reply = await nobody(api).post("/auth/register", {"email": email, "password": password, **more})
    assert reply.status == 200, reply.text
    return as_(api, reply.json["access_token"])


async def login(api: Api, email: str = EMAIL, password: str = PASSWORD, **more: Any) -> Reply:
    return await nobody(api).post("/auth/login", {"email": email, "password": password, **more})


async def mails(api: Api) -> Any:
    return (await api.get("/_sandbox/outbox")).json["outbox"]


async def reset_token(api: Api, email: str = EMAIL) -> str:
    reply = await nobody(api).post("/auth/password-reset", {"email": email})
    assert (reply.status, reply.text) == (202, "")
    return str((await mails(api))[-1]["token"])


async def confirm(api: Api, token: str, new_password: str = NEW_PASSWORD) -> Reply:
    body = {"token": token, "new_password": new_password}
    return await nobody(api).post("/auth/password-reset/confirm", body)


async def move(api: Api, seconds: float) -> float:
    """Move the sandbox's clock and give its epoch seconds."""
    moved = await api.post("/_sandbox/clock", {"advance_s": seconds})
    return datetime.fromisoformat(moved.json["now"]).timestamp()


async def mid_step(api: Api) -> float:
    """Move the clock so that no step of 30 s ends while the test runs."""
    return await move(api, 45 - await move(api, 0) % 30)


def code_at(secret: str, when: float) -> str:
    """Give the code of RFC 6238 at a time."""
    counter = int(when // 30).to_bytes(8)
    digest = hmac.digest(base64.b32decode(secret), counter, hashlib.sha1)
    at = digest[-1] & 15
    number = int.from_bytes(digest[at : at + 4]) & 0x7FFFFFFF
    return f"{number % 10**6:06}"


async def with_2fa(user: Api) -> tuple[str, list[str]]:
    """Switch the second factor on and give its secret and the recovery codes."""
    secret = (await user.post("/auth/2fa/setup")).json["secret"]
    code = code_at(secret, await mid_step(user))
    enabled = await user.post("/auth/2fa/enable", {"code": code})
    assert enabled.status == 200, enabled.text
    return secret, enabled.json["recovery_codes"]
