from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, cast, final

LOGGABLE: Final = frozenset(
    {
        "accept",
        "content-length",
        "content-type",
        "date",
        "idempotency-key",
        "retry-after",
        "server",
        "user-agent",
        "x-nexevo-generation-id",
        "x-nexevo-model-used",
        "x-nexevo-models-tried",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
        "x-trace-id",
        "x-usage-input-tokens",
        "x-usage-output-tokens",
    }
)
"""The headers whose values may be shown. It is a list of what is allowed: a deny-list misses the
one that somebody adds."""


@final
class Headers(Mapping[str, str]):
    """HTTP headers: read-only, case-insensitive, and masked when shown.

    Of a header that comes more than once, a look-up gives the last; `pairs` has them all.

    Example:
        >>> from nexevo_async import Headers
        >>> headers = Headers({"X-Trace-ID": "t1", "Authorization": "Bearer …"})
        >>> headers["x-trace-id"]
        't1'
        >>> headers
        Headers({'X-Trace-ID': 't1', 'Authorization': '***'})
    """

    __slots__ = ("_index", "_pairs")

    def __init__(self, headers: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        items: Any = getattr(headers, "items", None)  # asking for a Mapping takes four times that
        self._pairs: Iterable[tuple[str, str]] = cast("Any", headers) if items is None else items()
        self._index: dict[str, str] | None = None

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Every header as it came, in its order."""
        return tuple(self._pairs)

    def _by_name(self) -> dict[str, str]:
        # Made on first use: most answers' headers are never read.
        if self._index is None:
            self._index = {name.lower(): value for name, value in self._pairs}
        return self._index

    def __getitem__(self, name: str) -> str:
        return self._by_name()[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._by_name()

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(str(name) for name, _ in self._pairs))

    def __len__(self) -> int:
        return len(self._by_name())

    def with_(self, added: Mapping[str, str]) -> "Headers":
        """Give these headers and ``added``, which wins where both name one."""
        index = self._by_name().copy()
        kept = self._pairs
        for name, value in added.items():
            lower = name.lower()
            if lower in index:
                kept = [pair for pair in kept if pair[0].lower() != lower]
            index[lower] = value
        headers = object.__new__(Headers)
        headers._pairs = (*kept, *added.items())
        headers._index = index
        return headers

    def shown(self) -> dict[str, str]:
        """Give the headers for a log: the value of any that is not known to be harmless is ***."""
        return {name: value if name.lower() in LOGGABLE else "***" for name, value in self._pairs}

    def __repr__(self) -> str:
        return f"Headers({self.shown()!r})"

    def __reduce__(self) -> tuple[type["Headers"], tuple[list[tuple[str, str]]]]:
        # As plain strings: a name that was received is of a type of multidict's.
        return Headers, ([(str(name), value) for name, value in self._pairs],)
