"""How Sphinx builds the documentation."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

sys.path.insert(0, str(Path(__file__).parents[1]))

from nexevo_async.contract.table import OPERATIONS
from nexevo_async.errors import NexevoError
from nexevo_async.version import VERSION

project = "Nexevo SDK for Python"
author = "The Nexevo SDK founders"
version = release = VERSION
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"Nexevo SDK for Python {VERSION}"

default_role = "py:obj"
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_use_ivar = True
python_use_unqualified_type_names = True

# The clients import their resources for type checkers alone; here their names have to resolve.
for package in ("nexevo_async", "nexevo_sync"):
    client = importlib.import_module(f"{package}.client")
    for file in Path(client.__file__ or "").with_name("services").glob("[a-z]*.py"):
        resource = importlib.import_module(f"{package}.services.{file.stem}")
        vars(client).setdefault(file.stem.title(), vars(resource).get(file.stem.title()))

RESENT: Final = {
    "idempotent": "after any failure",
    "keyed": "after any failure, under the same key",
    "generation": "before the answer has begun",
    "once": "when it was not carried out",
}


nitpick_ignore_regex = [
    # Not ours, and the build asks nothing of the network.
    (
        "py:.*",
        r"(collections\.abc|contextlib|datetime|decimal|os|ssl|starlette|fastapi|opentelemetry)\..*",
    ),
    # The chain's own; and type variables.
    (
        "py:class",
        r"nexevo_async\.(byte_stream\.ByteStream|messages\.(ErrorBody|Progress)|config\.CallSettings|secret\.Secret)",
    ),
    ("py:class", r"nexevo_a?sync\.(pagination|testing\.factories)\.M"),
]

NOT_SHOWN: Final = ("Caller", "PageContent", "AsyncChatStream", "Progress", "Gateway", "ByteStream")
"""What users never make: a class that takes one of these is given to them."""


class Operations(SphinxDirective):
    """A table of every operation, made from what the client and the sandbox are made from."""

    def run(self) -> list[nodes.Node]:
        rows = [
            f"| `{o.name}` | `{o.method} {o.path}` | [{o.documented}] | {RESENT[o.resend]} |"
            for o in OPERATIONS
        ]
        head = "| Call | Method and path | Mark | Sent again |\n|---|---|---|---|"
        return self.parse_text_to_nodes("\n".join([head, *rows]))


class Errors(SphinxDirective):
    """A table of every error, made from their docstrings."""

    def run(self) -> list[nodes.Node]:
        rows = "\n".join(_rows(NexevoError))
        return self.parse_text_to_nodes(f"| Class | When |\n|---|---|\n{rows}")


def _rows(parent: type[NexevoError], indent: str = "") -> Iterator[str]:
    for cls in parent.__subclasses__():
        if cls.__name__.startswith("_"):
            yield from _rows(cls, indent)
        else:
            when = (cls.__doc__ or "").partition("\n")[0]
            yield f"| {indent}{{py:exc}}`~nexevo_async.{cls.__name__}` | {when} |"
            yield from _rows(cls, f"{indent}└ ")


def hide_inner_constructors(
    _app: Sphinx, what: str, _name: str, _obj: object, _options: object, signature: str, _: str
) -> tuple[str, None] | None:
    if what == "class" and any(name in (signature or "") for name in NOT_SHOWN):
        return "", None
    return None


def find_public_name(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, shown: nodes.Element
) -> nodes.Element | None:
    """Find the public object that a docstring names by its bare name, or by where it lives."""
    package = "nexevo_sync" if env.docname.endswith("sync") else "nexevo_async"
    name = node["reftarget"].rpartition(".")[2]
    for target in dict.fromkeys((f"{package}.{name}", f"nexevo_async.{name}")):
        found = env.domains["py"].resolve_any_xref(
            env, env.docname, app.builder, target, node, shown
        )
        if found:
            return found[0][1]
    return None


def setup(app: Sphinx) -> None:
    app.add_directive("operations", Operations)
    app.add_directive("errors", Errors)
    app.connect("autodoc-process-signature", hide_inner_constructors)
    app.connect("missing-reference", find_public_name)
