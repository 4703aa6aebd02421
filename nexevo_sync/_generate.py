"""Writes nexevo_sync/client.py and nexevo_sync/services from the source of the async client.

    python nexevo_sync/_generate.py            writes what has changed
    python nexevo_sync/_generate.py --check    says what would change, and exits with 1

Signatures, defaults, overloads and docstrings are copied by their place in the source, so that
every Python writes the same bytes. What this script does not understand it refuses, by file, line
and construct: a client that differs from its twin unseen is worse than none.
"""

import difflib
import itertools
import sys
from pathlib import Path
from typing import Final

if __name__ == "__main__":  # any Python may run this, also one without Nexevo
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from nexevo_sync._generate_module import MARK, Module
from nexevo_sync._generate_source import RefusedError, Source, check_prose

ROOT: Final = Path(__file__).resolve().parents[1]
NO_SERVICE: Final = frozenset({"__init__.py", "caller.py"})


def generated(root: Path) -> dict[str, str]:
    """Give the modules of the sync client, by their path under the root.

    Raises:
        RefusedError: the source of the async client has something that is not understood.
    """
    services = sorted((root / "nexevo_async/services").glob("*.py"))
    paths = [root / "nexevo_async/client.py", *(p for p in services if p.name not in NO_SERVICE)]
    sources = {path: path.read_text("utf-8") for path in paths}
    check_prose(sources.values())
    texts = {"nexevo_sync/services/__init__.py": f"{MARK}nexevo_async/services: do not edit.\n"}
    for path, text in sources.items():
        name = path.relative_to(root).as_posix()
        texts[name.replace("nexevo_async", "nexevo_sync", 1)] = Module(Source(name, text)).text
    return texts


def differences(root: Path) -> dict[str, str | None]:
    """Give what the sync client's modules should be, where they are not; None for: not there."""
    wanted = generated(root)
    there = {
        path.relative_to(root).as_posix(): path.read_text("utf-8")
        for path in [root / "nexevo_sync/client.py", *(root / "nexevo_sync/services").glob("*.py")]
        if path.exists()
    }
    changed: dict[str, str | None] = {p: t for p, t in wanted.items() if there.get(p) != t}
    return changed | dict.fromkeys(there.keys() - wanted.keys())


def _change(file: Path, path: str, text: str | None) -> str:
    if text is None:
        return f"{path} has no source any more\n"
    old = file.read_text("utf-8").splitlines() if file.exists() else []
    diff = difflib.unified_diff(old, text.splitlines(), path, "as generated", lineterm="", n=1)
    return "".join(f"{line}\n" for line in itertools.islice(diff, 40))


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Write the sync client, or check it, and give the exit code."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write("usage: _generate.py [--check]\n")
        return 2
    try:
        changed = differences(root)
    except RefusedError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for path, text in sorted(changed.items()):
        if arguments:
            sys.stderr.write(_change(root / path, path, text))
        elif text is None:
            (root / path).unlink()
        else:
            (root / path).write_text(text, "utf-8", newline="\n")
    if arguments and changed:
        sys.stderr.write("The sync client is stale: run python nexevo_sync/_generate.py\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
