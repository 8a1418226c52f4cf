"""The trivial baseline: logistic regression on 8×8 colour thumbnails.

It sees brightness, colour and coarse layout, nothing of texture or relief. Where it does well, the
data give the label away, and a network's good figures on them prove little.
"""

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
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

    if bona_fide.all() or not bona_fide.any():
        raise InputError("training images: both bona fide and attack presentations are needed")
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    classifier.fit(_thumbnails(train), bona_fide)
    scores: NDArray[np.float64] = classifier.decision_function(_thumbnails(test))
    return scores


def _thumbnails(images: Tensor) -> NDArray[np.float32]:
    flat = images.float().reshape(len(images), -1, *images.shape[-2:])
    small = F.adaptive_avg_pool2d(flat, THUMBNAIL_SIDE)
    return small.flatten(1).numpy(force=True)
