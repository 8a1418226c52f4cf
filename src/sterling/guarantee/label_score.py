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

__all__ = ["LabelScore", "Standing", "check_probabilities", "label_scores", "label_sets"]

CHUNK = 1 << 17  # numbers handled at a time: 1 MB, so that intermediate results stay in cache
SUM_TOLERANCE = 1e-3  # single-precision softmax over many classes stays well within


@dataclass(frozen=True)
class Standing:
    """Labels among the probabilities of their items; the arrays broadcast together.

    Attributes:
        probability: Of the label.
        before: Sum of the probabilities ranked before it.
        rank: 1 for the most probable label; equal probabilities rank in the order of the classes.
        top: The largest probability of the item.
        u: The item's random number in [0, 1); 1 for a deterministic score.
    """

    probability: NDArray[np.float64]
    before: NDArray[np.float64]
    rank: NDArray[np.intp]
    top: NDArray[np.float64]
    u: NDArray[np.float64]


class LabelScore(Protocol):
    """How badly a label fits; must not fall when the rank grows within one item."""

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
    columns = np.arange(probabilities.shape[1])
    for rows, chunk in _chunks(probabilities):
        label, of_label = labels[rows], chunk[np.arange(len(chunk)), labels[rows]]
        ahead = chunk > of_label[:, None]
        # A label that ties with others ranks behind those of smaller class number.
        tied = np.flatnonzero((chunk == of_label[:, None]).sum(axis=1) > 1)
        if len(tied):
            equal = chunk[tied] == of_label[tied, None]
            ahead[tied] |= equal & (columns < label[tied, None])
        scores[rows] = score(
            Standing(
                of_label.astype(np.float64),
                np.einsum("ij,ij->i", chunk, ahead, dtype=np.float64),
                ahead.sum(axis=1) + 1,
                chunk.max(axis=1).astype(np.float64),
                u[rows],
            )
        )
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
    order: NDArray[np.intp] | None = None
    if limits.shape[1] == 1:
        ranked = np.sort(chunk, axis=1)[:, ::-1]
    else:
        order = np.argsort(-chunk, axis=1, kind="stable")
        ranked = np.take_along_axis(chunk, order, axis=1)
    before = np.cumsum(ranked, axis=1) - ranked
    ranks = np.arange(1, classes + 1)
    by_rank = score(Standing(ranked, before, ranks, ranked[:, :1], u))
    if order is not None:
        inside = np.empty((n, classes), dtype=np.bool_)
        np.put_along_axis(
            inside, order, by_rank <= np.take_along_axis(limits, order, axis=1), axis=1
        )
        return inside
    kept = (by_rank <= limits).sum(axis=1)
    least = ranked[np.arange(n), np.maximum(kept, 1) - 1]
    least[kept == 0] = np.inf
    sets: NDArray[np.bool_] = chunk >= least[:, None]
    # Of labels that tie at the edge only those of smaller class number belong to the set.
    tied = np.flatnonzero(sets.sum(axis=1) > kept)
    if len(tied):
        order = np.argsort(-chunk[tied], axis=1, kind="stable")
        inside = np.empty((len(tied), classes), dtype=np.bool_)
        np.put_along_axis(inside, order, ranks <= kept[tied, None], axis=1)
        sets[tied] = inside
    return sets


def _chunks(array: NDArray[np.floating]) -> Iterator[tuple[slice, NDArray[np.floating]]]:
    step = max(1, CHUNK // array.shape[1])
    for start in range(0, len(array), step):
        rows = slice(start, min(start + step, len(array)))
        yield rows, array[rows]
