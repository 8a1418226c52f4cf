"""Identification: which one of many it is, where it may be none of them."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.errors import InputError
from sterling.measure.verification import VerificationPoint, tar_at_far


def identification_ranks(
    similarity: ArrayLike, probe: ArrayLike, gallery: ArrayLike
) -> NDArray[np.int64]:
    """Return the rank of each probe's own identity among those of a gallery; 0 without a mate.

    An identity is as similar as its most similar item. Ties count against: an identity as similar
    as the probe's own comes before it.

    Args:
        similarity: (P, G), larger is more alike.
        probe: Identity of each probe, (P,).
        gallery: Identity of each gallery item, (G,).

    Raises:
        InputError: Shapes differ, or a similarity is not finite.

    Examples:
        >>> ranks = identification_ranks([[0.9, 0.2], [0.7, 0.3]], ["ann", "bob"], ["ann", "bob"])
        >>> ranks.tolist()
        [1, 2]
    """
    best, own = _by_identity(similarity, probe, gallery)
    mate = np.where(own, best, -np.inf).max(axis=1)
    return np.where(own.any(axis=1), (best >= mate[:, None]).sum(axis=1), 0).astype(np.int64)


def tpir_at_fpir(
    similarity: ArrayLike, probe: ArrayLike, gallery: ArrayLike, fpir: float
) -> VerificationPoint:
    """Return the true positive identification rate at a bound on the false positive one.

    A probe without a mate in the gallery is a false positive when any item reaches the threshold; a
    probe with one is a true positive when its own identity has rank 1 and reaches it.

    Args:
        similarity: (P, G), larger is more alike.
        probe: Identity of each probe, (P,); some are not in the gallery.
        gallery: Identity of each gallery item, (G,).
        fpir: Bound in (0, 1), at least 10 / the number of probes without a mate.

    Returns:
        The point; its ``far`` is the FPIR, its ``tar`` the TPIR.

    Raises:
        InputError: As `tar_at_far`.
    """
    best, own = _by_identity(similarity, probe, gallery)
    top, mated = best.max(axis=1), own.any(axis=1)
    mate = np.where(own, best, -np.inf).max(axis=1)
    first = identification_ranks(similarity, probe, gallery) == 1
    never = best.min() - 1  # below every threshold
    return tar_at_far(np.where(first, mate, never)[mated], top[~mated], fpir)


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

    Examples:
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


def _by_identity(
    similarity: ArrayLike, probe: ArrayLike, gallery: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Similarity of each probe and gallery identity, (P, n), and whether they are the same."""
    values = np.asarray(similarity, dtype=float)
    probes, items = np.asarray(probe), np.asarray(gallery)
    if (
        values.shape != (len(probes), len(items))
        or not np.isfinite(values).all()
        or not values.size
    ):
        raise InputError(
            f"similarity {values.shape}: finite, one for each of {len(probes)} probes and "
            f"{len(items)} gallery items"
        )
    identities, number = np.unique(items, return_inverse=True)
    order = np.argsort(number, kind="stable")
    starts = np.flatnonzero(np.diff(number[order], prepend=-1))
    best = np.maximum.reduceat(values[:, order], starts, axis=1)
    return best, probes[:, None] == identities
