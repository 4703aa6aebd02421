"""Whoever means harm gets a refusal, and nothing else: no id, no secret, no crash."""

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientError, ClientSession
from command_support import running
from sandbox_support import Api, eventually, on_the_wire
from team_support import accept, invite, join, new_key, organization, person

from nexevo_async.contract.operation import Operation
from nexevo_async.contract.table import OPERATIONS
from nexevo_async.testing import Sandbox

pytestmark = pytest.mark.usefixtures("cheap_hashes")
BY_NAME: dict[str, Operation[Any]] = {operation.name: operation for operation in OPERATIONS}
WITH_IDS = [operation.name for operation in OPERATIONS if operation.parameters]
WITH_BODY = [operation.name for operation in OPERATIONS if operation.body is not None]
# A right body for every call that takes an id and a body: the id alone is what is wrong.
BODIES: dict[str, Any] = {
    "conversations.update": {"title": "x"},
    "conversations.append_message": {"role": "user", "content": "x"},
    "keys.update_spend_cap": {"clear": True},
    "keys.update_alert_webhook": {"url": "https://x.test"},
    "keys.update_geo_policy": {"policy": "any"},
    "organizations.invite_member": {"email": "a@b.test", "role": "admin"},
    "organizations.update_member": {"role": "admin"},
    "organizations.transfer_owner": {"new_owner_user_id": "{user_id}"},
}


async def attempt(api: Api, name: str, body: Any = None, **ids: str) -> Any:
    operation = BY_NAME[name]
    path = operation.at(*(ids[parameter] for parameter in operation.parameters))
    return await api.call(operation.method, path, body)


@pytest.fixture
async def anothers(api: Api) -> dict[str, str]:
    """Give the ids of what belongs to another account."""
    victim, member = await person(api, "victim"), await person(api, "member")
    org_id = await organization(victim.api)
    await join(victim.api, org_id, member)
    _, key = await new_key(victim.api)
    return {
        "conversation_id": await victim.api.conversation(),
        "key_id": key["key_id"],
        "org_id": org_id,
        "user_id": member.user_id,
    }


@pytest.mark.parametrize("name", WITH_IDS)
async def test_anothers_id_is_as_unknown_as_one_that_is_made_up(
    api: Api, anothers: dict[str, str], name: str
):
    body = BODIES.get(name)
    assert (body is None) == (BY_NAME[name].body is None)
    filled = body and {k: v.format(**anothers) if v == "{user_id}" else v for k, v in body.items()}
    made_up = {parameter: some_id[:-4] + "0000" for parameter, some_id in anothers.items()}
    texts = []
    for ids in (anothers, made_up):
        reply = await attempt(api, name, filled, **ids)
        assert reply.error == (404, "not_found", None)
        texts.append(reply.text.replace(ids[BY_NAME[name].parameters[0]], "the id"))
    assert texts[0] == texts[1]


@pytest.mark.parametrize("name", ["organizations.update_member", "organizations.remove_member"])
async def test_anothers_member_is_unknown_in_an_organization_of_ones_own(
    api: Api, anothers: dict[str, str], name: str
):
    ids = anothers | {"org_id": await organization(api)}
    assert (await attempt(api, name, BODIES.get(name), **ids)).error == (404, "not_found", None)


async def test_anothers_organization_and_heir_are_unknown_in_a_body(
    api: Api, anothers: dict[str, str]
):
    made = await api.post("/keys", {"name": "k", "organization_id": anothers["org_id"]})
    assert made.error == (404, "not_found", None)
    heir = {"new_owner_user_id": anothers["user_id"]}
    moved = await api.post(f"/organizations/{await organization(api)}/transfer-owner", heir)
    assert moved.error == (404, "not_found", None)


async def tokens(sandbox: Sandbox, api: Api) -> dict[str, tuple[str, str]]:
    """Give tokens that are no good, and the type of the refusal of each."""
    revoked, key = await new_key(api)
    await api.call("DELETE", f"/keys/{key['key_id']}")
    login = {"email": sandbox.email, "password": sandbox.password}
    session = (await api.post("/auth/login", login)).json
    sandbox.advance_clock(session["expires_in"] + 1)
    expired, plain = session["access_token"], "invalid_api_key"
    return {
        "revoked": (revoked.key, plain),
        "truncated": (api.key[:-1], plain),
        "lengthened": (api.key + "A", plain),
        "wrong case": (api.key.swapcase(), plain),
        "prefix": (api.key[:10], plain),
        "id": (key["key_id"], plain),
        "expired session": (expired, "token_expired"),
        "truncated session": (expired[:-1], plain),
        "wrong case of a session": (expired.swapcase(), plain),
    }


