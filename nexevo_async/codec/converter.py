"""Decoded JSON to models: strict in what it takes, open to what it does not know."""

import functools
import re
import typing
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, TypeVar

import attrs
import cattrs
import msgspec
from cattrs.cols import (
    is_mapping,
    is_sequence,
    list_structure_factory,
    mapping_structure_factory,  # pyright: ignore[reportUnknownVariableType]
)
from cattrs.gen import make_dict_structure_fn, override

from nexevo_async.codec.json import WireNumber
from nexevo_async.contract.model import Model, keep_json
from nexevo_async.shapes import is_object

T = TypeVar("T")

_AMOUNT: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class WrongTypeError(ValueError):
    """A JSON value is not of the type that the contract says."""


def _wrong(expected: str, value: object) -> WrongTypeError:
    if value is None:
        got = "null"
    elif isinstance(value, (bool, int, float)):
        got = str(value).lower()
    else:  # a text may be secret
        got = {"str": "a string", "list": "an array", "dict": "an object"}[type(value).__name__]
    return WrongTypeError(f"expected {expected}, got {got}")


def _string(value: object, _: object) -> str:
    if type(value) is not str:
        raise _wrong("a string", value)
    return value


def _integer(value: object, _: object) -> int:
    if type(value) is not int:
        raise _wrong("an integer", value)
    return value


def _number(value: object, _: object) -> float:
    if isinstance(value, WireNumber):
        return float(value)
    if type(value) is not float and type(value) is not int:
        raise _wrong("a number", value)
    return value  # an int stays one: as a float it might lose digits


def _boolean(value: object, _: object) -> bool:
    if type(value) is not bool:
        raise _wrong("true or false", value)
    return value


def _amount(value: object, _: object) -> Decimal:
    if type(value) is str and _AMOUNT.fullmatch(value):
        return Decimal(value)
    if type(value) is int:
        return Decimal(value)
    if isinstance(value, WireNumber):
        return Decimal(value.digits)
    # A plain float has lost digits: the caller decodes again, and keeps them.
    raise _wrong("an amount of money", value)


def _time(value: object, _: object) -> datetime:
    try:
        if type(value) is str:
            when = msgspec.convert(value, datetime)
            if when.tzinfo is UTC:
                return when
            return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
        if type(value) is int or isinstance(value, float):
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise _wrong("a time (RFC 3339, or epoch seconds)", value)


def _object(value: object, _: object) -> dict[str, Any]:
    if type(value) is not dict:
        raise _wrong("an object", value)
    return value  # pyright: ignore[reportUnknownVariableType]


def _is_open_set(cls: Any) -> bool:
    """Say whether the type is ``Literal[...] | str``: known names, and any other."""
    args = typing.get_args(cls)
    return str in args and all(
        a is str or a is type(None) or typing.get_origin(a) is typing.Literal for a in args
    )


