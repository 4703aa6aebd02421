"""Amounts in USD: decimals that are never rounded, as text in the database and in answers."""

from decimal import Context, Decimal, Inexact
from typing import Any, Final

from nexevo_async.sandbox.refusal import invalid

EXACT: Final = Context(prec=100, traps=[Inexact])
MOST: Final = Decimal(10**12)
_MOST_DECIMALS: Final = 18


def written(amount: Decimal) -> str:
    """Give an amount's digits, without an exponent."""
    return f"{amount:f}"


def plain(amount: Decimal) -> Decimal:
    """Give the amount without the zeros that a multiplication left at its end."""
    return EXACT.normalize(amount)


def checked(amount: Decimal) -> Decimal:
    """Give an amount that can be paid.

    Raises:
        RefusalError: it is too small or too large, or has too many decimals.
    """
    exponent = amount.as_tuple().exponent
    fits = isinstance(exponent, int) and exponent >= -_MOST_DECIMALS
    if not fits or not 0 < amount <= MOST:
        raise invalid(
            "amount_usd",
            f"The amount must be above 0 and at most {MOST}, "
            f"with at most {_MOST_DECIMALS} decimals.",
        )
    return amount


class ExactSum:
    """The SQL function ``exact_sum``: SQLite's own ``sum`` would make floats of the amounts."""

    def __init__(self) -> None:
        self._sum = Decimal(0)

    def step(self, amount: Any) -> None:
        """Take one amount."""
        self._sum = EXACT.add(self._sum, Decimal(amount))

    def finalize(self) -> Any:
        """Give the sum."""
        return written(self._sum)
