"""Verification of pairs of faces from their embeddings, by the protocol of LFW."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.errors import InputError
from sterling.measure import FoldAccuracy, fold_accuracy


def verification_accuracy(
    first: ArrayLike, second: ArrayLike, same: ArrayLike, folds: int = 10
) -> FoldAccuracy:
    """Accuracy of "same or not" by the squared distance of unit embeddings.

    Each fold is judged at the threshold that was best on the others, so none is tuned on itself.
    Pairs are taken in the order given. Thresholds are found by counting, where the usual code
    walks from 0 to 4 in steps of 0.01.

    Args:
        first: Embeddings of the first face of each pair, (N, D).
        second: Of the second.
        same: Whether a pair is of one identity, bool (N,).
        folds: 10 of LFW and its kind.

    Raises:
        InputError: Shapes differ, or an embedding is not finite or has no length.
    """
    one, other = (_unit(name, value) for name, value in (("first", first), ("second", second)))
    if one.shape != other.shape:
        raise InputError(f"first {one.shape}, second {other.shape}: as many of the same length")
    return fold_accuracy(((one - other) ** 2).sum(axis=1), same, folds)


def _unit(name: str, embeddings: ArrayLike) -> NDArray[np.float64]:
    vectors = np.asarray(embeddings, dtype=float)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True) if vectors.ndim == 2 else np.zeros(1)
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise InputError(
            f"{name}: give finite embeddings (N, D), none of them zero; got shape {vectors.shape}"
        )
    return np.asarray(vectors / lengths)
