"""Nonconformity scores of labels, and the sets of labels below a threshold.

LAC, APS, RAPS and SAPS are functions of a label's probability, its rank, and the mass ranked
before it, and each grows with the rank. Two things follow, and make them fast: the score of one
label needs a count and a sum but no sorting, and the set at a threshold is the labels up to a rank.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.errors import InputError
from sterling.guarantee.checks import Bools, Floats

CHUNK = 1 << 15  # numbers handled at a time: 256 kB, so that intermediate results stay in cache
SUM_TOLERANCE = 1e-3  # single-precision softmax over many classes stays well within


@dataclass(frozen=True, eq=False)
class Standing:
    """Labels among the probabilities of their items; the arrays broadcast together.

    Attributes:
        probability: Probability of the label.
        before: Sum of the probabilities ranked before it; NaN for a score that is not ranked.
        rank: 1 for the most probable label; equal probabilities rank in the order of the classes.
            0 for a score that is not ranked.
        u: The item's random number in [0, 1); 1 for a deterministic score.
        items: All probabilities of the items (N, C), in any order.
    """

    probability: Floats
    before: Floats
    rank: NDArray[np.intp]
    u: Floats
    items: NDArray[np.floating]

    @property
    def top(self) -> Floats:
        """The largest probability of the item."""
        return np.asarray(self.items.max(axis=1), dtype=np.float64).reshape(self.u.shape)


class LabelScore(Protocol):
    """Misfit of a label; must not fall when the rank grows within one item.

    A score with an attribute ``ranked = False`` looks at the probability alone, and is faster.
    """

    def __call__(self, standing: Standing) -> Floats:
        """Return one score per label; larger fits worse."""


@dataclass(frozen=True)
class LAC:
    """``1 - p``: the smallest sets on average, which may be empty and under-cover hard items.

    Least ambiguous set-valued classifiers (Sadinle, Lei, Wasserman, JASA 2019).
    """

    ranked: ClassVar[bool] = False

    def __call__(self, standing: Standing) -> Floats:
        """Return one score per label, in [0, 1]; larger fits worse."""
        return 1 - standing.probability


@dataclass(frozen=True)
class APS:
    """Mass ranked before the label plus ``u`` times its own: larger sets on harder items.

    Adaptive prediction sets (Romano, Sesia, Candès, NeurIPS 2020, section 2).
    """

    def __call__(self, standing: Standing) -> Floats:
        """Return one score per label, in [0, 1]; larger fits worse."""
        return standing.before + standing.u * standing.probability


@dataclass(frozen=True)
class RAPS:
    """APS plus ``penalty * max(0, rank - free)``: cuts the long tail of large sets.

    Regularised adaptive prediction sets (Angelopoulos, Bates, Malik, Jordan, ICLR 2021).

    Attributes:
        penalty: lambda, at least 0; the default is ours, within the paper's 0.01 to 0.1.
        free: k_reg, number of ranks without a penalty, at least 0; the default is ours.
    """

    penalty: float = 0.01
    free: int = 5

    def __post_init__(self) -> None:
        if not (0 <= self.penalty < np.inf and self.free >= 0):
            raise InputError(f"{self}: penalty and free must be finite and at least 0")

    def __call__(self, standing: Standing) -> Floats:
        """Return one score per label, at least 0; larger fits worse."""
        return APS()(standing) + self.penalty * np.maximum(0, standing.rank - self.free)


@dataclass(frozen=True)
class SAPS:
    """``u p_max`` for the top label, else ``p_max + (rank - 2 + u) weight``.

    Sorted adaptive prediction sets (Huang, Xi, Zhang, Yao, Qiu, Wei, ICML 2024). Only the largest
    probability counts, so that noise in the tail does no harm.

    Attributes:
        weight: At least 0; the default is ours.
    """

    weight: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.weight < np.inf:
            raise InputError(f"{self}: weight must be finite and at least 0")

    def __call__(self, standing: Standing) -> Floats:
        """Return one score per label, at least 0; larger fits worse."""
        behind = standing.top + (standing.rank - 2 + standing.u) * self.weight
        return np.where(standing.rank == 1, standing.u * standing.top, behind)


def check_probabilities(probabilities: ArrayLike) -> NDArray[np.floating]:
    """Return probabilities (N, C), C >= 2, with rows that sum to 1; float32 stays float32.

    Raises:
        InputError: On another shape, a value that is NaN or outside [0, 1], or a row whose sum is
            not 1; the message names the first row.
    """
    array = np.asarray(probabilities)
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float64)
    if array.ndim != 2 or array.shape[1] < 2:
        raise InputError(f"probabilities have shape {array.shape}; give (items, classes)")
    for rows, chunk in _chunks(array):
        if not (chunk.min(initial=0) >= 0 and chunk.max(initial=0) <= 1 + SUM_TOLERANCE):
            bad = ~((chunk >= 0) & (chunk <= 1 + SUM_TOLERANCE)).all(axis=1)
            raise InputError(
                f"probabilities of item {rows.start + int(bad.argmax())} are not all in [0, 1]; "
                "give softmax outputs, not logits, and leave out items that hold NaN"
            )
        off = np.abs(chunk @ np.ones(chunk.shape[1], chunk.dtype) - 1) > SUM_TOLERANCE
        if off.any():
            row = int(off.argmax())
            raise InputError(
                f"probabilities of item {rows.start + row} sum to {chunk[row].sum():.4g}, not 1; "
                "normalise them first"
            )
    return array


def label_scores(
    score: LabelScore,
    probabilities: NDArray[np.floating],
    labels: NDArray[np.intp],
    u: Floats,
) -> Floats:
    """Return the score of one label of each item, (N,), in O(N C) without sorting.

    Args:
        score: The score.
        probabilities: (N, C), checked.
        labels: Class numbers (N,).
        u: Random numbers of the items (N,).
    """
    scores = np.empty(len(probabilities))
    ones = np.ones(probabilities.shape[1])
    for rows, chunk in _chunks(probabilities):
        label, of_label = labels[rows], chunk[np.arange(len(chunk)), labels[rows]]
        own = of_label.astype(np.float64)
        if not getattr(score, "ranked", True):
            scores[rows] = score(_unranked(own, u[rows], chunk))
            continue
        ahead = chunk > of_label[:, None]
        equal = chunk == of_label[:, None]
        if np.count_nonzero(equal) > len(chunk):
            # A label that ties with others ranks behind those of smaller class number.
            ahead |= equal & (np.arange(len(ones)) < label[:, None])
        counted = ahead.astype(np.float64)
        rank = (counted @ ones).astype(np.intp) + 1
        before = np.multiply(counted, chunk, out=counted) @ ones
        scores[rows] = score(Standing(own, before, rank, u[rows], chunk))
    return scores


def label_sets(
    score: LabelScore,
    probabilities: NDArray[np.floating],
    limit: Floats,
    u: Floats,
) -> Bools:
    """Return which labels of each item have a score of at most the limit, bool (N, C).

    Args:
        score: The score.
        probabilities: (N, C), checked.
        limit: Threshold of each item (N, 1), or of each item and class (N, C) or (1, C).
        u: Random numbers of the items (N,).
    """
    n, classes = probabilities.shape
    # Sums taken in another order differ in the last digits; a label must not fall out for that.
    limit = limit + classes * np.finfo(np.float64).eps * np.maximum(1, np.abs(limit))
    sets = np.empty((n, classes), dtype=np.bool_)
    limits = np.broadcast_to(limit, (n, limit.shape[1]))
    for rows, chunk in _chunks(probabilities):
        sets[rows] = _sets(score, chunk.astype(np.float64), limits[rows], u[rows, None])
    return sets


def _sets(score: LabelScore, chunk: Floats, limits: Floats, u: Floats) -> Bools:
    n, classes = chunk.shape
    if not getattr(score, "ranked", True):
        return np.asarray(score(_unranked(chunk, u, chunk)) <= limits)
    if limits.shape[1] > 1:
        return _sets_in_order(score, chunk, limits, u)
    ranked = np.sort(chunk, axis=1)[:, ::-1]
    fits = _score_by_rank(score, ranked, u) <= limits
    kept = (fits @ np.ones(classes)).astype(np.intp)
    least = ranked[np.arange(n), np.maximum(kept, 1) - 1]
    least[kept == 0] = np.inf
    inside: Bools = chunk >= least[:, None]
    if np.count_nonzero(inside) > kept.sum():
        # Labels that tie at the edge belong to the set by class number, the smallest first.
        tied = np.flatnonzero(inside.sum(axis=1) > kept)
        inside[tied] = _sets_in_order(score, chunk[tied], limits[tied], u[tied])
    return inside


def _sets_in_order(score: LabelScore, chunk: Floats, limits: Floats, u: Floats) -> Bools:
    order = np.argsort(-chunk, axis=1, kind="stable")
    by_rank = _score_by_rank(score, np.take_along_axis(chunk, order, axis=1), u)
    inside = np.empty(chunk.shape, dtype=np.bool_)
    limits = np.take_along_axis(np.broadcast_to(limits, chunk.shape), order, axis=1)
    np.put_along_axis(inside, order, by_rank <= limits, axis=1)
    return inside


def _score_by_rank(score: LabelScore, ranked: Floats, u: Floats) -> Floats:
    before = np.cumsum(ranked, axis=1)
    before -= ranked
    return score(Standing(ranked, before, np.arange(1, ranked.shape[1] + 1), u, ranked))


def _unranked(probability: Floats, u: Floats, items: NDArray[np.floating]) -> Standing:
    before = np.broadcast_to(np.float64(np.nan), probability.shape)
    rank = np.broadcast_to(np.intp(0), probability.shape)
    return Standing(probability, before, rank, u, items)


def _chunks(array: NDArray[np.floating]) -> Iterator[tuple[slice, NDArray[np.floating]]]:
    step = max(1, CHUNK // array.shape[1])
    for start in range(0, len(array), step):
        rows = slice(start, min(start + step, len(array)))
        yield rows, array[rows]
