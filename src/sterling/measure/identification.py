"""Identification, which one of many it is, where it may be none of them: open-set rates."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sterling.errors import InputError
from sterling.measure.rate import Rate
from sterling.measure.verification import tar_at_far


@dataclass(frozen=True)
class IdentificationPoint:
    """True identification at a threshold that holds false identification down.

    Attributes:
        target: The false positive identification rate asked for, never exceeded.
        fpir: Share of probes of nobody enrolled whose best match is accepted.
        tpir: Share of probes of somebody enrolled whose best match is right and accepted.
        threshold: Best matches at or above it are accepted.
    """

    target: float
    fpir: Rate
    tpir: Rate
    threshold: float


def tpir_at_fpir(
    mated: ArrayLike, right: ArrayLike, non_mated: ArrayLike, fpir: float
) -> IdentificationPoint:
    """Return true identification at the lowest threshold with a false rate up to `fpir`.

    Args:
        mated: Similarity of the best match of each probe that is enrolled, (N,).
        right: Whether that best match is the right one, bool (N,).
        non_mated: Similarity of the best match of each probe that is not enrolled, (M,).
        fpir: False positive identification rate in (0, 1), at least 10 / M.

    Raises:
        InputError: Shapes differ, a similarity is not finite, there is none of a kind, or there are
            too few probes for so small a rate.

    Example:
        >>> non_mated = np.linspace(0, 0.5, 100)
        >>> tpir_at_fpir([0.9, 0.9, 0.2], [True, False, True], non_mated, 0.1).tpir
        Rate(errors=1, trials=3)
    """
    best, is_right = np.asarray(mated, dtype=float), np.asarray(right, dtype=bool)
    if best.shape != is_right.shape or best.ndim != 1:
        raise InputError(f"mated {best.shape}, right {is_right.shape}: one of each per probe")
    point = tar_at_far(best, non_mated, fpir)
    accepted = is_right & (best >= point.threshold)
    return IdentificationPoint(
        fpir, point.far, Rate(int(accepted.sum()), len(best)), point.threshold
    )


def mean_average_precision(similarities: ArrayLike, relevant: ArrayLike) -> float:
    """Return the mean over queries of average precision; 1 is best.

    Average precision is the mean of the precision at the rank of each relevant item. Ties are
    broken against the query: a relevant item comes after others that are as similar. Queries
    without a relevant item are left out.

    Args:
        similarities: Similarity of each query with each item, (Q, N); larger is more alike. An item
            at minus infinity, such as the query itself, is not ranked.
        relevant: Whether an item is relevant to a query, bool (Q, N).

    Raises:
        InputError: Shapes differ, or no query has a relevant item.

    Example:
        >>> mean_average_precision([[0.9, 0.8, 0.1]], [[False, True, True]])  # (1/2 + 2/3) / 2
        0.5833333333333333
    """
    alike, wanted = np.asarray(similarities, dtype=float), np.asarray(relevant, dtype=bool)
    if alike.shape != wanted.shape or alike.ndim != 2:
        raise InputError(f"similarities {alike.shape}, relevant {wanted.shape}: queries by items")
    wanted = wanted & (alike > -np.inf)
    kept = wanted.any(axis=1)
    if not kept.any():
        raise InputError("no query has a relevant item")
    order = np.lexsort((wanted[kept], -alike[kept]), axis=1)
    hits = np.take_along_axis(wanted[kept], order, axis=1)
    precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    return float(((precision * hits).sum(axis=1) / hits.sum(axis=1)).mean())
