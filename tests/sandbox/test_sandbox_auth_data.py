import contextlib
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from auth_support import (
    EMAIL,
    PASSWORD,
    as_,
    confirm,
    login,
    mails,
    register,
    reset_token,
    with_2fa,
)
from sandbox_support import TIME, Api, an_id, api_of

from nexevo_async.sandbox import operations
from nexevo_async.testing import Sandbox

pytestmark = pytest.mark.usefixtures("cheap_hashes")


async def thumb(user: Api, **members: Any) -> str:
    await user.pay_in()
    generation_id = str((await user.chat()).json["nexevo"]["generation_id"])
    body = {"generation_id": generation_id, "rating": 1, **members}
    assert (await user.post("/feedback", body)).status == 200
    return generation_id


async def lived_in(api: Api, email: str = EMAIL) -> tuple[Api, Api]:
    """Open an account with something of each kind, and give who acts with its session and key."""
    ada = await register(api, email, full_name="Ada Canary")
    key = as_(api, (await ada.post("/keys", {"name": "canary laptop"})).json["full_key"])
    conv_id = await key.conversation(title="canary title", metadata={"n": 1})
    await ada.post(
        f"/conversations/{conv_id}/messages", {"role": "user", "content": "canary content"}
    )
    await thumb(ada, comment="canary comment", tags=["canary-tag"])
    await ada.chat(model="nexevo/fast", metadata={"conversation_id": "canary conversation"})
    return ada, key


async def test_export_has_all_and_no_secret(api: Api):
    ada, key = await lived_in(api)
    org = (await ada.post("/organizations", {"name": "Acme Inc"})).json["organization"]
    shared = (await ada.post("/keys", {"name": "s", "organization_id": org["org_id"]})).json
    await as_(api, shared["full_key"]).conversation(title="of the organization")
    await lived_in(api, "other@example.test")
    secret, codes = await with_2fa(ada)
    reply = await ada.get("/auth/export")
    export = reply.json
    assert export["user"] | {"full_name": "Ada Canary", "two_fa_enabled": True} == export["user"]
    (api_key,) = export["api_keys"]
    assert (api_key["name"], api_key["prefix"]) == ("canary laptop", key.key[:10])
    assert export["organizations"] == [
        {"org_id": org["org_id"], "name": "Acme Inc", "role": "owner", "joined_at": TIME}
    ]
    (conversation,) = export["conversations"]
    assert (conversation["title"], conversation["metadata"]) == ("canary title", {"n": 1})
    (message,) = conversation["messages"]
    assert (message["role"], message["content"]) == ("user", "canary content")
    assert export["feedback"] == [
        {
            "feedback_id": an_id("fb_"),
            "generation_id": an_id("gen_"),
            "rating": 1,
            "comment": "canary comment",
            "tags": ["canary-tag"],
            "created_at": TIME,
        }
    ]
    assert export["conversation_models"] == [
        {"conversation_id": "canary conversation", "model": "deepseek-chat"}
    ]
    entries = export["billing"]["entries"]
    assert {(entry["kind"], entry["amount_usd"][0]) for entry in entries} == {
        ("topup", "1"),
        ("charge", "-"),
    }
    assert [e["entry_id"] for e in entries if e["kind"] == "charge"][-1] == an_id("gen_")
    balance = sum(Decimal(entry["amount_usd"]) for entry in entries)
    assert Decimal(export["billing"]["balance_usd"]) == balance < 100
    for hidden in (ada.key, key.key, PASSWORD, secret, *codes, "scrypt"):
        assert hidden not in reply.text


async def test_export_has_every_conversation(api: Api):
    ada = await register(api)
    for number in range(120):
        await ada.conversation(title=str(number))
    titles = [c["title"] for c in (await ada.get("/auth/export")).json["conversations"]]
    assert titles == [str(number) for number in range(120)]


async def test_deactivation_takes_the_password(api: Api):
    ada, _ = await lived_in(api)
    reply = await ada.post("/auth/deactivate", {"password": "wrong horse"})
    assert reply.error == (401, "invalid_credentials", None)
    assert (await ada.get("/auth/me")).status == 200


