"""Anomaly detection: what no bona fide face looks like is an attack, whatever it is.

The classifier is fitted on bona fides alone, so that no species is unseen to it. Its distance is
Mahalanobis's from the bona fides' mean, with Ledoit and Wolf's shrunk covariance (2004), of any
features; texture or a network's.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.errors import InputError


def score_one_class(bona_fides: ArrayLike, test: ArrayLike) -> NDArray[np.float64]:
    """Minus the distance of features from those of bona fides; higher means bona fide.

    Args:
        bona_fides: Features (N, D) of bona fide presentations, N of 2 or more.
        test: Features (M, D).

    Returns:
        (M,), 0 at most.

    Raises:
        InputError: Fewer than two bona fides, other numbers of features, or values that are not
            finite.
    """
    from sklearn.covariance import LedoitWolf

    known, asked = (np.asarray(one, dtype=np.float64) for one in (bona_fides, test))
    if known.ndim != 2 or asked.ndim != 2 or known.shape[1] != asked.shape[1]:
        raise InputError(f"features are {known.shape} and {asked.shape}: (N, D) and (M, D)")
    if len(known) < 2:
        raise InputError(f"{len(known)} bona fide presentation(s): two or more have a spread")
    if not (np.isfinite(known).all() and np.isfinite(asked).all()):
        raise InputError("features hold values that are not finite")
    spread = LedoitWolf().fit(known)
    distances: NDArray[np.float64] = np.sqrt(spread.mahalanobis(asked))
    return -distances
