"""Every exception that leaves the SDK: plain data that can be pickled, copied and read.

    NexevoError
    ├── ConfigurationError
    ├── ClientClosedError
    ├── APIConnectionError
    │   └── APITimeoutError
    ├── APIStatusError
    │   ├── BadRequestError            400
    │   ├── AuthenticationError        401
    │   ├── PaymentRequiredError       402
    │   │   ├── InsufficientBalanceError
    │   │   └── SpendCapExceededError
    │   ├── PermissionDeniedError      403
    │   ├── NotFoundError              404
    │   ├── ConflictError              409
    │   ├── RequestTooLargeError       413
    │   ├── UnprocessableEntityError   422
    │   ├── RateLimitError             429
    │   ├── QuotaExceededError         429, the month's quota
    │   ├── UpstreamError              502
    │   └── InternalServerError        500, 503, 504
    ├── DecodeError
    ├── StreamError
    │   └── StreamTruncatedError
    ├── PaginationError
    └── WebhookVerificationError

A wrong argument is a `TypeError` or a `ValueError`, raised before anything is sent.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal

from nexevo_async.meta import Meta

TimeoutLimit = Literal["connect", "pool", "read", "total", "first_token"]


class NexevoError(Exception):
    """The base of every error of the SDK."""

    def __init__(self, message: str) -> None:
        # args holds the message alone and the rest lives in __dict__: what pickle and copy need.
        super().__init__(message)

    def __str__(self) -> str:
        return str(self.args[0])


class ConfigurationError(NexevoError):
    """The client cannot work as set up: it lacks a key, an extra, or a usable proxy or file."""


class ClientClosedError(NexevoError):
    """The client was closed before the call, or while it was under way."""


class _CallError(NexevoError):
    """What every error of a call says about it.

    Attributes:
        operation: The call's name, such as ``conversations.create``.
        method: The HTTP method.
        path: The path under the base URL.
        attempts: Requests that were sent, or tried.
        elapsed: Seconds from the call to the error.
        meta: What the gateway said beside its answer; None where none came.
    """

    operation: str
    method: str
    path: str
    attempts: int
    elapsed: float
    meta: Meta | None

    def __init__(
        self,
        message: str,
        *,
        operation: str = "",
        method: str = "",
        path: str = "",
        attempts: int = 0,
        elapsed: float = 0.0,
        meta: Meta | None = None,
    ) -> None:
        super().__init__(message)
        self.operation = operation
        self.method = method
        self.path = path
        self.attempts = attempts
        self.elapsed = elapsed
        self.meta = meta


class APIConnectionError(_CallError):
    """No whole answer came back.

    Attributes:
        outcome_unknown: True when the gateway may have done what was asked: the request was on
            its way when the connection failed. Look before you repeat a call that writes.
        never_sent: True when this failure came before a byte of the request was sent.
    """

    outcome_unknown: bool
    never_sent: bool
    retryable: bool

    def __init__(
        self,
        message: str,
        *,
        outcome_unknown: bool = False,
        never_sent: bool = False,
        retryable: bool = True,
        **call: Any,
    ) -> None:
        super().__init__(message, **call)
        self.outcome_unknown = outcome_unknown
        self.never_sent = never_sent
        self.retryable = retryable


class APITimeoutError(APIConnectionError):
    """One of the call's limits was reached.

    Attributes:
        limit: The limit that was hit: ``connect``, ``pool``, ``read``, ``total`` or
            ``first_token``.
        limit_seconds: Its value.
    """

    limit: TimeoutLimit
    limit_seconds: float

    def __init__(
        self,
        message: str,
        *,
        limit: TimeoutLimit = "total",
        limit_seconds: float = 0.0,
        **call: Any,
    ) -> None:
        super().__init__(message, **call)
        self.limit = limit
        self.limit_seconds = limit_seconds


class APIStatusError(_CallError):
    """The gateway answered that it did not do what was asked.

    Attributes:
        status: The HTTP status; 200 where the error came inside a good answer or a stream.
        code: The gateway's ``code``.
        type: The gateway's ``type``; Nexevo uses it and ``code`` interchangeably.
        param: The field that is at fault, where the gateway names one.
        details: What else the gateway said of the error.
        trace_id: The gateway's id of the request, for its support.
        retry_after: Seconds after which to try again, where the gateway said so.
        outcome_unknown: True when an earlier attempt of this call may have been carried out.
        partial: The text that a stream had given before the error.
    """

    status: int
    code: str | None
    type: str | None
    param: str | None
    details: dict[str, Any]
    trace_id: str | None
    retry_after: float | None
    outcome_unknown: bool
    partial: str | None

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        code: str | None = None,
        type: str | None = None,
        param: str | None = None,
        details: dict[str, Any] | None = None,
        trace_id: str | None = None,
        retry_after: float | None = None,
        outcome_unknown: bool = False,
        partial: str | None = None,
        **call: Any,
    ) -> None:
        super().__init__(message, **call)
        self.status = status
        self.code = code
        self.type = type
        self.param = param
        self.details = details or {}
        self.trace_id = trace_id
        self.retry_after = retry_after
        self.outcome_unknown = outcome_unknown
        self.partial = partial


class BadRequestError(APIStatusError):
    """400: the request is wrong."""


class AuthenticationError(APIStatusError):
    """401: the gateway does not know who asks."""


class PaymentRequiredError(APIStatusError):
    """402: there is no money for this; never retried."""


class InsufficientBalanceError(PaymentRequiredError):
    """402: the balance is empty."""


class SpendCapExceededError(PaymentRequiredError):
    """402: the key's monthly cap is spent.

    Attributes:
        limit: The cap in USD [P]; None where the gateway did not say.
        spent: What the key has spent this month, in USD [P].
        resets_at: When the month ends, in UTC [P].
    """

    limit: Decimal | None
    spent: Decimal | None
    resets_at: datetime | None

    def __init__(
        self,
        message: str,
        *,
        limit: Decimal | None = None,
        spent: Decimal | None = None,
        resets_at: datetime | None = None,
        **status: Any,
    ) -> None:
        super().__init__(message, **status)
        self.limit = limit
        self.spent = spent
        self.resets_at = resets_at


class PermissionDeniedError(APIStatusError):
    """403: the role or a policy forbids it."""


class NotFoundError(APIStatusError):
    """404: there is no such thing, or it is somebody else's."""


