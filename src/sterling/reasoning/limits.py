"""Limits of a set of solutions, and what every setting of a grid of limits does at once.

A solution is skipped if its quality is below a limit, or if it is more similar than a limit to one
that was kept; drawing stops when the confidence of the set reaches a third limit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from sterling.reasoning.samples import Signals

Floats = NDArray[np.float64]
Confidence = Literal["agreement", "max", "sum"]
Loss = Literal["valid", "answer"]


class Setting(NamedTuple):
    """Limits of a set.

    Attributes:
        quality: A solution below it is skipped.
        diversity: A solution more similar than it to a kept one is skipped.
        stop: Drawing stops at this confidence.
    """

    quality: float
    diversity: float
    stop: float


@dataclass(frozen=True, eq=False)
class Grid:
    """Limits to choose from, each ascending.

    Attributes:
        quality: Limits of quality, (Q,).
        diversity: Limits of similarity, (D,).
        stop: Confidences at which drawing stops, (S,).
    """

    quality: Floats
    diversity: Floats
    stop: Floats

    def settings(self) -> list[Setting]:
        """All combinations, stop fastest."""
        return [
            Setting(*map(float, one)) for one in product(self.quality, self.diversity, self.stop)
        ]


@dataclass(frozen=True, eq=False)
class GridOutcome:
    """Means over questions at every setting of a grid, each (Q, D, S).

    Attributes:
        risk: Share of sets without a right solution.
        size: Number of solutions in a set.
        drawn: Number of solutions drawn for it.
    """

    risk: Floats
    size: Floats
    drawn: Floats


def grid_of(signals: Signals, points: int = 25, confidence: Confidence = "agreement") -> Grid:
    """Choose limits at quantiles of the signals, with the limits that switch each off.

    Args:
        signals: Signals of questions that do not calibrate.
        points: Number of quantiles of each.
        confidence: As `ReasoningSets`.

    Examples:
        >>> len(grid_of(signals).settings())
    """
    shares = np.linspace(0, 1, points)
    quality = np.quantile(signals.quality, shares) if signals.named else np.zeros(0)
    off_diagonal = ~np.eye(signals.solutions, dtype=bool)
    similar = signals.similarity[:, off_diagonal]
    diversity = np.quantile(similar, shares) if similar.size else np.zeros(0)
    everything = np.zeros((len(signals), signals.solutions), dtype=bool) | True
    reached = _running(signals, everything, confidence)
    stop = np.unique(np.quantile(reached, shares))
    return Grid(
        np.unique(np.append(quality, -np.inf)),
        np.unique(np.append(diversity, 1.0)),
        np.append(stop, np.inf),
    )


def evaluate_grid(
    signals: Signals,
    grid: Grid,
    *,
    confidence: Confidence = "agreement",
    loss: Loss = "valid",
) -> GridOutcome:
    """Measure every setting at once.

    The running confidence never falls, so for one pair of the first two limits a set is right
    unless drawing stops before the first right solution: one number a question tells that of every
    stop.

    Args:
        signals: Signals of n questions with K solutions.
        grid: Limits.
        confidence: As `ReasoningSets`.
        loss: "valid": a set is right if it holds a right answer with a valid trace; "answer": if it
            holds a right answer.

    Examples:
        >>> evaluate_grid(signals, grid_of(signals)).risk.min()
    """
    n, right = len(signals), _right(signals, loss)
    shape = (len(grid.quality), len(grid.diversity), len(grid.stop))
    outcome = GridOutcome(np.zeros(shape), np.zeros(shape), np.zeros(shape))
    for i, limit in enumerate(grid.quality):
        good = signals.quality >= limit
        for j, similar in enumerate(grid.diversity):
            kept = _kept(signals, good, float(similar))
            reached = _running(signals, kept, confidence)
            before = np.concatenate([np.full((n, 1), -np.inf), reached[:, :-1]], axis=1)
            wrong_from = _before_first(kept & right, before)
            # A solution is drawn while the confidence before it is below the stop.
            outcome.risk[i, j] = (n - _below(wrong_from, grid.stop)) / n
            outcome.drawn[i, j] = _below(before.ravel(), grid.stop) / n
            outcome.size[i, j] = _below(before[kept], grid.stop) / n
    return outcome


def losses(
    signals: Signals,
    settings: Sequence[Setting],
    *,
    confidence: Confidence = "agreement",
    loss: Loss = "valid",
) -> NDArray[np.bool_]:
    """Whether each question's set lacks a right solution, at each setting, (n, L)."""
    right = _right(signals, loss)
    found = np.empty((len(signals), len(settings)), dtype=bool)
    for column, setting in enumerate(settings):
        held = chosen(signals, setting, confidence)
        found[:, column] = ~(held & right).any(1)
    return found


def chosen(
    signals: Signals, setting: Setting, confidence: Confidence = "agreement"
) -> NDArray[np.bool_]:
    """Solutions of each question's set, (n, K)."""
    kept = _kept(signals, signals.quality >= setting.quality, setting.diversity)
    reached = _running(signals, kept, confidence)
    before = np.concatenate([np.full((len(signals), 1), -np.inf), reached[:, :-1]], axis=1)
    return np.asarray(kept & (before < setting.stop))


def solutions_drawn(
    signals: Signals, setting: Setting, confidence: Confidence = "agreement"
) -> NDArray[np.int64]:
    """Number of solutions drawn for each question, (n,)."""
    kept = _kept(signals, signals.quality >= setting.quality, setting.diversity)
    reached = _running(signals, kept, confidence)[:, :-1]
    return np.asarray(1 + (reached < setting.stop).sum(1), dtype=np.int64)


def _right(signals: Signals, loss: Loss) -> NDArray[np.bool_]:
    return signals.correct & signals.valid if loss == "valid" else signals.correct


def _kept(signals: Signals, good: NDArray[np.bool_], diversity: float) -> NDArray[np.bool_]:
    """Solutions that are kept if drawing never stops, (n, K)."""
    kept = good.copy()
    if diversity >= 1:
        return kept
    for k in range(1, signals.solutions):
        close = signals.similarity[:, k, :k] > diversity
        kept[:, k] &= ~(close & kept[:, :k]).any(1)
    return kept


def _running(signals: Signals, kept: NDArray[np.bool_], confidence: Confidence) -> Floats:
    """Confidence of the set after each solution, (n, K); it never falls."""
    if confidence == "agreement":
        same = signals.answer[:, :, None] == signals.answer[:, None, :]
        agreeing = np.cumsum(same & kept[:, None, :], axis=2)  # of each answer, after each solution
        counted = np.where(kept[:, :, None], agreeing, 0)
        return np.asarray(counted.max(axis=1), dtype=np.float64)
    if confidence == "max":
        return np.maximum.accumulate(np.where(kept, signals.quality, -np.inf), axis=1)
    # Each question alone: a set must not depend on the questions that it is predicted with.
    return np.asarray(np.cumsum(np.where(kept, expit(signals.quality), 0.0), axis=1))


def _before_first(right: NDArray[np.bool_], before: Floats) -> Floats:
    """Confidence before the first right solution, (n,); infinite where there is none."""
    first = right.argmax(1)
    return np.where(right.any(1), before[np.arange(len(before)), first], np.inf)


def _below(values: Floats, stops: Floats) -> Floats:
    """Number of values below each stop (S,); stops ascend."""
    slot = np.searchsorted(stops, values, side="right")
    counts = np.bincount(slot, minlength=len(stops) + 1)
    return np.cumsum(counts)[:-1].astype(np.float64)
