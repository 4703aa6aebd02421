"""Reads the async client for `_generate.py`: its signatures, names and docstrings, made sync."""

import ast
import io
import itertools
import re
import tokenize
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Final, TypeAlias, TypeGuard

CLIENT: Final = "AsyncNexevo"
RENAMED: Final = {
    CLIENT: "Nexevo",
    "AsyncPage": "Page",
    "aclose": "close",
    "nexevo_async": "nexevo_sync",
}
METHODS: Final = {"aclose": "close", "__aenter__": "__enter__", "__aexit__": "__exit__"}

PROSE: Final = {
    "The Nexevo client for asyncio; one serves any number of tasks, threads and event loops.": (
        "The Nexevo client; one serves any number of threads."
    ),
    """\
 It closes itself with its event loop; close it earlier with `aclose`
    or ``async with``.
""": """\
 It closes itself when the interpreter exits; close it earlier with
    `close` or ``with``. All clients of a process share one event loop, on a background thread that
    the first call starts. Ctrl-C ends the call that it interrupts.
""",
    """\
        middleware: Is called once a call, around everything else.
        attempt_middleware: Is called for each attempt, when it has its seat.
""": """\
        middleware: Is called once a call, around everything else. It is an async function here
            too: it runs on the background event loop, where no sync call can be made.
        attempt_middleware: Is called for each attempt, when it has its seat; async as well.
""",
    " Connections that were opened on other event loops are closed\n        there.": "",
}
"""What is true of one client only; each stands in the source of the async client exactly once."""

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


class RefusedError(Exception):
    """The source has something that this script does not understand."""


class Source:
    """A module of the async client.

    Args:
        path: Where it is, under the root.
        text: What it says.
    """

    def __init__(self, path: str, text: str) -> None:
        self.path: Final = path
        self._bytes: Final = text.encode()
        self._starts: Final = [0]
        for line in self._bytes.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        try:
            self.tree: Final = ast.parse(text)
        except SyntaxError as error:
            raise RefusedError(f"{path}:{error.lineno}: {error.msg}") from None
        self.imported: Final = _imported(self.tree.body)
        lazy = [block for block in self.tree.body if is_for_type_checkers(block)]
        self.lazy: Final = _imported(statement for block in lazy for statement in block.body)
        self.module: Final = path.removesuffix(".py").replace("/", ".")
        self.assigned: Final = {
            name
            for statement in self.tree.body
            for name in assigned(statement)
            if not name.startswith("_")
        }

    def refused(self, node: ast.AST, what: str) -> RefusedError:
        """Give the error that refuses a construct."""
        return RefusedError(f"{self.path}:{getattr(node, 'lineno', 1)}: {what}")

    def start(self, node: ast.expr | ast.stmt) -> int:
        """Give where a node begins, in bytes: those are what ast counts columns in."""
        return self._starts[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr | ast.stmt) -> int:
        """Give where a node ends."""
        return self._starts[(node.end_lineno or 1) - 1] + (node.end_col_offset or 0)

    def between(self, start: int, end: int, annotations: Iterable[ast.expr] = ()) -> str:
        """Give a piece of the source, with the names in these annotations replaced."""
        pieces: list[bytes] = []
        for begin, finish in sorted(self._renamed_names(annotations)):
            pieces += self._bytes[start:begin], rename(self._bytes[begin:finish].decode()).encode()
            start = finish
        return b"".join([*pieces, self._bytes[start:end]]).decode()

    def _renamed_names(self, annotations: Iterable[ast.expr]) -> Iterator[tuple[int, int]]:
        for annotation in annotations:
            for name, node in names_in(annotation):
                if name in RENAMED:
                    yield self.start(node), self.end(node)

    def header(self, function: Function) -> str:
        """Give a function's signature as it stands, from ``def`` to what its body begins with."""
        annotations = [a.annotation for a in arguments(function) if a.annotation is not None]
        if function.returns is None or len(annotations) != len(arguments(function)) - 1:
            raise self.refused(
                function, f"{function.name} has a parameter or an answer without a type"
            )
        body = function.body[0]
        own_line = body.lineno > (function.returns.end_lineno or 0)
        end = self._starts[body.lineno - 1] if own_line else self.start(body)
        text = self.between(self.start(function), end, [*annotations, function.returns])
        text = text.removeprefix("async ").rstrip()
        name = METHODS.get(function.name, function.name)
        return text.replace(f"def {function.name}", f"def {name}", 1)

    def docstring(self, owner: ast.ClassDef | Function) -> str:
        """Give a docstring as it stands, with its examples and its words made sync."""
        first = owner.body[0]
        if not isinstance(first, ast.Expr) or ast.get_docstring(owner) is None:
            raise self.refused(owner, f"{owner.name} is public and has no docstring")
        text = self.between(self.start(first), self.end(first))
        for ours, theirs in PROSE.items():
            text = text.replace(ours, theirs)
        try:
            return sync_docstring(text)
        except RefusedError as error:
            raise self.refused(first, f"the docstring of {owner.name}: {error}") from None


