"""Which model answers: the request says which may, and feedback which does."""

import sqlite3
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, Required, TypeAlias, TypedDict

import attrs
import msgspec

from nexevo_async.sandbox import bandit
from nexevo_async.sandbox.bandit import NO_THUMBS, Game, Thumbs
from nexevo_async.sandbox.call import Call
from nexevo_async.sandbox.catalogue import (
    BEHIND,
    OFFERS,
    Choice,
    Offer,
    Preference,
    candidates,
    runs_under,
    understood,
)
from nexevo_async.sandbox.keyring import geo_policy_of
from nexevo_async.sandbox.refusal import RefusalError, invalid
from nexevo_async.sandbox.validation import checked

# What fits into one header, with the commas between.
_Name: TypeAlias = Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[!-+\--~]+\Z")]


class ProviderMembers(TypedDict, total=False):
    """Which providers may serve the call: a word that is not understood may have meant deny."""

    data_collection: Literal["allow", "deny"] | None


class MetadataMembers(TypedDict, total=False):
    """The member of the caller's own metadata that the gateway reads."""

    conversation_id: Annotated[str, msgspec.Meta(min_length=1, max_length=512)] | None


class RoutingMembers(TypedDict, total=False):
    """What a request says about its model, more strictly than the contract."""

    model: Required[_Name]
    models: Annotated[list[_Name], msgspec.Meta(max_length=20)] | None
    provider: ProviderMembers | None
    metadata: MetadataMembers | None


@attrs.frozen(kw_only=True)
class ModelStanding:
    """What the router knows of a model.

    Attributes:
        up: Thumbs up, however the model came to answer.
        down: Thumbs down.
        mean: The mean of Beta(1 + up, 1 + down), from which the router draws: 0.5 without a thumb.
        elo: The Elo rating: 1000 at first. A thumb up for a model that the router chose is a game
            won against each other model that it could have chosen, a thumb down a game lost.
        chosen: How often the router chose it.
        aliases: The aliases that it stands behind.
    """

    up: int
    down: int
    mean: float
    elo: float
    chosen: int
    aliases: tuple[str, ...]


def choose(call: Call) -> Choice:
    """Give the model that answers a completion's request.

    Raises:
        RefusalError: none may, or the request is malformed.
    """
    asked: RoutingMembers = checked(call.raw, RoutingMembers)
    conversation_id = (asked.get("metadata") or {}).get("conversation_id")
    limits = _limits(call, asked)
    tried: list[str] = []
    excluded: dict[str, _Reason] = {}
    for name in (asked["model"], *(asked.get("models") or ())):
        wanted = understood(name, has_upstream=call.has_upstream)
        failure = call.failed.get(name)
        if wanted is None or failure is not None:
            tried.append(name)
            excluded[name] = "unknown" if failure is None or failure.status == 404 else "failed"
        elif allowed := limits.kept(wanted.offer, excluded):
            model = _pick(call, allowed, wanted.preference, conversation_id)
            routed = wanted.offer.id in BEHIND
            rivals = [offer.id for offer in allowed if offer.id != model] if routed else None
            return Choice(name, model, [*tried, model], wanted.offer, rivals, conversation_id)
    raise _refusal(excluded, limits.geo_policy, call.failed)


def record(call: Call, generation_id: str, choice: Choice) -> None:
    """Store what the router chose, for the thumb that may come, and for the conversation."""
    if choice.rivals is None:
        return
    call.db.execute(
        "INSERT INTO choices VALUES (?, ?, ?)",
        (generation_id, choice.model, ",".join(choice.rivals)),
    )
    if choice.conversation_id is not None:
        call.db.execute(
            "INSERT OR REPLACE INTO conversation_models VALUES (?, ?, ?)",
            (call.caller.account_id, choice.conversation_id, choice.model),
        )


def forget_conversation(call: Call, conversation_id: str) -> None:
    """Keep a conversation to its model no longer."""
    call.db.execute(
        "DELETE FROM conversation_models WHERE account_id = ? AND conversation_id = ?",
        (call.caller.account_id, conversation_id),
    )


def export(db: sqlite3.Connection, account_id: str) -> list[dict[str, Any]]:
    """Give the models that an account's conversations keep to."""
    return [
        dict(row)
        for row in db.execute(
            "SELECT conversation_id, model FROM conversation_models WHERE account_id = ?",
            (account_id,),
        ).fetchall()
    ]


def standings(db: sqlite3.Connection) -> dict[str, ModelStanding]:
    """Give what the router knows of each model of the catalogue, and of any other with a thumb."""
    thumbs, elo = _thumbs(db), _elo(db)
    chosen = dict(db.execute("SELECT model, count(*) FROM choices GROUP BY model").fetchall())
    models = dict.fromkeys([*(model for model in OFFERS if model not in BEHIND), *thumbs])
    return {model: _standing(model, thumbs, elo, chosen) for model in models}


