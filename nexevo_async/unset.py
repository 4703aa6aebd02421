"""The one sentinel for "not given", which is not the same as null."""

import enum
from typing import Final, Literal


class UnsetType(enum.Enum):
    """The type of `UNSET`; an enum of one, so that type checkers narrow on ``is UNSET``."""

    UNSET = "UNSET"

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = UnsetType.UNSET
"""Says that an argument was not given: it does not travel. ``None`` travels as null."""
