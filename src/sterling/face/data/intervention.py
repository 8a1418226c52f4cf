"""Interventions on crops: take one cue from all of them, or leave one, and see what is judged.

A detector whose error rates stay when a cue is the same in all crops does not need that cue; one
whose error rates stay when nothing else is left can do with it alone. Unlike a `degradation`, an
intervention makes a set of crops alike, so that it looks at all of them first.
"""

from collections.abc import Callable
from typing import Literal, get_args

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sterling.errors import InputError, unknown_name
from sterling.face.data.quality import luminance

Intervention = Literal[
    "grey",
    "equal contrast",
    "equal sharpness",
    "equal spectra",
    "only spectra",
    "shuffled patches",
    "no edges",
    "only edges",
]

INTERVENTIONS: tuple[Intervention, ...] = get_args(Intervention)

NEED_A_FACE: frozenset[Intervention] = frozenset({"no edges", "only edges"})
"""Interventions that need to know where the face is."""

PATCHES = 4
"""Patches along a side of the crop. Our choice."""

SHARPNESS_QUANTILE = 0.05
"""Share of the crops that are blurrier than the common sharpness, and stay so. Our choice."""

_HALVINGS = 8
_WIDEST = 1 / 16  # of the side: the strongest blur that is tried

_Floats = NDArray[np.float64]
_Pixels = NDArray[np.uint8]  # (3, S, S)
_Change = Callable[[_Pixels], _Floats]  # to (3, S, S), rounded and clipped afterwards


def intervene(
    images: Tensor, kind: Intervention, *, face_share: float | None = None, seed: int = 0
) -> Tensor:
    """Change all crops of a set in one way.

    Args:
        images: uint8 (N, 3, S, S), RGB; left as they are.
        kind: Intervention. ``"grey"``: luminance in all channels. ``"equal contrast"``: mean and
            deviation of the luminance become those of the set, on average; colour differences stay.
            ``"equal sharpness"``: each crop is blurred (Gaussian) until the deviation of the
            luminance's Laplacian, over that of the luminance, is the set's `SHARPNESS_QUANTILE`.
            ``"equal spectra"``: the luminance keeps its phase, and its amplitude at every
            frequency becomes the set's mean, so that contrast and mean are equal, too.
            ``"only spectra"``: the luminance keeps its amplitude and gets the phase of one picture
            of noise; no colour. ``"shuffled patches"``: 4 × 4 patches change places, in all crops
            alike. ``"no edges"``: everything outside the face box becomes the mean colour of what
            is within. ``"only edges"``: everything within becomes the mean colour outside.
        face_share: Side of the face box, taken to be central, over the crop's, in (0, 1); needed
            by ``"no edges"`` and ``"only edges"`` alone.
        seed: Seed of the order of patches and of the noise.

    Returns:
        uint8 (N, 3, S, S). What leaves 0 to 255 is clipped.

    Raises:
        InputError: The kind is unknown; the images are of another type or shape, or have fewer
            pixels than patches a side; or the share is needed and is missing or leaves no frame.

    Examples:
        >>> intervene(torch.zeros(2, 3, 32, 32, dtype=torch.uint8), "grey").shape
        torch.Size([2, 3, 32, 32])
    """
    if kind not in INTERVENTIONS:
        raise unknown_name("intervention", kind, INTERVENTIONS)
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
        found = f"{str(images.dtype).removeprefix('torch.')} {tuple(images.shape)}"
        raise InputError(f"images are {found}: uint8 (N, 3, S, S) can be changed")
    size = int(images.shape[-1])
    if size < PATCHES or images.shape[-2] != size:
        raise InputError(f"images are {tuple(images.shape)}: squares of {PATCHES} pixels or more")
    pixels = images.numpy(force=True)
    if not len(pixels):
        return images.clone()
    change = _change(pixels, kind, face_share, np.random.default_rng(seed))
    changed = np.stack([change(one).round().clip(0, 255).astype(np.uint8) for one in pixels])
    return torch.from_numpy(changed).to(images.device)


def _change(
    pixels: NDArray[np.uint8],
    kind: Intervention,
    face_share: float | None,
    rng: np.random.Generator,
) -> _Change:
    size = pixels.shape[-1]
    if kind == "grey":
        return lambda one: _grey(luminance(one))
    if kind == "equal contrast":
        return _equal_contrast(pixels)
    if kind == "equal sharpness":
        return _equal_sharpness(pixels)
    if kind == "equal spectra":
        return _equal_spectra(pixels)
    if kind == "only spectra":
        phase = np.angle(np.fft.rfft2(rng.standard_normal((size, size))))
        return lambda one: _grey(_with_phase(np.abs(np.fft.rfft2(luminance(one))), phase))
    if kind == "shuffled patches":
        return _shuffled(size, rng)
    face = _central(size, face_share)
    place = ~face if kind == "no edges" else face
    return lambda one: _filled(one, place, ~place)


