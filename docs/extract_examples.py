"""Writes the examples of README.md and docs/ as modules into a folder, for type checkers.

python docs/extract_examples.py FOLDER
"""

import re
import sys
from pathlib import Path
from textwrap import indent
from typing import Final

ROOT: Final = Path(__file__).parents[1]
BLOCK: Final = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CLIENT: Final = "from nexevo_async import AsyncNexevo\nclient = AsyncNexevo()\n"


def module(page: str) -> str:
    """Give a page's examples as one module: they share their names, and await at their top."""
    code = "\n".join(BLOCK.findall(page))
    has_client = re.search(r"^client = ", code, re.MULTILINE)
    return "async def page() -> None:\n" + indent(code if has_client else CLIENT + code, "    ")


def main(folder: Path) -> None:
    """Write a module for each page."""
    folder.mkdir(parents=True, exist_ok=True)
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        text = page.read_text(encoding="utf-8")
        if BLOCK.search(text):
            name = page.stem.lower().replace("-", "_")
            (folder / f"{name}_examples.py").write_text(module(text), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