async def test_deactivation_ends_everything(api: Api):
    ada, key = await lived_in(api)
    other = as_(api, (await login(api)).json["access_token"])
    token = await reset_token(api)
    assert (await key.post("/auth/deactivate", {"password": PASSWORD})).status == 204
    for dead in (ada, key, other):
        assert (await dead.get("/models")).error == (401, "invalid_api_key", None)
    wrong = await login(api)
    assert wrong.error == (401, "invalid_credentials", None)
    assert wrong.text == (await login(api, "nobody@example.test")).text
    assert (await confirm(api, token)).error == (400, "invalid_request_error", "token")
    before = len(await mails(api))
    await api.post("/auth/password-reset", {"email": EMAIL})
    assert len(await mails(api)) == before


async def test_address_is_free_again(api: Api):
    ada, _ = await lived_in(api)
    old = (await ada.get("/auth/me")).json["user_id"]
    await ada.post("/auth/deactivate", {"password": PASSWORD})
    again = await register(api)
    export = (await again.get("/auth/export")).json
    assert export["user"]["user_id"] != old
    assert export["conversations"] == export["api_keys"] == export["feedback"] == []


async def test_owner_of_others_stays(api: Api):
    ada = await register(api)
    bob = await register(api, "bob@example.test")
    path = "/organizations/" + str(
        (await ada.post("/organizations", {"name": "Acme"})).json["organization"]["org_id"]
    )
    invitation = {"email": "bob@example.test", "role": "developer"}
    await ada.post(f"{path}/members", invitation)
    token = (await mails(api))[-1]["token"]
    joined = (await bob.post("/organizations/invitations/accept", {"token": token})).json
    password = {"password": PASSWORD}
    assert (await ada.post("/auth/deactivate", password)).error == (409, "conflict", None)
    assert (await ada.get("/auth/me")).status == 200
    heir = {"new_owner_user_id": joined["user_id"]}
    assert (await ada.post(f"{path}/transfer-owner", heir)).status == 200
    assert (await ada.post("/auth/deactivate", password)).status == 204
    members = (await bob.get(f"{path}/members")).json["members"]
    assert [member["email"] for member in members] == ["bob@example.test"]
    assert (await bob.post("/auth/deactivate", password)).status == 204


async def test_books_are_kept_and_name_nobody(tmp_path: Path):
    file = tmp_path / "state.db"
    with Sandbox(db=file) as sandbox:
        async with api_of(sandbox) as api:
            ada, _ = await lived_in(api, "canary@example.test")
            _, codes = await with_2fa(ada)
            again = {"email": "canary@example.test", "totp_code": codes[0], "password": PASSWORD}
            assert (await api.post("/auth/login", again, Idempotency_Key="k")).status == 200
            await ada.post("/auth/deactivate", {"password": PASSWORD})
    with contextlib.closing(sqlite3.connect(file)) as db:
        assert db.execute("SELECT count(*) FROM generations").fetchone() == (2,)
        for table in (
            "idempotency",
            "feedback",
            "conversation_models",
            "recovery_codes",
            "users WHERE totp_secret IS NOT NULL",
        ):
            assert db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)  # noqa: S608
    # Not in what the file has freed, either.
    stored = file.read_bytes().lower()
    assert b"canary" not in stored
    assert b"owner@sandbox.test" in stored


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/auth/me"), ("POST", "/auth/2fa/setup"), ("GET", "/auth/export")]
)
async def test_account_that_closes_meanwhile_is_refused(
    api: Api, monkeypatch: pytest.MonkeyPatch, method: str, path: str
):
    ada = await register(api)
    let_in = operations._caller_of

    def closing(db: sqlite3.Connection, token: str, now: str) -> Any:
        caller = let_in(db, token, now)
        db.execute(
            "UPDATE users SET deactivated_at = ?, email = NULL WHERE email = ?", (now, EMAIL)
        )
        return caller

    monkeypatch.setattr(operations, "_caller_of", closing)
    assert (await ada.call(method, path)).error == (401, "invalid_api_key", None)
