"""Decoded JSON to models, by cattrs, which is loaded with the first call's transport."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

T = TypeVar("T")

_STRUCTURERS: Final[dict[Any, Callable[[Any], Any]]] = {}


def structurer(cls: type[T]) -> Callable[[Any], T]:
    """Give the function that makes a model of decoded JSON.

    The function raises some exception where the JSON does not fit; `misfit` says where. An amount
    of money that came as a number fits only when the JSON was decoded with its digits.
    """
    structure = _STRUCTURERS.get(cls)
    if structure is None:
        from nexevo_async.codec import converter  # noqa: PLC0415 - costs a client's construction

        structure = _STRUCTURERS[cls] = converter.structurer(cls)
    return structure


def misfit(cls: type[Any], obj: Any) -> tuple[str, str]:
    """Give the JSON path and the problem of the first value that does not fit the model."""
    from nexevo_async.codec import converter  # noqa: PLC0415 - as above

    return converter.misfit(cls, obj)
