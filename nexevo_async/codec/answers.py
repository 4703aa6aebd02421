"""An answer to what the call gives back: a model, a page of them, or nothing."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import attrs

from nexevo_async.codec import json
from nexevo_async.codec.failures import decode_error, not_as_asked, status_error
from nexevo_async.codec.structure import misfit, structurer
from nexevo_async.contract.model import Model, declared, keep_meta
from nexevo_async.contract.operation import Operation
from nexevo_async.errors import NexevoError
from nexevo_async.messages import Request, Response
from nexevo_async.meta import Meta
from nexevo_async.shapes import is_array, is_object

M = TypeVar("M", bound=Model)
R = TypeVar("R")

Decode = Callable[[bytes], Any]

Unwrap = Callable[[Any], tuple[Any, str]]
"""Gives what a decoded answer holds, and its JSON path."""

Amend = Callable[[dict[str, Any], Response], None]
"""Adds to a decoded object what the SDK knows from elsewhere, in place."""


class _UnreadableError(Exception):
    """The body does not fit, or without a path is no JSON: where, and why."""

    def __init__(self, problem: str, path: str = "") -> None:
        super().__init__(problem)
        self._problem = problem
        self._path = path

    def told(self, request: Request, response: Response) -> NexevoError:
        if not self._path:
            problem = f"the body is not JSON: {self._problem}"
            return not_as_asked(request, response, problem)
        return decode_error(request, response, self._problem, path=self._path)


class _RefusedError(_UnreadableError):
    """The answer is an error, whatever its status."""

    def told(self, request: Request, response: Response) -> NexevoError:
        return status_error(request, response, response.error)


@attrs.frozen(kw_only=True)
class PageContent(Generic[M]):
    """What a page of a list holds."""

    data: list[M]
    has_more: bool
    next_cursor: str | None
    meta: Meta


# An error is raised where no local holds the decoded answer: it may be secret, and tracebacks can
# show locals. The functions below say by an exception of their own what is wrong with it.


def one(
    operation: Operation[M], request: Request, response: Response, amend: Amend | None = None
) -> M:
    """Give the model that the answer holds, bare or under its name.

    Raises:
        APIStatusError: the answer is an error, whatever its status.
        DecodeError: the answer does not fit the model.
    """
    try:
        model: M = _one(operation, response, amend)
    except _UnreadableError as unreadable:
        error = unreadable.told(request, response)
    else:
        keep_meta(model, response.meta)
        return model
    try:
        raise error
    finally:
        del error  # its traceback would hold it, through this frame


def page(operation: Operation[M], request: Request, response: Response) -> PageContent[M]:
    """Give the page that the answer holds: under its own name, ``data``, ``items``, or bare.

    Raises:
        APIStatusError: the answer is an error, whatever its status.
        DecodeError: the answer does not fit.
    """
    try:
        return _page(operation, response)
    except _UnreadableError as unreadable:
        error = unreadable.told(request, response)
    try:
        raise error
    finally:
        del error  # its traceback would hold it, through this frame


def no_stream(request: Request, response: Response) -> NexevoError:
    """Give the error for an answer that is not the stream that was asked for."""
    if is_failure(response):
        return status_error(request, response, response.error)
    return not_as_asked(request, response, "the answer is no event stream")


def check(request: Request, response: Response) -> None:
    """Raise the typed error that the answer carries, if it carries one.

    Raises:
        APIStatusError: the answer is an error, whatever its status.
    """
    if is_failure(response):
        raise status_error(request, response, response.error)


def is_failure(response: Response) -> bool:
    """Say whether the answer is an error, whatever its status."""
    if response.status >= 300:
        return True
    # Most good answers are not worth parsing for an error.
    may_hold_one = response.body is not None and b'"error"' in response.body.data
    return may_hold_one and response.error is not None


def _one(operation: Operation[M], response: Response, amend: Amend | None) -> Any:
    model = _model(operation)

    def unwrapped(obj: Any) -> tuple[Any, str]:
        root = "$"
        if is_object(obj):
            inner: object = obj.get(operation.envelope) if operation.envelope is not None else None
            if is_object(inner) and declared(model).isdisjoint(obj):
                obj, root = inner, f"$.{operation.envelope}"
            if amend is not None:
                amend(obj, response)
        return obj, root

    return _structured(model, response, _decoded(response, json.decode), unwrapped)


def _model(operation: Operation[M]) -> type[M]:
    assert operation.answer is not None  # noqa: S101 - M is a Model
    return operation.answer


def _list_of(model: type[M]) -> type[list[M]]:
    return list[model]  # type: ignore[valid-type]


def _page(operation: Operation[M], response: Response) -> PageContent[M]:
    obj = _decoded(response, json.decode)
    names = (operation.page or "", "data", "items")
    if not is_object(obj) and not is_array(obj):
        raise _UnreadableError("expected an object or an array", "$")
    members = obj if is_object(obj) else {}

    def unwrapped(obj: Any) -> tuple[Any, str]:
        if is_array(obj):
            return obj, "$"
        for name in names:
            if name in obj:
                return obj[name], f"$.{name}"
        raise _UnreadableError("a required field is missing", f"$.{operation.page}")

    has_more = _member(members, "has_more", bool)
    next_cursor = _member(members, "next_cursor", str) or None
    return PageContent(
        data=_structured(_list_of(_model(operation)), response, obj, unwrapped),
        has_more=next_cursor is not None if has_more is None else has_more,
        next_cursor=next_cursor,
        meta=response.meta,
    )


def _member(members: dict[str, Any], name: str, type_: type[R]) -> R | None:
    value = members.get(name)
    if value is not None and type(value) is not type_:
        raise _UnreadableError(f"expected a {type_.__name__}", f"$.{name}")
    return value


def _structured(cls: Any, response: Response, obj: Any, unwrapped: Unwrap) -> Any:
    structure = structurer(cls)
    content, _ = unwrapped(obj)
    try:
        return structure(content)
    except Exception:  # noqa: BLE001, S110 - it is looked for below
        pass
    # An amount came as a number, or something is wrong; either way its digits are needed.
    content, root = unwrapped(_decoded(response, json.decode_with_digits))
    try:
        model = structure(content)
    except Exception:  # noqa: BLE001 - whatever it is, misfit() finds the place
        path, problem = misfit(cls, content)
    else:
        json.forget_digits(content)
        return model
    raise _UnreadableError(problem, root + path[1:])


def _decoded(response: Response, decode: Decode) -> Any:
    if response.status >= 300:
        raise _RefusedError("its status is one of an error")
    problem = "it is empty"
    if response.body is not None and response.body.data:
        try:
            obj = decode(response.body.data)
        except ValueError as error:
            problem = str(error).removeprefix("JSON is malformed: ")
        else:
            if is_object(obj) and "error" in obj and response.error is not None:
                raise _RefusedError("it is an error")
            return obj
    raise _UnreadableError(problem)
