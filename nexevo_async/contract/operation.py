import re
from typing import Any, Final, Generic, Literal, TypeVar
from urllib.parse import quote

import attrs

from nexevo_async.contract.checks import described
from nexevo_async.contract.model import Model
from nexevo_async.messages import Route

A_co = TypeVar("A_co", bound=Model | None, covariant=True)

_PARAMETER: Final = re.compile(r"\{(\w+)\}")
_PLAIN_SEGMENT: Final = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9_.~-]*")


@attrs.frozen(kw_only=True, eq=False)
class Operation(Route, Generic[A_co]):
    """One call of the contract; the service, the sandbox and the documents are made from it.

    Attributes:
        answer: The model of the answer, or of each item of a page; None for an empty answer.
        summary: A sentence for the documents.
        body: The TypedDict of the JSON body, or None.
        query: The TypedDict of the query, or None.
        status: The status of success.
        envelope: The name under which a gateway may wrap the single object.
        page: The name of the list in a page; None where the answer is a single object.
        documented: Whether Nexevo documents the method and path [D] or we assume them [P].
    """

    answer: type[A_co] | None
    summary: str
    body: Any = None
    query: Any = None
    status: int = 200
    envelope: str | None = None
    page: str | None = None
    documented: Literal["D", "P"] = "P"
    _template: str = attrs.field(init=False)
    parameters: tuple[str, ...] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_template", _PARAMETER.sub("%s", self.path))
        object.__setattr__(self, "parameters", tuple(_PARAMETER.findall(self.path)))

    def at(self, *ids: str) -> str:
        """Give the path with its parameters filled in, percent-encoded.

        Raises:
            TypeError: an id is not a string.
            ValueError: an id is empty, a dot segment, or has a control character.
        """
        return self._template % tuple(map(_segment, self.parameters, ids))


def _segment(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, not {described(value)}")
    if _PLAIN_SEGMENT.fullmatch(value):
        return value
    if not value:
        raise ValueError(f"{name} is empty: give the id of an object of the gateway")
    if value in {".", ".."}:
        raise ValueError(f"{name} is {value!r}, which would lead to another path")
    if not value.isprintable():
        raise ValueError(f"{name} has a control character or a lone surrogate")
    return quote(value, safe="")
