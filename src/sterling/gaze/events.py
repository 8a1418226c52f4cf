"""Fixations from the raw samples of an eye tracker, by dispersion (I-DT) or velocity (I-VT)."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sterling.checks import check_numbers
from sterling.errors import InputError


def detect_by_dispersion(
    time: Any, x: Any, y: Any, *, dispersion: float, duration: float = 0.1
) -> NDArray[np.float64]:
    """Find fixations as windows of samples that stay together (I-DT).

    A window of `duration` whose samples spread by at most `dispersion` grows until one more sample
    would spread it further; it is then a fixation at the samples' mean. Missing samples end a
    window.

    Args:
        time: Seconds of the samples, ascending, (S,).
        x: Horizontal places, NaN where missing.
        y: Vertical places.
        dispersion: Largest ``(max x - min x) + (max y - min y)``, in the unit of x and y.
        duration: Shortest fixation in seconds.

    Returns:
        Onset, duration (last sample's time less the first's), x, y of each fixation, (F, 4).

    Raises:
        InputError: Lengths differ, times do not ascend, or a setting is not positive.

    Source: Salvucci and Goldberg, ETRA 2000, section 3.2.

    Examples:
        >>> t = np.arange(100) / 100
        >>> detect_by_dispersion(t, np.where(t < 0.5, 10, 90), 0 * t, dispersion=5)[:, 2]
        array([10., 90.])
    """
    seconds, places = _samples(time, x, y)
    check_numbers(above=0, dispersion=dispersion, duration=duration)
    found = []
    for start, end in _runs(np.isfinite(places.sum(1))):
        first = start
        while first < end:
            last = int(np.searchsorted(seconds[:end], seconds[first] + duration - 1e-9))
            if last >= end:
                break
            low, high = places[first : last + 1].min(0), places[first : last + 1].max(0)
            if (high - low).sum() > dispersion:
                first += 1
                continue
            while last + 1 < end:
                low = np.minimum(low, places[last + 1])
                high = np.maximum(high, places[last + 1])
                if (high - low).sum() > dispersion:
                    break
                last += 1
            found.append(_fixation(seconds, places, first, last))
            first = last + 1
    return np.array(found).reshape(-1, 4)


def detect_by_velocity(
    time: Any, x: Any, y: Any, *, velocity: float, duration: float = 0.06
) -> NDArray[np.float64]:
    """Find fixations as runs of samples between which the eye moves slowly (I-VT).

    Args:
        time: Seconds of the samples, ascending, (S,).
        x: Horizontal places, NaN where missing.
        y: Vertical places.
        velocity: Fastest movement within a fixation, in the unit of x and y a second.
        duration: Shorter runs are left out, seconds.

    Returns:
        Onset, duration (last sample's time less the first's), x, y of each fixation, (F, 4).

    Raises:
        InputError: Lengths differ, times do not ascend, or a setting is not positive.

    Source: Salvucci and Goldberg, ETRA 2000, section 3.1.

    Examples:
        >>> t = np.arange(100) / 100
        >>> detect_by_velocity(t, np.where(t < 0.5, 10, 90), 0 * t, velocity=100)[:, 2]
        array([10., 90.])
    """
    seconds, places = _samples(time, x, y)
    check_numbers(above=0, velocity=velocity, duration=duration)
    found = []
    for start, end in _runs(np.isfinite(places.sum(1))):
        here = places[start:end]
        speed = np.hypot(*np.diff(here, axis=0).T) / np.diff(seconds[start:end])
        # Each slow step joins two samples, so a run of steps holds one sample more.
        for first, after in _runs(speed <= velocity):
            if seconds[start + after] - seconds[start + first] >= duration - 1e-9:
                found.append(_fixation(seconds, places, start + first, start + after))
    return np.array(found).reshape(-1, 4)


def _samples(time: Any, x: Any, y: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    seconds, across, down = (np.asarray(each, dtype=np.float64) for each in (time, x, y))
    if seconds.ndim != 1 or not seconds.shape == across.shape == down.shape:
        raise InputError(
            f"samples: time {seconds.shape}, x {across.shape}, y {down.shape}; give one of each a "
            "sample"
        )
    if not np.isfinite(seconds).all() or (np.diff(seconds) <= 0).any():
        raise InputError("samples: times do not ascend; sort them, and leave repeated ones out")
    return seconds, np.stack([across, down], axis=1)


def _runs(holds: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Start and end (exclusive) of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], holds, [False]]).astype(np.int8)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def _fixation(
    seconds: NDArray[np.float64], places: NDArray[np.float64], first: int, last: int
) -> tuple[float, float, float, float]:
    x, y = places[first : last + 1].mean(0).tolist()
    return float(seconds[first]), float(seconds[last] - seconds[first]), x, y
