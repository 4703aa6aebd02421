import asyncio
import socket
from typing import Any

import pytest
from aiohttp import ClientSession, web
from sandbox_support import TIME, Api, an_id, eventually

from nexevo_async.sandbox.admin import is_loopback
from nexevo_async.sandbox.app import application
from nexevo_async.sandbox.gateway import Gateway, Seed
from nexevo_async.sandbox.passwords import password_hash
from nexevo_async.sandbox.store import Store
from nexevo_async.secret import Secret
from nexevo_async.testing import Sandbox


async def test_health_and_outbox(api: Api):
    assert (await api.get("/_sandbox/health")).json == {"status": "ready"}
    assert (await api.get("/_sandbox/outbox")).json == {"outbox": []}


async def test_user_gets_a_token_that_works(api: Api):
    made = await api.post(
        "/_sandbox/users", {"email": "a@b.test", "password": "pw", "full_name": "A B"}
    )
    assert made.json == {
        "user": {
            "user_id": an_id("u_"),
            "email": "a@b.test",
            "full_name": "A B",
            "two_fa_enabled": False,
            "created_at": TIME,
        },
        "token": made.json["token"],
        "key_id": an_id("key_"),
    }
    user = Api(api.session, api.base_url, made.json["token"])
    assert (await user.get("/conversations")).status == 200
    again = await api.post("/_sandbox/users", {"email": "A@b.test", "password": "pw"})
    assert again.error == (409, "conflict", None)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"password": "p"}, "email"),
        ({"email": "nobody", "password": "p"}, "email"),
        ({"email": "a@b.test", "password": ""}, "password"),
    ],
)
async def test_wrong_user_is_refused(api: Api, body: Any, param: str):
    reply = await api.post("/_sandbox/users", body)
    assert reply.error == (422, "validation_error", param)


async def test_credit_is_exact(api: Api):
    user_id = (await api.post("/_sandbox/users", {"email": "a@b.test", "password": "pw"})).json[
        "user"
    ]["user_id"]
    for amount in ("0.1", "0.2", "999999999999", "0.000000000000000001", "1E+3"):
        body = b'{"user_id":"%s","amount_usd":%s}' % (user_id.encode(), amount.encode())
        reply = await api.post("/_sandbox/credit", body)
    assert reply.json == {"user_id": user_id, "balance_usd": "1000000000999.300000000000000001"}


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-1", "0", "1e13", "1e-19", "x", None, True])
async def test_credit_that_is_no_money_is_refused(api: Api, amount: Any):
    reply = await api.post("/_sandbox/credit", {"user_id": "u_x", "amount_usd": amount})
    assert reply.error == (422, "validation_error", "amount_usd")


async def test_credit_for_nobody_is_404(api: Api):
    reply = await api.post("/_sandbox/credit", {"user_id": "u_x", "amount_usd": "1"})
    assert reply.error == (404, "not_found", None)


async def test_clock_moves_what_is_stamped(api: Api):
    before = (await api.get(f"/conversations/{await api.conversation()}")).json["created_at"]
    moved = await api.post("/_sandbox/clock", {"advance_s": 86_400 * 365})
    after = (await api.get(f"/conversations/{await api.conversation()}")).json["created_at"]
    assert int(after[:4]) == int(before[:4]) + 1
    assert moved.json["now"] <= after
    await api.post("/_sandbox/reset")
    again = (await api.get(f"/conversations/{await api.conversation()}")).json["created_at"]
    assert again[:4] == before[:4]


@pytest.mark.parametrize("advance", [-1, 1e300, "1", None])
async def test_clock_moves_forward_and_not_for_ever(api: Api, advance: Any):
    reply = await api.post("/_sandbox/clock", {"advance_s": advance})
    assert reply.error == (422, "validation_error", "advance_s")


