"""What travels through the chain of middleware: a `Request` in, a `Response` out."""

import math
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal, TypeAlias, final

import attrs
import msgspec

from nexevo_async.byte_stream import ByteStream
from nexevo_async.config import CallSettings
from nexevo_async.headers import Headers
from nexevo_async.meta import Meta, number
from nexevo_async.secret import Secret
from nexevo_async.shapes import is_object

Resend = Literal["idempotent", "keyed", "generation", "once"]
"""After which failures a call may be sent again; the table is in the docs, under "Retries"."""


def _gone(route: "Route") -> int | None:
    return 404 if route.method == "DELETE" else None


@attrs.frozen(kw_only=True)
class Route:
    """What a middleware may know of the operation that is called.

    Attributes:
        name: Such as ``conversations.append_message``.
        method: The HTTP method.
        path: The path's template, such as ``/conversations/{conversation_id}/messages``.
        resend: After which failures the call may be sent again.
        needs_key: Whether the call carries the key.
        done_status: The status that tells a call which is sent again that an earlier attempt has
            done it already; 404 for a DELETE, None where no status does.
    """

    name: str
    method: str
    path: str
    resend: Resend = "once"
    needs_key: bool = True
    done_status: int | None = attrs.field(default=attrs.Factory(_gone, takes_self=True))


@final
class Body:
    """The bytes of a body, not shown in a repr."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data: bytes = data

    def __len__(self) -> int:
        return len(self.data)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Body) and other.data == self.data

    def __hash__(self) -> int:
        return hash(self.data)

    def __repr__(self) -> str:
        return f"<{len(self.data)} bytes>"


class Progress(msgspec.Struct, eq=False):
    """How far one logical call has come; shared by its attempts.

    Attributes:
        attempts: Requests that reached the transport, or tried to.
        phase: What the call is doing now, in words for an error.
        outcome_unknown: True once the gateway may have acted without our having its answer.
        deadline: When the call must be over, on its loop's clock; None for no limit.
        limit: Which limit that is; of a stream it may be the one on its first token.
        started: When the call began, on the monotonic clock.
    """

    attempts: int = 0
    phase: str = "starting"
    outcome_unknown: bool = False
    deadline: float | None = None
    limit: Literal["total", "first_token"] = "total"
    started: float = msgspec.field(default_factory=time.monotonic)

    @property
    def elapsed(self) -> float:
        """Seconds since the call began."""
        return time.monotonic() - self.started


class Request(msgspec.Struct, frozen=True, kw_only=True, eq=False, weakref=True):
    """One call on its way to the gateway.

    Attributes:
        operation: What is called.
        path: The path under the base URL, percent-encoded.
        query: The encoded query, without its question mark.
        headers: The headers so far; the key is added last.
        body: The JSON body, or None.
        stream: True when the answer is to be read as it comes.
        settings: What holds for this call.
        progress: How far the call has come.
        key: The key of this attempt, where a function gave it; it is in no header yet.
    """

    operation: Route
    path: str
    query: str = ""
    headers: Headers
    body: Body | None = None
    stream: bool = False
    settings: CallSettings
    progress: Progress = msgspec.field(default_factory=Progress)
    key: Secret | None = None

    def replace(self, **changes: Any) -> "Request":
        """Give the same request with some attributes changed."""
        return msgspec.structs.replace(self, **changes)

    def with_headers(self, headers: Mapping[str, str]) -> "Request":
        """Give the same request with headers added."""
        return msgspec.structs.replace(self, headers=self.headers.with_(headers))

    def summary(self) -> str:
        """Give the part of an error's message that says which call, how often and how long."""
        attempts = self.progress.attempts
        return (
            f"{self.operation.method} {self.path}, {attempts} attempt{'s' * (attempts != 1)}, "
            f"{self.progress.elapsed:.2f} s"
        )

    def doubt(self) -> str:
        """Give the sentence that warns when the gateway may have acted; empty where it can't."""
        if not self.progress.outcome_unknown:
            return ""
        return " The outcome is unknown: the gateway may have done it. Look before you repeat it."

    def is_done_by(self, status: int) -> bool:
        """Say whether an answer means that an earlier attempt, whose answer was lost, did it."""
        return self.progress.outcome_unknown and status == self.operation.done_status

    def described(self) -> dict[str, Any]:
        """Give what every error of this call says about it."""
        return {
            "operation": self.operation.name,
            "method": self.operation.method,
            "path": self.path,
            "attempts": self.progress.attempts,
            "elapsed": self.progress.elapsed,
        }


