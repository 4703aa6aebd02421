"""The log of requests: what a test asks about, and no secret, no body."""

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

import attrs

from nexevo_async.headers import LOGGABLE

_KEPT: Final = 10_000
_SHOWN: Final = LOGGABLE | {
    "accept-encoding",
    "connection",
    "host",
    "traceparent",
    "transfer-encoding",
    "x-sandbox-fault",
}


@attrs.define(kw_only=True)
class RequestEntry:
    """One request that came.

    Attributes:
        time: When its head had come, on the sandbox's clock, in RFC 3339.
        method: The HTTP method.
        path: The path, without the query.
        operation: The operation's name; None where there is none.
        headers: The headers; the value of any that is not known to be harmless is ``***``.
        idempotency_key: The key that it brought.
        client_port: The peer's port: requests of one connection have the same.
        key_id: The API key that it came with; None until the key is known to be good.
        request_bytes: Bytes of its body.
        status: The status of the answer; None until its head goes out, and for ever where the
            connection was dropped.
        response_bytes: Bytes of the answer's body that were given to the connection.
        ended: When the request was done with, one way or another.
        dropped: True where a fault closed the connection.
        peer_left: When the peer closed the connection before the answer was complete.
    """

    time: str
    method: str
    path: str
    operation: str | None = None
    headers: dict[str, str]
    idempotency_key: str | None = None
    client_port: int
    key_id: str | None = None
    request_bytes: int = 0
    status: int | None = None
    response_bytes: int = 0
    ended: str | None = None
    dropped: bool = False
    peer_left: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Give the entry as a JSON object."""
        return attrs.asdict(self)


class RequestLog:
    """The last 10,000 requests, oldest first."""

    def __init__(self) -> None:
        self.entries: deque[RequestEntry] = deque(maxlen=_KEPT)


def shown(headers: Mapping[str, str]) -> dict[str, str]:
    """Give the headers as the log has them."""
    return {
        name: printable(value) if name.lower() in _SHOWN else _masked(name, value)
        for name, value in headers.items()
    }


def printable(value: str) -> str:
    """Give the text with what is no UTF-8 replaced: the log is JSON."""
    return value if value.isascii() else value.encode(errors="replace").decode()


def _masked(name: str, value: str) -> str:
    scheme = value.partition(" ")[0]
    bearer = name.lower() == "authorization" and scheme.lower() == "bearer"
    return f"{scheme} ***" if bearer else "***"
