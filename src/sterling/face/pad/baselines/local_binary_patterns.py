"""Local binary patterns: the hand-made texture features that deep detectors are measured against.

Ojala, Pietikäinen, Mäenpää (IEEE TPAMI 2002): eight neighbours at radius 1, uniform patterns, 59
bins. On the channels of HSV and YCbCr they are the colour texture of Boulkenafet, Komulainen, Hadid
(IEEE TIFS 2016). Neighbours are the eight adjacent pixels themselves, without interpolation.
"""

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sterling.errors import InputError

BINS = 59
"""58 uniform patterns of eight bits, and one bin for all others."""

Space = Literal["grey", "colour"]

_RING = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))


def _uniform_bins() -> NDArray[np.int64]:
    """The bin of each of 256 patterns: those with at most two changes round the ring have own."""
    codes = np.arange(256)
    bits = codes[:, None] >> np.arange(8) & 1
    changes = (bits != np.roll(bits, 1, axis=1)).sum(axis=1)
    bins = np.full(256, BINS - 1)
    bins[changes <= 2] = np.arange((changes <= 2).sum())
    return bins


_BIN_OF = _uniform_bins()


def patterns(channel: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Share of each pattern among the inner pixels of a channel.

    Bit i of a pixel's pattern says whether its i-th neighbour is as bright as it or brighter.

    Args:
        channel: (H, W), sides of 3 or more.

    Returns:
        (59,), sums to 1.

    Raises:
        InputError: A side is below 3.
    """
    if min(channel.shape) < 3:
        raise InputError(f"channel is {channel.shape}: patterns need sides of 3 or more")
    height, width = channel.shape
    centre = channel[1:-1, 1:-1]
    code = np.zeros(centre.shape, dtype=np.int64)
    for bit, (dy, dx) in enumerate(_RING):
        neighbour = channel[1 + dy : height - 1 + dy, 1 + dx : width - 1 + dx]
        code |= (neighbour >= centre).astype(np.int64) << bit
    counts = np.bincount(_BIN_OF[code.ravel()], minlength=BINS)
    shares: NDArray[np.float64] = counts / counts.sum()
    return shares


def texture(images: Tensor, space: Space = "colour") -> NDArray[np.float64]:
    """Histograms of patterns of every picture.

    Args:
        images: uint8 (N, 3, S, S), RGB.
        space: "grey" for luminance alone, "colour" for the six channels of HSV and YCbCr.

    Returns:
        (N, 59) or (N, 354).
    """
    pixels = images.permute(0, 2, 3, 1).contiguous().numpy(force=True)
    return np.stack(
        [np.concatenate([patterns(one) for one in _channels(p, space)]) for p in pixels]
    )


def _channels(pixels: NDArray[np.uint8], space: Space) -> list[NDArray[np.uint8]]:
    if space == "grey":
        return [np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)]
    turned = (cv2.cvtColor(pixels, way) for way in (cv2.COLOR_RGB2HSV, cv2.COLOR_RGB2YCrCb))
    return [np.asarray(one[..., i], dtype=np.uint8) for one in turned for i in range(3)]


def score_texture(
    train: Tensor, bona_fide: NDArray[np.bool_], test: Tensor, *, space: Space = "colour"
) -> NDArray[np.float64]:
    """Fit a linear support vector machine on texture and score pictures; higher means bona fide.

    Args:
        train: uint8 (N, 3, S, S).
        bona_fide: bool (N,), the labels of `train`.
        test: uint8 (M, 3, S, S).
        space: See `texture`.

    Returns:
        (M,), signed distances to the margin.

    Raises:
        InputError: One class is missing among the training images.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    if bona_fide.all() or not bona_fide.any():
        raise InputError("training images: both bona fide and attack presentations are needed")
    machine = make_pipeline(StandardScaler(), LinearSVC(C=0.01, max_iter=20_000, random_state=0))
    machine.fit(texture(train, space), bona_fide)
    scores: NDArray[np.float64] = machine.decision_function(texture(test, space))
    return scores
