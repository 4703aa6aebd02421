"""The models that the gateway offers, and which of them stand behind its aliases."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, Literal, NamedTuple, TypeAlias, cast

Preference: TypeAlias = Literal["fast", "cheap", "quality"]


class Offer(NamedTuple):
    """What a request may name as its model; prices are USD per million tokens.

    Attributes:
        tokens_per_s: How quick the model is said to be.
        collects_data: Whether the model's provider keeps what it is sent.
    """

    id: str
    owned_by: str
    region: str | None
    created: int
    prompt: Decimal
    completion: Decimal
    tokens_per_s: int = 0
    collects_data: bool = False

    @property
    def total(self) -> Decimal:
        """A million tokens either way."""
        return self.prompt + self.completion


class Wanted(NamedTuple):
    """What a request means by a name: an offer, and what to prefer among its candidates."""

    offer: Offer
    preference: Preference | None


class Choice(NamedTuple):
    """The model that answers.

    Attributes:
        name: What the request called it.
        model: Its id.
        tried: The names that were tried until it was found, and its own.
        offer: What was asked for: an alias, or the model itself.
        rivals: The others that it was chosen among; None where the request named the model.
        conversation_id: The conversation that is to keep it.
    """

    name: str
    model: str
    tried: Sequence[str]
    offer: Offer
    rivals: Sequence[str] | None
    conversation_id: str | None


OFFERS: Final = {
    offer.id: offer
    for offer in (
        Offer(
            "gpt-4o",
            "openai",
            "overseas",
            1_715_558_400,
            Decimal("2.50"),
            Decimal("10.00"),
            tokens_per_s=120,
        ),
        Offer(
            "claude-opus-4-7",
            "anthropic",
            "overseas",
            1_767_225_600,
            Decimal("15.00"),
            Decimal("75.00"),
            tokens_per_s=60,
        ),
        Offer(
            "deepseek-chat",
            "deepseek",
            "cn",
            1_735_171_200,
            Decimal("0.27"),
            Decimal("1.10"),
            tokens_per_s=90,
            collects_data=True,
        ),
        Offer(
            "qwen-max",
            "alibaba",
            "cn",
            1_737_936_000,
            Decimal("1.60"),
            Decimal("6.40"),
            tokens_per_s=80,
        ),
        Offer("nexevo/fast", "nexevo", None, 1_767_225_600, Decimal("0.20"), Decimal("0.20")),
        Offer("nexevo/balanced", "nexevo", None, 1_767_225_600, Decimal("3.00"), Decimal("12.00")),
        Offer("nexevo/auto", "nexevo", None, 1_767_225_600, Decimal("3.00"), Decimal("12.00")),
    )
}
# In the order of preference while nobody has judged any; there is one of each region.
BEHIND: Final = {
    "nexevo/fast": ("deepseek-chat", "gpt-4o"),
    "nexevo/balanced": ("gpt-4o", "qwen-max", "deepseek-chat"),
    "nexevo/auto": ("qwen-max", "gpt-4o", "deepseek-chat", "claude-opus-4-7"),
}
_PREFERENCES: Final = frozenset({"fast", "cheap", "quality"})
_REGION_OF_POLICY: Final = {"cn-only": "cn", "overseas-only": "overseas"}


def understood(name: str, *, has_upstream: bool) -> Wanted | None:
    """Give what a name means; None where there is no such model.

    An upstream may have any model; of one that is not in the catalogue, no price is known and
    nothing good is assumed.
    """
    base, _, suffix = name.rpartition(":")
    preferring = suffix in _PREFERENCES
    id_ = base if preferring else name
    offer = OFFERS.get(id_)
    if offer is None and has_upstream and id_ and not id_.startswith("nexevo/"):
        nothing = Decimal(0)
        offer = Offer(id_, "upstream", None, 0, nothing, nothing, collects_data=True)
    return offer and Wanted(offer, cast("Preference", suffix) if preferring else None)


def candidates(offer: Offer) -> Sequence[Offer]:
    """Give the models that an offer may stand for: itself, where it is no alias."""
    return [OFFERS[model] for model in BEHIND[offer.id]] if offer.id in BEHIND else [offer]


def runs_under(geo_policy: str, model: Offer) -> bool:
    """Say whether a model runs where a geo policy wants it to."""
    return _REGION_OF_POLICY.get(geo_policy) in {None, model.region}
