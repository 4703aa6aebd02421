"""What a completion costs: the tier, and the prices that go with it."""

from decimal import Decimal
from typing import Final, NamedTuple

from nexevo_async.sandbox.catalogue import Offer
from nexevo_async.sandbox.money import EXACT, plain

TIERS: Final = ("fast", "balanced", "passthrough", "byok")
_TIER_OF: Final = {
    "nexevo/fast": "fast",
    "nexevo/balanced": "balanced",
    "nexevo/auto": "balanced",
}
# On top of what the provider takes.
_PASSTHROUGH: Final = Decimal("1.05")


class Price(NamedTuple):
    """A tier, and its USD per million tokens."""

    tier: str
    prompt: Decimal
    completion: Decimal

    def cost(self, input_tokens: int, output_tokens: int, factor: Decimal = Decimal(1)) -> Decimal:
        """Give what so many tokens cost, times a factor."""
        prompt = EXACT.multiply(self.prompt, input_tokens)
        both = EXACT.fma(self.completion, output_tokens, prompt)
        return plain(EXACT.multiply(EXACT.scaleb(both, -6), factor))


def price_of(offer: Offer, *, own_key: bool) -> Price:
    """Give the price of what a request named.

    Args:
        offer: What it named.
        own_key: Whether it came with the caller's own key of the provider, who then sends the bill.
    """
    if own_key:
        return Price("byok", Decimal(0), Decimal(0))
    tier = _TIER_OF.get(offer.id)
    if tier is not None:
        return Price(tier, offer.prompt, offer.completion)
    return Price(
        "passthrough",
        EXACT.multiply(offer.prompt, _PASSTHROUGH),
        EXACT.multiply(offer.completion, _PASSTHROUGH),
    )
