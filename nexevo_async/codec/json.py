"""JSON to bytes and back; a `Decimal` travels as a number of exactly its digits."""

from collections.abc import Mapping
from typing import Any, Final, Self

import msgspec

from nexevo_async.messages import Body
from nexevo_async.shapes import is_array, is_object
from nexevo_async.unset import UNSET

_encoder: Final = msgspec.json.Encoder(decimal_format="number")
_decoder: Final = msgspec.json.Decoder()


def encode(members: Mapping[str, Any], extra: Mapping[str, Any] | None = None) -> Body:
    """Give the bytes of a JSON object, without its members that are `UNSET`.

    Args:
        members: The members.
        extra: Members to add; they win.

    Raises:
        TypeError: a value has no form in JSON.
        ValueError: a text has a lone surrogate, or the object is nested too deeply.
    """
    given = {name: value for name, value in members.items() if value is not UNSET}
    try:
        return Body(_encoder.encode({**given, **extra} if extra else given))
    except (TypeError, ValueError, RecursionError) as error:
        problem = f"The body cannot be written as JSON: {error}"
        kind: type[Exception] = TypeError if isinstance(error, TypeError) else ValueError
    # They may be secret, and tracebacks can show locals.
    del members, extra, given
    raise kind(problem)


def decode(data: bytes) -> Any:
    """Give the decoded JSON.

    Raises:
        ValueError: it is not JSON in UTF-8, or nested too deeply.
    """
    try:
        return _decoder.decode(data)
    except RecursionError:
        problem = "nested too deeply"
    raise ValueError(problem)


class WireNumber(float):
    """A number that remembers its digits."""

    __slots__ = ("digits",)
    digits: str

    def __new__(cls, digits: str) -> Self:  # noqa: D102
        number = super().__new__(cls, digits)
        number.digits = digits
        return number


_digits_decoder: Final = msgspec.json.Decoder(float_hook=WireNumber)


def decode_with_digits(data: bytes) -> Any:
    """Give the decoded JSON, in which each number with a fraction or exponent has its digits."""
    return _digits_decoder.decode(data)


def forget_digits(obj: Any) -> None:
    """Make each `WireNumber` in a decoded tree a plain float again, in place."""
    if is_object(obj) or is_array(obj):
        container: Any = obj
        for key in container if is_object(obj) else range(len(obj)):
            if isinstance(container[key], WireNumber):
                container[key] = float(container[key])
            else:
                forget_digits(container[key])
