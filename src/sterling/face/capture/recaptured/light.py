"""Light of a room on what is held in it: gradients, highlights, reflections, shadows."""

import cv2
import numpy as np
from numpy.typing import NDArray

from sterling.face.capture.recaptured.material import Material
from sterling.face.capture.recaptured.surroundings import piece, shade
from sterling.face.capture.sensor import Picture


def lit(seen: Picture, screen: bool, material: Material, rng: np.random.Generator) -> Picture:
    """Light of the room on an instrument: a gradient, highlights, reflections in the glass."""
    side = seen.shape[0]
    seen = shade(seen, rng, 0.15 if screen else 0.5)
    if not screen and rng.random() < 0.5:
        seen = seen * np.float32(rng.uniform(0.45, 1.2))
    if rng.random() < (0.5 if screen else 0.3):
        seen = seen + _highlight(side, rng)
    if screen and rng.random() < 0.5:
        mirrored = piece(_any_picture(material, rng), rng, (side, side))
        mirrored = cv2.GaussianBlur(mirrored, (0, 0), float(rng.uniform(0.5, 5)))
        seen = seen + np.float32(rng.uniform(0.03, 0.3)) * mirrored
    return seen.astype(np.float32)


def _highlight(side: int, rng: np.random.Generator) -> Picture:
    at, spread_ = rng.uniform(0, side, 2), rng.uniform(0.03, 0.3, 2) * side
    turn = rng.uniform(0, np.pi)
    x = np.arange(side, dtype=np.float32)[None] - np.float32(at[0])
    y = np.arange(side, dtype=np.float32)[:, None] - np.float32(at[1])
    along = (x * np.cos(turn) + y * np.sin(turn)) / spread_[0]
    across = (y * np.cos(turn) - x * np.sin(turn)) / spread_[1]
    bright = rng.uniform(0.08, 0.65) * np.exp(-(along**2) - across**2)
    return np.asarray(bright[..., None], dtype=np.float32)


def shadowed(scene: Picture, alpha: Picture, rng: np.random.Generator) -> Picture:
    """Shadow of a sheet on the scene behind it."""
    soft = cv2.GaussianBlur(alpha, (0, 0), float(rng.uniform(1, 9)) * alpha.shape[0] / 176)
    shift = np.array([[1, 0, rng.uniform(-5, 5)], [0, 1, rng.uniform(-5, 5)]])
    moved = cv2.warpAffine(soft, shift, alpha.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    dark = np.float32(rng.uniform(0, 0.5)) * moved
    return np.asarray(scene * (1 - dark[..., None]), dtype=np.float32)


def _any_picture(material: Material, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A photograph for a mirror to show."""
    others = material.others or tuple(one.pixels for one in material.people)
    return others[rng.integers(len(others))]
