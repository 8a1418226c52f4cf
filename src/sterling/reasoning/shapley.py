"""Shapley values: how much each player, such as a training example or a step, adds to a value.

::

    found = shapley_values(lambda kept: accuracy_of(train(examples[kept])), len(examples))
    found.values  # adds up to value(all) - value(none)
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sterling.checks import check_numbers
from sterling.errors import InputError

Value = Callable[[NDArray[np.bool_]], float]
"""Value of a coalition, given as bool (players,)."""

MOST_EXACT = 16
"""Players of which all coalitions are valued; 65,536 of them."""


@dataclass(frozen=True, eq=False)
class Shapley:
    """Shapley values of the players of a game.

    Attributes:
        values: (players,).
        errors: Standard error of each; 0 where they are exact.
        empty: Value without any player.
        whole: Value of all players.
        calls: Number of coalitions whose value was computed.
    """

    values: NDArray[np.float64]
    errors: NDArray[np.float64]
    empty: float
    whole: float
    calls: int


def shapley_values(
    value: Value,
    players: int,
    *,
    permutations: int = 200,
    tolerance: float = 0.0,
    seed: int = 0,
) -> Shapley:
    """Estimate Shapley values by truncated Monte Carlo over permutations.

    Players join in a random order, and each gets what the value grows by. Once the value is within
    `tolerance` of that of all players the rest of the order gets nothing, which saves calls and
    biases each value by at most that. Every second order is the first one reversed, which lowers
    the variance. The values add up to ``value(all) - value(none)``.

    Args:
        value: Value of a coalition. It is called once for each distinct coalition.
        players: Number of players, 1 or more.
        permutations: Number of orders, 2 or more.
        tolerance: Distance to the value of all players from which an order is cut short.
        seed: Seed of the orders.

    Raises:
        InputError: A setting is out of range, or a value is not finite.

    Source: Castro, Gómez and Tejada, Computers & Operations Research 36 (2009); truncation:
    Ghorbani and Zou, ICML 2019; reversed orders: Mitchell et al., JMLR 23 (2022).

    Examples:
        >>> shapley_values(lambda kept: float(kept.sum()), 3, permutations=4).values
        array([1., 1., 1.])
    """
    check_numbers(at_least=1, players=players)
    check_numbers(at_least=2, permutations=permutations)
    check_numbers(at_least=0, tolerance=tolerance)
    game = _Game(value)
    none, everybody = np.zeros(players, dtype=bool), np.ones(players, dtype=bool)
    empty, whole = game(none), game(everybody)
    rng = np.random.default_rng(seed)
    gains = np.zeros((-(-permutations // 2), 2, players))
    for pair in gains:
        order = rng.permutation(players)
        for row, one in zip(pair, (order, order[::-1]), strict=True):
            joined, before = none.copy(), empty
            for place, player in enumerate(one):
                if place and abs(whole - before) <= tolerance:
                    break
                joined[player] = True
                after = whole if place == players - 1 else game(joined)
                row[player], before = after - before, after
            row[one[-1]] += whole - before  # what the truncation left over
    means = gains.mean(axis=1)
    spread = means.std(axis=0, ddof=1) / np.sqrt(len(means)) if len(means) > 1 else np.inf
    return Shapley(
        means.mean(axis=0), np.broadcast_to(spread, players).copy(), empty, whole, game.calls
    )


def exact_shapley_values(value: Value, players: int) -> Shapley:
    """Compute Shapley values from the values of all coalitions.

    Args:
        value: Value of a coalition.
        players: Number of players, 1 to 16.

    Raises:
        InputError: Too many players, or a value is not finite.

    Source: Shapley, Contributions to the Theory of Games II (1953).

    Examples:
        >>> exact_shapley_values(lambda kept: float(kept[0]), 2).values
        array([1., 0.])
    """
    check_numbers(at_least=1, at_most=MOST_EXACT, players=players)
    game = _Game(value)
    values = np.zeros(players)
    for size in range(players):
        weight = 1 / (players * comb(players - 1, size))
        for members in combinations(range(players), size):
            kept = np.zeros(players, dtype=bool)
            kept[list(members)] = True
            before = game(kept)
            for player in np.flatnonzero(~kept):
                kept[player] = True
                values[player] += weight * (game(kept) - before)
                kept[player] = False
    none, everybody = np.zeros(players, dtype=bool), np.ones(players, dtype=bool)
    return Shapley(values, np.zeros(players), game(none), game(everybody), game.calls)


def sufficient_subset(values: Any, allowance: float) -> NDArray[np.bool_]:
    """Keep the players of largest value; those left out sum to at most an allowance.

    Players of negative value are left out first and count as 0, since the bound needs no help.

    Args:
        values: Shapley values, (players,).
        allowance: Largest sum of positive values left out, 0 or more.

    Returns:
        Mask of the players that are kept, bool (players,).

    Examples:
        >>> sufficient_subset([0.5, 0.01, -0.2, 0.02], allowance=0.02)
        array([ True, False, False,  True])
    """
    check_numbers(at_least=0, allowance=allowance)
    array = np.asarray(values, dtype=np.float64)
    order = np.argsort(array, kind="stable")
    left_out = np.cumsum(array[order].clip(0)) <= allowance + 1e-12
    kept = np.ones(len(array), dtype=bool)
    kept[order[left_out]] = False
    return kept


class _Game:
    """Values of coalitions, each computed once."""

    def __init__(self, value: Value) -> None:
        self._value = value
        self._known: dict[bytes, float] = {}

    def __call__(self, kept: NDArray[np.bool_]) -> float:
        key = np.packbits(kept).tobytes()
        if key not in self._known:
            found = float(self._value(kept.copy()))
            if not np.isfinite(found):
                raise InputError(
                    f"the value of {int(kept.sum())} players is {found}; give a finite number"
                )
            self._known[key] = found
        return self._known[key]

    @property
    def calls(self) -> int:
        """Number of distinct coalitions."""
        return len(self._known)
