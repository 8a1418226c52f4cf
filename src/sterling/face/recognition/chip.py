"""The crop that the recognition network takes: dlib's 150 × 150 "chip" with padding 0.25.

A network recognises what is aligned as in its training, so the template belongs to the network.
"""

from functools import cache
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.errors import InputError
from sterling.face.recognition.template import similarity_transform, warp

CHIP_SIDE = 150
"""Side of a chip, pixels."""

DIMENSION = 128
"""Length of the network's vectors."""

CHIP_TEMPLATE = np.array(
    [
        (47.5492, 46.5990),
        (100.4761, 46.5990),
        (74.0127, 76.5625),
        (50.4149, 103.0233),
        (97.6104, 103.0233),
    ]
)
"""Eyes, nose tip and mouth corners in a chip, left in the picture first; x and y.

Computed from dlib's mean face of 68 points (``get_face_chip_details``), which dlib scales to
``(padding + x) / (2 padding + 1)`` of the side: an eye is the mean of its six points, the nose is
point 30, the mouth corners are points 48 and 54.
"""

# Misfits, in deviations of the landmarks. Faces have up to 0.25, and profiles 0.6 in every order;
# other orders have 0.6 and more, but for those that turn the eyes and mouth about the nose.
_NOTICED = 0.4  # misfit below which no order is doubted
_WORSE = 1.5  # times the misfit of the best order, from which the given one is wrong


def face_chip(picture: NDArray[np.uint8], landmarks: ArrayLike) -> NDArray[np.uint8]:
    """Cut out a face as the network takes it, black beyond the picture.

    Args:
        picture: uint8 (3, H, W), RGB.
        landmarks: Eyes, nose tip, mouth corners in pixels, (5, 2), left in the picture first.

    Returns:
        uint8 (3, 150, 150).

    Raises:
        InputError: There are not five finite landmarks, all are in one place, or in another order.

    Examples:
        >>> import numpy as np
        >>> face_chip(np.zeros((3, 200, 200), np.uint8), CHIP_TEMPLATE).shape
        (3, 150, 150)
    """
    points = np.asarray(landmarks, dtype=float)
    if points.shape != (5, 2) or not np.isfinite(points).all():
        raise InputError(f"landmarks {points.shape}: give five finite points, x and y")
    _require_order(points)
    return face_pixels(picture, points)


def face_pixels(picture: NDArray[np.uint8], landmarks: ArrayLike) -> NDArray[np.uint8]:
    """Cut out a face as `face_chip`, of landmarks whose order is known, as the detector's is."""
    matrix = similarity_transform(landmarks, CHIP_TEMPLATE)
    chip = warp(np.ascontiguousarray(picture.transpose(1, 2, 0)), matrix, CHIP_SIDE)
    return np.ascontiguousarray(chip.transpose(2, 0, 1))


def head_turn(landmarks: ArrayLike) -> float:
    """Return how far the nose lies from between the eyes, in distances of the eyes.

    0 from the front. With a nose half an eye distance before the eyes it is about tan(yaw) / 2;
    positive when the nose points to the right of the picture.

    Args:
        landmarks: Eye, eye, nose tip and more, (5, 2), left in the picture first.

    Examples:
        >>> round(head_turn(CHIP_TEMPLATE), 3)
        0.0
    """
    left, right, nose = np.asarray(landmarks, dtype=float)[:3]
    axis = right - left
    length = float(axis @ axis)
    return float((nose - (left + right) / 2) @ axis) / length if length else float("inf")


def _require_order(points: NDArray[np.float64]) -> None:
    """Refuse landmarks that another order brings much nearer to the template.

    Eyes and mouth corners are nearly a square, so that its turns by quarters go unnoticed: they
    look like a face on its side.

    As complex numbers about their means, the similarity without reflection that is nearest in least
    squares leaves ``|points|² - |<template, points>|² / |template|²``.
    """
    orders = _orders()
    template, given = (_complex(one) for one in (CHIP_TEMPLATE, points))
    size = float(np.vdot(given, given).real)
    if not size > 0:
        raise InputError("landmarks: all are in one place, which has no direction and no size")
    along = np.abs(given[orders] @ template.conj()) ** 2 / np.vdot(template, template).real
    misfit = np.sqrt(np.maximum(1 - along / size, 0))
    best = int(misfit.argmin())
    if misfit[0] > max(_NOTICED, _WORSE * misfit[best]):
        order = ", ".join(str(place + 1) for place in orders[best])
        raise InputError(
            "landmarks are in another order: give eye, eye, nose tip, mouth corner, mouth corner, "
            f"left in the picture first; the order {order} of those given fits"
        )


def _complex(points: NDArray[np.float64]) -> NDArray[np.complex128]:
    numbers = points[:, 0] + 1j * points[:, 1]
    return np.asarray(numbers - numbers.mean())


@cache
def _orders() -> NDArray[np.int64]:
    """The 120 orders of five points; the first is the one given."""
    return np.array(list(permutations(range(5))))
