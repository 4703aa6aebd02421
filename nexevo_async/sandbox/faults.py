"""Trouble to order: what goes wrong on the way between a client and a gateway.

A fault is one or more of these members; what does not apply to an answer (a chunk's delay, on a
plain one) does nothing.

`delay_s`
    The answer waits so many seconds. The handler ran before that, so a client that gives up
    leaves a change behind that it was never told of.
`drop`
    The connection is closed without an answer: ``before`` the handler runs, or ``after`` what it
    did was committed.
`cut_at`
    The connection is closed after so many bytes of the answer's body.
`status`, `body`, `headers`
    This answer instead of the handler's, which does not run. A body that is a string is sent as
    it is, any other as JSON; without one it is the documented error body.
`error_frame_after`
    A stream gives so many chunks, then an error frame, and ends.
`no_terminator`
    A stream ends without ``data: [DONE]``.
`chunk_delay_s`
    A stream waits so many seconds before each chunk.
`giant_line_mib`
    A stream has one chunk whose line is so many MiB long.
`pings_every_s`
    A stream sends a comment every so many seconds while it waits; alone, it waits as long before
    each chunk.
"""

import re
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec

from nexevo_async.contract.table import OPERATIONS
from nexevo_async.sandbox.refusal import RefusalError, error_body
from nexevo_async.sandbox.validation import problem_of

FAULT_HEADER: Final = "X-Sandbox-Fault"
Seconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=3600)]

_OPERATIONS: Final = frozenset(operation.name for operation in OPERATIONS)
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Fault(msgspec.Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """What goes wrong; the members are described above."""

    delay_s: Seconds | None = None
    drop: Literal["before", "after"] | None = None
    cut_at: Annotated[int, msgspec.Meta(ge=0)] | None = None
    status: Annotated[int, msgspec.Meta(ge=200, le=599)] | None = None
    body: Any = None
    headers: dict[str, str] | None = None
    error_frame_after: Annotated[int, msgspec.Meta(ge=0)] | None = None
    no_terminator: bool | None = None
    chunk_delay_s: Seconds | None = None
    giant_line_mib: Annotated[float, msgspec.Meta(gt=0, le=128)] | None = None
    pings_every_s: Annotated[float, msgspec.Meta(ge=0.001, le=3600)] | None = None

    def __post_init__(self) -> None:
        if self.status is None and (self.body is not None or self.headers):
            raise ValueError("A fault's body and headers need a status")
        for name, value in (self.headers or {}).items():
            if not _HEADER_NAME.fullmatch(name) or not value.isprintable():
                raise ValueError(f"{name!r} is no header that can be sent")

    def content(self) -> bytes:
        """Give the body of the answer that the fault makes."""
        if isinstance(self.body, str):
            return self.body.encode()
        if self.body is None:
            ordered = error_body(self.status or 500, "This error was ordered from the sandbox.")
            return msgspec.json.encode(ordered)
        return msgspec.json.encode(self.body)


NONE: Final = Fault()


class Match(msgspec.Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """Which requests a fault meets; nothing meets every one."""

    operation: str | None = None
    key_id: str | None = None

    def __post_init__(self) -> None:
        if self.operation is not None and self.operation not in _OPERATIONS:
            raise ValueError(
                f"There is no operation {self.operation!r}; "
                f"there are {', '.join(sorted(_OPERATIONS))}"
            )

    def meets(self, operation: str, key_id: str | None) -> bool:
        """Say whether a request of that operation and key is meant."""
        return self.operation in {None, operation} and self.key_id in {None, key_id}


class Order(msgspec.Struct, forbid_unknown_fields=True):
    """A fault for the next ``times`` requests that match."""

    fault: Fault
    match: Match = msgspec.field(default_factory=Match)
    times: Annotated[int, msgspec.Meta(ge=1)] = 1


_order: Final = msgspec.json.Decoder(Order)
_fault: Final = msgspec.json.Decoder(Fault)


def order_from(data: bytes) -> Order:
    """Read an order.

    Raises:
        RefusalError: it is malformed.
    """
    try:
        order = _order.decode(data)
    except (ValueError, RecursionError) as error:
        raise _malformed(error, None) from None
    _something(order.fault, "fault")
    return order


def fault_from(header: str) -> Fault:
    """Read the fault that a request brings.

    Raises:
        RefusalError: it is malformed.
    """
    try:
        fault = _fault.decode(header)
    except (ValueError, RecursionError) as error:
        raise _malformed(error, FAULT_HEADER) from None
    _something(fault, FAULT_HEADER)
    return fault


def _something(fault: Fault, where: str) -> None:
    if fault == NONE:
        members = ", ".join(fault.__struct_fields__)
        raise RefusalError(422, f"A fault needs at least one of {members}.", param=where)


def _malformed(error: Exception, where: str | None) -> RefusalError:
    if isinstance(error, msgspec.ValidationError):
        param, problem = problem_of(error)
        return RefusalError(422, f"The fault is not understood: {problem}.", param=where or param)
    return RefusalError(400, "The fault is not JSON in UTF-8.", param=where)


class Faults:
    """The faults that were ordered and have not all happened."""

    def __init__(self) -> None:
        self.orders: list[Order] = []

    def take(self, operation: str, key_id: str | None) -> Fault:
        """Give the first fault that is meant for a request, and count it."""
        for order in self.orders:
            if order.match.meets(operation, key_id):
                order.times -= 1
                if not order.times:
                    self.orders.remove(order)
                return order.fault
        return NONE