def _standing(
    model: str,
    thumbs: Mapping[str, Thumbs],
    elo: Mapping[str, float],
    chosen: Mapping[str, int],
) -> ModelStanding:
    own = thumbs.get(model, NO_THUMBS)
    return ModelStanding(
        up=own.up,
        down=own.down,
        mean=own.mean,
        elo=elo[model],
        chosen=chosen.get(model, 0),
        aliases=tuple(alias for alias, behind in BEHIND.items() if model in behind),
    )


def _pick(
    call: Call,
    allowed: Sequence[Offer],
    preference: Preference | None,
    conversation_id: str | None,
) -> str:
    models = [offer.id for offer in allowed]
    kept = _kept(call, conversation_id)
    if kept in models:
        return kept
    match preference:
        case "fast":
            return max(allowed, key=lambda offer: offer.tokens_per_s).id
        case "cheap":
            return min(allowed, key=lambda offer: offer.total).id
        case "quality":
            return bandit.most_liked(models, _thumbs(call.db), lambda: _elo(call.db))
        case None:
            return bandit.sampled(models, _thumbs(call.db), lambda: _elo(call.db), call.chance)


def _kept(call: Call, conversation_id: str | None) -> str | None:
    row = call.db.execute(
        "SELECT model FROM conversation_models WHERE account_id = ? AND conversation_id = ?",
        (call.caller.account_id, conversation_id),
    ).fetchone()
    return row and str(row["model"])


def _thumbs(db: sqlite3.Connection) -> Mapping[str, Thumbs]:
    rows = db.execute(
        "SELECT model, sum(rating = 1), sum(rating = -1) FROM feedback GROUP BY model"
    ).fetchall()
    return {model: Thumbs(up, down) for model, up, down in rows}


def _elo(db: sqlite3.Connection) -> Mapping[str, float]:
    rows = db.execute(
        "SELECT choices.model, rating, rivals FROM feedback JOIN choices USING (generation_id)"
        " WHERE rivals != '' ORDER BY feedback.seq"
    ).fetchall()
    return bandit.elo_ratings(
        Game(model, rating == 1, rivals.split(",")) for model, rating, rivals in rows
    )


_Reason: TypeAlias = Literal["failed", "price", "data", "policy", "unknown"]


@attrs.frozen(kw_only=True)
class _Limits:
    max_price: Mapping[str, Decimal]
    deny_collection: bool
    geo_policy: str

    def kept(self, offer: Offer, excluded: dict[str, _Reason]) -> Sequence[Offer]:
        """Give the candidates of an offer that may answer, and note why the others may not."""
        if not self._pays(offer):
            excluded[offer.id] = "price"
            return ()
        allowed: list[Offer] = []
        for model in candidates(offer):
            reason = self._against(model)
            if reason is None:
                allowed.append(model)
            else:
                excluded[model.id] = reason
        return allowed

    def _pays(self, offer: Offer) -> bool:
        prices = {"prompt": offer.prompt, "completion": offer.completion, "total": offer.total}
        return all(prices[kind] <= most for kind, most in self.max_price.items())

    def _against(self, model: Offer) -> _Reason | None:
        if not runs_under(self.geo_policy, model):
            return "policy"
        return "data" if self.deny_collection and model.collects_data else None


def _limits(call: Call, asked: RoutingMembers) -> _Limits:
    max_price: Mapping[str, Decimal] = call.body.get("max_price") or {}
    for kind, most in max_price.items():
        if not most.is_finite() or most < 0:
            raise invalid(f"max_price.{kind}", "A price must be a number, 0 or more.")
    return _Limits(
        max_price=max_price,
        deny_collection=(asked.get("provider") or {}).get("data_collection") == "deny",
        geo_policy=geo_policy_of(call.db, call.caller),
    )


def _refusal(
    excluded: Mapping[str, _Reason], geo_policy: str, failed: Mapping[str, RefusalError]
) -> RefusalError:
    why = {
        "failed": "failed",
        "price": "costs more than max_price",
        "data": "collects data",
        "policy": f"is forbidden by the key's geo policy, {geo_policy}",
        "unknown": "does not exist",
    }
    named = "; ".join(
        f"{name} {why[reason]}{f': {failed[name]}' if name in failed else ''}"
        for name, reason in excluded.items()
    )
    status, kind, param = next(
        refused for reason, refused in _REFUSALS.items() if reason in excluded.values()
    )
    return RefusalError(
        status,
        f"No model answers: {named}. GET /models lists those that the key may use, with prices.",
        type=kind,
        param=param,
    )


# In the order in which one of several reasons names the error.
_REFUSALS: Final[Mapping[_Reason, tuple[int, str | None, str | None]]] = {
    "failed": (502, None, None),
    "price": (400, "max_price_unsatisfiable", "max_price"),
    "data": (400, None, "provider.data_collection"),
    "policy": (403, "geo_policy_violation", "model"),
    "unknown": (404, None, "model"),
}
