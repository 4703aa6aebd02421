"""Bodies and queries, checked against what the contract says of them."""

import functools
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from nexevo_async.codec.json import decode
from nexevo_async.contract.operation import Operation
from nexevo_async.sandbox.refusal import RefusalError

# msgspec tells the place of a problem in its message alone.
_PLACE: Final = re.compile(r"(?P<problem>.*?)(?: - at `\$\.?(?P<path>.*)`)?", re.DOTALL)
_MISSING: Final = re.compile(r"Object missing required field `(?P<name>.*)`")


class CheckedBody(NamedTuple):
    """A body as the contract sees it, and all of it."""

    members: Mapping[str, Any]
    raw: Mapping[str, Any]


_EMPTY: Final = CheckedBody({}, {})


@functools.cache
def _decoder(body: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(body)


def checked_body(operation: Operation[Any], data: bytes) -> CheckedBody:
    """Give the body of a call.

    Raises:
        RefusalError: it is no JSON object, or does not fit the operation.
    """
    return _EMPTY if operation.body is None else body_as(operation.body, data)


def body_as(type: Any, data: bytes) -> CheckedBody:
    """Give a body that fits the type.

    Raises:
        RefusalError: it is no JSON object, or does not fit.
    """
    try:
        raw = decode(data)
    except ValueError as error:
        raise RefusalError(400, f"The body is not JSON in UTF-8: {error}.") from None
    if not isinstance(raw, dict):
        raise RefusalError(400, "The body must be a JSON object.")
    try:
        # Decoded again rather than converted: a Decimal keeps its digits only from the text.
        members = _decoder(type).decode(data)
    except msgspec.ValidationError as error:
        raise _refusal(error) from None
    return CheckedBody(members, raw)  # pyright: ignore[reportUnknownArgumentType]


def checked_query(operation: Operation[Any], query: Mapping[str, str]) -> Mapping[str, Any]:
    """Give the members of a request's query.

    Raises:
        RefusalError: it does not fit the operation.
    """
    if operation.query is None:
        return {}
    return checked(dict(query), operation.query, strict=False)  # type: ignore[no-any-return]


def checked(obj: Any, type: Any, *, strict: bool = True) -> Any:
    """Give decoded JSON as the type says.

    Raises:
        RefusalError: it does not fit.
    """
    try:
        return msgspec.convert(obj, type, strict=strict)
    except msgspec.ValidationError as error:
        raise _refusal(error) from None


def _refusal(error: msgspec.ValidationError) -> RefusalError:
    param, problem = problem_of(error)
    return RefusalError(422, f"{problem}{f' at {param}' if param else ''}.", param=param)


def problem_of(error: msgspec.ValidationError) -> tuple[str, str]:
    """Give the field that is wrong, and what is wrong with it."""
    found = _PLACE.fullmatch(str(error))
    if found is None:
        return "", str(error)
    path, problem = found["path"] or "", found["problem"]
    if missing := _MISSING.fullmatch(problem):
        path = f"{path}.{missing['name']}" if path else missing["name"]
    return path, problem
