"""The two clients have the same calls, and say the same of them."""

import inspect
import re
import sys
from collections.abc import Iterator
from functools import cached_property
from typing import Any, get_overloads

import pytest

import nexevo_async
import nexevo_sync

ASYNC = nexevo_async.AsyncNexevo("k")
SYNC = nexevo_sync.Nexevo("k")
METHODS = {"aclose": "close", "__aenter__": "__enter__", "__aexit__": "__exit__"}
ONLY_ASYNC = re.compile(r"\b(await|async|AsyncNexevo|AsyncPage|aclose|nexevo_async)\b")
PAIRS: list[tuple[type, type]] = [
    (nexevo_async.AsyncNexevo, nexevo_sync.Nexevo),
    (nexevo_async.AsyncPage, nexevo_sync.Page),
    (nexevo_async.ChatStream, nexevo_sync.ChatStream),
    *(
        (type(a), type(s))
        for a, s in [
            (ASYNC.conversations, SYNC.conversations),
            (ASYNC.chat, SYNC.chat),
            (ASYNC.chat.completions, SYNC.chat.completions),
            (ASYNC.models, SYNC.models),
            (ASYNC.feedback, SYNC.feedback),
            (ASYNC.auth, SYNC.auth),
            (ASYNC.keys, SYNC.keys),
            (ASYNC.billing, SYNC.billing),
            (ASYNC.organizations, SYNC.organizations),
        ]
    ),
]


def own(cls: type) -> dict[str, Any]:
    return {name: member for name, member in vars(cls).items() if not name.startswith("_")}


def function(member: Any) -> Any:
    if isinstance(member, property):
        return member.fget
    return member.func if isinstance(member, cached_property) else member


def methods() -> Iterator[Any]:
    for async_class, sync_class in PAIRS:
        for name, member in own(async_class).items():
            twin = vars(sync_class).get(METHODS.get(name, name))
            yield pytest.param(
                function(member), function(twin), id=f"{async_class.__name__}.{name}"
            )


def text(annotation: Any) -> str:
    """An annotation in words that both clients share."""
    shown = inspect.formatannotation(annotation)
    return (
        shown.replace("AsyncPage", "Page")
        .replace("AsyncNexevo", "Nexevo")
        .replace("nexevo_async.", "nexevo_sync.")
    )


def signature(call: Any) -> tuple[list[tuple[str, Any, Any, str]], str]:
    found = inspect.signature(call)
    parameters = [
        (p.name, p.kind, p.default, text(p.annotation)) for p in found.parameters.values()
    ]
    return parameters, text(found.return_annotation)


@pytest.mark.parametrize(("async_class", "sync_class"), PAIRS)
def test_both_have_the_same_names(async_class: type, sync_class: type):
    given = {METHODS.get(name, name) for name in own(async_class)}
    assert given == set(own(sync_class))
    assert inspect.getdoc(sync_class)


@pytest.mark.parametrize(("async_call", "sync_call"), [*methods()])
def test_each_call_has_its_twin(async_call: Any, sync_call: Any):
    assert not inspect.iscoroutinefunction(sync_call)
    assert signature(sync_call) == signature(async_call)
    assert [signature(o) for o in get_overloads(sync_call)] == [
        signature(o) for o in get_overloads(async_call)
    ]
    doc, twin = inspect.getdoc(async_call) or "", inspect.getdoc(sync_call) or ""
    assert doc
    assert twin
    assert not ONLY_ASYNC.search(twin)
    for line in doc.splitlines():  # all that is no example and says nothing of asyncio is shared
        if not line.lstrip().startswith((">>>", "...")) and not re.search(
            r"async|aclose|loop|^there\.$", line
        ):
            assert line in twin.splitlines()


def test_the_constructors_are_the_same():
    assert signature(nexevo_sync.Nexevo) == signature(nexevo_async.AsyncNexevo)


def test_both_packages_export_the_same():
    renamed = {"AsyncNexevo": "Nexevo", "AsyncPage": "Page"}
    own = {"SyncCallInAsyncWarning"}
    shared = {renamed.get(name, name) for name in nexevo_async.__all__}
    assert shared | own == set(nexevo_sync.__all__)
    for name in shared - {"Nexevo", "Page", "ChatStream"}:
        assert getattr(nexevo_sync, name) is getattr(nexevo_async, name)
    assert dir(nexevo_sync) == sorted(nexevo_sync.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'AsyncNexevo'"):
        _ = nexevo_sync.AsyncNexevo
    assert sys.modules["nexevo_sync"].ChatStream is not nexevo_async.ChatStream
