import sys
from typing import Any

import pytest
from auth_support import (
    EMAIL,
    PASSWORD,
    as_,
    code_at,
    confirm,
    login,
    mid_step,
    move,
    register,
    reset_token,
    with_2fa,
)
from sandbox_support import Api

pytestmark = pytest.mark.usefixtures("cheap_hashes")
REQUIRED = (401, "two_factor_required", None)
WRONG = (401, "two_factor_invalid", None)
CONFLICT = (409, "conflict", None)


def test_these_tests_reckon_as_the_rfc_does():
    # RFC 6238, appendix B, of whose eight digits six are asked here.
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    for when, code in ((59, "287082"), (1111111109, "081804"), (20000000000, "353130")):
        assert code_at(secret, when) == code


async def test_login_asks_for_the_code(api: Api):
    ada = await register(api)
    secret, _ = await with_2fa(ada)
    assert (await ada.get("/auth/me")).json["two_fa_enabled"] is True
    assert (await login(api)).error == REQUIRED
    assert (await login(api, totp_code=None)).error == REQUIRED
    assert (await login(api, totp_code="000000")).error == WRONG
    reply = await login(api, totp_code=code_at(secret, await move(api, 30)))
    assert reply.json["user"]["two_fa_enabled"] is True


async def test_who_has_not_the_password_is_not_asked_for_the_code(api: Api):
    secret, _ = await with_2fa(await register(api))
    code = code_at(secret, await move(api, 30))
    for more in ({}, {"totp_code": code}):
        reply = await login(api, password="wrong horse", **more)
        assert reply.error == (401, "invalid_credentials", None)
    assert (await login(api, totp_code=code)).status == 200


@pytest.mark.parametrize(
    ("steps", "good"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)]
)
async def test_window_is_a_step_either_way(api: Api, steps: int, good: bool):
    secret, _ = await with_2fa(await register(api))
    now = await move(api, 300)
    reply = await login(api, totp_code=code_at(secret, now + 30 * steps))
    assert (reply.status == 200) is good
    assert good or reply.error == WRONG


async def test_code_is_good_once_and_none_before_it_either(api: Api):
    secret, _ = await with_2fa(await register(api))
    now = await move(api, 300)
    assert (await login(api, totp_code=code_at(secret, now))).status == 200
    for when in (now, now - 30):
        assert (await login(api, totp_code=code_at(secret, when))).error == WRONG
    assert (await login(api, totp_code=code_at(secret, now + 30))).status == 200


async def test_code_that_enabled_does_not_log_in(api: Api):
    secret, _ = await with_2fa(await register(api))
    code = code_at(secret, await move(api, 0))
    assert (await login(api, totp_code=code)).error == WRONG


@pytest.mark.parametrize("code", ["", "1", "é", "\u0660" * 6, "0" * 10_000, "000000\n"])
async def test_what_is_no_code_is_wrong(api: Api, code: str):
    await with_2fa(await register(api))
    assert (await login(api, totp_code=code)).error == WRONG


async def test_recovery_code_is_good_once(api: Api):
    ada = await register(api)
    _, codes = await with_2fa(ada)
    assert len(set(codes)) == 10
    assert (await login(api, totp_code=codes[0])).status == 200
    assert (await login(api, totp_code=codes[0])).error == WRONG
    assert (await login(api, totp_code=codes[1].upper().replace("-", " "))).status == 200
    assert (await ada.get("/auth/2fa")).json["recovery_codes_left"] == 8


async def test_recovery_codes_are_of_one_account(api: Api):
    _, codes = await with_2fa(await register(api))
    await with_2fa(await register(api, "other@example.test"))
    assert (await login(api, "other@example.test", totp_code=codes[0])).error == WRONG
    assert (await login(api, totp_code=codes[0])).status == 200


