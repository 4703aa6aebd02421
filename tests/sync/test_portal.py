"""The bridge: what crosses it, what comes back, and what it leaves behind."""

import asyncio
import builtins
import contextvars
import copy
import gc
import json
import linecache
import pickle
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Coroutine
from typing import Any

import anyio
import pytest

from nexevo_async import (
    AsyncNexevo,
    ConfigurationError,
    DecodeError,
    NexevoError,
    Request,
    Response,
)
from nexevo_async.messages import Handler
from nexevo_async.testing import Sandbox
from nexevo_sync import Nexevo, NotFoundError, SyncCallInAsyncWarning, portal

CALLER = contextvars.ContextVar("CALLER", default="nobody")


def test_the_traceback_begins_at_the_callers_line(sync_client: Nexevo):
    with pytest.raises(NotFoundError) as caught:
        sync_client.conversations.get("nope")
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert frames[0].line == 'sync_client.conversations.get("nope")'
    assert caught.value.__cause__ is None


def test_no_frame_between_the_two_public_methods_holds_an_argument(sync_client: Nexevo):
    with pytest.raises(NotFoundError) as caught:
        sync_client.conversations.append_message("nope", role="user", content="canary")
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    holders = {frame.name for frame in shown.stack if "canary" in repr(frame.locals)}
    assert holders == {"append_message"}


@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        ({}, NotFoundError),
        (
            {"status": 200, "body": {"error": {"message": "No.", "code": "not_found"}}},
            NotFoundError,
        ),
        ({"status": 200, "body": []}, DecodeError),
    ],
)
def test_a_failure_is_freed_with_its_last_reference(
    sync_client: Nexevo, fault: dict[str, Any], failure: type[NexevoError]
):
    headers = {"X-Sandbox-Fault": json.dumps(fault)} if fault else {}
    for _ in range(2):  # the first call opens the connection
        gc.collect()
        gc.disable()
        try:
            with pytest.raises(failure):
                sync_client.conversations.get("conv_freed", extra_headers=headers)
            held = [
                o for o in gc.get_objects() if isinstance(o, failure) and "conv_freed" in str(o)
            ]
        finally:
            gc.enable()
    assert held == []


def test_context_goes_in(sync_client: Nexevo):
    seen: list[str] = []

    async def note(request: Request, call_next: Handler) -> Response:
        seen.append(CALLER.get())
        return await call_next(request)

    view = sync_client.with_options(middleware=[note])
    token = CALLER.set("me")
    view.models.list()
    CALLER.reset(token)
    view.models.list()
    assert seen == ["me", "nobody"]


def test_all_clients_share_one_thread(sandbox: Sandbox):
    clients = [Nexevo(sandbox.api_key, base_url=sandbox.base_url) for _ in range(3)]
    workers = [threading.Thread(target=client.models.list) for client in clients]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    portals = [t for t in threading.enumerate() if t.name == "nexevo-portal"]
    assert len(portals) == 1
    assert portals[0].daemon
    for client in clients:
        client.close()


def refuse_on_its_own_thread(coroutine: Coroutine[Any, Any, None]) -> str:
    async def on_the_portal() -> str:
        with pytest.raises(RuntimeError) as caught:
            portal.run(coroutine)
        return str(caught.value)

    return portal.run(on_the_portal())


def test_a_coroutine_that_is_refused_is_closed():
    refused = asyncio.sleep(0)
    assert "nexevo_async.AsyncNexevo" in refuse_on_its_own_thread(refused)
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        refused.send(None)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
def test_what_ends_a_coroutine_ends_the_call_and_not_the_loop(error: BaseException):
    async def fail() -> None:
        raise error

    with pytest.raises(type(error)):
        portal.run(fail())
    assert portal.run(asyncio.sleep(0, "alive")) == "alive"


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (lambda patch: patch.setitem(sys.modules, "anyio", None), "ModuleNotFoundError.*anyio"),
        (
            lambda patch: patch.setattr(threading.Thread, "start", raise_of(RuntimeError("full"))),
            "RuntimeError: full",
        ),
        (
            lambda patch: patch.setattr(anyio, "run", raise_of(OSError(24, "many"))),
            r"OSError: \[Errno 24\] many",
        ),
    ],
)
def test_a_loop_that_cannot_start_says_why_and_the_next_one_does(
    broken: Any, says: str, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
):
    with monkeypatch.context() as patch:
        patch.setattr(portal, "_process", portal._Process())
        broken(patch)
        with Nexevo(sandbox.api_key, base_url=sandbox.base_url) as client:
            with pytest.raises(ConfigurationError, match=f"could not start: {says}"):
                client.models.list()
            patch.undo()
            assert client.models.list().data


