import asyncio
import hashlib
import threading
from typing import Any

import pytest
from auth_support import EMAIL, PASSWORD, as_, login, mails, move, nobody, register, reset_token
from sandbox_support import TIME, Api, api_of

from nexevo_async.sandbox import passwords
from nexevo_async.testing import Sandbox

pytestmark = pytest.mark.usefixtures("cheap_hashes")


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch):
    """The passwords that were hashed, at full cost, and what each cost."""
    calls: list[tuple[bytes, int]] = []
    scrypt = hashlib.scrypt
    monkeypatch.setitem(passwords._COST, "n", 2**14)

    def counted(password: bytes, **options: Any) -> bytes:
        calls.append((password, options["n"] * options["r"] * options["p"]))
        return scrypt(password, **options)

    monkeypatch.setattr(passwords.hashlib, "scrypt", counted)
    return calls


@pytest.mark.parametrize("email", [EMAIL, EMAIL.upper(), "Ada@Example.Test"])
async def test_address_is_taken_however_it_is_written(api: Api, email: str):
    await register(api)
    reply = await nobody(api).post("/auth/register", {"email": email, "password": PASSWORD})
    assert reply.error == (409, "conflict", None)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"password": PASSWORD}, "email"),
        ({"email": "nobody", "password": PASSWORD}, "email"),
        ({"email": EMAIL}, "password"),
        ({"email": EMAIL, "password": "short"}, "password"),
        ({"email": EMAIL, "password": "x" * 1025}, "password"),
        ({"email": EMAIL, "password": PASSWORD, "full_name": 1}, "full_name"),
        ({"email": "a@b\x00c", "password": PASSWORD}, "email"),
    ],
)
async def test_account_that_cannot_be_is_refused(api: Api, body: Any, param: str):
    reply = await nobody(api).post("/auth/register", body)
    assert reply.error == (422, "validation_error", param)


@pytest.mark.parametrize("email", [EMAIL, EMAIL.upper(), f"  {EMAIL}\n"])
async def test_login_takes_the_address_however_it_is_written(api: Api, email: str):
    await register(api)
    assert (await login(api, email)).json["user"]["email"] == EMAIL


async def test_calls_that_need_no_key_take_no_notice_of_one(api: Api):
    await register(as_(api, "sk-xc-wrong"))
    reply = await api.post(
        "/auth/login", {"email": EMAIL, "password": PASSWORD}, Authorization="Bearer sk-xc-wrong"
    )
    assert reply.status == 200


async def test_unknown_address_and_wrong_password_are_one(
    api: Api, hashed: list[tuple[bytes, int]]
):
    await register(api)
    hashed.clear()
    wrong = await login(api, password="wrong horse")
    assert hashed == [(b"wrong horse", 2**17)]
    unknown = await login(api, "nobody@example.test", "wrong horse")
    assert hashed == [(b"wrong horse", 2**17)] * 2
    assert wrong.error == unknown.error == (401, "invalid_credentials", None)
    assert wrong.text == unknown.text


async def test_seeded_owner_logs_in(sandbox: Sandbox, api: Api):
    assert (await login(api, sandbox.email, sandbox.password)).status == 200


async def test_session_acts_for_the_account_as_its_keys_do(api: Api):
    ada = await register(api)
    conv_id = await ada.conversation(title="mine")
    key = as_(api, (await ada.post("/keys", {"name": "k"})).json["full_key"])
    assert (await key.get(f"/conversations/{conv_id}")).json["title"] == "mine"
    await key.pay_in()
    assert (await ada.chat()).status == 200
    assert (await api.get(f"/conversations/{conv_id}")).status == 404


async def test_session_ends_after_its_time(api: Api):
    ada = await register(api)
    await move(api, 86_000)
    assert (await ada.get("/auth/me")).status == 200
    await move(api, 400)
    assert (await ada.get("/auth/me")).error == (401, "token_expired", None)
    assert (await ada.get("/conversations")).error == (401, "token_expired", None)


async def test_logout_ends_one_session(api: Api):
    ada = await register(api)
    other = as_(api, (await login(api)).json["access_token"])
    assert (await ada.post("/auth/logout")).status == 204
    assert (await ada.post("/auth/logout")).error == (401, "invalid_api_key", None)
    assert (await ada.get("/auth/me")).error == (401, "invalid_api_key", None)
    assert (await other.get("/auth/me")).status == 200


async def test_key_does_not_log_out(api: Api):
    assert (await api.post("/auth/logout")).error == (400, "invalid_request_error", None)
    assert (await api.get("/auth/me")).status == 200


async def test_token_that_is_not_whole_is_refused(api: Api):
    token = (await register(api)).key
    for wrong in (token[:-1], token + "x", token.swapcase(), token[:12], "nxs-"):
        assert (await as_(api, wrong).get("/auth/me")).error == (401, "invalid_api_key", None)


async def test_profile_changes_and_clears(api: Api):
    ada = await register(api, full_name="Ada")
    for body, name in (({}, "Ada"), ({"full_name": "A. L."}, "A. L."), ({"full_name": None}, None)):
        assert (await ada.call("PATCH", "/auth/me", body)).json["full_name"] == name
    assert (await ada.get("/auth/me")).json["full_name"] is None
    reply = await ada.call("PATCH", "/auth/me", {"full_name": 1})
    assert reply.error == (422, "validation_error", "full_name")


def change(current: str = PASSWORD, new: str = "another horse") -> Any:
    return {"current_password": current, "new_password": new}


