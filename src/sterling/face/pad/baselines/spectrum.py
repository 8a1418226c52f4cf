"""Power spectra: what printing, casting and displaying does to a picture's fine detail.

Frequency was among the ideas of the 3D High-Fidelity Mask challenge (ICCV 2021); in which form is
not known. This is the plainest: the power in rings of the Fourier transform, and a linear machine.
"""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sterling.errors import InputError

SECTORS = 4  # of half the plane; the other half is its mirror image


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


def score_spectrum(
    train: Tensor, bona_fide: NDArray[np.bool_], test: Tensor
) -> NDArray[np.float64]:
    """Fit a linear support vector machine on spectra and score pictures; higher means bona fide.

    Args:
        train: uint8 (N, 3, S, S).
        bona_fide: bool (N,), the labels of `train`.
        test: uint8 (M, 3, S, S).

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
    machine = make_pipeline(StandardScaler(), LinearSVC(C=0.001, max_iter=20_000, random_state=0))
    machine.fit(spectra(train), bona_fide)
    scores: NDArray[np.float64] = machine.decision_function(spectra(test))
    return scores
