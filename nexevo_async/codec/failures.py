"""Answers that are no success to errors that a person can act on."""

import re
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from nexevo_async.codec.structure import structurer
from nexevo_async.errors import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    DecodeError,
    InsufficientBalanceError,
    InternalServerError,
    NotFoundError,
    PaymentRequiredError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    RequestTooLargeError,
    SpendCapExceededError,
    UnprocessableEntityError,
    UpstreamError,
    status_error_class,
)
from nexevo_async.messages import ErrorBody, Request, Response

_NEXT_STEP: Final[dict[type[APIStatusError], str]] = {
    APIStatusError: "If it goes on, give Nexevo the trace id.",
    BadRequestError: "Correct the request: sent again as it is, it is refused again.",
    AuthenticationError: "Check the key: it may be mistyped, revoked or expired.",
    PaymentRequiredError: "Look at the account's balance, and at the key's cap.",
    InsufficientBalanceError: "Top up the account's balance.",
    SpendCapExceededError: "Raise or clear the key's cap, or wait for the month to end.",
    PermissionDeniedError: "Ask with a key, or a role, that may do this.",
    NotFoundError: "Check the id: the object may be deleted, or belong to another account.",
    ConflictError: "Read what is stored before you send this again.",
    RequestTooLargeError: "Send less in one call.",
    UnprocessableEntityError: "Correct the field: sent again as it is, it is refused again.",
    RateLimitError: "Send fewer requests a minute, or ask Nexevo for a higher limit.",
    QuotaExceededError: "Wait for the month to end, or change the plan.",
    UpstreamError: "Try again later, or name another model.",
    InternalServerError: "Try again later; if it goes on, give Nexevo the trace id.",
}

_SECRET: Final = re.compile(r"sk-[A-Za-z0-9_-]{4,}|(?i:bearer)\s+\S+")
_EXCERPT: Final = 200


def status_error(
    request: Request, response: Response, error: ErrorBody | None, *, partial: str | None = None
) -> APIStatusError:
    """Give the typed error for an answer that says that the call failed."""
    cls = status_error_class(
        response.status, error.code if error else None, error.type if error else None
    )
    said = error.message if error else _excerpt(response)
    advice = next(_NEXT_STEP[base] for base in cls.__mro__ if base in _NEXT_STEP)
    if 300 <= response.status < 400:
        said = f"the gateway redirects to {_target(request, response)}, which is not followed"
        advice = "If the API has moved, name its new place as base_url."
    names = dict.fromkeys(name for name in (error.code, error.type) if name) if error else {}
    facts = " ".join([str(response.status), *names])
    parameter = f" (param {error.param})" if error and error.param else ""
    trace = f", trace id {response.meta.trace_id}" if response.meta.trace_id else ""
    return cls(
        f"{request.operation.name} failed with {facts}: "
        f"{(said or 'no message').removesuffix('.')}{parameter}. "
        f"[{request.summary()}{trace}]"
        f"{request.doubt()} {advice}",
        status=response.status,
        code=error.code if error else None,
        type=error.type if error else None,
        param=error.param if error else None,
        details=error.details if error else None,
        trace_id=response.meta.trace_id,
        meta=response.meta,
        retry_after=response.retry_after,
        outcome_unknown=request.progress.outcome_unknown,
        partial=partial,
        **(_of_the_cap(error) if cls is SpendCapExceededError else {}),
        **request.described(),
    )


def _target(request: Request, response: Response) -> str:
    """Give where a redirect leads, without what may be secret in it."""
    location = response.headers.get("location")
    if location is None:
        return "nowhere"
    try:
        parts = urlsplit(urljoin(request.settings.client.base_url + request.path, location))
    except ValueError:
        return "what is no URL"
    host = parts.netloc.rpartition("@")[2]
    return ascii(f"{parts.scheme}://{host}{parts.path}")[1:-1]


def _of_the_cap(error: ErrorBody | None) -> dict[str, Any]:
    from nexevo_async.contract.billing import SpendCapDetails  # noqa: PLC0415 - seldom needed

    try:
        said = structurer(SpendCapDetails)(error.details if error else {})
    except Exception:  # noqa: BLE001 - an error that is told otherwise is still one
        return {}
    return {"limit": said.limit, "spent": said.spent, "resets_at": said.resets_at}


def decode_error(
    request: Request,
    response: Response,
    problem: str,
    *,
    path: str = "$",
    advice: str = "The gateway may have changed: look for a newer version of this package.",
) -> DecodeError:
    """Give the error for an answer that is not what the contract says."""
    trace = f", trace id {response.meta.trace_id}" if response.meta.trace_id else ""
    return DecodeError(
        f"{request.operation.name} was answered with {response.status}, "
        f"but {problem} at {path}. [{request.summary()}{trace}]{request.doubt()} {advice}",
        json_path=path,
        status=response.status,
        trace_id=response.meta.trace_id,
        meta=response.meta,
        **request.described(),
    )


def not_as_asked(request: Request, response: Response, problem: str) -> DecodeError:
    """Give the error for a body that is something else altogether."""
    type_ = response.headers.get("content-type", "no content type")
    excerpt = _excerpt(response)
    said = f"; it begins: {excerpt}" if excerpt else ""
    return decode_error(
        request,
        response,
        f"{problem} ({type_}{said})",
        advice="Something else may have answered: check base_url, "
        "and whether a proxy or a login page stands before the gateway.",
    )


def _excerpt(response: Response) -> str:
    """Give the beginning of a body that is no JSON.

    What calls itself JSON, or begins like it, may be cut off in the middle of a secret: it is not
    shown.
    """
    if response.body is None or "json" in response.headers.get("content-type", ""):
        return ""
    if response.body.data.lstrip()[:1] in {b"{", b"["}:
        return ""
    text = response.body.data[: 4 * _EXCERPT].decode(errors="replace")
    return _SECRET.sub("***", " ".join(text.split()))[:_EXCERPT]