def _open_set(cls: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    return _nullable(str | None, converter) if type(None) in typing.get_args(cls) else _string


def _is_nullable(cls: Any) -> bool:
    """Say whether the type is ``X | None``."""
    args = typing.get_args(cls)
    return len(args) == 2 and type(None) in args


def _unless_null(cls: Any) -> Any:
    return next(arg for arg in typing.get_args(cls) if arg is not type(None))


def _nullable(cls: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    inner = _unless_null(cls)
    structure = converter.get_structure_hook(inner)
    # cattrs' own looks the inner hook up for each value.
    return lambda value, _: None if value is None else structure(value, inner)


def _array(cls: Any, converter: cattrs.Converter) -> Callable[[Any, Any], list[Any]]:
    structure = list_structure_factory(cls, converter)

    def array(value: Any, _: Any) -> list[Any]:
        if type(value) is not list:
            raise _wrong("an array", value)  # pyright: ignore[reportUnknownArgumentType]
        return structure(value, cls)  # type: ignore[no-any-return]

    return array


def _mapping(cls: Any, converter: cattrs.Converter) -> Callable[[Any, Any], dict[str, Any]]:
    structure: Callable[[Any, Any], dict[str, Any]] = mapping_structure_factory(cls, converter)  # pyright: ignore[reportUnknownVariableType]

    def mapping(value: Any, _: Any) -> dict[str, Any]:
        return structure(_object(value, _), cls)

    return mapping


def _model(cls: type[Model], converter: cattrs.Converter) -> Callable[[Any, Any], Model]:
    """Fill a model's slots: the __init__ of a frozen class takes three times as long."""
    fields = [
        (
            field.name,
            _held_as_it_comes(field.type),
            converter.get_structure_hook(field.type),
            field.type,
            getattr(cls, field.name).__set__,
            field.default,
        )
        for field in attrs.fields(cls)
        if field.init
    ]

    def model(value: Any, _: Any) -> Model:
        if not is_object(value):
            raise _wrong("an object", value)
        made = object.__new__(cls)
        for name, as_it_comes, structure, type_, put, default in fields:
            member = value.get(name, _ABSENT)
            if type(member) is not as_it_comes:
                if member is not _ABSENT:
                    member = structure(member, type_)
                elif default is None:
                    member = None
                else:
                    member = _default(name, default)
            put(made, member)
        keep_json(made, value)
        return made

    return model


_ABSENT: Final = object()


def _held_as_it_comes(cls: Any) -> type[Any] | None:
    """Give the type of JSON whose values a field of this type holds unchanged, where it has one."""
    if _is_open_set(cls):
        return str
    cls = _unless_null(cls) if _is_nullable(cls) else cls
    if cls == dict[str, Any]:
        return dict
    return cls if cls in {str, int, float, bool} else None


def _default(name: str, default: Any) -> Any:
    if default is attrs.NOTHING:
        raise KeyError(name)
    factory = getattr(default, "factory", None)
    return default if factory is None else factory()


def _explained_model(cls: type[Model], converter: cattrs.Converter) -> Callable[[Any, Any], Model]:
    """Make a model by cattrs, which says where a value does not fit."""
    structure = make_dict_structure_fn(
        cls, converter, _json=override(omit=True), _meta=override(omit=True)
    )
    return lambda value, _: structure(_object(value, _), cls)


def _converter(*, detailed: bool) -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=detailed)
    for type_, hook in (
        (str, _string),
        (int, _integer),
        (float, _number),
        (bool, _boolean),
        (Decimal, _amount),
        (datetime, _time),
    ):
        converter.register_structure_hook(type_, hook)
    converter.register_structure_hook_factory(_is_nullable, _nullable)
    converter.register_structure_hook_factory(_is_open_set, _open_set)
    converter.register_structure_hook_factory(is_sequence, _array)
    converter.register_structure_hook_factory(is_mapping, _mapping)
    converter.register_structure_hook_func(lambda cls: cls == dict[str, Any], _object)
    converter.register_structure_hook_factory(
        lambda cls: isinstance(cls, type) and issubclass(cls, Model),
        _explained_model if detailed else _model,
    )
    return converter


# Compiled on first use: importing costs nothing, and the hot path validates without detail.
_fast = functools.cache(lambda: _converter(detailed=False))
_detailed = functools.cache(lambda: _converter(detailed=True))


def structurer(cls: type[T]) -> Callable[[Any], T]:
    """Give the function that makes a model of decoded JSON; see `codec.structure`."""
    hook = _fast().get_structure_hook(cls)
    return lambda obj: hook(obj, cls)


def misfit(cls: type[Any], obj: Any) -> tuple[str, str]:
    """Give the JSON path and the problem of the first value that does not fit the model."""
    try:
        _detailed().structure(obj, cls)
    except Exception as error:  # noqa: BLE001 - cattrs raises groups of its own, and KeyError
        found = cattrs.transform_error(error, format_exception=_problem)[0]
        problem, _, path = found.rpartition(" @ ")
        return path, problem
    return "$", "does not fit"


def _problem(error: BaseException, _: object) -> str:
    if isinstance(error, KeyError):
        return "a required field is missing"
    return str(error) if isinstance(error, WrongTypeError) else "does not fit"
