"""The long runs of ``nox -s soak``, cut short."""

import pytest
from own_interpreter import succeeds


@pytest.mark.parametrize(
    "command",
    [["bench.memory", "--calls", "1500"], ["bench.soak", "--seconds", "4", "--seed", "0"]],
    ids=["memory", "soak"],
)
def test_a_short_run_leaves_nothing_behind(command):
    succeeds(*command)
