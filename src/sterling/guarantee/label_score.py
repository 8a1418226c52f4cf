"""Where a label stands among the probabilities of its item: all that a set score looks at.

LAC, APS, RAPS and SAPS are functions of a label's probability, its rank, and the mass ranked
before it, and each grows with the rank. Two things follow, and make them fast: the score of one
label needs a count and a sum but no sorting, and the set at a threshold is the labels up to a rank.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.errors import InputError

CHUNK = 1 << 15  # numbers handled at a time: 256 kB, so that intermediate results stay in cache
SUM_TOLERANCE = 1e-3  # single-precision softmax over many classes stays well within


@dataclass(frozen=True, eq=False)
class Standing:
    """Labels among the probabilities of their items; the arrays broadcast together.

    Attributes:
        probability: Of the label.
        before: Sum of the probabilities ranked before it; NaN for a score that is not ranked.
        rank: 1 for the most probable label; equal probabilities rank in the order of the classes.
            0 for a score that is not ranked.
        u: The item's random number in [0, 1); 1 for a deterministic score.
        items: All probabilities of the items (N, C), in any order.
    """

    probability: NDArray[np.float64]
    before: NDArray[np.float64]
    rank: NDArray[np.intp]
    u: NDArray[np.float64]
    items: NDArray[np.floating]

    @property
    def top(self) -> NDArray[np.float64]:
        """The largest probability of the item."""
        return np.asarray(self.items.max(axis=1), dtype=np.float64).reshape(self.u.shape)


class LabelScore(Protocol):
    """How badly a label fits; must not fall when the rank grows within one item.

    A score with an attribute ``ranked = False`` looks at the probability alone, and is faster.
    """

    def __call__(self, standing: Standing) -> NDArray[np.float64]:
        """One score per label; larger fits worse."""


def check_probabilities(probabilities: ArrayLike) -> NDArray[np.floating]:
    """Probabilities (N, C), C >= 2, rows that sum to 1; float32 stays float32.

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
    u: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The score of one label of each item, (N,), in O(N C) without sorting.

    Args:
        score: Which score.
        probabilities: (N, C), checked.
        labels: (N,), class numbers.
        u: (N,), random numbers of the items.
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
    limit: NDArray[np.float64],
    u: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """The labels of each item whose score is at most the limit, bool (N, C).

    Args:
        score: Which score.
        probabilities: (N, C), checked.
        limit: Threshold of each item (N, 1), or of each item and class (N, C) or (1, C).
        u: (N,), random numbers of the items.
    """
    n, classes = probabilities.shape
    # Sums taken in another order differ in the last digits; a label must not fall out for that.
    limit = limit + classes * np.finfo(np.float64).eps * np.maximum(1, np.abs(limit))
    sets = np.empty((n, classes), dtype=np.bool_)
    limits = np.broadcast_to(limit, (n, limit.shape[1]))
    for rows, chunk in _chunks(probabilities):
        sets[rows] = _sets(score, chunk.astype(np.float64), limits[rows], u[rows, None])
    return sets


def _sets(
    score: LabelScore,
    chunk: NDArray[np.float64],
    limits: NDArray[np.float64],
    u: NDArray[np.float64],
) -> NDArray[np.bool_]:
    n, classes = chunk.shape
    if not getattr(score, "ranked", True):
        return np.asarray(score(_unranked(chunk, u, chunk)) <= limits)
    ranks = np.arange(1, classes + 1)
    inside = np.empty((n, classes), dtype=np.bool_)
    if limits.shape[1] > 1:
        order = np.argsort(-chunk, axis=1, kind="stable")
        by_rank = _score_by_rank(score, np.take_along_axis(chunk, order, axis=1), ranks, u)
        fits = by_rank <= np.take_along_axis(limits, order, axis=1)
        np.put_along_axis(inside, order, fits, axis=1)
        return inside
    ranked = np.sort(chunk, axis=1)[:, ::-1]
    fits = _score_by_rank(score, ranked, ranks, u) <= limits
    kept = (fits @ np.ones(classes)).astype(np.intp)
    least = ranked[np.arange(n), np.maximum(kept, 1) - 1]
    least[kept == 0] = np.inf
    np.greater_equal(chunk, least[:, None], out=inside)
    if np.count_nonzero(inside) > kept.sum():
        # Of labels that tie at the edge only those of smaller class number belong to the set.
        tied = np.flatnonzero(inside.sum(axis=1) > kept)
        order = np.argsort(-chunk[tied], axis=1, kind="stable")
        among = np.empty((len(tied), classes), dtype=np.bool_)
        np.put_along_axis(among, order, ranks <= kept[tied, None], axis=1)
        inside[tied] = among
    return inside


def _score_by_rank(
    score: LabelScore,
    ranked: NDArray[np.float64],
    ranks: NDArray[np.intp],
    u: NDArray[np.float64],
) -> NDArray[np.float64]:
    before = np.cumsum(ranked, axis=1)
    before -= ranked
    return score(Standing(ranked, before, ranks, u, ranked))


def _unranked(
    probability: NDArray[np.float64], u: NDArray[np.float64], items: NDArray[np.floating]
) -> Standing:
    shape = probability.shape
    before = np.broadcast_to(np.float64(np.nan), shape)
    return Standing(probability, before, np.broadcast_to(np.intp(0), shape), u, items)


def _chunks(array: NDArray[np.floating]) -> Iterator[tuple[slice, NDArray[np.floating]]]:
    step = max(1, CHUNK // array.shape[1])
    for start in range(0, len(array), step):
        rows = slice(start, min(start + step, len(array)))
        yield rows, array[rows]
