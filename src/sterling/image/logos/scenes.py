"""Scenes with logos in them and boxes around these, to train and measure a localiser with."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sterling.image.logos.brands import brand_masks
from sterling.image.logos.render import ink_colour, photograph, warp_mask, worn
from sterling.image.logos.surfaces import Floats, draw_surface

SMALLEST, LARGEST = 16.0, 110.0  # longer side of a logo, pixels
MOST = 4  # logos of a scene


@dataclass(frozen=True, eq=False)
class LogoScenes:
    """Pictures with known logos.

    Attributes:
        images: uint8 (N, 3, size, size).
        boxes: For each picture the boxes of its logos, float64 (K, 4): left, top, right, bottom.
        brands: For each picture the brands of these, int64 (K,).
    """

    images: Tensor
    boxes: tuple[NDArray[np.float64], ...]
    brands: tuple[NDArray[np.int64], ...]


def render_scenes(
    count: int, brands: NDArray[np.int64], *, size: int = 192, seed: int = 0
) -> LogoScenes:
    """Render scenes with up to four logos, on labels or on the background, among other shapes.

    Args:
        count: Number of scenes.
        brands: Brands to draw from, places in `load_brands`.
        size: Side, pixels.
        seed: Seed of everything.
    """
    rng = np.random.default_rng(seed)
    drawn = [_scene(brands, size, rng) for _ in range(count)]
    images, boxes, shown = zip(*drawn, strict=True)
    return LogoScenes(
        torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).copy()), tuple(boxes), tuple(shown)
    )


def _scene(
    brands: NDArray[np.int64], size: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.int64]]:
    picture = draw_surface(int(rng.integers(1 << 31)), size, rng)
    for _ in range(int(rng.integers(0, 9))):
        _clutter(picture, rng)
    boxes: list[NDArray[np.float64]] = []
    shown: list[int] = []
    taken = np.zeros((0, 4))
    for _ in range(int(rng.integers(0, MOST + 1))):
        side = float(np.exp(rng.uniform(np.log(SMALLEST), np.log(min(LARGEST, 0.6 * size)))))
        centre = rng.uniform(side / 2, size - side / 2, 2)
        whole = np.concatenate([centre - 0.75 * side, centre + 0.75 * side])
        apart = (whole[2:] < taken[:, :2]).any(1) | (whole[:2] > taken[:, 2:]).any(1)
        if not apart.all():
            continue  # logos do not overlap
        taken = np.vstack([taken, whole])
        brand = int(rng.choice(brands))
        boxes.append(_add_logo(picture, brand, centre, side, rng))
        shown.append(brand)
    return photograph(picture, rng), np.array(boxes).reshape(-1, 4), np.array(shown, np.int64)


def _add_logo(
    picture: Floats, brand: int, centre: NDArray[np.float64], side: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Print a logo into a picture, on a label every other time, and return its tight box."""
    size = picture.shape[0]
    turn = rng.normal(0, 0.12)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    unit = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    corners = (unit + rng.uniform(-0.06, 0.06, (4, 2))) @ rotation.T
    if rng.random() < 0.5:
        label = corners * side * rng.uniform(1.15, 1.5) + centre
        shape = np.zeros((size, size), np.float32)
        cv2.fillConvexPoly(shape, np.round(label * 16).astype(np.int32), 1.0, cv2.LINE_AA, 4)
        paper = draw_surface(int(rng.integers(1 << 31)), size, rng)
        picture += np.clip(shape, 0, 1)[..., None] * (paper - picture)
    placed = corners * side + centre
    ink, _ = warp_mask(brand_masks(range(brand, brand + 1))[0], placed, size)
    low, high = (np.clip(one, 0, size).astype(int) for one in (placed.min(0), placed.max(0) + 1))
    around = picture[low[1] : high[1], low[0] : high[0]]
    colour = ink_colour(around, rng)
    rows, columns = (np.flatnonzero(ink[..., 0].max(axis=one) > 0.25) for one in (1, 0))
    picture += ink * worn(size, rng)[..., None] * rng.uniform(0.8, 1) * (colour - picture)
    if not len(rows):  # strokes thinner than a pixel
        return np.concatenate([placed.min(0), placed.max(0)])
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dtype=np.float64)


def _clutter(picture: Floats, rng: np.random.Generator) -> None:
    """Draw a shape that is no logo: a box, a disc or a line, of a colour or, rarely, a surface."""
    size = picture.shape[0]
    shape = np.zeros((size, size), np.float32)
    a, b = (tuple(rng.integers(0, size, 2).tolist()) for _ in range(2))
    kind = int(rng.integers(3))
    if kind == 0:
        cv2.rectangle(shape, a, b, 1.0, -1)
    elif kind == 1:
        cv2.circle(shape, a, int(rng.integers(4, size // 4)), 1.0, -1, cv2.LINE_AA)
    else:
        cv2.line(shape, a, b, 1.0, int(rng.integers(1, 8)), cv2.LINE_AA)
    filling: Floats = rng.random(3, dtype=np.float32)
    if rng.random() < 0.25:
        filling = draw_surface(int(rng.integers(1 << 31)), size, rng)
    picture += shape[..., None] * (filling - picture)
