import pyotp
import pytest

from nexevo_async import (
    APIStatusError,
    AsyncNexevo,
    AuthenticationError,
    ConflictError,
    Session,
    UnprocessableEntityError,
)
from nexevo_async.testing import Sandbox

EMAIL = "jane@example.com"
PASSWORD = "correct horse battery"


async def registered(client: AsyncNexevo, email: str = EMAIL) -> Session:
    return await client.auth.register(email=email, password=PASSWORD, full_name="Jane")


def acting(client: AsyncNexevo, session: Session) -> AsyncNexevo:
    assert session.access_token
    return client.with_options(api_key=session.access_token)


async def test_an_account_from_registration_to_logout(client: AsyncNexevo):
    session = await registered(client)
    assert session.user is not None
    assert (session.user.email, session.user.full_name) == (EMAIL, "Jane")
    assert session.token_type == "Bearer"
    assert session.expires_in
    jane = acting(client, session)
    me = await jane.auth.me()
    assert me.user_id == session.user.user_id
    assert me.created_at is not None
    assert me.two_fa_enabled is False
    renamed = await jane.auth.update_profile(full_name="Jane Doe")
    assert renamed.full_name == (await jane.auth.me()).full_name == "Jane Doe"
    assert (await jane.auth.update_profile(full_name=None)).full_name is None
    assert await jane.auth.logout() is None
    with pytest.raises(AuthenticationError):
        await jane.auth.me()
    again = await client.auth.login(email=EMAIL, password=PASSWORD)
    assert (await acting(client, again).auth.me()).user_id == me.user_id


async def test_registration_and_login_need_no_key(client: AsyncNexevo, monkeypatch):
    monkeypatch.delenv("NEXEVO_API_KEY", raising=False)
    nobody = client.with_options(api_key=None)
    await registered(nobody)
    await nobody.auth.login(email=EMAIL, password=PASSWORD)
    await nobody.auth.request_password_reset(email=EMAIL)


async def test_an_address_is_taken_once(client: AsyncNexevo):
    await registered(client)
    with pytest.raises(ConflictError):
        await registered(client)


async def test_a_wrong_password_and_an_unknown_address_read_the_same(client: AsyncNexevo):
    await registered(client)
    said = []
    for email, password in ((EMAIL, "wrong-password"), ("nobody@example.com", PASSWORD)):
        with pytest.raises(AuthenticationError) as caught:
            await client.auth.login(email=email, password=password)
        assert caught.value.code == "invalid_credentials"
        said.append(str(caught.value).partition("[")[0])
    assert said[0] == said[1]


async def test_what_the_gateway_refuses_names_the_field(client: AsyncNexevo):
    with pytest.raises(UnprocessableEntityError) as caught:
        await client.auth.register(email="no-address", password=PASSWORD)
    assert caught.value.param == "email"
    with pytest.raises(UnprocessableEntityError) as caught:
        await client.auth.register(email=EMAIL, password="short")
    assert caught.value.param == "password"
    assert "short" not in str(caught.value).replace("shorter", "")


async def test_a_changed_password_ends_the_other_sessions(client: AsyncNexevo):
    first = acting(client, await registered(client))
    second = acting(client, await client.auth.login(email=EMAIL, password=PASSWORD))
    with pytest.raises(AuthenticationError) as caught:
        await first.auth.change_password(current_password="wrong", new_password="new-pwd-123")
    assert caught.value.code == "invalid_credentials"
    await first.auth.change_password(current_password=PASSWORD, new_password="new-pwd-123")
    await first.auth.me()
    with pytest.raises(AuthenticationError):
        await second.auth.me()
    await client.auth.login(email=EMAIL, password="new-pwd-123")


async def test_a_password_reset_through_the_mail(client: AsyncNexevo, sandbox: Sandbox):
    jane = acting(client, await registered(client))
    assert await client.auth.request_password_reset(email=EMAIL) is None
    assert await client.auth.request_password_reset(email="nobody@example.com") is None
    (mail,) = [mail for mail in sandbox.outbox if mail["to"] == EMAIL]
    token = mail["token"]
    await client.auth.confirm_password_reset(token=token, new_password="new-pwd-123")
    with pytest.raises(AuthenticationError):
        await jane.auth.me()
    await client.auth.login(email=EMAIL, password="new-pwd-123")
    with pytest.raises(APIStatusError):
        await client.auth.confirm_password_reset(token=token, new_password="new-pwd-456")


