"""Explanations of a fixed size: which K concepts matter, with coverage of the truly important K."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from sterling.errors import InputError


def important_concepts(
    concepts: NDArray[np.bool_], importance: NDArray[np.float64], k: int
) -> NDArray[np.bool_]:
    """The k present concepts of largest importance of each item, bool (N, m).

    Args:
        concepts: True concepts (N, m), at least k present in every item.
        importance: Of each concept (m,), as from :func:`concept_importance`.
        k: At least 1.
    """
    if k < 1 or (concepts.sum(axis=1) < k).any():
        raise InputError(f"k = {k}: every item needs at least k present concepts, and k >= 1")
    ranked = np.where(concepts, importance, -np.inf)
    order = np.argsort(-ranked, axis=1, kind="stable")[:, :k]
    chosen = np.zeros(concepts.shape, dtype=np.bool_)
    np.put_along_axis(chosen, order, True, axis=1)
    return chosen


def top_k_score(h: NDArray[np.float64], chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """``1 - mean of h over the chosen concepts``, (N,), in [0, 1]; larger fits worse."""
    return np.asarray(1 - (h * chosen).sum(axis=1) / chosen.sum(axis=1))


def subset_scores(h: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """The same score of every subset of k concepts, (N, m choose k), in combinations' order."""
    subsets = np.array(list(combinations(range(h.shape[1]), k)), dtype=np.intp)
    return np.asarray(1 - h[:, subsets].mean(axis=2))
