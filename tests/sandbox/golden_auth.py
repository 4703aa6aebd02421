"""The golden answers of ``auth.*``, written by hand from the contract."""

from collections.abc import Awaitable, Callable
from typing import Any

from auth_support import (
    EMAIL,
    PASSWORD,
    code_at,
    confirm,
    mid_step,
    move,
    nobody,
    reset_token,
    with_2fa,
)
from auth_support import (
    login as log_in,
)
from auth_support import (
    register as account,
)
from sandbox_support import TIME, Api, Like, Reply, an_id


def user(**members: Any) -> dict[str, Any]:
    return {
        "user_id": an_id("u_"),
        "email": "ada@example.test",
        "full_name": None,
        "two_fa_enabled": False,
        "created_at": TIME,
    } | members


def session(**members: Any) -> dict[str, Any]:
    return {
        "access_token": Like("nxs-[A-Za-z0-9_-]{43}"),
        "token_type": "Bearer",
        "expires_in": 86400,
        "user": user(**members),
    }


async def register(api: Api) -> tuple[Reply, Any]:
    body = {"email": "ada@example.test", "password": PASSWORD, "full_name": "Ada"}
    return await nobody(api).post("/auth/register", body), session(full_name="Ada")


async def login(api: Api) -> tuple[Reply, Any]:
    await account(api)
    return await log_in(api, EMAIL, PASSWORD), session()


async def logout(api: Api) -> tuple[Reply, Any]:
    return await (await account(api)).post("/auth/logout"), None


async def request_password_reset(api: Api) -> tuple[Reply, Any]:
    await account(api)
    return await nobody(api).post("/auth/password-reset", {"email": EMAIL}), None


async def confirm_password_reset(api: Api) -> tuple[Reply, Any]:
    await account(api)
    return await confirm(api, await reset_token(api)), None


async def me(api: Api) -> tuple[Reply, Any]:
    return await (await account(api)).get("/auth/me"), user()


async def update_profile(api: Api) -> tuple[Reply, Any]:
    ada = await account(api)
    return await ada.call("PATCH", "/auth/me", {"full_name": "Ada L."}), user(full_name="Ada L.")


async def change_password(api: Api) -> tuple[Reply, Any]:
    body = {"current_password": PASSWORD, "new_password": "another horse"}
    return await (await account(api)).post("/auth/change-password", body), None


async def two_fa_status(api: Api) -> tuple[Reply, Any]:
    ada = await account(api)
    await with_2fa(ada)
    status = {"enabled": True, "enabled_at": TIME, "recovery_codes_left": 10}
    return await ada.get("/auth/2fa"), status


async def two_fa_setup(api: Api) -> tuple[Reply, Any]:
    reply = await (await account(api)).post("/auth/2fa/setup")
    secret = reply.json["secret"]
    assert secret == Like("[A-Z2-7]{32}")
    url = f"otpauth://totp/Nexevo:ada%40example.test?secret={secret}&issuer=Nexevo"
    return reply, {"secret": secret, "otpauth_url": url}


async def two_fa_enable(api: Api) -> tuple[Reply, Any]:
    ada = await account(api)
    secret = (await ada.post("/auth/2fa/setup")).json["secret"]
    code = code_at(secret, await mid_step(api))
    codes = [Like("[a-z2-7]{4}(-[a-z2-7]{4}){3}")] * 10
    return await ada.post("/auth/2fa/enable", {"code": code}), {
        "enabled": True,
        "recovery_codes": codes,
    }


async def two_fa_disable(api: Api) -> tuple[Reply, Any]:
    ada = await account(api)
    secret, _ = await with_2fa(ada)
    body = {"password": PASSWORD, "code": code_at(secret, await move(api, 30))}
    status = {"enabled": False, "enabled_at": None, "recovery_codes_left": 0}
    return await ada.post("/auth/2fa/disable", body), status


async def export_data(api: Api) -> tuple[Reply, Any]:
    reply = await (await account(api)).get("/auth/export")
    return reply, {
        "user": user(),
        "api_keys": [],
        "organizations": [],
        "conversations": [],
        "conversation_models": [],
        "feedback": [],
        "billing": {"balance_usd": "0", "plan": "payg", "entries": []},
        "exported_at": TIME,
    }


async def deactivate(api: Api) -> tuple[Reply, Any]:
    return await (await account(api)).post("/auth/deactivate", {"password": PASSWORD}), None


GOLDEN: dict[str, Callable[[Api], Awaitable[tuple[Reply, Any]]]] = {
    "auth.register": register,
    "auth.login": login,
    "auth.logout": logout,
    "auth.request_password_reset": request_password_reset,
    "auth.confirm_password_reset": confirm_password_reset,
    "auth.me": me,
    "auth.update_profile": update_profile,
    "auth.change_password": change_password,
    "auth.two_fa_status": two_fa_status,
    "auth.two_fa_setup": two_fa_setup,
    "auth.two_fa_enable": two_fa_enable,
    "auth.two_fa_disable": two_fa_disable,
    "auth.export_data": export_data,
    "auth.deactivate": deactivate,
}