def assigned(statement: ast.stmt) -> list[str]:
    """Give the name that a statement gives a value, if that is what it does."""
    match statement:
        case ast.AnnAssign(target=ast.Name(name), value=ast.expr()) | ast.Assign([ast.Name(name)]):
            return [name]
        case _:
            return []


def _imported(statements: Iterable[ast.stmt]) -> dict[str, tuple[str, str]]:
    return {
        alias.asname or alias.name: (statement.module or "", alias.name)
        for statement in statements
        if isinstance(statement, ast.ImportFrom) and not statement.level
        for alias in statement.names
    }


def is_for_type_checkers(statement: ast.stmt) -> TypeGuard[ast.If]:
    """Say whether a statement holds imports that only type checkers see."""
    match statement:
        case ast.If(test=ast.Name("TYPE_CHECKING"), orelse=[]):
            return True
        case _:
            return False


def arguments(function: Function) -> list[ast.arg]:
    """Give every parameter of a function."""
    a = function.args
    some = [*a.posonlyargs, *a.args, *a.kwonlyargs]
    return some + [extra for extra in (a.vararg, a.kwarg) if extra is not None]


def names_in(root: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Give the names that an expression uses; a quoted annotation is one too."""
    for node in ast.walk(root):
        if isinstance(node, ast.Name):
            yield node.id, node
        elif isinstance(node, ast.Constant) and node.value in RENAMED:
            yield str(node.value), node


def rename(text: str) -> str:
    """Give a text with the names of the async client replaced by those of its twin."""
    return re.sub(rf"\b({'|'.join(RENAMED)})\b", lambda match: RENAMED[match[0]], text)


def check_prose(texts: Collection[str]) -> None:
    """Refuse modules that do not have each piece of `PROSE` once."""
    for ours in PROSE:
        times = sum(text.count(ours) for text in texts)
        if times != 1:
            raise RefusedError(f"PROSE in {Path(__file__).name}: {ours!r} is there {times} times")


def sync_docstring(text: str) -> str:
    """Give a docstring of the sync client: the words, and the code of each example."""
    lines: list[str] = []
    example: list[str] = []
    for line in [*text.splitlines(), ""]:
        if example and not line.lstrip().startswith("..."):
            lines += sync_example(example)
            example = []
        if example or line.lstrip().startswith(">>> "):
            example.append(line)
        else:
            lines.append(rename(re.sub(r"\basync (with|for)\b", r"\1", line)))
    return "\n".join(lines[:-1])


def sync_example(lines: list[str]) -> list[str]:
    """Give an example without its ``await`` and ``async``."""
    prompts = [re.match(r" *(?:>>>|\.\.\.) ?", line) for line in lines]
    margins = [match[0] if match else "" for match in prompts]
    code = [line[len(margin) :] for line, margin in zip(lines, margins, strict=True)]
    source = "\n".join(code)
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise RefusedError(f"an example is not Python: {error.msg}: {source}") from None
    for node in ast.walk(tree):
        # Only from 3.12 on are the tokens within an f-string tokens of their own.
        if isinstance(node, ast.JoinedStr) and any(
            isinstance(part, ast.Await) or (isinstance(part, ast.Name) and part.id in RENAMED)
            for part in ast.walk(node)
        ):
            raise RefusedError(f"an example awaits, or names the client, in an f-string: {source}")
    tokens = [*tokenize.generate_tokens(io.StringIO(source).readline)]
    for token, following in reversed([*itertools.pairwise(tokens)]):
        row, column = token.start[0] - 1, token.start[1]
        if token.type == tokenize.NAME and token.string in {"async", "await"}:
            if following.start[0] != token.start[0]:
                raise RefusedError(f"an example breaks its line after {token.string}: {source}")
            code[row] = code[row][:column] + code[row][following.start[1] :]
        elif token.type == tokenize.NAME and token.string in RENAMED:
            code[row] = code[row][:column] + RENAMED[token.string] + code[row][token.end[1] :]
    return [margin + line for margin, line in zip(margins, code, strict=True)]
