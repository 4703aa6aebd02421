"""The net that holds the suite's key has no hole."""

import base64
import os
import subprocess
import sys
from pathlib import Path

import canary

ENCODED = [base64.b64encode(b"u" * n + b":" + canary.KEY.encode()).decode() for n in range(3)]
HARMLESS = "logging.getLogger('nexevo').debug('harmless')"
LEAKS = [
    "logging.getLogger('nexevo').debug('sent %s', KEY)",
    "logging.getLogger('aiohttp.client').debug({'Authorization': KEY})",
    *(f"logging.getLogger('x').debug({encoded!r})" for encoded in ENCODED),
    "print(KEY)",
    "print(KEY, file=sys.stderr)",
    "os.write(1, KEY.encode())",
    "assert repr(type('Client', (), {'__repr__': lambda self: KEY})()) == ''",
    "raise ValueError(KEY)",
    "warnings.warn(KEY)",
]


PLUGINS = {
    "PYTHONPATH": str(Path(canary.__file__).parent),
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
}


def test_a_key_that_is_shown_fails_the_test(tmp_path: Path):
    tests = [
        f"def test_{n}():\n    {statement}\n" for n, statement in enumerate([HARMLESS, *LEAKS])
    ]
    module = tmp_path / "test_leaks.py"
    head = "import logging, os, sys, warnings\nfrom canary import KEY\n"
    module.write_text("\n".join([head, *tests]))
    options = (
        "-p",
        "canary",
        "-c",
        os.devnull,
        "--rootdir",
        tmp_path,
        "--log-level=DEBUG",
        "-v",
        "-W",
        "error",
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, module],
        env={**os.environ, **PLUGINS},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"{len(LEAKS)} failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "test_0 PASSED" in done.stdout
    assert done.stdout.count("the API key can be read in what this test") >= len(LEAKS)
    assert canary.KEY not in done.stdout.partition("short test summary")[0]
