"""Runs the examples of README.md, docs/ and the docstrings against the sandbox.

python -m pytest -p docs.run_examples README.md docs nexevo_async nexevo_sync
"""

import ast
import asyncio
import contextlib
import doctest
import inspect
import io
import linecache
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from sybil import Document, Example, Region, Sybil
from sybil.document import PythonDocStringDocument
from sybil.parsers.markdown import CodeBlockParser, SkipParser

from nexevo_async import AsyncNexevo
from nexevo_async.testing import Sandbox
from nexevo_sync import Nexevo

PACKAGES: Final = ("nexevo_async", "nexevo_sync")
ROOT: Final = str(Path(__file__).parents[1])

Namespace = dict[str, Any]


def run(source: str, namespace: Namespace, *, where: str, mode: str = "exec") -> None:
    """Run an example, whether or not it awaits something at its top level."""
    # Errors show the example's own lines, and FastAPI looks up a route's annotations by module.
    linecache.cache[where] = (len(source), None, source.splitlines(keepends=True), where)
    code = compile(source, where, mode, flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if code.co_flags & inspect.CO_COROUTINE:
        namespace["runner"].run(eval(code, namespace))  # noqa: S307 - our own examples
    else:
        exec(code, namespace)  # noqa: S102 - the same


def evaluate_block(example: Example) -> None:
    """Run a code block of a page; the blocks of a page share their names."""
    namespace = example.namespace
    if "client" not in namespace:
        namespace["sandbox"].reset()
        namespace["client"] = AsyncNexevo()
    line = example.line + example.parsed.line_offset
    run("\n" * line + example.parsed, namespace, where=str(example.path))


def docstring_examples(document: Document) -> Iterator[Region]:
    """Give the examples of one docstring as one region, which needs no other."""
    examples = doctest.DocTestParser().get_examples(document.text)
    if examples:
        yield Region(0, len(document.text), examples, evaluate_docstring)


def evaluate_docstring(example: Example) -> str | None:
    """Run a docstring's examples with a client of their own, and compare what they print."""
    sandbox: Sandbox = example.namespace["sandbox"]
    runner: asyncio.Runner = example.namespace["runner"]
    sandbox.reset()
    is_sync = "nexevo_sync" in str(example.path)
    client: Any = Nexevo() if is_sync else AsyncNexevo()
    namespace: Namespace = {
        "__name__": "__main__",
        "runner": runner,
        "Nexevo" if is_sync else "AsyncNexevo": type(client),
        "client": client,
    }
    wrong = [_wrong(step, namespace, str(example.path)) for step in example.parsed]
    if is_sync:
        client.close()
    else:
        runner.run(client.aclose())
    return "\n".join(problem for problem in wrong if problem) or None


def _wrong(step: doctest.Example, namespace: Namespace, path: str) -> str | None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        run(step.source, namespace, where=f"<example in {path}>", mode="single")
    options = doctest.ELLIPSIS
    checker = doctest.OutputChecker()
    if checker.check_output(step.want, printed.getvalue(), options):
        return None
    return f"{step.source}{checker.output_difference(step, printed.getvalue(), options)}"


@pytest.fixture(scope="session")
def runner() -> Generator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@pytest.fixture(scope="session")
def sandbox() -> Generator[Sandbox]:
    with Sandbox() as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEXEVO_API_KEY", running.api_key)
        patch.setenv("NEXEVO_BASE_URL", running.base_url)
        yield running


pages = Sybil(
    path=ROOT,
    parsers=[CodeBlockParser(language="python", evaluator=evaluate_block), SkipParser()],
    patterns=["README.md", "docs/*.md"],
    fixtures=["sandbox", "runner"],
)
docstrings = Sybil(
    path=ROOT,
    parsers=[docstring_examples],
    patterns=[f"{package}/{place}*.py" for package in PACKAGES for place in ("", "**/")],
    fixtures=["sandbox", "runner"],
    document_types={".py": PythonDocStringDocument},
)
pytest_collect_file = (pages + docstrings).pytest()
