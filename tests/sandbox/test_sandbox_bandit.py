"""The router's core, without a gateway: what it draws, and what it learns."""

import random
from collections import Counter
from collections.abc import Mapping

import pytest

from nexevo_async.sandbox.bandit import ELO_START, Game, Thumbs, elo_ratings, sampled

LIKED = "a"
MODELS = (*"bcd", LIKED)  # the liked one is the last that is tried


def never_asked() -> Mapping[str, float]:
    raise AssertionError("nobody is without a thumb")


@pytest.mark.parametrize("seed", range(100))
def test_liked_model_has_most_of_the_calls_after_500(seed: int):
    chance, taste = random.Random(seed), random.Random(f"taste {seed}")  # noqa: S311 - no secret
    thumbs: dict[str, Thumbs] = {}
    games: list[Game] = []
    chosen: list[str] = []
    for _ in range(500):
        model = sampled(MODELS, thumbs, lambda: elo_ratings(games), chance)
        liked = taste.random() < (0.8 if model == LIKED else 0.4)
        up, down = thumbs.get(model, Thumbs())
        thumbs[model] = Thumbs(up + liked, down + (not liked))
        games.append(Game(model, liked, [rival for rival in MODELS if rival != model]))
        chosen.append(model)
    assert chosen[-100:].count(LIKED) > 70
    elo = elo_ratings(games)
    assert max(MODELS, key=elo.__getitem__) == LIKED


@pytest.mark.parametrize(
    ("one", "other", "share"),
    [
        (Thumbs(1, 0), Thumbs(0, 1), 5 / 6),
        (Thumbs(1, 0), Thumbs(1, 1), 7 / 10),
        (Thumbs(3, 1), Thumbs(3, 1), 1 / 2),
        (Thumbs(2, 1), Thumbs(1, 2), 53 / 70),
    ],
)
def test_share_is_the_chance_to_be_the_better_one(one: Thumbs, other: Thumbs, share: float):
    chance = random.Random(7)  # noqa: S311 - no secret
    drawn = Counter(
        sampled("xy", {"x": one, "y": other}, never_asked, chance) for _ in range(10_000)
    )
    assert drawn["x"] / 10_000 == pytest.approx(share, abs=0.02)


def test_mean_is_that_of_the_beta_distribution():
    assert [Thumbs(*thumbs).mean for thumbs in ((0, 0), (1, 0), (0, 1), (7, 1))] == [
        1 / 2,
        2 / 3,
        1 / 3,
        8 / 10,
    ]


def test_models_without_a_thumb_go_by_their_rating_and_then_by_their_place():
    chance = random.Random(0)  # noqa: S311 - no secret
    assert {sampled("xyz", {}, lambda: elo_ratings([]), chance) for _ in range(50)} == {"x"}
    rated = {"x": 990.0, "y": 1010.0, "z": 1010.0}
    assert {sampled("xyz", {}, lambda: rated, chance) for _ in range(50)} == {"y"}
    drawn = Counter(
        sampled("xyz", {"y": Thumbs(1, 0)}, lambda: rated, chance) for _ in range(10_000)
    )
    assert set(drawn) == {"y", "z"}
    # The chance that Beta(2, 1) is above two draws from Beta(1, 1).
    assert drawn["y"] / 10_000 == pytest.approx(1 / 2, abs=0.02)


def test_rating_is_elos():
    assert elo_ratings([Game("a", won=True, rivals="b")]) == {"a": 1016, "b": 984}
    assert elo_ratings([Game("a", won=False, rivals="bc")]) == {"a": 984, "b": 1008, "c": 1008}
    twice = elo_ratings([Game("a", won=True, rivals="b")] * 2)
    # 1016 against 984 is expected to win 0.5459 of a game.
    assert twice["a"] == pytest.approx(1016 + 32 * (1 - 0.545922), abs=0.001)
    upset = elo_ratings([Game("a", won=True, rivals="b"), Game("a", won=False, rivals="b")])
    assert upset["a"] == pytest.approx(1016 - 32 * 0.545922, abs=0.001)
    assert elo_ratings([])["nobody"] == ELO_START


def test_what_one_wins_the_others_lose_and_a_thumb_moves_it_by_32_at_most():
    taste = random.Random(1)  # noqa: S311 - no secret
    games: list[Game] = []
    before = ELO_START
    for _ in range(200):
        games.append(Game("a", won=taste.random() < 0.9, rivals="bcd"))
        ratings = elo_ratings(games)
        assert sum(ratings.values()) == pytest.approx(4 * ELO_START)
        assert 0 < abs(ratings["a"] - before) < 32
        before = ratings["a"]
