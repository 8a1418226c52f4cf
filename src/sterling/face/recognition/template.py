"""Faces brought to one place: a similarity from five landmarks to the template of recognisers.

Umeyama (IEEE TPAMI 1991). The template is the one that published recognition models were trained
on: a model sees what it was trained on only with the same template, so store it with the model.
"""

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.errors import InputError

TEMPLATE = np.array(
    [
        (38.2946, 51.6963),
        (73.5318, 51.5014),
        (56.0252, 71.7366),
        (41.5493, 92.3655),
        (70.7299, 92.2041),
    ]
)
"""Eyes, nose, corners of the mouth, left in the picture first; x and y in a square of 112."""

SIDE = 112


def similarity_transform(source: ArrayLike, target: ArrayLike) -> NDArray[np.float64]:
    """Rotation, scale and shift that bring points nearest to others, without a reflection.

    Args:
        source: Points (N, 2), two of them or more that differ.
        target: Places to reach, (N, 2).

    Returns:
        (2, 3): ``matrix[:, :2] @ point + matrix[:, 2]``.

    Raises:
        InputError: Shapes differ, or all source points are one.
    """
    start, end = np.asarray(source, dtype=float), np.asarray(target, dtype=float)
    if start.shape != end.shape or start.ndim != 2 or start.shape[1] != 2 or len(start) < 2:
        raise InputError(
            f"points {start.shape} and {end.shape}: give as many of both, two or more, x and y"
        )
    mean, goal = start.mean(axis=0), end.mean(axis=0)
    centred, aimed = start - mean, end - goal
    spread = float((centred**2).sum() / len(start))
    if not spread > 0:
        raise InputError("points: all are in one place, which has no direction and no size")
    left, sizes, right = np.linalg.svd(aimed.T @ centred / len(start))
    signs = np.array([1.0, np.sign(np.linalg.det(left) * np.linalg.det(right))])
    rotation = left @ np.diag(signs) @ right
    scale = float(sizes @ signs) / spread
    return np.column_stack([scale * rotation, goal - scale * rotation @ mean])


def align_to_template(
    image: NDArray[np.uint8], landmarks: ArrayLike, size: int = SIDE
) -> NDArray[np.uint8]:
    """A square crop in which the five landmarks lie on the template, black beyond the picture.

    Args:
        image: uint8 (H, W, channels).
        landmarks: Eyes, nose, corners of the mouth in pixels, (5, 2), left in the picture first.
        size: Side of the crop; the template is scaled with it.

    Raises:
        InputError: There are not five landmarks, or they are all in one place.
    """
    points = np.asarray(landmarks, dtype=float)
    if points.shape != (5, 2):
        raise InputError(f"landmarks {points.shape}: give five points, x and y")
    return warp(image, similarity_transform(points, TEMPLATE * size / SIDE), size)


def warp(image: NDArray[np.uint8], matrix: NDArray[np.float64], size: int) -> NDArray[np.uint8]:
    """Apply a similarity to a picture, and average pixels where it shrinks to half or less.

    Args:
        image: uint8 (H, W) or (H, W, channels).
        matrix: (2, 3), from the picture to the crop, as of `similarity_transform`.
        size: Side of the crop; black beyond the picture.
    """
    times = max(1, int(1 / np.hypot(*matrix[:, 0])))
    finer = times * matrix + [0, 0, (times - 1) / 2]  # pixels are counted at their centres
    crop = cv2.warpAffine(image, finer, (times * size, times * size))
    if times > 1:
        crop = cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(crop, dtype=np.uint8)
