"""Scripts in an interpreter of their own, for what a program does once."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

PEAK_MIB = """
def peak_mib():
    import pathlib
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
"""
"""For a script that says how much memory it took at most."""


def printed_by(script: str, *arguments: str, env: Mapping[str, str] | None = None) -> Any:
    """Run a script, and give the JSON that it prints."""
    # -u: with buffered output, blockbuster 1.5 crashes any interpreter that ends.
    command = [sys.executable, "-u", "-W", "error", "-c", script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def succeeds(module: str, *arguments: str) -> None:
    """Run a module of the repository, which says by its exit code whether all is well."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def gets_below(limit: float, measure: Callable[[], float], tries: int = 8) -> bool:
    """Say whether some measurement is below a limit: the machine may have other work to do."""
    return any(measure() < limit for _ in range(tries))
