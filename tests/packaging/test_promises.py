"""The page of promises names tests that there are."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::([\w:]+)`")


def named_in(path: Path) -> set[str]:
    """Give the tests of a file, each as pytest names it."""
    if not path.is_file():
        return set()
    named: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                named.add(name)
            case ast.ClassDef(name=name):
                named |= {name, *(f"{name}::{getattr(inner, 'name', '')}" for inner in node.body)}
            case ast.Assign(targets=[ast.Name(id=name)]):  # such as a state machine's
                named.add(name)
            case _:
                pass
    return named


def test_each_test_that_the_page_names_is_there() -> None:
    named = NAMED.findall((ROOT / "docs" / "promises.md").read_text("utf-8"))
    missing = [f"{file}::{test}" for file, test in named if test not in named_in(ROOT / file)]
    assert missing == []
    assert named


def test_each_promise_names_its_test() -> None:
    promises = (ROOT / "docs" / "promises.md").read_text("utf-8").split("\n- **")[1:]
    assert [promise for promise in promises if not NAMED.search(promise)] == []
    assert len(promises) > 50
