"""Surfaces that logos lie on: procedural textures and cuts of two photographs.

A surface is a style drawn from a seed, such as wide red stripes on grey; every picture of it has
its own phase. The photographs are scikit-learn's sample images (CC BY 2.0).
"""

import math
from functools import cache
from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_sample_images

Floats = NDArray[np.float32]
Pattern = Literal["plain", "stripes", "checks", "dots", "gradient", "mottled", "photograph"]
PATTERNS: tuple[Pattern, ...] = get_args(Pattern)


def draw_surface(style: int, size: int, rng: np.random.Generator) -> Floats:
    """Draw a surface.

    Args:
        style: Seed of the pattern, its two colours, its period and its angle.
        size: Side, pixels.
        rng: Draws the phase, which differs between pictures of one style.

    Returns:
        float32 (size, size, 3) in [0, 1].
    """
    own = np.random.default_rng(style)
    pattern = PATTERNS[int(own.integers(len(PATTERNS)))]
    first, second = own.random((2, 3), dtype=np.float32)
    second = np.asarray((first + second) / 2, dtype=np.float32)
    period, angle = float(own.uniform(0.12, 0.5)) * size, float(own.uniform(0, math.pi))
    phase = rng.uniform(0, period, 2).tolist()
    if pattern == "photograph":
        return _photograph(int(own.integers(2)), first, size, rng)
    if pattern == "plain":
        return np.tile(first, (size, size, 1))
    y, x = np.mgrid[:size, :size].astype(np.float32)
    along = x * math.cos(angle) + y * math.sin(angle) + phase[0]
    across = y * math.cos(angle) - x * math.sin(angle) + phase[1]
    share: NDArray[Any]
    u, v = (one / period - np.floor(one / period) for one in (along, across))
    if pattern == "stripes":
        share = _edge(np.abs(u - 0.5) - 0.25, period)
    elif pattern == "checks":
        share = _edge((np.abs(u - 0.5) - 0.25) * (np.abs(v - 0.5) - 0.25) * 4, period)
    elif pattern == "dots":
        share = _edge(0.3 - np.hypot(u - 0.5, v - 0.5), period)
    elif pattern == "gradient":
        share = np.clip(along / (1.5 * size), 0, 1)
    else:
        cells = max(2, round(size / period) + 1)
        share = cv2.resize(
            rng.uniform(0, 1, (cells, cells)).astype(np.float32),
            (size, size),
            interpolation=cv2.INTER_CUBIC,
        )
    share = np.clip(share, 0, 1)[..., None]
    return np.asarray(share * second + (1 - share) * first, dtype=np.float32)


def _edge(distance: Floats, period: float) -> Floats:
    """Share of one colour at signed distances, in periods, from an edge one pixel wide."""
    return np.asarray(np.clip(distance * period + 0.5, 0, 1), dtype=np.float32)


def _photograph(which: int, tint: Floats, size: int, rng: np.random.Generator) -> Floats:
    whole = _photographs()[which]
    side = int(rng.integers(min(size, 64), 400))
    top, left = (int(rng.integers(0, length - side)) for length in whole.shape[:2])
    cut = whole[top : top + side, left : left + side]
    scaled = cv2.resize(cut, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return (0.7 * scaled + 0.3 * tint).astype(np.float32)


@cache
def _photographs() -> list[NDArray[np.uint8]]:
    return [np.asarray(one, np.uint8) for one in load_sample_images().images]
