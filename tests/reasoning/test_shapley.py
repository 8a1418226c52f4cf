"""Shapley values: closed forms, axioms, the exact oracle, truncation, planted examples."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.reasoning import exact_shapley_values, shapley_values, sufficient_subset


def random_game(seed: int, players: int) -> Any:
    """A value for each coalition, drawn at random and kept."""
    known = np.random.default_rng(seed).normal(size=1 << players)
    powers = 1 << np.arange(players)
    return lambda kept: float(known[int(powers[kept].sum())])


def glove(kept: NDArray[np.bool_]) -> float:
    """One left glove and two right ones: a pair is worth 1."""
    return float(kept[0] and (kept[1] or kept[2]))


def test_the_glove_game() -> None:
    exact = exact_shapley_values(glove, 3)
    assert exact.values == pytest.approx([2 / 3, 1 / 6, 1 / 6])
    found = shapley_values(glove, 3, permutations=600)
    assert np.abs(found.values - exact.values).max() < 4 * found.errors.max()


@pytest.mark.parametrize("seed", range(20))
def test_estimates_agree_with_all_coalitions(seed: int) -> None:
    game = random_game(seed, 7)
    exact, found = exact_shapley_values(game, 7), shapley_values(game, 7, permutations=800)
    assert exact.values.sum() == pytest.approx(exact.whole - exact.empty)
    assert found.values.sum() == pytest.approx(exact.whole - exact.empty)  # in every order
    assert (np.abs(found.values - exact.values) < 5 * found.errors).all()
    assert found.calls <= 1 << 7


def test_twelve_players() -> None:
    weights = np.random.default_rng(0).random(12)

    def vote(kept: NDArray[np.bool_]) -> float:
        return float(weights[kept].sum() > weights.sum() / 2)

    exact, found = exact_shapley_values(vote, 12), shapley_values(vote, 12, permutations=1000)
    assert (np.abs(found.values - exact.values) < 5 * found.errors + 1e-9).all()
    assert found.values[weights.argmax()] > found.values[weights.argmin()]


def test_dummies_get_nothing_and_equals_get_the_same() -> None:
    def game(kept: NDArray[np.bool_]) -> float:
        return float(kept[:2].sum() + 2 * kept[:2].all())

    found = shapley_values(game, 4, permutations=400)
    assert found.values[2:].tolist() == [0, 0]
    assert found.values[:2] == pytest.approx([2, 2])  # reversed orders make it exact


def test_truncation_saves_calls_and_keeps_the_sum() -> None:
    def saturating(kept: NDArray[np.bool_]) -> float:
        return float(1 - 0.5 ** float(kept.sum()))

    whole = shapley_values(saturating, 12, permutations=40)
    cut = shapley_values(saturating, 12, permutations=40, tolerance=0.05)
    assert cut.calls < whole.calls / 2
    assert cut.values.sum() == pytest.approx(whole.whole - whole.empty)
    assert np.abs(cut.values - whole.values).max() < 0.05


def test_the_same_seed_gives_the_same_values() -> None:
    game = random_game(0, 6)
    first, second = (shapley_values(game, 6, permutations=20, seed=3) for _ in range(2))
    assert first.values.tolist() == second.values.tolist()


def test_examples_that_teach_a_rule_stand_out() -> None:
    # Ridge regression: two of twenty groups of ten alone show how the last feature counts.
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 5))
    features[20:, 4] = 0
    target = features @ np.array([1, -1, 0.5, 2, 3.0]) + rng.normal(0, 0.1, 200)
    asked = rng.normal(size=(100, 5))
    truth = asked @ np.array([1, -1, 0.5, 2, 3.0])

    def value(kept: NDArray[np.bool_]) -> float:
        rows = np.repeat(kept, 10)
        x, y = features[rows], target[rows]
        weight = np.linalg.solve(x.T @ x + np.eye(5), x.T @ y)
        return -float(np.mean((asked @ weight - truth) ** 2))

    found = shapley_values(value, 20, permutations=60)
    assert set(np.argsort(found.values)[-2:].tolist()) == {0, 1}


def test_a_sufficient_subset_leaves_out_what_is_allowed() -> None:
    values = np.array([0.4, -0.1, 0.02, 0.03, 0.2])
    assert sufficient_subset(values, 0).tolist() == [True, False, True, True, True]
    assert sufficient_subset(values, 0.05).tolist() == [True, False, False, False, True]
    assert not sufficient_subset(values, 1).any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: shapley_values(glove, 0), "players"),
        (lambda: shapley_values(glove, 3, permutations=1), "permutations"),
        (lambda: shapley_values(glove, 3, tolerance=-1), "tolerance"),
        (lambda: shapley_values(lambda _kept: np.nan, 2), "value of 0 players is nan"),
        (lambda: exact_shapley_values(glove, 17), "players"),
        (lambda: sufficient_subset([1.0], -1), "allowance"),
    ],
)
def test_bad_input_is_one_line(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
