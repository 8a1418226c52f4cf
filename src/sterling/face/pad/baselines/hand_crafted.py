"""Hand-crafted features and a linear machine: what deep detectors are measured against.

Texture is local binary patterns (Ojala, Pietikäinen, Mäenpää, IEEE TPAMI 2002): eight neighbours at
radius 1, uniform patterns, 59 bins. On the channels of HSV and YCbCr they are the colour texture of
Boulkenafet, Komulainen, Hadid (IEEE TIFS 2016). Neighbours are the eight adjacent pixels
themselves, without interpolation.

Spectra show what printing, casting and displaying does to a picture's fine detail. Frequency was
among the ideas of the 3D High-Fidelity Mask challenge (ICCV 2021); in which form is not known. This
is the plainest: the power in rings of the Fourier transform.
"""

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sterling.errors import InputError
from sterling.face.pad.baselines.simple import require_both

BINS = 59
"""58 uniform patterns of eight bits, and one bin for all others."""

SECTORS = 4  # of half the plane; the other half is its mirror image

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


def spectra(images: Tensor) -> NDArray[np.float64]:
    """Log power of each colour channel by spatial frequency and direction.

    Args:
        images: uint8 (N, 3, S, S), S of 8 or more.

    Returns:
        (N, 3 · S/2 · 4): rings of one cycle's width from the lowest frequency on, each cut into
        four directions. The mean (frequency 0) and the corners beyond S/2 are left out.

    Raises:
        InputError: The pictures are not square, or smaller than 8.
    """
    side = images.shape[-1]
    if images.shape[-2] != side or side < 8:
        raise InputError(f"images have shape {tuple(images.shape)}: squares of 8 pixels or more")
    pixels = images.numpy(force=True).astype(np.float64)
    # A window keeps the picture's edges, which do not meet, from looking like detail.
    window = np.hanning(side)
    shown = (pixels - pixels.mean(axis=(2, 3), keepdims=True)) * np.outer(window, window)
    power = np.abs(np.fft.fft2(shown)) ** 2
    cell = _cells(side)
    inside = cell >= 0
    counts = np.bincount(cell[inside], minlength=cell.max() + 1)
    sums = np.stack(
        [
            np.bincount(cell[inside], weights=plane[inside], minlength=len(counts))
            for plane in power.reshape(-1, side, side)
        ]
    )
    logs: NDArray[np.float64] = np.log(sums / np.maximum(counts, 1) + 1.0)
    return logs.reshape(len(images), -1)


def _cells(side: int) -> NDArray[np.int64]:
    """The cell of every frequency, int64 (S, S); -1 where it belongs to none."""
    frequency = np.fft.fftfreq(side, 1 / side)
    y, x = np.meshgrid(frequency, frequency, indexing="ij")
    ring = np.rint(np.hypot(x, y)).astype(np.int64)
    sector = (np.arctan2(y, x) % np.pi / np.pi * SECTORS).astype(np.int64) % SECTORS
    inside = (ring >= 1) & (ring <= side // 2)
    return np.where(inside, (ring - 1) * SECTORS + sector, -1)


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
    return _score(texture(train, space), bona_fide, texture(test, space), penalty=0.01)


def score_spectrum(
    train: Tensor, bona_fide: NDArray[np.bool_], test: Tensor
) -> NDArray[np.float64]:
    """Score pictures like `score_texture`, on spectra."""
    return _score(spectra(train), bona_fide, spectra(test), penalty=0.001)


def _score(
    train: NDArray[np.float64],
    bona_fide: NDArray[np.bool_],
    test: NDArray[np.float64],
    *,
    penalty: float,
) -> NDArray[np.float64]:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    require_both(bona_fide)
    machine = make_pipeline(StandardScaler(), LinearSVC(C=penalty, max_iter=20_000, random_state=0))
    machine.fit(train, bona_fide)
    scores: NDArray[np.float64] = machine.decision_function(test)
    return scores
