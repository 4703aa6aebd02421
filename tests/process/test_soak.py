"""The long runs of ``nox -s soak``, cut short."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    "command",
    [["bench.memory", "--calls", "1500"], ["bench.soak", "--seconds", "4", "--seed", "0"]],
    ids=["memory", "soak"],
)
def test_a_short_run_leaves_nothing_behind(command):
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
