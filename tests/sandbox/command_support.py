"""The command, as a process of its own."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

NEXEVO = [sys.executable, "-c", "from nexevo_async.cli import main; main()"]


class Command:
    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*NEXEVO, "sandbox", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.said = ""
        for line in self.process.stdout:
            self.said += line
            if "Ctrl-C" in line:
                break

    def value(self, pattern: str) -> str:
        found = re.search(pattern, self.said)
        assert found, self.said
        return found[1]

    @property
    def base_url(self) -> str:
        return self.value("NEXEVO_BASE_URL=(.*)")

    @property
    def api_key(self) -> str:
        return self.value("NEXEVO_API_KEY=(.*)")

    def end(self, number: int) -> tuple[int, str, float]:
        began = time.monotonic()
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=10)
        return self.process.returncode, errors, time.monotonic() - began


@contextmanager
def running(*arguments: str) -> Iterator[Command]:
    command = Command(*arguments)
    try:
        yield command
    finally:
        command.process.kill()
        command.process.communicate()
