"""Sets of concept vectors that hold the true one with probability 1 - epsilon.

A score adds up, or takes the largest, of one cost per concept; the set at a threshold is every
vector of {0, 1}^m whose score does not exceed it. The calibrated threshold is the conformal
quantile of the scores of true vectors (Qian et al., AAAI 2024; the paper's exact score could not be
established, so this family is ours). Explanations of a fixed size name the K most important
concepts instead: :func:`top_k_score`.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.errors import InputError
from sterling.guarantee import Assumption, Guarantee, conformal_quantile

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

ENUMERABLE = 14  # concepts; 16,384 vectors


@dataclass(frozen=True)
class ConceptScore:
    """Misfit of a concept vector to the concept scores h of an item; larger fits worse.

    Attributes:
        weights: Weights of the concepts (m,), at least 0, one of them above 0.
        cost: Cost of one concept: ``"absolute"`` |h_k - v_k|, or ``"nll"`` -log(1 - |h_k - v_k|).
        combine: ``"max"``: the set is a box; ``"sum"``: the set is a budget.
    """

    weights: tuple[float, ...]
    cost: Literal["absolute", "nll"] = "absolute"
    combine: Literal["max", "sum"] = "max"

    def __post_init__(self) -> None:
        fits = all(0 <= weight < np.inf for weight in self.weights) and any(self.weights)
        if not fits:
            raise InputError(
                f"weights {self.weights}: give one number per concept, finite, not below 0"
            )
        if self.cost not in ("absolute", "nll") or self.combine not in ("max", "sum"):
            raise InputError(f"{self.cost}, {self.combine}: use absolute or nll, and max or sum")

    def costs(self, h: Floats) -> Floats:
        """Return the cost of each value 0 and 1 of each concept, (N, m, 2), from scores (N, m)."""
        distance = np.stack([h, 1 - h], axis=-1)
        if self.cost == "nll":
            distance = -np.log1p(-np.minimum(distance, 1 - 1e-12))
        return np.asarray(distance * np.asarray(self.weights)[:, None])

    def __call__(self, h: Floats, concepts: Bools) -> Floats:
        """Return the score of one concept vector (N, m) of each item, (N,)."""
        costs = np.where(concepts, self.costs(h)[..., 1], self.costs(h)[..., 0])
        return np.asarray(costs.max(axis=1) if self.combine == "max" else costs.sum(axis=1))

    def of_vectors(self, h: Floats, vectors: Bools) -> Floats:
        """Return the score of every vector (V, m) for every item, (N, V)."""
        costs = self.costs(h)
        if self.combine == "sum":
            return costs[..., 1] @ vectors.T + costs[..., 0] @ ~vectors.T
        worst = np.zeros((len(h), len(vectors)))
        for k in range(h.shape[1]):
            np.maximum(worst, costs[:, k, vectors[:, k].astype(np.intp)], out=worst)
        return worst

    def values(self, h: Floats, limit: float) -> Bools:
        """Return which values each concept takes in the set at a threshold, bool (N, m, 2).

        For ``"max"`` the set is exactly their product; for ``"sum"`` it lies within the product.
        """
        costs = self.costs(h)
        if self.combine == "sum":
            least = costs.min(axis=2)
            costs = costs + (least.sum(axis=1, keepdims=True) - least)[..., None]
        kept = costs <= limit + 1e-12 * max(1.0, abs(limit) if np.isfinite(limit) else 1.0)
        # A concept without a value leaves no vector at all.
        possible = np.all(np.any(kept, axis=2), axis=1)
        return np.asarray(kept & possible[:, None, None])


@dataclass(frozen=True)
class ConceptSetRule:
    """A calibrated score.

    Attributes:
        score: The score.
        limit: Its threshold; infinite when there were too few calibration items.
        guarantee: Promise of the sets.
    """

    score: ConceptScore
    limit: float
    guarantee: Guarantee

    def values(self, h: ArrayLike) -> Bools:
        """Return which values each concept takes in the set, bool (N, m, 2)."""
        scores, _ = check_concepts(h, None)
        return self.score.values(scores, self.limit)

    def covers(self, h: ArrayLike, concepts: ArrayLike) -> Bools:
        """Return whether the set of each item holds a concept vector (N, m), bool (N,)."""
        scores, truth = check_concepts(h, concepts)
        return self.score(scores, truth) <= self.limit


def check_concepts(h: ArrayLike, concepts: ArrayLike | None) -> tuple[Floats, Bools]:
    """Return checked concept scores (N, m) and concept vectors (N, m) of 0 and 1.

    Raises:
        InputError: On a score that is NaN or outside [0, 1], or on other shapes or values.
    """
    scores = np.asarray(h, dtype=np.float64)
    if scores.ndim != 2 or not scores.shape[1]:
        raise InputError(f"concept scores have shape {scores.shape}; give (items, concepts)")
    if scores.size and not (scores.min() >= 0 and scores.max() <= 1):
        raise InputError("concept scores must lie in [0, 1]; apply the sigmoid, leave out NaN")
    if concepts is None:
        return scores, np.zeros(scores.shape, dtype=np.bool_)
    truth = np.asarray(concepts)
    if truth.shape != scores.shape or not np.isin(truth, (0, 1)).all():
        raise InputError(
            f"concepts have shape {truth.shape}; give 0 or 1 for each of {scores.shape} scores"
        )
    return scores, truth.astype(np.bool_)


def calibrate_concept_sets(
    score: ConceptScore, h: ArrayLike, concepts: ArrayLike, epsilon: float
) -> ConceptSetRule:
    """Calibrate on items that neither trained nor chose anything.

    Args:
        score: The score.
        h: Concept scores of the calibration items (n, m), in [0, 1].
        concepts: True concepts of these items (n, m).
        epsilon: Error level in (0, 1), for all concepts jointly.
    """
    scores, truth = check_concepts(h, concepts)
    if scores.shape[1] != len(score.weights):
        raise InputError(f"{scores.shape[1]} concepts, but the score weighs {len(score.weights)}")
    guarantee = Guarantee(
        statement=f"The set holds the true concept vector, all concepts at once, with probability "
        f"at least {1 - epsilon:g}, averaged over calibration sets and items.",
        assumptions=(
            Assumption("calibration and test items are exchangeable"),
            Assumption("the network and the score were fitted without the calibration items"),
        ),
        n=len(scores),
        level=1 - epsilon,
    )
    return ConceptSetRule(score, conformal_quantile(score(scores, truth), epsilon), guarantee)


def bonferroni_score(h: ArrayLike, concepts: ArrayLike, epsilon: float) -> ConceptScore:
    """Return the baseline: one threshold per concept at level ``epsilon / m``; its sets are at 1.

    Args:
        h: Concept scores of the calibration items (n, m).
        concepts: True concepts of these items (n, m).
        epsilon: Error level in (0, 1), for all concepts jointly.
    """
    scores, truth = check_concepts(h, concepts)
    distance = np.abs(scores - truth)
    m = scores.shape[1]
    limits = [conformal_quantile(distance[:, k], epsilon / m) for k in range(m)]
    # A threshold of 1 keeps both values, as an infinite one does.
    return ConceptScore(tuple(1 / min(max(limit, 1e-12), 1.0) for limit in limits))


def all_vectors(m: int) -> Bools:
    """Return every vector of {0, 1}^m, bool (2**m, m).

    Raises:
        InputError: m is above 14; use the box, the linear program or interval bounds.
    """
    if m > ENUMERABLE:
        raise InputError(f"{m} concepts are too many to enumerate; use box_labels or lp_labels")
    return (np.arange(2**m)[:, None] >> np.arange(m) & 1).astype(np.bool_)


def important_concepts(concepts: Bools, importance: Floats, k: int) -> Bools:
    """Return the k present concepts of largest importance of each item, bool (N, m).

    Args:
        concepts: True concepts (N, m), at least k present in every item.
        importance: Importance of each concept (m,), as from :func:`concept_importance`.
        k: Number of concepts, at least 1.
    """
    if k < 1 or (concepts.sum(axis=1) < k).any():
        raise InputError(f"k = {k}: every item needs at least k present concepts, and k >= 1")
    ranked = np.where(concepts, importance, -np.inf)
    order = np.argsort(-ranked, axis=1, kind="stable")[:, :k]
    chosen = np.zeros(concepts.shape, dtype=np.bool_)
    np.put_along_axis(chosen, order, True, axis=1)
    return chosen


def top_k_score(h: Floats, chosen: Bools) -> Floats:
    """Return ``1 - mean of h over the chosen concepts``, (N,); larger fits worse."""
    return np.asarray(1 - (h * chosen).sum(axis=1) / chosen.sum(axis=1))


def subset_scores(h: Floats, k: int) -> Floats:
    """Return :func:`top_k_score` of every subset of k concepts, in combinations' order."""
    subsets = np.array(list(combinations(range(h.shape[1]), k)), dtype=np.intp)
    return np.asarray(1 - h[:, subsets].mean(axis=2))
