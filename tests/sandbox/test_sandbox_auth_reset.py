import pytest
from auth_support import (
    EMAIL,
    NEW_PASSWORD,
    as_,
    confirm,
    login,
    mails,
    move,
    nobody,
    register,
    reset_token,
)
from sandbox_support import Api, Like

from nexevo_async.testing import Sandbox

pytestmark = pytest.mark.usefixtures("cheap_hashes")
REFUSED = (400, "invalid_request_error", "token")


async def test_mail_has_the_token(sandbox: Sandbox, api: Api):
    await register(api)
    token = await reset_token(api, f" {EMAIL.upper()}")
    assert token == Like("reset-[A-Za-z0-9_-]{43}")
    assert sandbox.outbox == await mails(api)
    (mail,) = sandbox.outbox
    assert mail == {
        "to": EMAIL,
        "subject": "Set a new password",
        "body": Like(f"(?s).*{token}.*"),
        "token": token,
    }


async def test_answer_is_the_same_where_there_is_no_account(api: Api):
    await register(api)
    replies = [
        await nobody(api).post("/auth/password-reset", {"email": email})
        for email in (EMAIL, "nobody@example.test", "no address")
    ]
    assert {(reply.status, reply.text) for reply in replies} == {(202, "")}
    assert len({frozenset(reply.headers) for reply in replies}) == 1
    assert [mail["to"] for mail in await mails(api)] == [EMAIL]


async def test_reset_sets_the_password_and_ends_all_sessions(api: Api):
    ada = await register(api)
    other = as_(api, (await login(api)).json["access_token"])
    key = as_(api, (await ada.post("/keys", {"name": "k"})).json["full_key"])
    assert (await confirm(api, await reset_token(api))).status == 204
    for session in (ada, other):
        assert (await session.get("/auth/me")).error == (401, "invalid_api_key", None)
    assert (await key.get("/auth/me")).status == 200
    assert (await login(api)).error == (401, "invalid_credentials", None)
    assert (await login(api, password=NEW_PASSWORD)).status == 200


async def test_token_is_good_once(api: Api):
    await register(api)
    token = await reset_token(api)
    assert (await confirm(api, token)).status == 204
    assert (await confirm(api, token, "third horse")).error == REFUSED
    assert (await login(api, password=NEW_PASSWORD)).status == 200


async def test_token_is_good_for_an_hour(api: Api):
    await register(api)
    token = await reset_token(api)
    await move(api, 3_500)
    assert (await confirm(api, token, "short")).error[0] == 422
    await move(api, 101)
    assert (await confirm(api, token)).error == REFUSED
    assert (await login(api)).status == 200


async def test_later_mail_replaces_the_earlier(api: Api):
    await register(api)
    first, second = await reset_token(api), await reset_token(api)
    assert (await confirm(api, first)).error == REFUSED
    assert (await confirm(api, second)).status == 204


async def test_token_that_is_not_whole_is_refused(api: Api):
    await register(api)
    token = await reset_token(api)
    for wrong in ("", "reset-", token[:-1], token + "x", token.swapcase(), token[:14], "é"):
        assert (await confirm(api, wrong)).error == REFUSED
    assert (await confirm(api, token)).status == 204


async def test_outbox_begins_anew_with_the_sandbox(sandbox: Sandbox, api: Api):
    await register(api)
    await reset_token(api)
    sandbox.reset()
    assert sandbox.outbox == []
