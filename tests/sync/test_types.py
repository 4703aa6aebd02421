"""The files in tests/types, which type checkers read, leave nothing out."""

import ast
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import jedi
import pytest

import nexevo_async
import nexevo_sync

FILES = Path(__file__).parents[1] / "types"


def asserted(name: str) -> set[str]:
    """What is the first argument of an ``assert_type``, such as ``nexevo.keys.list``."""
    nodes = [*ast.walk(ast.parse((FILES / name).read_text("utf-8")))]
    found = {
        ast.unparse(called(node.args[0]))
        for node in nodes
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "assert_type"
    }
    return found | {
        ast.unparse(called(node.value))
        for node in nodes
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in found
    }


def called(expression: ast.expr) -> ast.expr:
    while isinstance(expression, ast.Await | ast.Call):
        expression = expression.value if isinstance(expression, ast.Await) else expression.func
    return expression


def public(prefix: str, owner: Any) -> Iterator[str]:
    """Every public method and value, down through the services."""
    names = {name for name in [*vars(type(owner)), *vars(owner)] if not name.startswith("_")}
    for name in names:
        member = vars(type(owner)).get(name)
        value = getattr(owner, name) if member is None else member
        if isinstance(member, cached_property) or not (member or callable(value)):
            yield from public(f"{prefix}.{name}", getattr(owner, name))
        else:
            yield f"{prefix}.{name}"


@pytest.mark.parametrize(
    ("file", "client", "page", "stream"),
    [
        (
            "async_client.py",
            nexevo_async.AsyncNexevo("k"),
            nexevo_async.AsyncPage,
            nexevo_async.ChatStream,
        ),
        ("sync_client.py", nexevo_sync.Nexevo("k"), nexevo_sync.Page, nexevo_sync.ChatStream),
    ],
)
def test_each_method_of_the_client_its_pages_and_its_streams_has_an_assert_type(
    file: str, client: Any, page: type, stream: type
):
    wanted = {*public("nexevo", client)}
    for name, cls in (("page", page), ("stream", stream)):
        wanted |= {f"{name}.{member}" for member in vars(cls) if not member.startswith("_")}
    assert len(wanted) > 45
    assert wanted - asserted(file) == set()


@pytest.mark.parametrize(
    ("before", "call"),
    [
        ("from nexevo_sync import Nexevo\n", "Nexevo().conversations.create"),
        ("from nexevo_async import AsyncNexevo\n", "AsyncNexevo().conversations.create"),
    ],
)
def test_an_editor_shows_the_docstring_and_the_source_of_a_call(before: str, call: str):
    [found] = jedi.Script(before + call).help(2, len(call))
    package = before.split()[1]
    assert found.module_name == f"{package}.services.conversations"
    assert "metadata: Mapping[str, Any] | None=None" in found.docstring()
    assert "client.conversations.create(" in found.docstring()
