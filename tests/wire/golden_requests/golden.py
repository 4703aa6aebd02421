from collections.abc import Awaitable, Callable
from typing import Any

import attrs

from nexevo_async import AsyncNexevo


@attrs.frozen(kw_only=True)
class Golden:
    operation: str
    call: Callable[[AsyncNexevo], Awaitable[Any]]
    method: str
    path: str
    body: bytes | None = None
    keyed: bool = False
    authorized: bool = True
    answer: Any = None
    status: int = 200
    gives: Callable[[Any], object] = lambda result: result
    expected: object = None
