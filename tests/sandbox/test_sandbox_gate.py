import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox_support import Api, Like, api_of

from nexevo_async.sandbox.accounts import create_user
from nexevo_async.sandbox.keyring import create_key, key_caller
from nexevo_async.sandbox.store import Store
from nexevo_async.testing import Sandbox


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Basic {key}", "{key}", "Bearer {short}", "Bearer {swapped}",
     "Bearer {key}x", "Bearer  {key}", "Bearer sk-xc-wrong", "Bearer é"],
)  # fmt: skip
async def test_without_the_key_nobody_comes_in(api: Api, authorization: str):
    shown = authorization.format(key=api.key, short=api.key[:-1], swapped=api.key.swapcase())
    reply = await api.get("/models", Authorization=shown)
    assert reply.error == (401, "invalid_api_key", None)
    assert api.key not in reply.text
    assert reply.headers["X-Trace-ID"] == Like("[0-9a-f]{32}")
    assert reply.headers["X-RateLimit-Remaining"] == "60"


async def test_scheme_is_read_in_any_case(api: Api):
    assert (await api.get("/models", Authorization=f"bearer {api.key}")).status == 200


async def test_keys_of_one_prefix_are_told_apart():
    store = Store(None)
    await store.open()

    def check(db: sqlite3.Connection) -> list[str | None]:
        now = "2026-01-01T00:00:00Z"
        for name in ("one", "two"):
            user = create_user(db, email=f"{name}@x.test", hashed_password="", now=now)
            create_key(db, user_id=user, name=name, secret=f"sk-xc-same-{name}", now=now)
        callers = [key_caller(db, f"sk-xc-same-{name}", now) for name in ("one", "two", "three")]
        assert key_caller(db, "sk-xc-same-on", now) is None
        return [caller and caller.user_id for caller in callers]

    one, two, three = await store.run(check)
    await store.close()
    assert None not in {one, two}
    assert one != two
    assert three is None


@pytest.mark.parametrize(("method", "path"), [("GET", "/nothing"), ("PUT", "/conversations")])
async def test_every_answer_has_the_documented_headers_and_body(api: Api, method: str, path: str):
    reply = await api.call(method, path)
    assert reply.error[0] in {404, 405}
    assert reply.headers["X-Trace-ID"] == Like("[0-9a-f]{32}")
    assert {"X-RateLimit-Remaining", "X-RateLimit-Reset"} <= set(reply.headers)


async def test_wrong_method_says_which_are_right(api: Api):
    reply = await api.call("PUT", "/conversations")
    assert reply.headers["Allow"] == "GET,POST"
    assert (await api.call("HEAD", "/models")).status == 405


async def test_trace_ids_differ(api: Api):
    ids = {(await api.get("/models")).headers["X-Trace-ID"] for _ in range(5)}
    assert len(ids) == 5


@pytest.fixture
def limited() -> Iterator[Sandbox]:
    with Sandbox(rate_limit_rpm=3) as sandbox:
        yield sandbox


async def test_limit_holds_for_a_minute_of_the_sandboxs_clock(limited: Sandbox):
    async with api_of(limited) as api:
        other = await api.another()
        left = [(await api.get("/models")).headers["X-RateLimit-Remaining"] for _ in range(3)]
        assert left == ["2", "1", "0"]
        refused = await api.get("/models")
        assert refused.error == (429, "rate_limit_exceeded", None)
        assert refused.headers["X-RateLimit-Remaining"] == "0"
        assert refused.headers["Retry-After"] == refused.headers["X-RateLimit-Reset"]
        assert 58 <= int(refused.headers["Retry-After"]) <= 60
        assert (await other.get("/models")).headers["X-RateLimit-Remaining"] == "1"

        limited.advance_clock(30)
        refused = await api.get("/models")
        assert refused.status == 429
        wait = int(refused.headers["Retry-After"])
        assert 28 <= wait <= 30
        limited.advance_clock(wait)
        assert (await api.get("/models")).headers["X-RateLimit-Remaining"] == "2"
        limited.reset()
        assert (await api.get("/models")).headers["X-RateLimit-Remaining"] == "2"


async def test_limit_counts_each_of_many_at_once(limited: Sandbox):
    async with api_of(limited) as api:
        replies = await asyncio.gather(*(api.get("/models") for _ in range(20)))
        assert sorted(r.status for r in replies) == [200] * 3 + [429] * 17


def contents(directory: Path) -> bytes:
    return b"".join(file.read_bytes() for file in directory.iterdir())


async def test_file_holds_no_secret(tmp_path: Path):
    file = tmp_path / "state.db"
    with Sandbox(db=file, api_key="sk-xc-canary-0123456789") as sandbox:
        async with api_of(sandbox) as api:
            other = await api.post(
                "/_sandbox/users", {"email": "a@b.test", "password": "canary-password"}
            )
            assert (await api.get("/conversations")).status == 200
        on_disk = contents(tmp_path)
        assert b"a@b.test" in on_disk  # the file is not empty, nor compressed
        for secret in (
            sandbox.api_key, sandbox.password, "canary-password", other.json["token"]
        ):  # fmt: skip
            assert secret.encode() not in on_disk
