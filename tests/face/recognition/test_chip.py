"""Chips: where landmarks go, in which order they come, how far a head is turned."""

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sterling.errors import InputError
from sterling.face.recognition import CHIP_TEMPLATE, face_chip, head_turn

BLANK = np.zeros((3, 8, 8), np.uint8)


def placed(turn: float, scale: float) -> np.ndarray:
    """Landmarks of a face that is turned in the picture, scaled and moved."""
    matrix = scale * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    return np.asarray(CHIP_TEMPLATE @ matrix.T + [400, 300])


@pytest.mark.parametrize("scale", [0.5, 1.0, 4.0])
def test_landmarks_come_to_lie_on_the_template_at_any_size(scale: float) -> None:
    points = placed(0.4, scale)
    picture = np.zeros((3, 1200, 1200), np.uint8)
    rows, columns = np.indices(picture.shape[1:])
    for x, y in points:
        picture[:, (columns - x) ** 2 + (rows - y) ** 2 < (6 * scale) ** 2] = 255
    chip = face_chip(picture, points)[0].astype(float)
    for x, y in CHIP_TEMPLATE:
        rows, columns = np.indices(chip.shape)
        near = chip * ((columns - x) ** 2 + (rows - y) ** 2 < 81)
        found = [(near * columns).sum() / near.sum(), (near * rows).sum() / near.sum()]
        np.testing.assert_allclose(found, [x, y], atol=0.5)


def test_a_picture_that_shrinks_much_is_averaged() -> None:
    """A raster of single pixels becomes its mean; taking every eighth pixel would show stripes."""
    picture = np.zeros((3, 1300, 1300), np.uint8)
    picture[:, :, ::2] = 200
    chip = face_chip(picture, 8 * CHIP_TEMPLATE).astype(float)
    assert np.abs(chip[:, 20:-20, 20:-20] - 100).max() < 3


def test_beyond_the_picture_it_is_black() -> None:
    chip = face_chip(np.full((3, 150, 150), 255, np.uint8), CHIP_TEMPLATE - [60, 0])
    assert not chip[:, :, :55].any()
    assert (chip[:, :, 65:] == 255).all()


QUARTERS = {(4, 3, 2, 1, 0), (3, 0, 2, 4, 1), (1, 4, 2, 0, 3)}  # of the square around the nose


@given(st.floats(-math.pi, math.pi), st.floats(0.3, 5), st.integers(0, 2**20))
@settings(max_examples=10)
def test_other_orders_of_landmarks_are_refused(turn: float, scale: float, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0, 2 * scale, (5, 2))
    points = placed(turn, scale) + noise
    for order in permutations(range(5)):
        if order == (0, 1, 2, 3, 4) or order in QUARTERS:
            assert face_chip(BLANK, points[list(order)]).shape == (3, 150, 150)
        else:
            with pytest.raises(InputError, match="in another order"):
                face_chip(BLANK, points[list(order)])


def test_the_refusal_names_the_order_that_fits() -> None:
    swapped = CHIP_TEMPLATE[[1, 0, 2, 4, 3]]  # the person's left first
    with pytest.raises(InputError, match="the order 2, 1, 3, 5, 4 of those given fits"):
        face_chip(BLANK, swapped)


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (CHIP_TEMPLATE[:4], "give five finite points"),
        (CHIP_TEMPLATE * np.nan, "give five finite points"),
        (np.ones((5, 2)), "one place"),
    ],
)
def test_landmarks_that_are_none(points: np.ndarray, words: str) -> None:
    with pytest.raises(InputError, match=words):
        face_chip(BLANK, points)


@pytest.mark.parametrize("degrees", [-60, -20, 0, 35, 60])
def test_a_nose_before_the_eyes_gives_the_tangent_of_the_yaw(degrees: float) -> None:
    """Eyes at ±1 and a nose one unit before them, half their distance, seen from afar."""
    yaw = math.radians(degrees)
    eyes = math.cos(yaw)
    points = [(-eyes, 0), (eyes, 0), (math.sin(yaw), 0.7), (-eyes / 2, 1.5), (eyes / 2, 1.5)]
    assert head_turn(points) == pytest.approx(math.tan(yaw) / 2)
    assert head_turn(10 * np.array(points) + 7) == pytest.approx(math.tan(yaw) / 2)


def test_eyes_in_one_place_are_turned_beyond_measure() -> None:
    assert head_turn(np.zeros((5, 2))) == math.inf
