import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sterling.errors import InputError
from sterling.policy import (
    absolute,
    angular,
    box_iou_error,
    edit_distance,
    log_ratio,
    point_to_box,
    relative_squared,
)

WORDS = st.text(alphabet="abé😀", max_size=8)


def test_relative_errors_near_zero_are_relative_to_the_floor() -> None:
    assert relative_squared([11, 9], [10, 10]).tolist() == pytest.approx([0.01, 0.01])
    assert relative_squared(0.1, 0.0, y_floor=0.5) == pytest.approx(0.04)
    assert relative_squared(-11, -10) == pytest.approx(0.01)


def test_angles_take_the_shorter_way_round() -> None:
    assert angular([350, -10, 725, 180], [10, 350, 5, 0]).tolist() == [20, 0, 0, 180]
    assert angular(2 * math.pi - 0.1, 0.1, period=2 * math.pi) == pytest.approx(0.2)
    assert angular(179, 1, period=180) == pytest.approx(2)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.integers(-5, 5))
def test_angles_do_not_notice_whole_turns(guess: float, truth: float, turns: int) -> None:
    error = angular(guess, truth)
    assert 0 <= error <= 180
    assert angular(guess + 360 * turns, truth) == pytest.approx(error, abs=1e-6)
    assert angular(truth, guess) == pytest.approx(error, abs=1e-6)


def test_ratios_are_symmetric() -> None:
    assert log_ratio([20, 5], 10).tolist() == pytest.approx([math.log(2)] * 2)
    assert log_ratio([0, -3], 10).tolist() == [math.inf, math.inf]


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_predictions_that_are_no_numbers_get_the_worst_feedback(wrong: float) -> None:
    for feedback in (relative_squared, absolute, angular, log_ratio):
        assert feedback([wrong], [1.0]).tolist() == [math.inf]
    assert box_iou_error([0, 0, wrong, 1], [0, 0, 1, 1]) == 1
    assert point_to_box([wrong, 0], [0, 0, 1, 1]) == math.inf
    assert relative_squared(1e200, 1.0) == math.inf  # beyond float64, without a warning


def test_boxes_overlap_as_counted_by_pixels() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        corners = np.sort(rng.choice(12, size=(2, 2, 2)), axis=1)
        boxes = corners.reshape(2, 4)
        if (corners[:, 0] == corners[:, 1]).any():
            continue
        grids = np.zeros((2, 12, 12), bool)
        for grid, (left, top, right, bottom) in zip(grids, boxes, strict=True):
            grid[top:bottom, left:right] = True
        expected = 1 - (grids[0] & grids[1]).sum() / (grids[0] | grids[1]).sum()
        assert box_iou_error(boxes[0], boxes[1]) == pytest.approx(expected)
    assert box_iou_error([2, 0, 0, 2], [0, 0, 2, 2]) == 1  # corners the wrong way round


def test_points_are_free_inside_the_box() -> None:
    found = point_to_box([[0, 0], [5, 10], [-3, -4], [12, 5], [5, 13]], [0, 0, 10, 10])
    assert found.tolist() == [0, 0, 5, 2, 3]


def plain_edits(first: str, second: str) -> int:
    table = [[i + j if 0 in (i, j) else 0 for j in range(len(second) + 1)] for i in range(99)]
    for i, a in enumerate(first, 1):
        for j, b in enumerate(second, 1):
            table[i][j] = min(
                table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (a != b)
            )
    return table[len(first)][len(second)]


@given(WORDS, WORDS)
def test_edit_distance_equals_the_plain_table(first: str, second: str) -> None:
    expected = plain_edits(first, second) / max(len(first), len(second), 1)
    assert edit_distance([first], [second]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: absolute([1.0], [math.nan]), "target: a value is not finite"),
        (lambda: absolute(["one"], [1.0]), "prediction: give numbers"),
        (lambda: absolute([1.0], ["one"]), "target: give numbers"),
        (lambda: relative_squared(1, 1, y_floor=0), "y_floor is 0"),
        (lambda: angular(1, 1, period=-1), "period is -1"),
        (lambda: log_ratio(1, 0), "target: 0 has no logarithm"),
        (lambda: box_iou_error([0, 0, 1], [0, 0, 1, 1]), "prediction has shape"),
        (lambda: box_iou_error([0, 0, 1, 1], [1, 1, 0, 0]), "target: a box has no area"),
        (lambda: point_to_box([0, 0, 0], [0, 0, 1, 1]), "give points"),
        (lambda: edit_distance(["a"], ["a", "b"]), "two lists of texts"),
        (lambda: edit_distance("a", "a"), "two lists of texts"),
        (lambda: edit_distance(["a"], [1]), "target: give a text"),  # type: ignore[list-item]
    ],
)
def test_bad_input_is_refused(call: Callable[[], object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        call()
