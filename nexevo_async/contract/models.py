from decimal import Decimal
from typing import Final, Literal

import attrs

from nexevo_async.contract.model import Model
from nexevo_async.contract.operation import Operation


@attrs.frozen(kw_only=True)
class ModelPricing(Model):
    """What a model costs, in USD per million tokens [P].

    Attributes:
        prompt: For the tokens of the request.
        completion: For the tokens of the answer.
    """

    prompt: Decimal | None = None
    completion: Decimal | None = None


@attrs.frozen(kw_only=True)
class ModelInfo(Model):
    """A model that the gateway offers.

    Attributes:
        id: What to give as ``model``.
        object: Always ``model`` [P].
        created: When it was added, in epoch seconds [P].
        owned_by: Whose it is [P].
        region: Where it runs: ``cn`` or ``overseas``; new regions may come [P].
        pricing: What it costs [P].
    """

    id: str
    object: str | None = None
    created: int | None = None
    owned_by: str | None = None
    region: Literal["cn", "overseas"] | str | None = None
    pricing: ModelPricing | None = None


LIST: Final = Operation(
    name="models.list",
    method="GET",
    path="/models",
    answer=ModelInfo,
    page="data",
    resend="idempotent",
    summary="List the models that the key may use.",
)

OPERATIONS: Final = (LIST,)
