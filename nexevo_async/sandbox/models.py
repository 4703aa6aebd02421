from typing import Any

from nexevo_async.sandbox.call import Answer, Call, answer
from nexevo_async.sandbox.catalogue import OFFERS, candidates, runs_under
from nexevo_async.sandbox.keyring import geo_policy_of


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
        for offer in OFFERS.values()
        if any(runs_under(policy, candidate) for candidate in candidates(offer))
    ]
    listed = {"object": "list", str(call.operation.page): offers}
    return answer(listed | {"has_more": False, "next_cursor": None})
