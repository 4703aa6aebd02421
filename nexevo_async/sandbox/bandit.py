"""How thumbs become a choice: Thompson sampling, and an Elo rating for who has no thumb yet."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

ELO_START: Final = 1000.0
# The most that one thumb moves the rating of the model that it judges.
_ELO_STEP: Final = 32.0
_ELO_SCALE: Final = 400.0


class Thumbs(NamedTuple):
    """How often a model was liked, and how often it was not."""

    up: int = 0
    down: int = 0

    @property
    def mean(self) -> float:
        """The mean of Beta(1 + up, 1 + down): how likely the next thumb is one up."""
        return (1 + self.up) / (2 + self.up + self.down)


NO_THUMBS: Final = Thumbs()


class Game(NamedTuple):
    """A thumb for a model that was chosen among others: up, it beat each of them; down, it lost."""

    model: str
    won: bool
    rivals: Sequence[str]


def sampled(
    candidates: Sequence[str],
    thumbs: Mapping[str, Thumbs],
    elo: Callable[[], Mapping[str, float]],
    chance: random.Random,
) -> str:
    """Draw once from each candidate's Beta(1 + up, 1 + down), and give the one that drew highest.

    Models without a thumb draw alike. When one of them is highest, their turn falls to the one
    with the best Elo rating, and among equals to the first.
    """

    def draw(model: str) -> float:
        up, down = thumbs.get(model, NO_THUMBS)
        return chance.betavariate(1 + up, 1 + down)

    drawn = max(candidates, key=draw)
    if drawn in thumbs:
        return drawn
    return _best_rated([model for model in candidates if model not in thumbs], elo)


def most_liked(
    candidates: Sequence[str],
    thumbs: Mapping[str, Thumbs],
    elo: Callable[[], Mapping[str, float]],
) -> str:
    """Give the candidate with the highest mean; among equals, the best rated, then the first."""
    means = {model: thumbs.get(model, NO_THUMBS).mean for model in candidates}
    highest = max(means.values())
    return _best_rated([model for model, mean in means.items() if mean == highest], elo)


def _best_rated(models: Sequence[str], elo: Callable[[], Mapping[str, float]]) -> str:
    return models[0] if len(models) == 1 else max(models, key=elo().__getitem__)


def elo_ratings(games: Iterable[Game]) -> Mapping[str, float]:
    """Give the ratings after the games, in their order; a model without one has `ELO_START`.

    A game is one against each rival at the same time. What a model wins its rivals lose.
    """
    ratings: defaultdict[str, float] = defaultdict(lambda: ELO_START)
    for model, won, rivals in games:
        own = ratings[model]
        for rival in rivals:
            expected = 1 / (1 + 10 ** ((ratings[rival] - own) / _ELO_SCALE))
            moved = _ELO_STEP / len(rivals) * (won - expected)
            ratings[model] += moved
            ratings[rival] -= moved
    return ratings
