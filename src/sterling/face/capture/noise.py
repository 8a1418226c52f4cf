"""Procedural noise: one periodic random volume, looked up at any point and scale."""

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

_SIDE = 32


@cache
def _volume() -> Tensor:
    values = np.random.default_rng(0).uniform(-1, 1, (_SIDE, _SIDE, _SIDE)).astype(np.float32)
    # One more layer on each axis repeats the first, so that interpolation wraps around.
    return torch.from_numpy(np.pad(values, (0, 1), mode="wrap"))[None, None]


def solid_noise(points: Tensor, wavelength: float, offset: Tensor) -> Tensor:
    """Smooth noise in [-1, 1] at points of space.

    Args:
        points: (..., 3), metres.
        wavelength: Spacing of the noise lattice, metres.
        offset: Offset in lattice steps, broadcastable to `points`; equal offsets give equal
            noise.

    Returns:
        (...).
    """
    grid = torch.remainder(points * (2 / _SIDE / wavelength) + offset * (2 / _SIDE), 2).sub_(1)
    found = F.grid_sample(_volume(), grid.view(1, 1, 1, -1, 3), align_corners=True)
    return found.view(points.shape[:-1])


def fractal(points: Tensor, wavelengths: tuple[float, ...], offset: Tensor) -> Tensor:
    """Sum of octaves of :func:`solid_noise`, each weighing 0.6 of the one before; (...)."""
    total = solid_noise(points, wavelengths[0], offset)
    for i, wavelength in enumerate(wavelengths[1:], start=1):
        total = total + 0.6**i * solid_noise(points, wavelength, offset + 7.3 * i)
    return total
