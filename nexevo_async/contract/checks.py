"""Checks of arguments, made before anything is sent.

Only types, and limits that Nexevo documents exactly: the rest is the gateway's to say.
"""

import json
import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import msgspec

from nexevo_async.shapes import is_mapping, is_series
from nexevo_async.unset import UNSET, UnsetType

METADATA_BYTES: Final = 4096


def described(value: object) -> str:
    """Give the name of a value's type: the value itself may be secret."""
    return "None" if value is None else type(value).__name__


def string(name: str, value: object) -> str:
    """Give the string, or say that it is none."""
    if not isinstance(value, str):
        wrong = described(value)
        del value  # it may be secret, and tracebacks can show locals
        raise TypeError(f"{name} must be a string, not {wrong}")
    return value


def text(name: str, value: object, *, at_most: int) -> str:
    """Give the string when it has from one to so many characters."""
    given = string(name, value)
    if not 1 <= len(given) <= at_most:
        raise ValueError(f"{name} must have 1 to {at_most:,} characters, not {len(given):,}")
    return given


def https_url(name: str, value: object) -> str:
    """Give the URL when it is an HTTPS one, without credentials."""
    url = string(name, value)
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    # urlsplit overlooks white space and control characters, and what posts to the URL may not; a
    # backslash is a slash to browsers, so that what looks like credentials would be the host.
    plain = url.isprintable() and not any(c in " \\" for c in url)
    if not plain or parts.scheme != "https" or not parts.hostname:
        raise ValueError(f"{name} must be an https:// URL with a host")
    if "@" in parts.netloc:
        raise ValueError(f"{name} must have no credentials")
    return url


def one_or_clear(name: str, value: object, clear: object) -> None:
    """Make sure that either a value or ``clear`` is given."""
    if boolean("clear", clear) is (value is not None):
        both = "not both" if value is not None else "one of them"
        raise ValueError(f"give {name}= or clear=True, {both}")


def one_of(name: str, value: object, allowed: Sequence[str]) -> str:
    """Give the string when it is one of a closed set."""
    if string(name, value) not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
    return str(value)


def whole(name: str, value: object) -> int:
    """Give the int, or say that it is none."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {described(value)}")
    return value


def strings(name: str, value: object) -> list[str]:
    """Give the strings as a list; one bare string is a mistake."""
    if not is_series(value):
        raise TypeError(f"{name} must be a list of strings, not {described(value)}")
    return [string(f"{name}[{i}]", item) for i, item in enumerate(value)]


def json_object(name: str, value: object) -> dict[str, Any]:
    """Give the JSON object as a dict, or say what JSON cannot hold."""
    return _json_object(name, value)[0]


def metadata(name: str, value: object) -> dict[str, Any]:
    """Give the metadata when it is a JSON object of at most 4 KB [D]."""
    obj, size = _json_object(name, value)
    if size > METADATA_BYTES:
        raise ValueError(
            f"{name} is {size:,} bytes as compact JSON; "
            f"Nexevo takes at most {METADATA_BYTES:,} (4 KB)"
        )
    return obj


def _json_object(name: str, value: object) -> tuple[dict[str, Any], int]:
    """Give the JSON object and its size in bytes; msgspec would write NaN as null."""
    if not is_mapping(value):
        raise TypeError(f"{name} must be a JSON object (a dict), not {described(value)}")
    if not all(isinstance(key, str) for key in value):
        raise TypeError(f"{name} must have strings as its keys")
    obj = dict(value)
    try:
        text = json.dumps(obj, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return obj, len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        problem = f"{name} cannot be written as JSON: {error}"
        kind: type[Exception] = TypeError if isinstance(error, TypeError) else ValueError
    raise kind(problem)


def money(name: str, value: object) -> Decimal:
    """Give an amount of money exactly as it was written.

    Raises:
        TypeError: it is a float, which cannot hold most amounts, or no number at all.
        ValueError: it is not a finite decimal number.
    """
    if isinstance(value, float):
        raise TypeError(
            f"{name} must not be a float: a float cannot hold most amounts exactly "
            '(0.1 is 0.1000000000000000055…). Give "20.10", 20 or Decimal("20.10")'
        )
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise TypeError(f"{name} must be a str, int or Decimal, not {described(value)}")
    if isinstance(value, str) and not _AMOUNT_CHARACTERS.issuperset(value):
        raise ValueError(f"{name} must be a decimal number such as 20.10, not {value!r}")
    try:
        amount = Decimal(value)
    except ArithmeticError:
        amount = None
    if amount is None or not amount.is_finite():
        raise ValueError(f"{name} must be a finite decimal number such as 20.10, not {value!r}")
    return amount


def amount(name: str, value: object) -> str:
    """Give an amount that is not negative as a decimal string, of exactly the digits given."""
    exact = money(name, value)
    if exact.is_signed():
        raise ValueError(f"{name} must not be negative: {value!r}")
    # A giant exponent would be written out as as many digits.
    if not -_MOST_DIGITS <= exact.adjusted() <= _MOST_DIGITS:
        raise ValueError(f"{name} is far from any amount of money: {value!r}")
    return format(exact, "f")


def payment(name: str, value: object) -> msgspec.Raw:
    """Give an amount above 0 as a JSON number, of exactly the digits given."""
    digits = amount(name, value)
    if not Decimal(digits):
        raise ValueError(f"{name} must be above 0, not {value!r}")
    return msgspec.Raw(digits.encode())


_MOST_DIGITS: Final = 30

# Decimal takes underscores, white space and the digits of every script as well.
_AMOUNT_CHARACTERS: Final = frozenset("0123456789.+-eE")


def idempotency_key(name: str, value: object) -> str:
    """Give the key when it can travel: one to 255 printable ASCII characters."""
    key = string(name, value)
    if not key or not key.isascii() or not key.isprintable() or key != key.strip():
        raise ValueError(
            f"{name} must be printable ASCII without spaces around it and not empty, not {value!r}"
        )
    if len(key) > 255:
        raise ValueError(f"{name} must be at most 255 characters, not {len(key):,}")
    return key


def http_method(name: str, value: object) -> str:
    """Give the HTTP method in capitals."""
    method = string(name, value)
    if not (method.isascii() and method.isalpha()):
        raise ValueError(f"{name} must be an HTTP method such as GET, not {value!r}")
    return method.upper()


def boolean(name: str, value: object) -> bool:
    """Give the bool, or say that it is none."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {described(value)}")
    return value


T = TypeVar("T")
Check = Callable[[str, object], T]


def given(check: Check[T], name: str, value: object) -> T | UnsetType:
    """Check an argument whose None says that it was not given."""
    try:
        return UNSET if value is None else check(name, value)
    finally:
        del value  # it may be secret, and tracebacks can show locals


def nullable(check: Check[T], name: str, value: object) -> T | UnsetType | None:
    """Check an argument that travels as null when it is None."""
    if isinstance(value, UnsetType) or value is None:
        return value
    return check(name, value)


def number(name: str, value: object) -> float:
    """Give the number when it is finite."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number, not {described(value)}")
    if not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, not {value!r}")
    return value


def json_objects(name: str, value: object) -> list[dict[str, Any]]:
    """Give the JSON objects as a list."""
    if not is_series(value):
        raise TypeError(f"{name} must be a list of JSON objects, not {described(value)}")
    return [json_object(f"{name}[{i}]", item) for i, item in enumerate(value)]
