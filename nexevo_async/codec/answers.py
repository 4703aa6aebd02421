"""An answer to what the call gives back: a model, a page of them, or nothing."""

import contextlib
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import attrs

from nexevo_async.codec import json
from nexevo_async.codec.converter import misfit, structurer
from nexevo_async.codec.failures import decode_error, not_json, status_error
from nexevo_async.contract.model import Model, declared, with_meta
from nexevo_async.contract.operation import Operation
from nexevo_async.messages import Meta, Request, Response
from nexevo_async.shapes import is_array, is_object

M = TypeVar("M", bound=Model)
R = TypeVar("R")

Decode = Callable[[bytes], Any]

Amend = Callable[[dict[str, Any], Response], None]
"""Adds to a decoded object what the SDK knows from elsewhere, in place."""


class _MisfitError(Exception):
    def __init__(self, path: str, problem: str) -> None:
        super().__init__(problem)
        self.path = path
        self.problem = problem


class _NotJSONError(Exception):
    pass


@attrs.frozen(kw_only=True)
class PageContent(Generic[M]):
    """What a page of a list holds."""

    data: list[M]
    has_more: bool
    next_cursor: str | None
    meta: Meta


def one(
    operation: Operation[M], request: Request, response: Response, amend: Amend | None = None
) -> M:
    """Give the model that the answer holds, bare or under its name.

    Raises:
        APIStatusError: the answer is an error, whatever its status.
        DecodeError: the answer does not fit the model.
    """
    model: M = _read(request, response, lambda: _one(operation, response, amend))
    return with_meta(model, response.meta)


def page(operation: Operation[M], request: Request, response: Response) -> PageContent[M]:
    """Give the page that the answer holds: under its own name, ``data``, ``items``, or bare.

    Raises:
        APIStatusError: the answer is an error, whatever its status.
        DecodeError: the answer does not fit.
    """
    return _read(request, response, lambda: _page(operation, response))


def check(request: Request, response: Response) -> None:
    """Raise the typed error that the answer carries, if it carries one.

    Raises:
        APIStatusError: the answer is an error, whatever its status.
    """
    if response.status >= 300 or (_may_hold_error(response) and response.error is not None):
        raise status_error(request, response, response.error)


def _may_hold_error(response: Response) -> bool:
    """Say whether a good answer's body is worth parsing for an error: most are not."""
    return response.body is not None and b'"error"' in response.body.data


def _read(request: Request, response: Response, read: Callable[[], R]) -> R:
    """Read a good answer, or raise the error that says what is wrong with it.

    That error is raised here, where no local holds the decoded answer: it may be secret, and
    tracebacks can show locals. Below, an exception of their own says what is wrong.
    """
    check(request, response)
    try:
        return read()
    except _NotJSONError:
        error = not_json(request, response)
    except _MisfitError as misfitting:
        error = decode_error(request, response, misfitting.problem, path=misfitting.path)
    raise error


def _one(operation: Operation[M], response: Response, amend: Amend | None) -> Any:
    assert operation.answer is not None  # noqa: S101 - M is a Model
    cls = operation.answer

    def content(decode: Decode) -> Any:
        obj = _decoded(response, decode)
        if is_object(obj):
            inner: object = obj.get(operation.envelope or "")
            if is_object(inner) and declared(cls).isdisjoint(obj):
                obj = inner
            if amend is not None:
                amend(obj, response)
        return obj

    return _structured(cls, content(json.decode), content, "$")


def _page(operation: Operation[M], response: Response) -> PageContent[M]:
    assert operation.answer is not None  # noqa: S101 - M is a Model
    obj = _decoded(response, json.decode)
    if is_array(obj):
        members: dict[str, Any] = {"": obj}
        name: str | None = ""
        root = "$"
    elif is_object(obj):
        members = obj
        name = next((n for n in (operation.page or "", "data", "items") if n in obj), None)
        root = f"$.{name}"
    else:
        raise _MisfitError("$", "expected an object or an array")
    if name is None:
        raise _MisfitError(f"$.{operation.page}", "a required field is missing")

    def content(decode: Decode) -> Any:
        again = _decoded(response, decode)
        return again[name] if name else again

    return PageContent(
        data=_structured(list[operation.answer], members[name], content, root),  # type: ignore[name-defined]
        has_more=_member(members, "has_more", bool) or False,
        next_cursor=_member(members, "next_cursor", str),
        meta=response.meta,
    )


def _member(members: dict[str, Any], name: str, type_: type[R]) -> R | None:
    value = members.get(name)
    if value is not None and type(value) is not type_:
        raise _MisfitError(f"$.{name}", f"expected a {type_.__name__}")
    return value


def _structured(cls: Any, obj: Any, content: Callable[[Decode], Any], root: str) -> Any:
    structure = structurer(cls)
    with contextlib.suppress(Exception):
        return structure(obj)
    # An amount came as a number, or something is wrong; either way its digits are needed.
    obj = content(json.decode_with_digits)
    try:
        model = structure(obj)
    except Exception:  # noqa: BLE001 - whatever it is, misfit() finds the place
        path, problem = misfit(cls, obj)
    else:
        json.forget_digits(obj)
        return model
    raise _MisfitError(root + path[1:], problem)


def _decoded(response: Response, decode: Decode) -> Any:
    try:
        return decode(b"" if response.body is None else response.body.data)
    except ValueError:
        raise _NotJSONError from None
