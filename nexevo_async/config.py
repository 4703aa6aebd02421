"""What a client is told: plain, frozen values that are checked when they are made."""

import math
import os
import re
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple, TypedDict, TypeVar, cast

import attrs

from nexevo_async.api_key import AskedKey, KeySource, key_problem
from nexevo_async.errors import ConfigurationError
from nexevo_async.headers import Headers
from nexevo_async.network import TLS
from nexevo_async.secret import Secret
from nexevo_async.shapes import is_mapping
from nexevo_async.unset import UNSET, UnsetType

T = TypeVar("T")

DEFAULT_BASE_URL: Final = "https://api.nexevo.ai/v1"

CallKind = Literal["plain", "generation", "stream"]


def _seconds(name: str, value: object, *, zero: bool = False) -> None:
    if value is None or value is UNSET:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {type(value).__name__}")
    if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        raise ValueError(f"{name} must be a finite number of seconds above 0, not {value!r}")


def _count(name: str, value: object, *, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, not {value}")


class EffectiveTimeouts(NamedTuple):
    """The limits of one call in seconds; None is no limit."""

    connect: float | None
    pool: float | None
    read: float | None
    total: float | None
    first_token: float | None = None


_DEFAULT_TIMEOUTS: Final[dict[CallKind, EffectiveTimeouts]] = {
    "plain": EffectiveTimeouts(connect=5, pool=10, read=60, total=120),
    "generation": EffectiveTimeouts(connect=5, pool=10, read=600, total=600),
    "stream": EffectiveTimeouts(connect=5, pool=10, read=60, total=None),
}


@attrs.frozen(kw_only=True)
class Timeouts:
    """Limits on a call, each in seconds; ``None`` switches one off.

    A limit that is not given keeps its default, which depends on the call.

    Attributes:
        connect: DNS, TCP and TLS together. Default 5.
        pool: Waiting for one of the client's seats, and for a turn under
            ``Limits(requests_per_minute=…)``. Default 10.
        read: Between two reads of the answer; where nothing is uploaded, the first may take as
            long with connecting and all of the headers. Default 60; 600 for a completion that is
            not streamed, as the gateway is silent while the model writes.
        total: The whole call, with its retries and waits. Default 120; 600 for a completion that
            is not streamed; none for a stream.
        first_token: Of a stream, from the call to the first chunk that has something of the
            answer. Default none.

    Example:
        >>> from nexevo_async import Timeouts
        >>> Timeouts(total=30).total
        30
    """

    connect: float | None | UnsetType = UNSET
    pool: float | None | UnsetType = UNSET
    read: float | None | UnsetType = UNSET
    total: float | None | UnsetType = UNSET
    first_token: float | None | UnsetType = UNSET

    def __attrs_post_init__(self) -> None:
        for name in EffectiveTimeouts._fields:
            _seconds(name, getattr(self, name))

    def over(self, base: "Timeouts") -> "Timeouts":
        """Give these limits, and those of ``base`` where these are not set."""
        mine = {name: getattr(self, name) for name in EffectiveTimeouts._fields}
        return attrs.evolve(base, **{k: v for k, v in mine.items() if v is not UNSET})

    def effective(self, kind: CallKind) -> EffectiveTimeouts:
        """Give the limits that hold for a call of that kind."""
        base = _DEFAULT_TIMEOUTS[kind]
        return EffectiveTimeouts(
            connect=base.connect if self.connect is UNSET else self.connect,
            pool=base.pool if self.pool is UNSET else self.pool,
            read=base.read if self.read is UNSET else self.read,
            total=base.total if self.total is UNSET else self.total,
            first_token=None if self.first_token is UNSET else self.first_token,
        )


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How long the client waits before it sends a call again, and how often it may.

    The wait before the n-th retry is drawn evenly from 0 to ``base_delay`` · 2ⁿ⁻¹ seconds, at most
    ``max_delay``; a ``Retry-After`` is its floor. How many retries a call gets is the client's
    ``max_retries``; which calls may be sent again stands on each operation.

    Attributes:
        base_delay: Seconds; the longest wait before the first retry.
        max_delay: Seconds; the longest wait that is drawn.
        max_retry_after: Seconds; a ``Retry-After`` above it fails the call at once, with
            ``retry_after`` on the error.
        budget: Retries that the client may make in a burst, over all its calls.
        budget_refill: Retries that each call earns back.

    Example:
        >>> from nexevo_async import RetryPolicy
        >>> RetryPolicy(base_delay=0.1).max_delay
        8.0
    """

    base_delay: float = 0.5
    max_delay: float = 8.0
    max_retry_after: float = 60.0
    budget: float = 10.0
    budget_refill: float = 0.1

    def __attrs_post_init__(self) -> None:
        for field in attrs.fields(type(self)):
            _seconds(field.name, getattr(self, field.name), zero=True)


@attrs.frozen(kw_only=True)
class Limits:
    """How much one client does.

    Attributes:
        max_connections: Calls in flight on each event loop, streams among them.
        max_streams: Streams open on each event loop; never more than ``max_connections``, so that
            the rest is left to plain calls.
        keepalive: Seconds for which an idle connection is kept; less than the gateway keeps it, so
            that no call meets a connection that is just being closed.
        requests_per_minute: Requests that go out in any minute, over all threads and event loops
            of this client, retries among them; the others wait in turn, as long as ``pool`` lets
            them. None is no limit, and leaves it to the gateway, which by default takes 60 a key
            [D] and refuses more.

    Example:
        >>> from nexevo_async import Limits
        >>> Limits(max_connections=10, max_streams=5)
        Limits(max_connections=10, max_streams=5, keepalive=15.0, requests_per_minute=None)
    """

    max_connections: int = 1000
    max_streams: int = 500
    keepalive: float = 15.0
    requests_per_minute: int | None = None

    def __attrs_post_init__(self) -> None:
        _count("max_connections", self.max_connections, least=1)
        _count("max_streams", self.max_streams, least=1)
        _seconds("keepalive", self.keepalive)
        if self.requests_per_minute is not None:
            _count("requests_per_minute", self.requests_per_minute, least=1)


class KeyedCallOptions(TypedDict, total=False):
    """The `CallOptions` of calls whose idempotency key is an argument of their own."""

    timeouts: Timeouts
    max_retries: int
    idempotent: bool
    extra_headers: Mapping[str, str]
    extra_query: Mapping[str, str | int | float | bool]
    extra_body: Mapping[str, Any]


class CallOptions(KeyedCallOptions, total=False):
    """What every call takes beside its own arguments.

    Attributes:
        timeouts: Limits of this call, over those of the client.
        max_retries: Retries of this call; 0 is exactly one request on the wire.
        idempotent: True says that repeating this call is harmless, and has it re-sent like one
            that carries an idempotency key.
        idempotency_key: The key to send instead of a fresh one.
        extra_headers: Headers to add.
        extra_query: Query parameters to add.
        extra_body: Members to add to the JSON body; they win over the call's own.
    """

    idempotency_key: str


CALL_OPTIONS: Final = frozenset(CallOptions.__annotations__)


def checked_timeouts(value: object) -> Timeouts:
    """Give the timeouts, or say how they are written."""
    if not isinstance(value, Timeouts):
        raise TypeError(
            f"timeouts must be Timeouts(connect=, read=, total=, …), not {type(value).__name__}"
        )
    return value


def checked_max_retries(value: object) -> int:
    """Give the number of retries, or say why it is none."""
    _count("max_retries", value, least=0)
    assert isinstance(value, int)  # noqa: S101 - what _count just made sure of
    return value


_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def checked_headers(name: str, value: object) -> Mapping[str, str]:
    """Give the headers, or say which of them cannot travel; values are not shown."""
    if not is_mapping(value):
        raise TypeError(f"{name} must be a mapping of names to values")
    for header, text in value.items():
        if not isinstance(header, str) or not isinstance(text, str):
            raise TypeError(f"{name} must have strings as names and values: {header!r}")
        if not _HEADER_NAME.fullmatch(header):
            raise ValueError(f"{name} has a name that is no header's: {header!r}")
        if not text.isascii() or not text.replace("\t", " ").isprintable():
            raise ValueError(f"{name}[{header!r}] has a control or a non-ASCII character")
    return value


def checked_api_key(value: object, *, source: str) -> Secret | None:
    """Give the key, or say what is wrong with it without showing it."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError(f"{source} must be a string, not {type(value).__name__}")
    problem = key_problem(value)
    if problem is None:
        return Secret(value)
    del value
    raise ValueError(f"{source} {problem}")


def checked_key_source(value: object) -> Secret | AskedKey | None:
    """Give the key, or what is to be asked for it."""
    try:
        if value is None or isinstance(value, str):
            return checked_api_key(value, source="api_key")
        if callable(value):
            return AskedKey(cast("KeySource", value))
        wrong = type(value).__name__
    finally:
        del value  # it may be secret, and tracebacks can show locals
    raise TypeError(
        f"api_key must be a string, or a function without arguments that gives one, not {wrong}"
    )


def key_from_environment() -> Secret:
    """Give the key that NEXEVO_API_KEY holds.

    Raises:
        ConfigurationError: it is not set, or not usable.
    """
    value = os.environ.get("NEXEVO_API_KEY")
    if value is None:
        raise ConfigurationError(
            "No API key: none was given as api_key=, and the environment variable NEXEVO_API_KEY "
            "is not set. Pass api_key= or set the variable."
        )
    problem = key_problem(value)
    if problem is None:
        return Secret(value)
    del value
    raise ConfigurationError(f"The environment variable NEXEVO_API_KEY {problem}")


def checked_base_url(value: object, *, source: str = "base_url") -> str:
    """Give the base URL without a slash at its end, from NEXEVO_BASE_URL where none was given."""
    if value is None:
        source = "NEXEVO_BASE_URL"
        value = os.environ.get(source) or DEFAULT_BASE_URL
    if not isinstance(value, str):
        raise TypeError(f"{source} must be a string, not {type(value).__name__}")
    scheme, separator, rest = value.partition("://")
    host = rest.partition("/")[0]
    if scheme not in {"http", "https"} or not separator or not host or not value.isprintable():
        raise ValueError(f"{source} must be an http:// or https:// URL with a host")
    if "@" in host or "?" in rest or "#" in rest or " " in value:
        raise ValueError(f"{source} must have no credentials, query, fragment or space")
    return value.rstrip("/")


def checked_path(value: object) -> str:
    """Give the path under the base URL when it leads nowhere else."""
    if not isinstance(value, str):
        raise TypeError(f"path must be a string, not {type(value).__name__}")
    if not value.startswith("/") or value.startswith("//"):
        raise ValueError(f"path must begin with one slash and be under the base URL: {value!r}")
    if not value.isascii() or not value.isprintable() or any(c in " ?#\\" for c in value):
        raise ValueError(f"path must be percent-encoded; a query goes into query=: {value!r}")
    if any(segment in {".", ".."} for segment in value.lower().replace("%2e", ".").split("/")):
        raise ValueError(f"path must not have dot segments, which lead elsewhere: {value!r}")
    return value


def instance(name: str, value: object, cls: type[T]) -> T:
    """Give the value when it is of the class."""
    if not isinstance(value, cls):
        raise TypeError(f"{name} must be {cls.__name__}(…), not {type(value).__name__}")
    return value


@attrs.frozen(kw_only=True)
class ClientConfig:
    """Everything a client is told; views share what they do not change."""

    api_key: Secret | AskedKey | None
    base_url: str
    timeouts: Timeouts
    max_retries: int
    retry: RetryPolicy
    limits: Limits
    tls: TLS | None
    proxy: str | None = attrs.field(repr=lambda value: "None" if value is None else "<proxy>")
    headers: Headers


@attrs.frozen(kw_only=True)
class CallSettings:
    """What holds for one call: the client's settings, and over them the call's own.

    Attributes:
        client: What the client was told.
        timeouts: The limits of the call.
        max_retries: How often the call may be sent again.
        idempotent: True when the caller says that repeating the call is harmless.
        idempotency_key: The caller's own key, or None.
    """

    client: ClientConfig
    timeouts: EffectiveTimeouts
    max_retries: int
    idempotent: bool = False
    idempotency_key: str | None = None