def raise_of(error: Exception) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def test_closing_a_client_that_was_never_used_starts_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(portal, "_process", portal._Process())
    Nexevo("sk-xc-made-up").close()
    assert portal._process.portal is None


def unpickled(client: Nexevo) -> Any:
    return pickle.loads(pickle.dumps(client))  # noqa: S301 - it was just written


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, unpickled])
def test_a_client_is_copied_by_its_configuration(
    copied: Any, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
):
    monkeypatch.setenv("NEXEVO_API_KEY", sandbox.api_key)
    with Nexevo(base_url=sandbox.base_url, max_retries=7) as client:
        with copied(client) as twin:
            assert twin.models.list().data
            assert repr(twin) == repr(client) == f"<Nexevo {sandbox.base_url}>"
        assert client.models.list().data


async def test_the_wrong_loop_over_a_page_or_a_stream_names_the_right_one(sync_client: Nexevo):
    page = await asyncio.to_thread(sync_client.models.list)
    with pytest.raises(TypeError, match="sync client: use `for item in page`"):
        _ = [item async for item in page]  # type: ignore[attr-defined]
    stream = await asyncio.to_thread(opened, sync_client)
    with pytest.raises(TypeError, match="sync client: use `for chunk in stream`"), stream:
        _ = [chunk async for chunk in stream]  # type: ignore[attr-defined]


def opened(client: Nexevo) -> Any:
    messages = [{"role": "user", "content": "Hello!"}]
    return client.chat.completions.create(model="gpt-4o", messages=messages, stream=True)


async def test_a_call_where_a_loop_runs_warns_once_and_names_its_line_and_its_twin(
    sync_client: Nexevo,
):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for n in range(3):
            sync_client.conversations.create(title=str(n))
        for _ in sync_client.conversations.list(limit=1):  # one warning for all the pages
            pass
        with opened(sync_client) as stream:  # and for all the chunks
            assert stream.final().text
        sync_client.close()
    assert [(w.category, w.filename) for w in caught] == [(SyncCallInAsyncWarning, __file__)] * 3
    for warned, line, twin in zip(
        caught,
        [
            "sync_client.conversations.create(",
            "in sync_client.conversations.list(",
            "return client",
        ],
        ["Conversations.create", "Conversations.list", "Completions.create"],
        strict=True,
    ):
        assert line in linecache.getline(warned.filename, warned.lineno)
        assert f"the answer of {twin}. Await it instead: nexevo_async" in str(warned.message)


async def test_the_warnings_filter_can_forbid_it(sync_client: Nexevo, sandbox: Sandbox):
    with warnings.catch_warnings():
        warnings.simplefilter("error", SyncCallInAsyncWarning)
        for _ in range(2):  # an error is raised each time
            with pytest.raises(SyncCallInAsyncWarning):
                sync_client.models.list()
    assert sandbox.requests == []


async def test_a_notebook_is_no_place_to_warn(
    sync_client: Nexevo, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(builtins, "__IPYTHON__", True, raising=False)  # as IPython does
    async with AsyncNexevo(sandbox.api_key, base_url=sandbox.base_url) as client:
        both = sync_client.models.list(), await client.models.list()
    assert both[0].data == both[1].data


def test_a_call_on_the_portals_own_thread_is_refused_at_once(sync_client: Nexevo):
    took: list[float] = []

    async def calls(request: Request, call_next: Handler) -> Response:
        began = time.monotonic()
        with pytest.raises(RuntimeError, match="its own event loop"):
            sync_client.models.list()
        took.append(time.monotonic() - began)
        return await call_next(request)

    assert sync_client.with_options(middleware=[calls]).models.list().data
    assert took[0] < 0.1
