"""A secret of each kind shows nowhere but on the wire, and where the user himself has it."""

import logging
import re
import traceback
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

import attrs
import pytest
from raw_server import Answer, drop, error, events, reply, serving, silence
from samples import MODELS

from nexevo_async import AsyncNexevo, Handler, Model, NexevoError, Request, Response, Timeouts
from nexevo_sync import Nexevo

CANARY = "canary-0123456789abcdef"
GIVEN: dict[str, Callable[[AsyncNexevo, Any], Awaitable[Any]]] = {
    "password of register": lambda c, s: c.auth.register(email="a@b.c", password=s),
    "password of login": lambda c, s: c.auth.login(email="a@b.c", password=s),
    "code of login": lambda c, s: c.auth.login(email="a@b.c", password="p", totp_code=s),
    "reset token": lambda c, s: c.auth.confirm_password_reset(token=s, new_password="p"),
    "new password of a reset": lambda c, s: c.auth.confirm_password_reset(
        token="t", new_password=s
    ),
    "current password": lambda c, s: c.auth.change_password(current_password=s, new_password="p"),
    "new password": lambda c, s: c.auth.change_password(current_password="p", new_password=s),
    "code of enable": lambda c, s: c.auth.two_fa_enable(code=s),
    "password of disable": lambda c, s: c.auth.two_fa_disable(password=s, code="1"),
    "recovery code": lambda c, s: c.auth.two_fa_disable(password="p", code=s),
    "password of deactivate": lambda c, s: c.auth.deactivate(password=s),
    "invitation token": lambda c, s: c.organizations.accept_invitation(token=s),
    "session token": lambda c, s: c.with_options(api_key=s).auth.me(),
}
TAKEN: dict[str, tuple[Callable[[AsyncNexevo], Awaitable[Any]], str]] = {
    "session token": (
        lambda c: c.auth.login(email="a@b.c", password="p"),
        '{"access_token":"%s","user":{"email":"a@b.c"}}',
    ),
    "TOTP secret": (lambda c: c.auth.two_fa_setup(), '{"secret":"%s"}'),
    "otpauth URL": (lambda c: c.auth.two_fa_setup(), '{"otpauth_url":"otpauth://totp/%s"}'),
    "recovery codes": (lambda c: c.auth.two_fa_enable(code="1"), '{"recovery_codes":["%s"]}'),
    "full key": (lambda c: c.keys.create("k"), '{"full_key":"%s","key":{"key_id":"k"}}'),
    "webhook secret": (
        lambda c: c.keys.update_alert_webhook("k", url="https://a.com"),
        '{"key_id":"k","alert_webhook_secret":"%s"}',
    ),
}


def shown(caught: BaseException) -> str:
    """All that a crash report would hold, the public methods' own parameters aside."""
    lines = [repr(caught), str(caught), repr(vars(caught))]
    link: TracebackType | None = caught.__traceback__
    assert caught.__cause__ is None
    assert caught.__context__ is None
    while link is not None:
        frame = link.tb_frame
        # The parameters of a public method are its caller's; so are this file's own locals.
        code = frame.f_code
        is_public = "/services/" in code.co_filename and not code.co_filename.endswith("caller.py")
        if not is_public and code.co_filename != __file__:
            lines.append(repr(frame.f_locals))
        elif is_public:
            parameters = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + 1]
            lines.append(repr({k: v for k, v in frame.f_locals.items() if k not in parameters}))
        link = link.tb_next
    return "\n".join([*lines, *traceback.format_exception_only(caught)])


TROUBLES: dict[str, Answer] = {
    "refusal": error(401, "invalid_credentials"),
    "lost connection": drop(),
    "silence": silence(),
    "no JSON": reply(b"<html>"),
    "wrong type": reply(b'{"access_token":3,"user":3,"enabled":3,"user_id":3,"status":3}', 200),
}