async def test_reset_goes_back_to_the_seed(sandbox: Sandbox, api: Api):
    other = await api.another()
    await api.conversation()
    sandbox.faults.add({"status": 500}, operation="chat.completions.create")
    assert (await api.post("/_sandbox/reset")).status == 204
    assert sandbox.requests == []
    assert (await api.get("/conversations")).json["conversations"] == []
    assert (await other.get("/conversations")).status == 401
    assert (await api.chat()).status == 200
    assert (await api.another()).key != other.key


async def test_log_tells_all_but_the_secrets(api: Api):
    await api.post(
        "/conversations",
        {"title": "canary-title"},
        Idempotency_Key="key-1",
        X_My_Header="canary-header",
        Cookie="canary=cookie",
        X_Sandbox_Fault='{"delay_s": 0}',
    )
    await api.get("/nothing")
    reply = await api.get("/_sandbox/requests")
    for secret in (api.key, "canary"):
        assert secret not in reply.text
    first, second = reply.json["requests"]
    headers = {name.lower(): value for name, value in first.pop("headers").items()}
    assert headers["authorization"] == "Bearer ***"
    assert headers["x-my-header"] == headers["cookie"] == "***"
    assert headers["x-sandbox-fault"] == '{"delay_s": 0}'
    assert isinstance(first["client_port"], int)
    assert first["client_port"] == second["client_port"]  # one kept-alive connection
    assert first == {
        "time": TIME,
        "method": "POST",
        "path": "/v1/conversations",
        "operation": "conversations.create",
        "idempotency_key": "key-1",
        "client_port": first["client_port"],
        "key_id": an_id("key_"),
        "request_bytes": len('{"title":"canary-title"}'),
        "status": 200,
        "response_bytes": first["response_bytes"],
        "ended": TIME,
        "dropped": False,
        "peer_left": None,
    }
    assert first["response_bytes"] > 100
    assert (second["operation"], second["status"]) == (None, 404)
    assert (await api.call("DELETE", "/_sandbox/requests")).status == 204
    assert (await api.get("/_sandbox/requests")).json == {"requests": []}


async def test_log_shows_a_running_request_and_who_left_it(sandbox: Sandbox, api: Api):
    call = asyncio.create_task(api.get("/models", X_Sandbox_Fault='{"delay_s": 30}'))
    await eventually(lambda: len(sandbox.requests) == 1)
    entry = sandbox.requests[0]
    assert (entry.status, entry.ended, entry.peer_left) == (None, None, None)
    call.cancel()
    await eventually(lambda: sandbox.requests[0].peer_left is not None, within=1)
    assert sandbox.requests[0].status is None


@pytest.mark.parametrize(
    ("peer", "own"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("fe80::1%eth0", False),
        ("::ffff:10.0.0.1", False),
        ("10.0.0.1", False),
        (None, False),
    ],
)
def test_loopback(peer: str | None, own: bool):
    assert is_loopback(peer) is own


def own_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


@pytest.mark.skipif(own_address().startswith("127."), reason="this machine has loopback alone")
async def test_other_machines_do_not_reach_the_sandboxs_own_paths():
    store = Store(None)
    await store.open()
    seed = Seed(email="a@b.test", hashed_password=password_hash("p"), api_key=Secret("sk-xc-k"))
    gateway = Gateway(store, seed, None)
    await gateway.seed()
    runner = web.AppRunner(application(gateway))
    await runner.setup()
    await web.TCPSite(runner, "0.0.0.0", 0).start()  # noqa: S104
    root = f"http://{own_address()}:{runner.addresses[0][1]}"
    try:
        async with ClientSession() as session:
            async with session.get(f"{root}/_sandbox/requests") as response:
                assert response.status == 403
                assert (await response.json())["error"]["type"] == "permission_denied"
            headers = {"Authorization": "Bearer sk-xc-k"}
            async with session.get(f"{root}/v1/models", headers=headers) as response:
                assert response.status == 200
    finally:
        await runner.cleanup()
        await store.close()
