from collections.abc import Callable, Iterator, KeysView
from typing import TYPE_CHECKING, Any, Final

import attrs

from nexevo_async.meta import Meta


@attrs.frozen(kw_only=True)
class Model:
    """A JSON object of the gateway, read by attribute or by key.

    A declared field is None where it did not come, by attribute; by key it is a ``KeyError`` then,
    as in a dict. Fields that the SDK does not know are kept: by key, by attribute and in
    `to_dict`.

    Example:
        >>> conv = await client.conversations.create(title="My Session")
        >>> conv.title, conv["title"], "title" in conv
        ('My Session', 'My Session', True)
        >>> conv.get("no_such_field", "nothing")
        'nothing'
    """

    _json: dict[str, Any] | None = attrs.field(init=False, repr=False, eq=False)
    _meta: Meta | None = attrs.field(init=False, repr=False, eq=False)

    @property
    def meta(self) -> Meta:
        """What the gateway said beside this answer, such as status, ids, usage and rate limit.

        Raises:
            AttributeError: this object is a part of an answer; only what the call returned has it.
        """
        if self._meta is None:
            raise AttributeError(
                f"this {type(self).__name__} is a part of an answer: "
                ".meta is on what the call returned"
            )
        return self._meta

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON object as it came, and what the SDK added to it."""
        return dict(self._raw())

    def keys(self) -> KeysView[str]:
        """Give the names of the fields that came."""
        return self._raw().keys()

    def get(self, key: str, default: Any = None) -> Any:
        """Give a field that came, or the default."""
        return self[key] if key in self._raw() else default

    def __getitem__(self, key: str) -> Any:
        raw = self._raw()[key]
        return getattr(self, key) if key in declared(type(self)) else raw

    def __contains__(self, key: object) -> bool:
        return key in self._raw()

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw())

    def _raw(self) -> dict[str, Any]:
        if self._json is not None:
            return self._json
        return {  # one made by hand, in a test of the user's
            name: _plain(value)
            for name in declared(type(self))
            if (value := getattr(self, name)) is not None
        }

    if not TYPE_CHECKING:  # a typo must stay an error to type checkers

        def __getattr__(self, name: str) -> Any:
            if name in {"_json", "_meta"}:  # no default is set: that would cost every model
                return None
            if name == "meta":  # the property above raised
                raise AttributeError(
                    f"this {type(self).__name__} is a part of an answer: "
                    ".meta is on what the call returned"
                )
            raw = None if name.startswith("_") else self._json
            if raw is None or name not in raw:
                raise AttributeError(f"{type(self).__name__} has no field {name!r}")
            return raw[name]


def hidden(*, required: bool = False) -> Any:
    """Declare a field that no repr shows."""
    return attrs.field(repr=False) if required else attrs.field(default=None, repr=False)


_DECLARED: dict[type, frozenset[str]] = {}


def declared(cls: type[Model]) -> frozenset[str]:
    """Give the names of the fields that a model declares."""
    names = _DECLARED.get(cls)
    if names is None:
        names = frozenset(f.name for f in attrs.fields(cls) if not f.name.startswith("_"))
        _DECLARED[cls] = names
    return names


def _plain(value: Any) -> Any:
    if isinstance(value, Model):
        return value.to_dict()
    if isinstance(value, list):
        return [_plain(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value


# The slots of a frozen model, written from outside by those who read answers: the quickest way.
keep_json: Final[Callable[[Model, dict[str, Any]], None]] = vars(Model)["_json"].__set__
"""Has a model keep the JSON object that it was read from."""

keep_meta: Final[Callable[[Model, Meta], None]] = vars(Model)["_meta"].__set__
"""Has a model know the answer that it is."""
