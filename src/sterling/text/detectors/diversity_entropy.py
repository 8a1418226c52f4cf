"""Multiscale diversity entropy: variety of a series' shape at several resolutions.

Lastde ("Training-free LLM-generated text detection by mining token probability sequences", 2024)
divides the mean log-probability by its spread over scales: the unbiased standard deviation, as in
MGT-Eval's code. The length of windows, ten bins per value and the number of scales are recalled,
not read.
"""

import math

import numpy as np
from numpy.typing import NDArray

WINDOW, BINS_PER_VALUE, SCALES = 3, 10, 5


def diversity_entropy(series: NDArray[np.float64], bins: int, window: int = WINDOW) -> float:
    """Return the entropy of the histogram of cosines of neighbouring windows, in [0, 1].

    -(1 / ln bins) sum of P ln P over equal bins on [-1, 1].

    Args:
        series: Values (T,), T above the window's length.
        bins: Number of bins of the histogram, 2 or more.
        window: Length of a window, 1 or more.
    """
    windows = np.lib.stride_tricks.sliding_window_view(series, window)
    lengths = np.linalg.norm(windows, axis=1)
    scale = lengths[1:] * lengths[:-1]
    inner = (windows[1:] * windows[:-1]).sum(axis=1)
    # A window of zeros (tokens that were certain) has no direction: it counts as unchanged.
    cosines = np.divide(inner, scale, out=np.ones_like(inner), where=scale > 0)
    counts, _ = np.histogram(np.clip(cosines, -1, 1), bins=bins, range=(-1, 1))
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum() / math.log(bins))


def spread_of_diversity(series: NDArray[np.float64]) -> float:
    """Return the unbiased deviation of the entropy over scales 1 to 5, or NaN if too short.

    At scale k the series is replaced by its moving average over k values.
    """
    if len(series) < WINDOW + SCALES:
        return math.nan
    entropies = [
        diversity_entropy(
            np.convolve(series, np.full(k, 1 / k), mode="valid"), BINS_PER_VALUE * len(series)
        )
        for k in range(1, SCALES + 1)
    ]
    spread = float(np.std(entropies, ddof=1))
    return spread if spread > 0 else math.nan
