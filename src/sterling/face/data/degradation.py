"""Corrupted copies of crops, to test a detector on poorer cameras and channels."""

from collections.abc import Callable
from typing import Literal, get_args

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sterling.errors import InputError, unknown_name

Degradation = Literal[
    "low_resolution", "noise", "jpeg", "blur", "underexposure", "overexposure", "occlusion"
]

_Pixels = NDArray[np.uint8]


def degrade(images: Tensor, kind: Degradation, strength: float, *, seed: int = 0) -> Tensor:
    """Degrade every picture alike; a higher strength is worse, 0 changes nothing.

    Args:
        images: uint8 (N, 3, S, S), RGB; left as they are.
        kind: Degradation. ``"low_resolution"``: shrunk by areas to 1 / (1 + `strength`) of the
            side, then enlarged again linearly. ``"noise"``: independent normal noise with a
            standard deviation of `strength` grey levels, rounded and clipped. ``"jpeg"``:
            compressed once at quality 100 − `strength`, with colour at half resolution.
            ``"blur"``: Gaussian with a standard deviation of `strength` pixels.
            ``"underexposure"``, ``"overexposure"``: as many stops less or more light; what the
            sensor clipped stays lost, and what it would clip is. ``"occlusion"``: mid-grey over
            this share of the side along all four borders.
        strength: 0 up to 1000, 255, 99, 100, 16, 16 and 0.5, in this order.
        seed: For the noise; picture i gets the same noise whatever comes after it.

    Returns:
        uint8 (N, 3, S, S).

    Raises:
        InputError: The kind is unknown, the strength out of range, or the images of another type
            or shape.
    """
    if kind not in _KINDS:
        raise unknown_name("degradation", kind, get_args(Degradation))
    apply, most = _KINDS[kind]
    if not 0 <= strength <= most:
        raise InputError(f"strength is {strength}: {kind} takes 0 to {most:g}, higher is worse")
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
        found = f"{str(images.dtype).removeprefix('torch.')} {tuple(images.shape)}"
        raise InputError(f"images are {found}: uint8 (N, 3, S, S) can be degraded")
    if strength == 0 or not images.numel():
        return images.clone()
    generator = np.random.default_rng(seed)
    pixels = images.permute(0, 2, 3, 1).numpy(force=True)
    worse = [apply(np.ascontiguousarray(one), strength, generator) for one in pixels]
    return torch.from_numpy(np.stack(worse)).permute(0, 3, 1, 2).contiguous().to(images.device)


def _low_resolution(pixels: _Pixels, strength: float, _: np.random.Generator) -> _Pixels:
    height, width = pixels.shape[:2]
    small = (max(1, round(width / (1 + strength))), max(1, round(height / (1 + strength))))
    shrunk = cv2.resize(pixels, small, interpolation=cv2.INTER_AREA)
    return _bytes(cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_LINEAR))


def _noise(pixels: _Pixels, strength: float, generator: np.random.Generator) -> _Pixels:
    noisy = pixels + strength * generator.standard_normal(pixels.shape)
    return noisy.round().clip(0, 255).astype(np.uint8)


def _jpeg(pixels: _Pixels, strength: float, _: np.random.Generator) -> _Pixels:
    settings = [
        cv2.IMWRITE_JPEG_QUALITY,
        round(100 - strength),
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    ]
    coded = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), settings)[1]
    decoded = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    return _bytes(cv2.cvtColor(_bytes(decoded), cv2.COLOR_BGR2RGB))


def _blur(pixels: _Pixels, strength: float, _: np.random.Generator) -> _Pixels:
    return _bytes(cv2.GaussianBlur(pixels, (0, 0), strength, borderType=cv2.BORDER_REPLICATE))


def _underexposure(pixels: _Pixels, strength: float, _: np.random.Generator) -> _Pixels:
    return _exposed(pixels, 2.0**-strength)


def _overexposure(pixels: _Pixels, strength: float, _: np.random.Generator) -> _Pixels:
    return _exposed(pixels, 2.0**strength)


def _exposed(pixels: _Pixels, factor: float) -> _Pixels:
    """Scaled in linear light: IEC 61966-2-1 (sRGB) decoded and encoded again, by a table."""
    coded = np.arange(256) / 255
    light = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    light = np.minimum(light * factor, 1)
    again = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    table: _Pixels = np.round(255 * again).astype(np.uint8)
    return table[pixels]


def _occlusion(pixels: _Pixels, strength: float, _: np.random.Generator) -> _Pixels:
    height, width = (round(strength * side) for side in pixels.shape[:2])
    covered = np.full_like(pixels, 128)
    inner = np.s_[height : pixels.shape[0] - height, width : pixels.shape[1] - width]
    covered[inner] = pixels[inner]
    return covered


def _bytes(pixels: object) -> _Pixels:
    return np.asarray(pixels, dtype=np.uint8)


# Operation, and the highest strength that has a meaning.
_KINDS: dict[str, tuple[Callable[[_Pixels, float, np.random.Generator], _Pixels], float]] = {
    "low_resolution": (_low_resolution, 1000),
    "noise": (_noise, 255),
    "jpeg": (_jpeg, 99),
    "blur": (_blur, 100),
    "underexposure": (_underexposure, 16),
    "overexposure": (_overexposure, 16),
    "occlusion": (_occlusion, 0.5),
}
