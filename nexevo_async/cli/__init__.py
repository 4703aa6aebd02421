"""The command line; its commands live in modules of their own and load when they are called."""

import sys
from typing import Final

# Command and where it is, as cyclopts loads it.
_COMMANDS: Final = {
    "demo": "nexevo_async.cli.demo:demo",
    "openapi": "nexevo_async.cli.openapi:openapi",
    "sandbox": "nexevo_async.cli.sandbox:sandbox",
}


def main() -> None:
    """Run the command ``nexevo``."""
    try:
        import cyclopts  # noqa: PLC0415 - an extra, and importing this module must be light
    except ImportError:
        print("The command line needs an extra: pip install 'nexevo[cli]'", file=sys.stderr)
        sys.exit(1)
    app = cyclopts.App(name="nexevo", help="Nexevo's command line.")
    for name, where in _COMMANDS.items():
        app.command(where, name=name)
    app()
