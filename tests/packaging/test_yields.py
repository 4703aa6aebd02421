"""No cancel scope and no task group is held across a ``yield`` of an asynchronous generator.

Whoever drives the generator may do so from another task, or never come back: the scope would then
cancel somebody else, or stay open for ever.
"""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path for package in ("nexevo_async", "nexevo_sync") for path in (ROOT / package).rglob("*.py")
)
SCOPES = {"timeout", "timeout_at", "TaskGroup", "create_task_group", "CancelScope", "fail_after"}


def yields_within_scopes(source: str) -> list[int]:
    """Give the lines of the yields that stand in a scope."""
    tree = ast.parse(source)
    return [
        inner.lineno
        for block in ast.walk(tree)
        if isinstance(block, (ast.With, ast.AsyncWith)) and opens_a_scope(block)
        for inner in ast.walk(block)
        if isinstance(inner, (ast.Yield, ast.YieldFrom))
    ]


def opens_a_scope(block: ast.With | ast.AsyncWith) -> bool:
    names = {
        node.attr if isinstance(node, ast.Attribute) else node.id
        for item in block.items
        for node in ast.walk(item.context_expr)
        if isinstance(node, (ast.Attribute, ast.Name))
    }
    return not names.isdisjoint(SCOPES | {"scope"})


def test_no_scope_is_held_across_a_yield() -> None:
    found = {path: yields_within_scopes(path.read_text("utf-8")) for path in SOURCES}
    assert {path: lines for path, lines in found.items() if lines} == {}
    assert len(found) > 100


def test_a_scope_across_a_yield_is_found() -> None:
    bad = "async def f():\n async with asyncio.timeout(1):\n  for x in y:\n   yield x"
    assert yields_within_scopes(bad) == [4]
