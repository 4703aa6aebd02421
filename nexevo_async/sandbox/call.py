"""What a handler gets and gives."""

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import attrs
import msgspec

from nexevo_async.contract.operation import Operation
from nexevo_async.sandbox.accounts import Caller

_encoder: Final = msgspec.json.Encoder()


@attrs.frozen(kw_only=True)
class Call:
    """One request of a caller who was let in, inside its transaction.

    Attributes:
        operation: What is called.
        db: The database, inside a transaction that is committed when the handler returns.
        caller: Who calls.
        ids: The path's parameters, in order.
        query: The query's members, checked.
        body: The body's declared members, checked.
        raw: The whole body as decoded JSON.
        now: The time, in RFC 3339.
    """

    operation: Operation[Any]
    db: sqlite3.Connection
    caller: Caller
    ids: tuple[str, ...]
    query: Mapping[str, Any]
    body: Mapping[str, Any]
    raw: Mapping[str, Any]
    now: str


@attrs.frozen
class Answer:
    """A success, as it is stored for the case that the request comes again.

    Attributes:
        body: The JSON body, or nothing.
        headers: The headers that belong to this answer.
    """

    body: bytes = b""
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])


Handler: TypeAlias = Callable[[Call], Answer]


def answer(body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Answer:
    """Give the answer with that JSON body."""
    return Answer(_encoder.encode(body), headers or {})
