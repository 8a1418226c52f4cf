"""Fingers over the edge of what is held before the camera."""

import cv2
import numpy as np
from numpy.typing import NDArray

from sterling.face.capture.sensor import Picture

LIGHT_SKIN = np.array([0.88, 0.69, 0.59])  # sRGB
DARK_SKIN = np.array([0.39, 0.25, 0.18])


def fingers(scene: Picture, corners: NDArray[np.float64], rng: np.random.Generator) -> Picture:
    """Draw one to four fingers that reach over an edge of a quadrilateral.

    Args:
        scene: sRGB (S, S, 3).
        corners: Corners of what is held, in pixels, (4, 2).
        rng: Source of randomness.
    """
    side = scene.shape[0]
    skin = DARK_SKIN + rng.random() * (LIGHT_SKIN - DARK_SKIN)
    skin = skin * rng.uniform(0.7, 1.15) * rng.uniform(0.93, 1.07, 3)
    edge = int(rng.integers(4))
    start, end = corners[edge], corners[(edge + 1) % 4]
    inward = _unit(corners.mean(0) - (start + end) / 2)
    width = rng.uniform(0.03, 0.08) * side
    first = rng.uniform(0.1, 0.8)
    for number in range(int(rng.integers(1, 5))):
        share = first + 1.9 * number * width / max(1.0, float(np.linalg.norm(end - start)))
        at = start + share * (end - start)
        tip = at + inward * rng.uniform(0.03, 0.17) * side
        root = at - inward * rng.uniform(0.15, 0.5) * side + rng.normal(0, 0.04 * side, 2)
        scene = _finger(scene, tip, root, width * rng.uniform(0.8, 1.1), skin)
    return scene


def _finger(
    scene: Picture,
    tip: NDArray[np.float64],
    root: NDArray[np.float64],
    width: float,
    skin: NDArray[np.float64],
) -> Picture:
    cover: Picture = np.zeros(scene.shape[:2], np.float32)
    ends = [tuple(int(x) for x in point) for point in (root, tip)]
    cv2.line(cover, ends[0], ends[1], 1.0, max(2, round(2 * width)), cv2.LINE_AA)
    cover = cv2.GaussianBlur(cover, (0, 0), 0.8)
    round_ = cv2.GaussianBlur(cover, (0, 0), max(0.8, 0.8 * width))
    light = 0.65 + 0.45 * round_ / max(float(round_.max()), 1e-3)
    shadow = 0.35 * cv2.GaussianBlur(cover, (0, 0), max(0.8, 0.5 * width))
    lit = skin * light[..., None]
    darker = scene * (1 - shadow[..., None])
    return np.asarray(darker + cover[..., None] * (lit - darker), dtype=np.float32)


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return vector / max(float(np.linalg.norm(vector)), 1e-3)