@pytest.mark.parametrize("kind", GIVEN)
@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_secret_that_is_sent(kind: str, trouble: str, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    async with serving(TROUBLES[trouble]) as server:
        async with AsyncNexevo(
            "k", base_url=server.base_url, max_retries=0, timeouts=Timeouts(read=0.2)
        ) as client:
            text = ""
            try:
                await GIVEN[kind](client, CANARY)
            except NexevoError as caught:
                text = shown(caught)
                assert len(text) > 500
        (seen,) = server.seen
    assert CANARY in seen.head + seen.body.decode()
    assert CANARY not in text + "".join(f"{r.getMessage()} {vars(r)}" for r in caplog.records)


@pytest.mark.parametrize("kind", [kind for kind in GIVEN if kind != "session token"])
@pytest.mark.parametrize(
    "wrong", [CANARY.encode(), [CANARY], CANARY + "\ud800"], ids=["bytes", "list", "surrogate"]
)
async def test_a_secret_that_cannot_be_sent(kind: str, wrong: Any):
    async with AsyncNexevo("k") as client:
        with pytest.raises((TypeError, ValueError)) as caught:
            await GIVEN[kind](client, wrong)
    assert CANARY not in shown(caught.value)


@pytest.mark.parametrize("wrong", [CANARY.encode(), CANARY + "\n", f"Bearer {CANARY}"])
def test_a_session_token_that_is_none(wrong: Any):
    client = AsyncNexevo("k")
    with pytest.raises((TypeError, ValueError)) as caught:
        client.with_options(api_key=wrong)
    error_ = caught.value
    link = error_.__traceback__
    assert link
    assert link.tb_next
    assert CANARY not in str(error_)
    inner = link.tb_next.tb_next  # below the public method
    while inner is not None:
        assert CANARY not in repr(inner.tb_frame.f_locals)
        inner = inner.tb_next


@pytest.mark.parametrize("kind", TAKEN)
async def test_a_secret_that_is_answered(kind: str, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    call, answer = TAKEN[kind]
    good = reply((answer % CANARY).encode())
    bad = reply((answer % CANARY).replace("}", ',"key_id":3,"user":3,"enabled":3}', 1).encode())
    cut = reply((answer % CANARY).encode()[:-1])
    async with serving(good, bad, cut) as server:
        async with AsyncNexevo("k", base_url=server.base_url, max_retries=0) as client:
            model = await call(client)
            texts = [repr(model), str(model), f"{model!r}"]
            assert CANARY in str(model.to_dict())
            for _ in (bad, cut):
                try:
                    texts.append(repr(await call(client)))
                except NexevoError as caught:
                    texts.append(shown(caught))
    texts += [f"{r.getMessage()} {vars(r)}" for r in caplog.records]
    assert CANARY not in "\n".join(texts)


SECRET = re.compile(r"secret|token$|password|full_key|otpauth|recovery_codes$|^code$")


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.__name__)
def test_a_field_whose_name_says_that_it_is_secret_is_in_no_repr(model: type[Model]):
    shown = {field.name for field in attrs.fields(model) if field.repr}
    assert not {name for name in shown if SECRET.search(name)}


async def test_no_public_object_shows_the_key():
    key = f"sk-xc-{CANARY}"
    objects: list[Any] = []

    async def watch(request: Request, call_next: Handler) -> Response:
        response = await call_next(request)
        objects.extend((request, request.headers, request.progress, request.settings, response))
        return response

    pieces = events(b'data: {"choices":[]}\n\n', b"data: [DONE]\n\n")
    made = reply(b'{"conversation_id":"c"}')
    pages = reply(b'{"conversations":[]}')
    async with serving(made, pages, pieces, error(401, "invalid_api_key")) as server:
        for source in (key, lambda: key):
            server.answers = [made, pages, pieces, error(401, "invalid_api_key")]
            async with AsyncNexevo(
                source,
                base_url=server.base_url,
                proxy=None,
                headers={"X-Key": key},
                middleware=[watch],
                attempt_middleware=[watch],
            ) as client:
                stream: Any = client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": "x"}], stream=True
                )
                objects += [
                    client,
                    client.with_options(api_key=key),
                    client._caller.config,
                    client._core,
                    client.conversations,
                    await client.conversations.get("c"),
                    await client.conversations.list(),
                    stream := await stream,
                    await anext(stream),
                    await stream.final(),
                ]
                with pytest.raises(NexevoError) as caught:
                    await client.models.list()
                objects += [caught.value, *vars(caught.value).values()]
                twin = Nexevo(source, base_url=server.base_url)
                objects += [twin, twin.with_options(api_key=key), twin.conversations]
        assert server.seen[0].header("authorization") == f"Bearer {key}"
    assert len(objects) > 40
    for thing in objects:
        shown = [repr(thing), str(thing), f"{thing}", repr(getattr(thing, "__dict__", ""))]
        assert CANARY not in "".join(shown), type(thing)
