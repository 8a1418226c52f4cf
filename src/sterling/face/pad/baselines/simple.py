"""Two simple baselines: thumbnails, which are the trivial one, and distance from bona fides.

Logistic regression on 8×8 colour thumbnails sees brightness, colour and coarse layout, nothing of
texture or relief. Where it does well, the data give the label away, and a network's good figures on
them prove little.
"""

import numpy as np
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from sterling.errors import InputError

THUMBNAIL_SIDE = 8


def score_thumbnails(
    train: Tensor, bona_fide: NDArray[np.bool_], test: Tensor
) -> NDArray[np.float64]:
    """Fit on the training images and score the test images; higher means bona fide.

    Args:
        train: uint8 (N, [T,] C, S, S).
        bona_fide: bool (N,), the labels of `train`.
        test: uint8 (M, [T,] C, S, S).

    Returns:
        (M,), log odds of bona fide.

    Raises:
        InputError: One class is missing among the training images.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    require_both(bona_fide)
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    classifier.fit(_thumbnails(train), bona_fide)
    scores: NDArray[np.float64] = classifier.decision_function(_thumbnails(test))
    return scores


def require_both(bona_fide: NDArray[np.bool_]) -> None:
    """Raise `InputError` where one class is missing among the labels of training images."""
    if bona_fide.all() or not bona_fide.any():
        raise InputError("training images: both bona fide and attack presentations are needed")


def _thumbnails(images: Tensor) -> NDArray[np.float32]:
    flat = images.float().reshape(len(images), -1, *images.shape[-2:])
    small = F.adaptive_avg_pool2d(flat, THUMBNAIL_SIDE)
    return small.flatten(1).numpy(force=True)


def score_one_class(bona_fides: ArrayLike, test: ArrayLike) -> NDArray[np.float64]:
    """Minus the distance of features from those of bona fides; higher means bona fide.

    Anomaly detection: fitted on bona fides alone, so that no species is unseen to it. The distance
    is Mahalanobis's from the bona fides' mean, with Ledoit and Wolf's shrunk covariance (2004).

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
