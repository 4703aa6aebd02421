"""What a dependency, or Python, may take away without notice is not used, but for what is told."""

import ast
from collections.abc import Iterator
from pathlib import Path

import nexevo_async
import nexevo_sync

ALLOWED = {
    # The issuer of a refused certificate; network/test_tls.py reads it in the error.
    ("nexevo_async/transport/handshake.py", "_sslobj"),
    # What closes connections without a loop that goes on, and one whose loop was closed before it;
    # process/test_async_exit.py looks for the sockets and the warnings that there would be.
    ("nexevo_async/transport/session.py", "_close"),
    ("nexevo_async/transport/session.py", "_transports"),
    ("nexevo_async/transport/session.py", "_call_connection_lost"),
}

# A named tuple's own, what types alone are from, and the generator's modules.
NOT_PRIVATE = {"_fields", "_typeshed", "_generate_module", "_generate_source"}

SOURCES = [
    path
    for package in (nexevo_async, nexevo_sync)
    for path in Path(str(package.__file__)).parent.rglob("*.py")
]


def is_private(name: str) -> bool:
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


def used(tree: ast.AST) -> Iterator[str]:
    """Give the private names that a module asks of others."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name):
                yield name
            case ast.Call(ast.Name("getattr"), [_, ast.Constant(str(name)), *_]):
                yield name
            case ast.Import(names=names):
                yield from (part for alias in names for part in alias.name.split("."))
            case ast.ImportFrom(module=module, names=names):
                yield from (module or "").split(".")
                yield from (alias.name for alias in names)


def defined(tree: ast.AST) -> Iterator[str]:
    """Give the names that a module defines, its attributes among them."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name) | ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.Attribute(attr=name, ctx=ast.Store()):
                yield name
            case ast.Call(keywords=keywords):
                yield from (keyword.arg for keyword in keywords if keyword.arg)


def test_no_private_name_of_a_dependency_is_used_but_for_what_is_told() -> None:
    trees = {path: ast.parse(path.read_text("utf-8")) for path in SOURCES}
    theirs = {
        (path.relative_to(Path(str(nexevo_async.__file__)).parents[1]).as_posix(), name)
        for path, tree in trees.items()
        for name in {*used(tree)} - {*defined(tree)} - NOT_PRIVATE
        if is_private(name)
    }
    assert theirs == ALLOWED