@attrs.frozen(kw_only=True)
class ErrorBody:
    """The documented error body: ``{"error": {"message", "type", "code"}}``."""

    message: str
    type: str | None = None
    code: str | None = None
    param: str | None = None
    details: dict[str, Any] = attrs.field(factory=dict)

    def is_(self, *names: str) -> bool:
        """Say whether the code or the type, which Nexevo uses interchangeably, is one of these."""
        return self.code in names or self.type in names


def error_body(obj: object) -> ErrorBody | None:
    """Give the error that a decoded answer carries, or None."""
    error: object = obj.get("error") if is_object(obj) else None
    if isinstance(error, str):
        return ErrorBody(message=error)
    if not is_object(error):
        return None
    members = dict(error)
    message, type_, code, param = (
        members.pop(k, None) for k in ("message", "type", "code", "param")
    )
    return ErrorBody(
        message=message if isinstance(message, str) else "",
        type=type_ if isinstance(type_, str) else None,
        code=None if code is None else str(code),
        param=param if isinstance(param, str) else None,
        details=members,
    )


def _seconds_of(retry_after: str) -> float | None:
    seconds = number(retry_after)
    if seconds is None:
        from email.utils import parsedate_to_datetime  # noqa: PLC0415 - seldom a date, and dear

        try:
            when = parsedate_to_datetime(retry_after)
        except ValueError:
            return None
        seconds = when.timestamp() - time.time()
    return max(0.0, seconds) if math.isfinite(seconds) else None


_NOT_PARSED: Final = object()


@attrs.define(kw_only=True, eq=False)
class Response:
    """One answer of the gateway, whatever its status.

    Attributes:
        status: The HTTP status.
        headers: The answer's headers.
        body: The whole body, or None while it is a stream.
        stream: The body as it arrives; only of a streamed call with a status below 400.
        attempts: Requests that it took.
        elapsed: Seconds from the call to this answer.
    """

    status: int
    headers: Headers
    body: Body | None = None
    stream: ByteStream | None = attrs.field(default=None, repr=False)
    attempts: int = 1
    elapsed: float = 0.0
    _error: Any = attrs.field(default=_NOT_PARSED, repr=False, init=False)

    @property
    def error(self) -> ErrorBody | None:
        """The error body, parsed when first asked for; None where there is none."""
        if self._error is _NOT_PARSED:
            try:
                self._error = error_body(self.json())
            except ValueError:
                self._error = None
        return self._error  # type: ignore[no-any-return]

    @property
    def retry_after(self) -> float | None:
        """Seconds that the gateway asks to wait; None where it does not ask.

        ``X-RateLimit-Reset`` comes on every answer, so it counts only on a rate limit's 429.
        """
        text = self.headers.get("retry-after")
        if text is not None:
            return _seconds_of(text)
        error = self.error
        if self.status == 429 and error is not None and error.is_("rate_limit_exceeded"):
            return self.meta.rate_limit.reset
        return None

    @property
    def meta(self) -> Meta:
        """What the gateway said beside the body."""
        return Meta(self.status, self.headers, self.attempts, self.elapsed)

    def json(self) -> Any:
        """Give the decoded body; None where it is empty.

        Raises:
            ValueError: the body is not JSON.
        """
        if self.body is None or not self.body.data:
            return None
        return msgspec.json.decode(self.body.data)


Handler: TypeAlias = Callable[[Request], Awaitable[Response]]
"""The rest of the chain, as a middleware sees it."""

Middleware: TypeAlias = Callable[[Request, Handler], Awaitable[Response]]
"""``async (request, call_next) -> response``: looks at, changes, repeats or answers a call.

Example:
    >>> async def tag(request, call_next):
    ...     return await call_next(request.with_headers({"X-Team": "search"}))
"""
