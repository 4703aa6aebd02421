"""The models that the gateway offers, and which of them answers a request."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from nexevo_async.sandbox.call import Answer, Call, answer
from nexevo_async.sandbox.keyring import geo_policy_of
from nexevo_async.sandbox.refusal import RefusalError, invalid


class Offer(NamedTuple):
    """What a request may name as its model; prices are USD per million tokens."""

    id: str
    owned_by: str
    region: str | None
    created: int
    prompt: Decimal
    completion: Decimal


_OFFERS: Final = {
    offer.id: offer
    for offer in (
        Offer("gpt-4o", "openai", "overseas", 1_715_558_400, Decimal("2.50"), Decimal("10.00")),
        Offer(
            "claude-opus-4-7",
            "anthropic",
            "overseas",
            1_767_225_600,
            Decimal("15.00"),
            Decimal("75.00"),
        ),
        Offer("deepseek-chat", "deepseek", "cn", 1_735_171_200, Decimal("0.27"), Decimal("1.10")),
        Offer("qwen-max", "alibaba", "cn", 1_737_936_000, Decimal("1.60"), Decimal("6.40")),
        Offer("nexevo/fast", "nexevo", None, 1_767_225_600, Decimal("0.20"), Decimal("0.20")),
        Offer("nexevo/balanced", "nexevo", None, 1_767_225_600, Decimal("3.00"), Decimal("12.00")),
        Offer("nexevo/auto", "nexevo", None, 1_767_225_600, Decimal("3.00"), Decimal("12.00")),
    )
}
_SUFFIXES: Final = frozenset({"fast", "cheap", "quality"})
# In the order of preference, with one of each region.
_BEHIND: Final = {
    "nexevo/fast": ("deepseek-chat", "gpt-4o"),
    "nexevo/balanced": ("gpt-4o", "qwen-max"),
    "nexevo/auto": ("qwen-max", "gpt-4o"),
}
_REGION_OF_POLICY: Final = {"cn-only": "cn", "overseas-only": "overseas"}


def list_(call: Call) -> Answer:
    """Give the models that the key may use, in OpenAI's form."""
    policy = geo_policy_of(call.db, call.caller)
    offers: list[dict[str, Any]] = [
        {
            "id": offer.id,
            "object": "model",
            "created": offer.created,
            "owned_by": offer.owned_by,
            "region": offer.region,
            "pricing": {"prompt": str(offer.prompt), "completion": str(offer.completion)},
        }
        for offer in _OFFERS.values()
        if _allowed(offer, policy)
    ]
    listed = {"object": "list", str(call.operation.page): offers}
    return answer(listed | {"has_more": False, "next_cursor": None})


class Choice(NamedTuple):
    """The model that answers, and the names that were tried until it was found."""

    model: str
    tried: Sequence[str]


def choose(
    names: Sequence[str], max_price: Mapping[str, Decimal] | None, geo_policy: str
) -> Choice:
    """Give the first model of the request's that is known, allowed and not too dear.

    Raises:
        RefusalError: no name is known, or none of them fits ``max_price`` and the geo policy.
    """
    tried: list[str] = []
    too_dear: list[str] = []
    forbidden: list[str] = []
    for name in names:
        offer = _known(name)
        if offer is None:
            tried.append(name)
        elif not (allowed := _allowed(offer, geo_policy)):
            forbidden.append(name)
        elif not _fits(offer, max_price):
            too_dear.append(name)
        else:
            return Choice(allowed[0], [*tried, allowed[0]])
    if too_dear:
        raise RefusalError(
            400,
            f"No model fits max_price: {', '.join(too_dear)} would cost more. "
            "Raise max_price, or add cheaper models; GET /models has the prices.",
            type="max_price_unsatisfiable",
            param="max_price",
        )
    if forbidden:
        raise RefusalError(
            403,
            f"The key's geo policy is {geo_policy}, which forbids {', '.join(forbidden)}. "
            "GET /models lists the models that the key may use.",
            type="geo_policy_violation",
            param="model",
        )
    raise RefusalError(
        404, f"There is no model {', '.join(names)}. GET /models lists them.", param="model"
    )


def _known(name: str) -> Offer | None:
    base, _, suffix = name.rpartition(":")
    return _OFFERS.get(base if base and suffix in _SUFFIXES else name)


def _allowed(offer: Offer, geo_policy: str) -> Sequence[str]:
    """Give the models that an offer may stand for."""
    region = _REGION_OF_POLICY.get(geo_policy)
    behind = _BEHIND.get(offer.id, (offer.id,))
    return [model for model in behind if region in {None, _OFFERS[model].region}]


def _fits(offer: Offer, max_price: Mapping[str, Decimal] | None) -> bool:
    if not max_price:
        return True
    prices = {
        "prompt": offer.prompt,
        "completion": offer.completion,
        "total": offer.prompt + offer.completion,
    }
    for kind, most in max_price.items():
        if not most.is_finite() or most < 0:
            raise invalid(f"max_price.{kind}", "A price must be a number, 0 or more.")
    return all(prices[kind] <= most for kind, most in max_price.items())
