"""Whatever goes wrong with a call, its error says what was asked, what happened and what to do."""

import asyncio
import base64
import linecache
import re
import socket
import traceback
from typing import Any

import pytest
from troubles import TROUBLES, Trouble, place_of

from nexevo_async import AsyncNexevo
from nexevo_sync import Nexevo

KEY = "sk-xc-canary-0123456789abcdef"
MESSAGES: Any = [{"role": "user", "content": "Hello!"}]
KINDS = ("async plain", "async stream", "sync plain", "sync stream")


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NEXEVO_API_KEY", raising=False)
    look_up = socket.getaddrinfo

    def unknown(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host == "gateway.invalid":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", unknown)


async def opened(client: AsyncNexevo) -> Any:
    return await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)


async def ask_async(client: AsyncNexevo, trouble: Trouble, *, stream: bool) -> None:
    held = await opened(client) if trouble.before == "hold a stream" else None
    if trouble.before == "close":
        await client.aclose()
    try:
        if stream:
            answer = await client.chat.completions.create(  # the caller's line
                model="m", messages=MESSAGES, stream=True
            )
            await answer.final()  # the caller's line
        else:
            await client.conversations.get("conv_1")  # the caller's line
    finally:
        if held is not None:
            await held.aclose()


def ask_sync(client: Nexevo, trouble: Trouble, *, stream: bool) -> None:
    create = client.chat.completions.create
    held: Any = None
    if trouble.before == "hold a stream":
        held = create(model="m", messages=MESSAGES, stream=True)
    if trouble.before == "close":
        client.close()
    try:
        if stream:
            answer = create(model="m", messages=MESSAGES, stream=True)  # the caller's line
            answer.final()  # the caller's line
        else:
            client.conversations.get("conv_1")  # the caller's line
    finally:
        if held is not None:
            held.close()


async def error_of(trouble: Trouble, kind: str) -> Exception:
    stream = kind.endswith("stream")
    config: dict[str, Any] = {"api_key": KEY, "max_retries": 0} | trouble.config
    async with place_of(trouble) as base_url:
        try:
            if kind.startswith("async"):
                async with AsyncNexevo(base_url=base_url, **config) as client:
                    await ask_async(client, trouble, stream=stream)
            else:
                with Nexevo(base_url=base_url, **config) as sync_client:
                    await asyncio.to_thread(ask_sync, sync_client, trouble, stream=stream)
        except Exception as error:  # noqa: BLE001 - what it is, is the question
            return error
    raise AssertionError("nothing went wrong")


def summary(trouble: Trouble, *, stream: bool) -> str:
    call = "POST /chat/completions" if stream else "GET /conversations/conv_1"
    attempts = "0 attempts" if trouble.before == "hold a stream" else "1 attempt"
    trace = ", trace id t1" if trouble.is_answered else "(, trace id .+)?"
    return rf"\[{call}, {attempts}, \d+\.\d\d s{trace}\]"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TROUBLES)
async def test_an_error_is_ours_and_says_all(name: str, kind: str):
    trouble = TROUBLES[name]
    stream = kind.endswith("stream")
    caught = await error_of(trouble, kind)
    cls, says = trouble.error(stream=stream)
    assert type(caught).__name__ == cls
    message = str(caught)
    assert re.search(says, message), message
    if trouble.is_sent:
        operation = "chat.completions.create" if stream else "conversations.get"
        assert operation in message
        parts = re.search(rf".+\. {summary(trouble, stream=stream)}.* \S.+\.$", message, re.DOTALL)
        assert parts, message
        assert (caught.operation, caught.method) == (  # type: ignore[attr-defined]
            operation,
            "POST" if stream else "GET",
        )
    assert "\n" not in message
    assert_is_ours_alone(caught)
    assert_shows_no_key(caught)
    callers = [
        linecache.getline(frame.filename, frame.lineno or 0)
        for frame in traceback.extract_tb(caught.__traceback__)
        if frame.filename == __file__ and frame.name.startswith("ask_")
    ]
    assert len(callers) == 1
    assert "the caller's line" in callers[0]


def assert_is_ours_alone(error: BaseException) -> None:
    assert type(error).__module__ == "nexevo_async.errors"
    assert error.__cause__ is None
    assert error.__context__ is None


def assert_shows_no_key(error: BaseException) -> None:
    """Look for it in all that a crash report would hold, this file's own frames aside."""
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    locals_ = [frame.locals for frame in report.stack if "/tests/" not in frame.filename]
    assert locals_
    everything = f"{error!r} {error} {vars(error)} {locals_}"
    for secret in (KEY, base64.b64encode(KEY.encode()).decode().rstrip("=")):
        assert secret not in everything
