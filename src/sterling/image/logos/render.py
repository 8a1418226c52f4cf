"""Pictures of logos as a camera sees them, with a border that may tell the class.

A logo is printed on a label of any colour, which lies on a surface; it is worn, seen at an angle,
lit unevenly, blurred and compressed, and the box around it is not exact. All of it is ours. With
probability `correlation` the surface is its brand's own, as a product's packaging is; otherwise
that of another brand.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sterling.checks import Count, Level, Share, check_fields
from sterling.image.logos.brands import brand_masks
from sterling.image.logos.surfaces import Floats, draw_surface
from sterling.runs import derive_seed

BOX_SHIFT, BOX_SCALE = 0.08, 0.12  # a detector's error of the box, in sides of the logo
CONTRAST = 0.25  # least difference of luminance between ink and surface
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Camera:
    """Sizes of a rendered crop.

    Attributes:
        size: Side of the crop, pixels.
        margin: Border on each side that the box is enlarged by, in sides of the box.
        cells: Side of the target of attention, in cells.
        correlation: Probability that a picture shows its brand's own surface.
    """

    size: Count = 48
    margin: Level = 0.2
    cells: Count = 12
    correlation: Share = 0.8

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, eq=False)
class LogoPictures:
    """Crops of logos.

    Attributes:
        images: uint8 (N, 3, size, size).
        brands: Brand of each, a place in `load_brands`, int64 (N,).
        inner: Share of each cell within the logo's box, float32 (N, cells, cells) in [0, 1].
        own_border: Whether each shows its brand's own surface, bool (N,).
    """

    images: Tensor
    brands: NDArray[np.int64]
    inner: Tensor
    own_border: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.brands)


def render_logos(
    brands: NDArray[np.int64], camera: Camera, *, seed: int, borders: int = 0
) -> LogoPictures:
    """Render one crop for each entry of `brands`.

    Args:
        brands: Places in `load_brands`, (N,), with repetition.
        camera: Sizes, and how often the border is the brand's own.
        seed: Seed of everything but the brands' own surfaces.
        borders: Seed of the brands' own surfaces.
    """
    rng = np.random.default_rng(seed)
    images, inner = [], []
    own = rng.random(len(brands)) < camera.correlation
    for brand, is_own in zip(brands.tolist(), own.tolist(), strict=True):
        wearer = brand if is_own else int(rng.integers(1 << 31))
        surface = draw_surface(derive_seed(borders, "border", wearer), camera.size, rng)
        image, box = print_logo(brand_masks(range(brand, brand + 1))[0], surface, camera, rng)
        images.append(photograph(image, rng))
        cells = cv2.resize(box, (camera.cells,) * 2, interpolation=cv2.INTER_AREA)
        inner.append(cells.astype(np.float32))
    return LogoPictures(
        torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).copy()),
        np.asarray(brands, np.int64),
        torch.from_numpy(np.stack(inner)),
        own,
    )


def print_logo(
    mask: NDArray[np.uint8],
    surface: Floats,
    camera: Camera,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Print a logo on a label in the middle of a surface, at an angle and in an inexact box.

    Args:
        mask: Ink, 0 to 255, (M, M).
        surface: float32 (size, size, 3) in [0, 1].
        camera: Size and margin.
        rng: Draws angle, box, label, colour and wear.

    Returns:
        The print (size, size, 3) in [0, 1], and the logo's box as 0 or 1 (size, size).
    """
    size, side = camera.size, camera.size / (1 + 2 * camera.margin)
    unit = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    turn = rng.normal(0, 0.12)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    corners = (unit + rng.uniform(-0.06, 0.06, (4, 2))) @ rotation.T
    corners *= side * (1 + rng.uniform(-BOX_SCALE, BOX_SCALE))
    corners += size / 2 + rng.uniform(-BOX_SHIFT, BOX_SHIFT, 2) * side
    ink, box = warp_mask(mask, corners, size)
    label = cv2.GaussianBlur(box, (0, 0), 0.6)[..., None]
    surface = label * draw_surface(int(rng.integers(1 << 31)), size, rng) + (1 - label) * surface
    ink = ink * worn(size, rng)[..., None] * rng.uniform(0.8, 1)
    printed = ink * ink_colour(surface, rng) + (1 - ink) * surface
    return printed.astype(np.float32), box