async def test_codes_are_not_guessed_for_long(api: Api):
    secret, _ = await with_2fa(await register(api))
    for _ in range(5):
        assert (await login(api, totp_code="000000")).error == WRONG
        assert (await login(api)).status in {401, 429}
    good = {"totp_code": code_at(secret, await move(api, 60))}
    assert (await login(api, **good)).error == (429, "rate_limit_exceeded", None)
    good = {"totp_code": code_at(secret, await move(api, 900))}
    assert (await login(api, **good)).status == 200


async def test_being_asked_for_the_code_is_no_failure(api: Api):
    secret, _ = await with_2fa(await register(api))
    for _ in range(7):
        assert (await login(api)).error == REQUIRED
    assert (await login(api, totp_code=code_at(secret, await move(api, 60)))).status == 200


async def test_enabling_takes_a_secret_and_its_code(api: Api):
    ada = await register(api)
    assert (await ada.post("/auth/2fa/enable", {"code": "000000"})).error == CONFLICT
    first = (await ada.post("/auth/2fa/setup")).json["secret"]
    second = (await ada.post("/auth/2fa/setup")).json["secret"]
    now = await mid_step(api)
    for code in ("000000", code_at(first, now), code_at(second, now - 90)):
        assert (await ada.post("/auth/2fa/enable", {"code": code})).error == WRONG
    off = {"enabled": False, "enabled_at": None, "recovery_codes_left": 0}
    assert (await ada.get("/auth/2fa")).json == off
    assert (await login(api)).status == 200
    good = {"code": code_at(second, now)}
    assert (await ada.post("/auth/2fa/enable", good)).status == 200
    assert (await ada.post("/auth/2fa/enable", good)).error == CONFLICT
    assert (await ada.post("/auth/2fa/setup")).error == CONFLICT


async def test_thief_of_a_session_does_not_guess_the_code(api: Api):
    ada = await register(api)
    await ada.post("/auth/2fa/setup")
    replies = [await ada.post("/auth/2fa/enable", {"code": "000000"}) for _ in range(6)]
    assert [reply.status for reply in replies] == [401] * 5 + [429]


async def test_disabling_takes_the_password_and_a_code(api: Api):
    ada = await register(api)

    async def disable(**members: Any) -> Any:
        body = {"password": PASSWORD, "code": "000000"} | members
        return await ada.post("/auth/2fa/disable", body)

    assert (await disable()).error == CONFLICT
    secret, codes = await with_2fa(ada)
    good = code_at(secret, await move(api, 30))
    wrong = await disable(password="wrong horse", code=good)
    assert wrong.error == (401, "invalid_credentials", None)
    assert (await disable()).error == WRONG
    assert (await login(api)).error == REQUIRED
    assert (await disable(code=codes[3])).json["enabled"] is False
    assert (await login(api)).status == 200
    assert (await ada.get("/auth/me")).json["two_fa_enabled"] is False
    # Neither the secret nor a code outlives it.
    new_secret, new_codes = await with_2fa(ada)
    assert secret != new_secret
    assert not set(codes) & set(new_codes)
    assert (await login(api, totp_code=codes[4])).error == WRONG
    assert (await ada.get("/auth/2fa")).json["recovery_codes_left"] == 10


async def test_reset_password_leaves_the_second_factor(api: Api):
    _, codes = await with_2fa(await register(api))
    assert (await confirm(api, await reset_token(api))).status == 204
    assert (await login(api, password="another horse")).error == REQUIRED
    assert (await login(api, password="another horse", totp_code=codes[0])).status == 200


async def test_without_its_extra_it_says_what_to_install(api: Api, monkeypatch: pytest.MonkeyPatch):
    ada = await register(api)
    for name in ("pyotp", "pyotp.totp"):
        monkeypatch.setitem(sys.modules, name, None)
    reply = await ada.post("/auth/2fa/setup")
    assert reply.status == 501
    assert "pip install 'nexevo[sandbox]'" in reply.json["error"]["message"]
    assert as_(api, ada.key).key
    assert (await login(api, EMAIL)).status == 200
