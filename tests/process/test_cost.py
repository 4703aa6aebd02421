import subprocess
import sys
from pathlib import Path


def test_a_call_takes_at_most_twice_the_function_calls_of_plain_aiohttp():
    done = subprocess.run(
        [sys.executable, "-m", "bench.calls"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
