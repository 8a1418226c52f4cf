"""Sets of concept vectors that hold the true one with probability 1 - epsilon.

A score adds up, or takes the largest, of one cost per concept; the set at a threshold is every
vector of {0, 1}^m whose score does not exceed it. The calibrated threshold is the conformal
quantile of the scores of true vectors (Qian et al., AAAI 2024; the paper's exact score could not be
established, so this family is ours).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.errors import InputError
from sterling.guarantee import Assumption, Guarantee, conformal_quantile

ENUMERABLE = 14  # concepts; 16,384 vectors


@dataclass(frozen=True)
class ConceptScore:
    """How badly a concept vector fits the concept scores h of an item; larger fits worse.

    Attributes:
        weights: Of the concepts (m,), at least 0, one of them above 0.
        cost: Of one concept: ``"absolute"`` |h_k - v_k|, or ``"nll"`` -log(1 - |h_k - v_k|).
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

    def costs(self, h: NDArray[np.float64]) -> NDArray[np.float64]:
        """Cost of each value 0 and 1 of each concept, (N, m, 2), from concept scores (N, m)."""
        distance = np.stack([h, 1 - h], axis=-1)
        if self.cost == "nll":
            distance = -np.log1p(-np.minimum(distance, 1 - 1e-12))
        return np.asarray(distance * np.asarray(self.weights)[:, None])

    def __call__(self, h: NDArray[np.float64], concepts: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Score of one concept vector (N, m) of each item, (N,)."""
        costs = np.where(concepts, self.costs(h)[..., 1], self.costs(h)[..., 0])
        return np.asarray(costs.max(axis=1) if self.combine == "max" else costs.sum(axis=1))

    def of_vectors(self, h: NDArray[np.float64], vectors: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Score of every vector (V, m) for every item, (N, V)."""
        costs = self.costs(h)
        if self.combine == "sum":
            return costs[..., 1] @ vectors.T + costs[..., 0] @ ~vectors.T
        worst = np.zeros((len(h), len(vectors)))
        for k in range(h.shape[1]):
            np.maximum(worst, costs[:, k, vectors[:, k].astype(np.intp)], out=worst)
        return worst

    def values(self, h: NDArray[np.float64], limit: float) -> NDArray[np.bool_]:
        """Which values each concept takes in the set at a threshold, bool (N, m, 2).

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
        guarantee: What the sets promise.
    """

    score: ConceptScore
    limit: float
    guarantee: Guarantee

    def values(self, h: ArrayLike) -> NDArray[np.bool_]:
        """Which values each concept takes in the set, bool (N, m, 2), from scores h (N, m)."""
        scores, _ = check_concepts(h, None)
        return self.score.values(scores, self.limit)

    def covers(self, h: ArrayLike, concepts: ArrayLike) -> NDArray[np.bool_]:
        """Whether the set of each item holds a concept vector (N, m), bool (N,)."""
        scores, truth = check_concepts(h, concepts)
        return self.score(scores, truth) <= self.limit


def check_concepts(
    h: ArrayLike, concepts: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Concept scores (N, m) in [0, 1] and concept vectors (N, m) of 0 and 1.

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
        score: Which score.
        h: Concept scores of the calibration items (n, m), in [0, 1].
        concepts: Their true concepts (n, m).
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
    """The baseline: one threshold per concept at level ``epsilon / m``; its sets are those at 1.

    Args:
        h: Concept scores of the calibration items (n, m).
        concepts: Their true concepts (n, m).
        epsilon: Error level in (0, 1), for all concepts jointly.
    """
    scores, truth = check_concepts(h, concepts)
    distance = np.abs(scores - truth)
    m = scores.shape[1]
    limits = [conformal_quantile(distance[:, k], epsilon / m) for k in range(m)]
    # A threshold of 1 keeps both values, as an infinite one does.
    return ConceptScore(tuple(1 / min(max(limit, 1e-12), 1.0) for limit in limits))


def all_vectors(m: int) -> NDArray[np.bool_]:
    """Every vector of {0, 1}^m, bool (2**m, m).

    Raises:
        InputError: m is above 14; use the box, the linear program or interval bounds.
    """
    if m > ENUMERABLE:
        raise InputError(f"{m} concepts are too many to enumerate; use box_labels or lp_labels")
    return (np.arange(2**m)[:, None] >> np.arange(m) & 1).astype(np.bool_)
