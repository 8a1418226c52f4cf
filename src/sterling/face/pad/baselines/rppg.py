"""Remote photoplethysmography: a living face changes colour with the heart, everywhere at once.

Liu, Yuen, Zhang, Zhao, "3D Mask Face Anti-spoofing with Remote Photoplethysmography" (ECCV 2016):
a mask hides the pulse, and what is left in the regions of its face does not agree. The pulse is
read by CHROM (de Haan, Jeanne, IEEE TBME 2013) or POS (Wang, den Brinker, Stuijk, de Haan, IEEE
TBME 2017). A replayed video holds the pulse that was filmed: this cue is against masks. Nothing is
learned.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import detrend
from torch import Tensor

from sterling.errors import InputError

Array = NDArray[np.float64]

BAND = (0.7, 4.0)  # hertz, 42 to 240 beats a minute
SHORTEST = 2.0  # seconds: less than two beats of the slowest heart tell nothing
WINDOW = 1.6  # seconds, as POS publishes it

# Top, bottom, left, right as shares of a crop of 1.3 times the face box: forehead, both cheeks.
REGIONS = ((0.20, 0.34, 0.36, 0.64), (0.52, 0.66, 0.27, 0.43), (0.52, 0.66, 0.57, 0.73))


def traces(clips: Tensor) -> Array:
    """Mean colour of the forehead and both cheeks in every frame.

    Args:
        clips: (N, T, 3, S, S), RGB in 0 to 255.

    Returns:
        (N, 3, T, 3): clip, region, frame, channel.

    Raises:
        InputError: The shape does not fit.
    """
    if clips.ndim != 5 or clips.shape[2] != 3 or clips.shape[-1] < 16:
        raise InputError(
            f"clips have shape {tuple(clips.shape)}: (N, T, 3, S, S) with S of 16 or more"
        )
    side = clips.shape[-1]
    means = []
    for place in REGIONS:
        top, bottom, left, right = (round(share * side) for share in place)
        part = clips[..., top:bottom, left:right].double().mean(dim=(-2, -1))
        means.append(part.numpy(force=True))
    return np.stack(means, axis=1)


def chrom(colours: ArrayLike) -> Array:
    """The pulse by CHROM: two chrominances, so combined that motion of the light cancels.

    X = 3R - 2G, Y = 1.5R + G - 1.5B of colours divided by their mean; X - (std X / std Y) Y.

    Args:
        colours: (..., T, 3), RGB above 0.

    Returns:
        (..., T); zeros where nothing changes.

    Raises:
        InputError: The shape does not fit, or a channel's mean is not above 0.
    """
    red, green, blue = np.moveaxis(_relative(_require(colours)), -1, 0)
    first, second = 3 * red - 2 * green, 1.5 * red + green - 1.5 * blue
    first, second = detrend(first), detrend(second)
    pulse: Array = first - _ratio(first, second) * second
    return pulse


def pos(colours: ArrayLike, rate: float) -> Array:
    """The pulse by POS: a plane orthogonal to skin tone, in overlapping windows of 1.6 seconds.

    X = G - B, Y = G + B - 2R of colours divided by their window's mean; X + (std X / std Y) Y.

    Args:
        colours: (..., T, 3), RGB above 0, of one window or more.
        rate: Frames per second.

    Returns:
        (..., T).

    Raises:
        InputError: As `chrom`, or the clip is shorter than a window.
    """
    given = _require(colours)
    length = given.shape[-2]
    window = round(WINDOW * rate)
    if not 2 <= window <= length:
        raise InputError(
            f"{length} frames at {rate:g} per second: POS takes {WINDOW} seconds or more"
        )
    found = np.zeros(given.shape[:-1])
    for start in range(length - window + 1):
        part = slice(start, start + window)
        red, green, blue = np.moveaxis(_relative(given[..., part, :]), -1, 0)
        first, second = green - blue, green + blue - 2 * red
        pulse = first + _ratio(first, second) * second
        found[..., part] += pulse - pulse.mean(axis=-1, keepdims=True)
    return found


def _require(colours: ArrayLike) -> Array:
    given = np.asarray(colours, dtype=np.float64)
    if given.ndim < 2 or given.shape[-1] != 3 or given.shape[-2] < 2:
        raise InputError(f"colours are {given.shape}: (..., T, 3) with T of 2 or more")
    if not (given.mean(axis=-2) > 0).all():
        raise InputError("colours: a channel's mean over time is not above 0")
    return given


def _relative(colours: Array) -> Array:
    relative: Array = colours / np.maximum(colours.mean(axis=-2, keepdims=True), 1e-12)
    return relative


def _ratio(first: Array, second: Array) -> Array:
    spread = second.std(axis=-1, keepdims=True)
    ratio: Array = first.std(axis=-1, keepdims=True) / np.where(spread > 1e-12, spread, np.inf)
    return ratio


def in_band(signal: ArrayLike, rate: float) -> Array:
    """A signal (..., T) without its line and without frequencies outside 0.7 to 4 Hz.

    Raises:
        InputError: It is shorter than two seconds, or sampled below 8 per second.
    """
    given = detrend(np.asarray(signal, dtype=np.float64))
    spectrum = np.fft.rfft(given)
    spectrum[..., ~_within(given.shape[-1], rate)] = 0
    kept: Array = np.fft.irfft(spectrum, n=given.shape[-1])
    return kept


def band_power(signal: ArrayLike, rate: float) -> tuple[Array, Array]:
    """Frequencies (F,) in the band and the power (..., F) of a signal (..., T) at them.

    Raises:
        InputError: As `in_band`.
    """
    given = detrend(np.asarray(signal, dtype=np.float64))
    length = given.shape[-1]
    within = _within(length, rate)
    power: Array = np.abs(np.fft.rfft(given * np.hanning(length))) ** 2
    frequencies = np.fft.rfftfreq(length, 1 / rate)
    return np.asarray(frequencies[within], dtype=np.float64), power[..., within]


def _within(length: int, rate: float) -> NDArray[np.bool_]:
    if not rate >= 2 * BAND[1]:
        raise InputError(f"rate is {rate}: {2 * BAND[1]:g} frames per second or more are needed")
    if length / rate < SHORTEST:
        raise InputError(
            f"{length} frames at {rate:g} per second: a pulse needs {SHORTEST:g} seconds or more"
        )
    frequencies = np.fft.rfftfreq(length, 1 / rate)
    return np.asarray((frequencies >= BAND[0]) & (frequencies <= BAND[1]))


def peak_ratio(signal: ArrayLike, rate: float) -> Array:
    """Share of a signal's power in the band that lies at its peak and the two bins beside it.

    Args:
        signal: (..., T).
        rate: Frames per second.

    Returns:
        (...), in [0, 1]; 0 where the band holds nothing.

    Raises:
        InputError: As `in_band`.
    """
    _, power = band_power(signal, rate)
    total = power.sum(axis=-1)
    padded = np.pad(power, [(0, 0)] * (power.ndim - 1) + [(1, 1)])
    three = padded[..., :-2] + padded[..., 1:-1] + padded[..., 2:]
    at = power.argmax(axis=-1)[..., None]
    peak = np.take_along_axis(three, at, axis=-1)[..., 0]
    ratio: Array = np.where(total > 1e-20, peak / np.maximum(total, 1e-20), 0.0)
    return ratio


def score_pulse(
    clips: Tensor, rate: float, *, method: Callable[[Array, float], Array] = pos
) -> Array:
    """Score the agreement of a clip's regions on one pulse; higher means bona fide.

    It is the mean correlation between the regions' pulses in the band plus the peak ratio of their
    mean. (The paper learns a classifier on such features; the sum is ours.)

    Args:
        clips: (N, T, 3, S, S), RGB in 0 to 255, crops of 1.3 times the face box.
        rate: Frames per second.
        method: From colours (..., T, 3) and rate to pulses (..., T): `pos`, or `chrom` wrapped.

    Returns:
        (N,), from -1/2 to 2.

    Raises:
        InputError: The clips' shape, length or rate does not fit.
    """
    pulses = in_band(method(traces(clips), rate), rate)
    spread = np.linalg.norm(pulses, axis=-1, keepdims=True)
    unit = pulses / np.where(spread > 1e-9, spread, np.inf)
    alike = np.einsum("nit,njt->nij", unit, unit)
    upper = np.triu_indices(pulses.shape[1], k=1)
    score: Array = alike[:, upper[0], upper[1]].mean(axis=1) + peak_ratio(unit.mean(axis=1), rate)
    return score