def sharpness(pixels: _Pixels | _Floats) -> float:
    """Deviation of a picture's Laplacian over that of its luminance; 0 of a flat picture."""
    values = luminance(pixels)
    deviation = float(values.std())
    if deviation < 1e-9:
        return 0.0
    laplacian = cv2.Laplacian(values, cv2.CV_64F, borderType=cv2.BORDER_REPLICATE)
    return float(np.asarray(laplacian).std()) / deviation


def _grey(values: _Floats) -> _Floats:
    return np.broadcast_to(values, (3, *values.shape))


def _with_luminance(one: _Pixels, values: _Floats) -> _Floats:
    """The picture with other luminance and the same colour differences."""
    return one + (values - luminance(one))


def _equal_contrast(pixels: NDArray[np.uint8]) -> _Change:
    moments = [(values.mean(), values.std()) for values in map(luminance, pixels)]
    mean, deviation = np.mean(moments, axis=0)

    def change(one: _Pixels) -> _Floats:
        values = luminance(one)
        gain = deviation / values.std() if values.std() > 0 else 0
        return _with_luminance(one, mean + gain * (values - values.mean()))

    return change


def _equal_spectra(pixels: NDArray[np.uint8]) -> _Change:
    amplitude = np.mean([np.abs(np.fft.rfft2(luminance(one))) for one in pixels], axis=0)

    def change(one: _Pixels) -> _Floats:
        phase = np.angle(np.fft.rfft2(luminance(one)))
        return _with_luminance(one, _with_phase(amplitude, phase))

    return change


def _with_phase(amplitude: _Floats, phase: _Floats) -> _Floats:
    phase = phase.copy()
    phase[0, 0] = 0  # the mean is positive whatever the phase of a noise's is
    size = amplitude.shape[0]
    return np.fft.irfft2(amplitude * np.exp(1j * phase), (size, size))


def _equal_sharpness(pixels: NDArray[np.uint8]) -> _Change:
    common = float(np.quantile([sharpness(one) for one in pixels], SHARPNESS_QUANTILE))
    widest = pixels.shape[-1] * _WIDEST

    def change(one: _Pixels) -> _Floats:
        if sharpness(one) <= common:
            return one.astype(np.float64)
        low, high = 0.0, widest
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            if sharpness(_blurred(one, middle)) > common:
                low = middle
            else:
                high = middle
        return _blurred(one, high)

    return change


def _blurred(one: _Pixels, deviation: float) -> _Floats:
    """Blurred and rounded to grey levels, as it will be measured."""
    channels = np.ascontiguousarray(one.transpose(1, 2, 0), np.float64)
    blurred = cv2.GaussianBlur(channels, (0, 0), deviation, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred, np.float64).transpose(2, 0, 1).round()


def _shuffled(size: int, rng: np.random.Generator) -> _Change:
    side, count = size // PATCHES, PATCHES**2
    order = rng.permutation(count)
    while (order == np.arange(count)).any():  # no patch stays
        order = rng.permutation(count)
    corners = [(side * (i // PATCHES), side * (i % PATCHES)) for i in range(count)]

    def change(one: _Pixels) -> _Floats:
        moved = one.astype(np.float64)  # what is left over beyond 4 patches stays
        for (row, column), origin in zip(corners, order, strict=True):
            top, left = corners[origin]
            moved[:, row : row + side, column : column + side] = one[
                :, top : top + side, left : left + side
            ]
        return moved

    return change


def _central(size: int, share: float | None) -> NDArray[np.bool_]:
    """Mask (S, S) of the face box."""
    inner = round(size * share) if share is not None else 0
    start = (size - inner) // 2
    if not inner > 0 or start < 1:
        raise InputError(
            f"face_share is {share}: give the face box's side over the crop's, in (0, 1) and small "
            "enough to leave a frame"
        )
    face = np.zeros((size, size), np.bool_)
    face[start : start + inner, start : start + inner] = True
    return face


def _filled(one: _Pixels, place: NDArray[np.bool_], source: NDArray[np.bool_]) -> _Floats:
    """The picture with `place` in the mean colour of `source`."""
    filled = one.astype(np.float64)
    filled[:, place] = one[:, source].mean(axis=1, keepdims=True)
    return filled
