"""Asks what an untyped value is, in a way that type checkers follow."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Say whether a decoded value is a JSON object."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[Any]]:
    """Say whether a decoded value is a JSON array."""
    return isinstance(value, list)


def is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    """Say whether an argument is a mapping."""
    return isinstance(value, (dict, Mapping))  # the quick answer first


def is_series(value: object) -> TypeGuard[Iterable[Any]]:
    """Say whether an argument can be a list: a text or a mapping in its place is a mistake."""
    if isinstance(value, (list, tuple)):  # the quick answer first
        return True
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping))