async def test_a_second_factor_from_setup_to_off(client: AsyncNexevo, sandbox: Sandbox):
    jane = acting(client, await registered(client))
    setup = await jane.auth.two_fa_setup()
    assert setup.secret
    assert (await jane.auth.two_fa_status()).enabled is False
    totp = pyotp.TOTP(setup.secret)
    with pytest.raises(APIStatusError):
        await jane.auth.two_fa_enable(code="000000" if totp.now() != "000000" else "111111")
    on = await jane.auth.two_fa_enable(code=totp.now())
    assert on.enabled
    assert on.recovery_codes
    status = await jane.auth.two_fa_status()
    assert (status.enabled, status.recovery_codes_left) == (True, len(on.recovery_codes))
    assert status.enabled_at is not None
    assert (await jane.auth.me()).two_fa_enabled is True

    with pytest.raises(AuthenticationError) as caught:
        await client.auth.login(email=EMAIL, password=PASSWORD)
    assert caught.value.code == "two_factor_required"
    code = on.recovery_codes[0]
    await client.auth.login(email=EMAIL, password=PASSWORD, totp_code=code)
    with pytest.raises(AuthenticationError) as caught:
        await client.auth.login(email=EMAIL, password=PASSWORD, totp_code=code)
    assert caught.value.code == "two_factor_invalid"
    off = await jane.auth.two_fa_disable(password=PASSWORD, code=on.recovery_codes[1])
    assert off.enabled is False
    await client.auth.login(email=EMAIL, password=PASSWORD)


async def test_a_session_ends_by_itself(client: AsyncNexevo, sandbox: Sandbox):
    session = await registered(client)
    assert session.expires_in
    sandbox.advance_clock(session.expires_in + 1)
    with pytest.raises(AuthenticationError) as caught:
        await acting(client, session).auth.me()
    assert caught.value.code == "token_expired"


async def test_a_callable_key_logs_in_again_when_its_session_ends(
    client: AsyncNexevo, sandbox: Sandbox
):
    await registered(client)
    tokens: list[str] = []

    async def token() -> str:
        """Log in for every second call: the first gives what is still held."""
        held.append(len(tokens) == 1 and len(held) < 2)
        if not held[-1]:
            async with AsyncNexevo(base_url=sandbox.base_url) as login:
                session = await login.auth.login(email=EMAIL, password=PASSWORD)
            tokens.append(session["access_token"])
        return tokens[-1]

    held: list[bool] = []
    jane = client.with_options(api_key=token)
    await jane.auth.me()
    sandbox.advance_clock(10**7)
    me = await jane.auth.me()
    assert (me.email, me.meta.attempts) == (EMAIL, 2)
    assert (held, len(tokens)) == ([False, True, False], 2)


async def test_all_data_is_exported_and_then_erased(client: AsyncNexevo):
    jane = acting(client, await registered(client))
    new = await jane.keys.create("mine")
    await jane.conversations.create(title="My Session")
    export = await jane.auth.export_data()
    assert export.user is not None
    assert export.user.email == EMAIL
    assert [conv["title"] for conv in export.conversations or ()] == ["My Session"]
    assert "mine" in [key["name"] for key in export.api_keys or ()]
    assert new.full_key not in str(export.to_dict())
    with pytest.raises(AuthenticationError):
        await jane.auth.deactivate(password="wrong-password")
    assert await jane.auth.deactivate(password=PASSWORD) is None
    for dead in (jane, client.with_options(api_key=new.full_key)):
        with pytest.raises(AuthenticationError):
            await dead.auth.me()
    with pytest.raises(AuthenticationError):
        await client.auth.login(email=EMAIL, password=PASSWORD)


async def test_a_logout_whose_answer_is_lost_is_done(client: AsyncNexevo, sandbox: Sandbox):
    jane = acting(client, await registered(client))
    sandbox.faults.add({"drop": "after"}, operation="auth.logout")
    await jane.auth.logout()
    assert [r.status for r in sandbox.requests if r.operation == "auth.logout"] == [None, 401]
    with pytest.raises(AuthenticationError):
        await jane.auth.logout()
