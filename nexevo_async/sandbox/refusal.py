"""What the gateway says when it does not do what was asked."""

from collections.abc import Mapping
from typing import Any, Final

TYPE_OF_STATUS: Final = {
    400: "invalid_request_error",
    401: "invalid_api_key",
    402: "insufficient_balance",
    403: "permission_denied",
    404: "not_found",
    409: "conflict",
    413: "payload_too_large",
    422: "validation_error",
    429: "rate_limit_exceeded",
    500: "internal_error",
    502: "upstream_error",
    503: "unavailable",
    504: "unavailable",
}
# Where they are not the same.
_CODE_OF: Final = {"insufficient_balance": "account_suspended"}


class RefusalError(Exception):
    """A request that is answered with an error; what it wrote so far is rolled back."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
        details: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers: Mapping[str, str] = headers or {}
        self.body: dict[str, Any] = error_body(status, message, type=type, param=param)
        self.body["error"] |= details or {}


class WrongGuessError(RefusalError):
    """A wrong password or code, which counts: see `Throttle`."""

    def __init__(self, type: str, message: str) -> None:
        super().__init__(401, message, type=type)


def error_body(
    status: int, message: str, *, type: str | None = None, param: str | None = None
) -> dict[str, Any]:
    """Give the documented error body."""
    kind = type or TYPE_OF_STATUS.get(status) or TYPE_OF_STATUS[400 if status < 500 else 500]
    error = {"message": message, "type": kind, "code": _CODE_OF.get(kind, kind)}
    if param is not None:
        error["param"] = param
    return {"error": error}


def not_found(what: str, id: str) -> RefusalError:
    """Give the refusal of an id that does not exist, or that belongs to another account."""
    return RefusalError(404, f"There is no {what} {id!r} in this account.")


def invalid(param: str, message: str) -> RefusalError:
    """Give the refusal of one field."""
    return RefusalError(422, message, param=param)
