"""A module of a user's, with a client at its top that was used before anything forks."""

import logging
import os
import time
from collections.abc import Callable, Iterable

from nexevo_sync import Nexevo

# -X dev tells of steps that a busy machine took long for.
logging.getLogger("asyncio").setLevel(logging.ERROR)

client = Nexevo()
client.models.list()


def fifty_calls() -> int:
    """Make 50 calls in 10 seconds at most, and give the process that made them."""
    began = time.monotonic()
    for n in range(50):
        mine = f"{os.getpid()}-{n}"
        assert client.conversations.create(title=mine, idempotency_key=mine).title == mine
    assert time.monotonic() - began < 10
    return os.getpid()


def wsgi(
    environ: object, start_response: Callable[[str, list[tuple[str, str]]], object]
) -> Iterable[bytes]:
    """Answer with the process that answers."""
    body = b"%d" % fifty_calls()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