async def test_password_change_ends_the_other_sessions(api: Api):
    ada = await register(api)
    other = as_(api, (await login(api)).json["access_token"])
    token = await reset_token(api)
    assert (await ada.post("/auth/change-password", change())).status == 204
    assert (await other.get("/auth/me")).error == (401, "invalid_api_key", None)
    assert (await ada.get("/auth/me")).status == 200
    assert (await login(api)).error == (401, "invalid_credentials", None)
    assert (await login(api, password="another horse")).status == 200
    body = {"token": token, "new_password": "third horse"}
    reply = await nobody(api).post("/auth/password-reset/confirm", body)
    assert reply.error == (400, "invalid_request_error", "token")


async def test_password_change_asks_for_the_right_one(api: Api):
    ada = await register(api)
    reply = await ada.post("/auth/change-password", change("wrong horse"))
    assert reply.error == (401, "invalid_credentials", None)
    reply = await ada.post("/auth/change-password", change(new="short"))
    assert reply.error == (422, "validation_error", "new_password")
    assert (await login(api)).status == 200


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.test"])
async def test_guessing_is_throttled_whether_there_is_an_account_or_not(api: Api, email: str):
    await register(api)
    began = await move(api, 0)
    for _ in range(5):
        assert (await login(api, email, "wrong horse")).status == 401
        await move(api, 60)
    for password in ("wrong horse", PASSWORD):
        reply = await login(api, email.upper(), password)
        assert reply.error == (429, "rate_limit_exceeded", None)
    wait = int(reply.headers["Retry-After"])
    assert 595 <= wait <= 600
    assert (await login(api, "third@example.test")).status == 401
    now = await move(api, wait)
    assert now - began >= 900
    # The oldest failure is forgotten, and the next four are not.
    assert (await login(api, email, "wrong horse")).status == 401
    assert (await login(api, email, "wrong horse")).status == 429


async def test_success_forgets_the_failures(api: Api):
    await register(api)
    for _ in range(2):
        for _ in range(4):
            assert (await login(api, password="wrong horse")).status == 401
        assert (await login(api)).status == 200


async def test_guesses_at_once_are_no_more_than_guesses_in_turn(api: Api):
    await register(api)
    replies = await asyncio.gather(*(login(api, password="wrong horse") for _ in range(50)))
    assert sorted(reply.status for reply in replies) == [401] * 5 + [429] * 45
    await move(api, 900)
    replies = await asyncio.gather(*(login(api) for _ in range(50)))
    assert {reply.status for reply in replies} == {200}


@pytest.mark.parametrize("path", ["/auth/change-password", "/auth/deactivate"])
async def test_thief_of_a_session_does_not_guess_the_password(api: Api, path: str):
    ada = await register(api)
    body = change("wrong horse") | {"password": "wrong horse"}
    replies = [await ada.post(path, body) for _ in range(6)]
    assert [reply.status for reply in replies] == [401] * 5 + [429]
    assert (await login(api)).status == 200


async def test_hashing_holds_up_no_other_call(api: Api, monkeypatch: pytest.MonkeyPatch):
    begun, go_on = threading.Event(), threading.Event()

    def slow(password: str, stored: str) -> bool:
        begun.set()
        return go_on.wait(10)

    await register(api)
    monkeypatch.setattr(passwords, "password_fits", slow)
    logging_in = asyncio.create_task(login(api))
    try:
        assert await asyncio.to_thread(begun.wait, 5)
        async with asyncio.timeout(5):
            await api.conversation()
            await register(api, "other@example.test")
        assert not logging_in.done()
    finally:
        go_on.set()
    assert (await logging_in).status == 200


async def test_hash_costs_what_it_should(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.undo()
    stored = passwords.password_hash(PASSWORD)
    assert stored.startswith("scrypt$16384$8$1$")
    assert passwords.password_fits(PASSWORD, stored)
    assert not passwords.password_fits(PASSWORD + "x", stored)
    assert passwords.password_hash(PASSWORD) != stored


async def test_calls_without_a_key_are_limited_by_where_they_come_from():
    with Sandbox(rate_limit_rpm=3) as sandbox:
        async with api_of(sandbox) as api:
            await register(api)
            replies = [await login(api) for _ in range(3)]
            assert [r.headers["X-RateLimit-Remaining"] for r in replies] == ["1", "0", "0"]
            assert replies[-1].error == (429, "rate_limit_exceeded", None)
            assert (await api.get("/models")).status == 200


async def test_repeated_registration_is_one(api: Api):
    key = {"Idempotency_Key": "key-1"}
    body = {"email": EMAIL, "password": PASSWORD}
    replies = [await nobody(api).post("/auth/register", body, **key) for _ in range(2)]
    assert replies[0].json == replies[1].json
    other = await nobody(api).post("/auth/register", body | {"password": "a guessed one"}, **key)
    assert other.error == (409, "idempotency_key_reused", None)


async def test_repeated_request_sends_one_mail(api: Api):
    await register(api)
    for _ in range(2):
        reply = await nobody(api).post(
            "/auth/password-reset", {"email": EMAIL}, Idempotency_Key="key-1"
        )
        assert reply.status == 202
    assert len(await mails(api)) == 1


async def test_many_register_at_once(api: Api):
    made = await asyncio.gather(*(register(api, f"a{n}@example.test") for n in range(200)))
    users = [(await ada.get("/auth/me")).json for ada in made[::20]]
    assert [user["email"] for user in users] == [f"a{n}@example.test" for n in range(0, 200, 20)]
    assert users[0]["created_at"] == TIME
    replies = await asyncio.gather(
        *(
            nobody(api).post("/auth/register", {"email": EMAIL, "password": PASSWORD})
            for _ in range(20)
        )
    )
    assert sorted(reply.status for reply in replies) == [200] + [409] * 19
