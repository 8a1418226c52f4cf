"""Outlines of some three thousand brands' logos, from Simple Icons (CC0).

The drawings are in the public domain; the trade marks stay with their owners. They are there to
train and to measure with, not to be shown as one's own.
"""

import json
import lzma
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sterling.checks import check_numbers
from sterling.image.logos.vectors import fill_outlines, path_outlines

PACK = Path(__file__).parent / "data" / "simple_icons.json.xz"
SIDE = 24.0  # units of the drawings' view box
TRAINED = 0.7  # share of the brands that shipped weights are trained on
MASK = 64  # side of the masks that pictures are rendered from, pixels


@dataclass(frozen=True)
class Brand:
    """A brand's name and its logo as SVG path data in a box of 24 × 24."""

    name: str
    path: str


@cache
def load_brands() -> tuple[Brand, ...]:
    """Load every brand of the package, in an order that has nothing to do with the names.

    Examples:
        >>> len(load_brands()) > 3000
        True
    """
    packed = json.loads(lzma.decompress(PACK.read_bytes()))
    brands = [Brand(name, path) for name, path in packed]
    order = np.random.default_rng(0).permutation(len(brands))
    return tuple(brands[one] for one in order.tolist())


def trained_brands() -> int:
    """Return the number of brands, from the first on, that shipped weights are trained on."""
    return int(TRAINED * len(load_brands()))


def brand_masks(brands: NDArray[np.int64] | range) -> NDArray[np.uint8]:
    """Draw logos so that each just fits into its mask.

    Args:
        brands: Places in `load_brands`.

    Returns:
        Ink, 0 to 255, (N, 64, 64).

    Raises:
        InputError: A place is out of range.
    """
    for one in brands:
        check_numbers(at_least=0, below=len(load_brands()), brand=int(one))
    return np.stack([_mask(int(one)) for one in brands])


@cache
def _mask(brand: int) -> NDArray[np.uint8]:
    return logo_mask(load_brands()[brand].path)


def logo_mask(path: str, size: int = MASK) -> NDArray[np.uint8]:
    """Draw path data so that it just fits into a square, in its middle.

    Raises:
        InputError: The text is no path data, or it draws nothing.
    """
    outlines = path_outlines(path)
    every = np.concatenate(outlines)
    low, extent = every.min(axis=0), np.ptp(every, axis=0)
    scale = size / max(float(extent.max()), 1e-9)
    shift = (size - scale * extent) / 2
    return fill_outlines([(one - low) * scale + shift for one in outlines], size)