def warp_mask(
    mask: NDArray[np.uint8], corners: NDArray[np.float64], size: int
) -> tuple[Floats, Floats]:
    """Lay a mask into four corners (x, y): ink (size, size, 1) in [0, 1], and the quadrilateral."""
    side = mask.shape[0]
    source = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32) - 0.5
    lay = cv2.getPerspectiveTransform(source, (corners - 0.5).astype(np.float32))
    shrink = side / max(1.0, float(np.linalg.norm(corners[1] - corners[0])))
    if shrink > 1:  # linear interpolation alone would miss thin strokes
        mask = cv2.GaussianBlur(mask, (0, 0), 0.35 * shrink).astype(np.uint8)
    ink = cv2.warpPerspective(mask, lay, (size, size), flags=cv2.INTER_LINEAR)
    box = np.zeros((size, size), np.float32)
    cv2.fillConvexPoly(box, np.round(corners * 16).astype(np.int32), 1.0, cv2.LINE_8, 4)
    return (ink[..., None] / 255).astype(np.float32), box


def ink_colour(surface: Floats, rng: np.random.Generator) -> Floats:
    """Draw a colour whose luminance differs from the surface's mean by `CONTRAST` or more."""
    mean = float(surface.mean(axis=(0, 1)) @ _LUMA)
    if rng.random() < 0.4:  # much print is black or white
        return np.full(3, 0.05 if mean > 0.5 else 0.95, np.float32)
    for _ in range(20):
        colour = rng.uniform(0, 1, 3).astype(np.float32)
        if abs(float(colour @ _LUMA) - mean) >= CONTRAST:
            return colour
    return np.full(3, 0.0 if mean > 0.5 else 1.0, np.float32)


def worn(size: int, rng: np.random.Generator) -> Floats:
    """Draw the share of ink left at each pixel, (size, size); one logo in three is worn."""
    if rng.random() > 1 / 3:
        return np.ones((size, size), np.float32)
    coarse = rng.uniform(0, 1, (7, 7)).astype(np.float32)
    smooth = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    left = np.clip((smooth - rng.uniform(0, 0.3)) / 0.2, 0.25, 1)
    return np.asarray(left, dtype=np.float32)


def photograph(picture: Floats, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Light a picture unevenly, blur it, add noise and, every other time, compress it as JPEG.

    Args:
        picture: float32 (H, W, 3) in [0, 1].
        rng: Draws strengths.

    Returns:
        uint8 (H, W, 3).
    """
    height, width = picture.shape[:2]
    slope = rng.uniform(-0.3, 0.3, 2).tolist()
    y, x = (np.linspace(-0.5, 0.5, side, dtype=np.float32) for side in (height, width))
    light = float(rng.uniform(0.7, 1.15)) + slope[0] * y[:, None] + slope[1] * x[None]
    lit = picture * light[..., None] * rng.uniform(0.92, 1.08, 3).astype(np.float32)
    sigma = rng.uniform(0.2, 1.1)
    blurred = cv2.GaussianBlur(lit, (0, 0), sigma) if sigma > 0.3 else lit
    noise = np.float32(rng.uniform(0, 0.03)) * rng.standard_normal(blurred.shape, np.float32)
    noisy = blurred + noise
    pixels = (np.clip(noisy, 0, 1) * 255 + 0.5).astype(np.uint8)
    if rng.random() < 0.5:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 95))]
        pixels = cv2.imdecode(cv2.imencode(".jpg", pixels, quality)[1], cv2.IMREAD_COLOR)
    return np.asarray(pixels, np.uint8)