class ConflictError(APIStatusError):
    """409: it contradicts what is stored."""


class RequestTooLargeError(APIStatusError):
    """413: the body is too large."""


class UnprocessableEntityError(APIStatusError):
    """422: a field has a value that the gateway refuses; ``param`` names it."""


class RateLimitError(APIStatusError):
    """429: too many requests in a minute; ``retry_after`` says how long to wait."""


class QuotaExceededError(APIStatusError):
    """429: the month's quota is gone; waiting does not help, so it is never retried."""


class UpstreamError(APIStatusError):
    """502: the model's provider failed, and the gateway's own retries too."""


class InternalServerError(APIStatusError):
    """500, 503 or 504: the gateway failed."""


class DecodeError(_CallError):
    """The answer is not what the contract says.

    Attributes:
        json_path: Where in the answer, such as ``$.data[3].role``.
        status: The answer's HTTP status.
        trace_id: The gateway's id of the request.
    """

    json_path: str
    status: int
    trace_id: str | None

    def __init__(
        self,
        message: str,
        *,
        json_path: str = "$",
        status: int = 0,
        trace_id: str | None = None,
        **call: Any,
    ) -> None:
        super().__init__(message, **call)
        self.json_path = json_path
        self.status = status
        self.trace_id = trace_id


class StreamError(_CallError):
    """A stream failed after it had begun.

    Attributes:
        partial: The text that had come before.
        trace_id: The gateway's id of the request.
    """

    partial: str
    trace_id: str | None

    def __init__(
        self, message: str, *, partial: str = "", trace_id: str | None = None, **call: Any
    ) -> None:
        super().__init__(message, **call)
        self.partial = partial
        self.trace_id = trace_id


class StreamTruncatedError(StreamError):
    """A stream ended before its terminator: the text in ``partial`` is not whole."""


class PaginationError(_CallError):
    """The gateway's cursors lead in a circle, or it says that there is more and not where.

    Attributes:
        cursor: The cursor that came a second time; empty where none came.
    """

    cursor: str

    def __init__(self, message: str, *, cursor: str = "", **call: Any) -> None:
        super().__init__(message, **call)
        self.cursor = cursor


class WebhookVerificationError(NexevoError):
    """A webhook's signature, time stamp or form is not what it must be: do not act on it."""


_BY_CODE: Final[dict[str, type[APIStatusError]]] = {
    "invalid_request_error": BadRequestError,
    "max_price_unsatisfiable": BadRequestError,
    "invalid_api_key": AuthenticationError,
    "invalid_credentials": AuthenticationError,
    "two_factor_required": AuthenticationError,
    "two_factor_invalid": AuthenticationError,
    "token_expired": AuthenticationError,
    "insufficient_balance": InsufficientBalanceError,
    "account_suspended": InsufficientBalanceError,
    "spend_cap_exceeded": SpendCapExceededError,
    "permission_denied": PermissionDeniedError,
    "geo_policy_violation": PermissionDeniedError,
    "not_found": NotFoundError,
    "conflict": ConflictError,
    "idempotency_key_reused": ConflictError,
    "idempotency_in_progress": ConflictError,
    "payload_too_large": RequestTooLargeError,
    "validation_error": UnprocessableEntityError,
    "rate_limit_exceeded": RateLimitError,
    "tenant_monthly_quota_exceeded": QuotaExceededError,
    "internal_error": InternalServerError,
    "unavailable": InternalServerError,
    "upstream_error": UpstreamError,
}

_BY_STATUS: Final[dict[int, type[APIStatusError]]] = {
    400: BadRequestError,
    401: AuthenticationError,
    402: PaymentRequiredError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    413: RequestTooLargeError,
    422: UnprocessableEntityError,
    429: RateLimitError,
    500: InternalServerError,
    502: UpstreamError,
    503: InternalServerError,
    504: InternalServerError,
}


def status_error_class(status: int, code: str | None, type_: str | None) -> type[APIStatusError]:
    """Give the class for an error answer: its code or type decides, else its status.

    A ``code`` of digits is a status: gateways put one there when the answer itself is a 200.
    """
    named = _BY_CODE.get(code or "") or _BY_CODE.get(type_ or "")
    if named is not None:
        return named
    if status < 400 and code is not None and code.isdecimal():
        status = int(code)
    if status > 504:
        return InternalServerError
    return _BY_STATUS.get(status, APIStatusError)