async def test_bad_token_opens_no_door(sandbox: Sandbox, api: Api):
    bad = await tokens(sandbox, api)
    for operation in OPERATIONS:
        if not operation.needs_key:
            continue
        path = operation.at(*("x" for _ in operation.parameters))
        for kind, (token, refusal) in bad.items():
            shown = {"Authorization": f"Bearer {token}"}
            reply = await api.call(operation.method, path, {}, **shown)
            assert reply.error == (401, refusal, None), (operation.name, kind)
            assert token not in reply.text


@pytest.mark.parametrize(
    "line",
    [
        b"X-A: b\rX-Injected: c", b"X-A: b\nX-Injected: c", b"X-A: b\x00", b"X-A: \x01",
        b" folded", b"X A: b", b": b", b"X-A", b"Host: second", b"X-A: " + b"y" * 20_000,
        b"Content-Length: -1", b"Content-Length: 1\r\nContent-Length: 2",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: xchunked",
        b"Authorization: Bearer {key}\x00",
    ],
)  # fmt: skip
async def test_malformed_head_is_400_and_repeated_nowhere(
    api: Api, line: bytes, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    head = b"GET /v1/keys HTTP/1.1\r\nHost: x\r\n" + line.replace(b"{key}", api.key.encode())
    raw = await on_the_wire(api, head + b"\r\n\r\n")
    head, _, body = raw.partition(b"\r\n\r\n")
    assert head.split()[1] == b"400"
    assert b"\r\nX-Trace-ID: " in head
    assert b"X-Injected" not in raw
    assert msgspec.json.decode(body)["error"]["code"] == "invalid_request_error"
    assert api.key not in caplog.text
    assert api.key.encode() not in raw
    assert (await api.get("/models")).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "keys/../auth/me", "keys/%2e%2e/auth/me", "keys/..%2Fauth%2Fme", "keys/%2e", "keys/.",
        "/keys", "keys/", "keys;x", "./keys", "keys\\", "keys/%00", "keys/%ff", "keys/%",
        "keys/%zz",
        "organizations/{org_id}%2Fmembers", "organizations/{org_id}/members/../members",
        "organizations/{org_id}/", "organizations/{org_id}%00", "organizations/%20{org_id}",
        "organizations/{org_id}/members/%2e%2e", "organizations//members",
        "../_sandbox/outbox", "%2e%2e/_sandbox/outbox", "..%2f_sandbox%2foutbox",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_crooked_path_leads_nowhere(api: Api, method: str, path: str):
    target = f"/v1/{path.format(org_id=await organization(api))}".encode()
    raw = await on_the_wire(
        api,
        method.encode() + b" " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"Authorization: Bearer " + api.key.encode() + b"\r\nContent-Length: 2\r\n\r\n{}",
    )
    head, _, body = raw.partition(b"\r\n\r\n")
    error = msgspec.json.decode(body)["error"]
    assert (head.split()[1], error["type"]) in {
        (b"404", "not_found"), (b"405", "invalid_request_error"), (b"422", "validation_error")
    }  # fmt: skip
    assert (await api.get("/organizations")).json["organizations"][0]["name"] == "Acme Inc"


@pytest.mark.parametrize("name", WITH_BODY)
async def test_hostile_body_is_refused_and_the_sandbox_goes_on(api: Api, name: str):
    operation = BY_NAME[name]
    path = operation.at(*("x" for _ in operation.parameters))
    member = next(iter(operation.body.__annotations__)).encode()
    for body, status in (
        (b" " * (10 * 2**20), 413),
        (b"[" * 100_000, 400),
        (b'{"' + member + b'":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 400),
        (b'{"' + member + b'": "\xff"}', 400),
        (b'{"' + member + b'": "\\ud800"}', 400),
        (b'{"' + member + b'": NaN}', 400),
        (b'{"' + member + b'": -Infinity}', 400),
        (b'{"' + member + b'": {"a": []}}', 422),
        (b"null", 400),
        (b"", 400),
    ):
        reply = await api.call(operation.method, path, body)
        assert reply.status == status, (body[:40], reply.text)
        assert reply.error[0] == status
    assert (await api.get("/models")).status == 200


def contents(directory: Path) -> bytes:
    return b"".join(file.read_bytes() for file in directory.iterdir())


async def test_secrets_are_nowhere_but_in_the_one_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    with Sandbox(db=tmp_path / "state.db") as sandbox:
        async with ClientSession() as session:
            api = Api(session, sandbox.base_url, sandbox.api_key)
            dev, org_id = await person(api, "dev"), await organization(api)
            token = await invite(api, org_id, dev.email)
            named = {"name": "k", "organization_id": org_id}
            made = await api.post("/keys", named, Idempotency_Key="one")
            repeated = await api.post("/keys", named, Idempotency_Key="one")
            assert repeated.text == made.text
            full_key, path = made.json["full_key"], f"/keys/{made.json['key']['key_id']}"
            hook = f"{path}/alert-webhook"
            url = {"url": "https://x.test"}
            secret = (await api.call("PATCH", hook, url, Idempotency_Key="two")).json[
                "alert_webhook_secret"
            ]
            used = Api(session, api.base_url, full_key)
            replies = [
                await used.get("/models"),
                await used.get("/models", X_Leak=full_key),
                await used.post("/keys", {"name": "k"}),
                await api.get(path),
                await api.get("/keys"),
                await api.call("PATCH", f"{path}/geo-policy", {"policy": "any"}),
                await accept(dev.api, token),
                await accept(dev.api, token),
                await api.get(f"/organizations/{org_id}/members"),
                await api.get("/auth/export"),
                await api.call("DELETE", path),
                await used.get("/models"),
                await api.get("/_sandbox/requests"),
            ]
        on_disk = contents(tmp_path)
    assert org_id.encode() in on_disk
    for canary in (full_key, full_key[10:], secret, secret.removeprefix("whsec_"), token):
        assert canary.encode() not in on_disk
        assert canary not in caplog.text
        assert not [reply for reply in replies if canary in reply.text + str(reply.headers)]


async def test_killed_under_200_writers_it_has_lost_nothing_that_it_answered(tmp_path: Path):
    arguments = ("--port", "0", "--db", str(tmp_path / "state.db"), "--rate-limit", "0")
    answered: list[tuple[int, Any]] = []
    failed: list[str] = []

    async def write(api: Api, number: int, conv_id: str, org_id: str) -> None:
        kind = number % 4
        path, body = (
            ("/keys", {"name": "k"}),
            (f"/conversations/{conv_id}/messages", {"role": "user", "content": "x"}),
            ("/organizations", {"name": "o"}),
            (f"/organizations/{org_id}/members", {"email": f"{number}@x.test", "role": "admin"}),
        )[kind]
        with contextlib.suppress(ClientError):
            while True:
                reply = await api.post(path, body)
                if reply.status == 200:
                    answered.append((kind, reply.json))
                else:
                    failed.append(reply.text)

    with running(*arguments, "--api-key", "sk-xc-mine") as command:
        async with ClientSession() as session:
            api = Api(session, command.base_url, "sk-xc-mine")
            conv_id, org_id = await api.conversation(), await organization(api)
            writers = [
                asyncio.create_task(write(api, number, conv_id, org_id)) for number in range(200)
            ]
            await eventually(lambda: len(answered) > 1000, within=15)
            command.process.kill()  # in the middle of it
            await asyncio.gather(*writers)
        assert command.process.stderr is not None
        assert command.process.stderr.read() == ""
    assert failed == []
    with running(*arguments, "--api-key", "sk-xc-another") as command:
        async with ClientSession() as session:
            api = Api(session, command.base_url, "sk-xc-mine")
            messages = {
                m["message_id"] for m in await every(api, f"/conversations/{conv_id}/messages")
            }
            organizations = {o["org_id"] for o in await every(api, "/organizations")}
            invited = {m["email"] for m in await every(api, f"/organizations/{org_id}/members")}
            for kind, json in answered:
                if kind == 0:
                    key = Api(session, api.base_url, json["full_key"])
                    assert (await key.get(f"/keys/{json['key']['key_id']}")).status == 200
                elif kind == 1:
                    assert json["message_id"] in messages
                elif kind == 2:
                    assert json["organization"]["org_id"] in organizations
                else:
                    assert json["email"] in invited


async def every(api: Api, path: str) -> list[Any]:
    name, items, cursor = path.rpartition("/")[2], [], ""
    while cursor is not None:
        page = (await api.get(f"{path}?limit=100{cursor and f'&cursor={cursor}'}")).json
        items += page[name]
        cursor = page["next_cursor"]
    return items
