"""Scanpath metrics: golden values, equality with multimatch_gaze, closed forms, invariants."""

from typing import Any

import multimatch_gaze
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.gaze import dtw, levenshtein, multimatch, scanmatch

A = [(100, 100, 0.2), (300, 150, 0.3), (500, 400, 0.25), (200, 350, 0.4)]
B = [(120, 110, 0.25), (320, 140, 0.2), (480, 380, 0.3), (250, 300, 0.35)]
SCREEN = (640, 480)
FIELDS = ("shape", "direction", "length", "position", "duration")


def drawn(seed: int, count: int) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.random((count, 2)) * SCREEN, rng.uniform(0.1, 0.6, count)])


def test_golden_values_of_multimatch() -> None:
    found = multimatch(A, B, SCREEN)
    expected = (0.9742305898, 0.9694140119, 0.9603598627, 0.9720491503, 0.8)
    assert [getattr(found, name) for name in FIELDS] == pytest.approx(expected, abs=1e-10)
    alone = multimatch(A, A, SCREEN)
    assert [getattr(alone, name) for name in FIELDS] == [1.0] * 5


@pytest.mark.parametrize("seed", range(40))
def test_multimatch_equals_its_peer(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = (drawn(2 * seed + k, int(rng.integers(3, 20))) for k in (0, 1))
    columns = [(name, float) for name in ("start_x", "start_y", "duration")]
    records = [np.array([tuple(row) for row in one], dtype=columns) for one in (first, second)]
    expected = multimatch_gaze.docomparison(*records, list(SCREEN))
    found = multimatch(first, second, SCREEN)
    assert [getattr(found, name) for name in FIELDS] == pytest.approx(expected, abs=1e-10)


def test_too_short_paths_have_no_multimatch() -> None:
    found = multimatch(A[:2], B, SCREEN)
    assert all(np.isnan(getattr(found, name)) for name in FIELDS)
    assert all(np.isnan(getattr(multimatch([], B, SCREEN), name)) for name in FIELDS)


def test_multimatch_is_symmetric_and_sees_a_shift_in_position_alone() -> None:
    first, second = drawn(1, 7), drawn(2, 9)
    there, back = multimatch(first, second, SCREEN), multimatch(second, first, SCREEN)
    for name in FIELDS:
        assert getattr(there, name) == pytest.approx(getattr(back, name), abs=1e-12)
    moved = multimatch(first, first + np.array([8, 6, 0]), SCREEN)
    assert moved.position == pytest.approx(1 - 10 / 800)
    assert (moved.shape, moved.length, moved.duration) == pytest.approx((1, 1, 1))


def test_scanmatch_of_closed_forms() -> None:
    assert scanmatch(A, A, SCREEN) == pytest.approx(1)
    # One fixation each, in regions 3 columns apart: (3.5 - 3) / 3.5.
    near, far = [(10, 10, 0.1)], [(10 + 3 * 640 / 12, 10, 0.1)]
    assert scanmatch(near, far, SCREEN) == pytest.approx(0.5 / 3.5)
    # Beyond the threshold gaps are better than a match.
    assert scanmatch(near, [(630, 470, 0.1)], SCREEN) == 0
    # Twice as long a fixation is twice as long a word.
    assert scanmatch(near, [(10, 10, 0.2)], SCREEN) == pytest.approx(0.5)
    assert scanmatch(near, [(10, 10, 0.2)], SCREEN, bin_seconds=0) == pytest.approx(1)


@pytest.mark.parametrize("seed", range(10))
def test_scanmatch_equals_a_plain_alignment(seed: int) -> None:
    first, second = drawn(seed, 6), drawn(seed + 50, 5)
    cells = [np.floor(one[:, :2] / SCREEN * (12, 8)) for one in (first, second)]
    score = 3.5 - np.linalg.norm(cells[0][:, None] - cells[1][None], axis=-1)
    best = np.zeros((7, 6))
    for i in range(1, 7):
        for j in range(1, 6):
            match = best[i - 1, j - 1] + score[i - 1, j - 1]
            best[i, j] = max(match, best[i - 1, j], best[i, j - 1])
    assert scanmatch(first, second, SCREEN, bin_seconds=0) == pytest.approx(best[-1, -1] / 21)


def test_dtw_of_closed_forms() -> None:
    assert dtw(A, A) == 0
    assert dtw([(0, 0)], [(3, 4), (3, 4)]) == pytest.approx(10)
    assert dtw([(0, 0), (9, 9)], [(0, 0), (0, 0), (9, 9)]) == 0
    first, second = drawn(1, 6)[:, :2], drawn(2, 8)[:, :2]
    assert dtw(first, second) == pytest.approx(dtw(second, first))


@pytest.mark.parametrize("seed", range(5))
def test_dtw_equals_recursion(seed: int) -> None:
    first, second = drawn(seed, 5)[:, :2], drawn(seed + 9, 4)[:, :2]

    def cost(i: int, j: int) -> float:
        here = float(np.linalg.norm(first[i] - second[j]))
        before = [cost(*at) for at in ((i - 1, j), (i, j - 1), (i - 1, j - 1)) if min(at) >= 0]
        return here + (min(before) if before else 0.0)

    assert dtw(first, second) == pytest.approx(cost(4, 3))


words = st.text(alphabet="abc", max_size=8)


@given(words, words, words)
def test_levenshtein_is_a_metric(first: str, second: str, third: str) -> None:
    apart = levenshtein(first, second)
    assert (apart == 0) == (first == second)
    assert apart == levenshtein(second, first)
    assert apart <= levenshtein(first, third) + levenshtein(third, second)
    assert abs(len(first) - len(second)) <= apart <= max(len(first), len(second))


def test_levenshtein_of_known_words() -> None:
    assert levenshtein("kitten", "sitting") == 3
    assert levenshtein([1, 2, 3], [1, 3]) == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: multimatch([(1, 2)], A, SCREEN), r"first scanpath has shape \(1, 2\)"),
        (lambda: multimatch(A, [(1, 2, 0.0)] * 3, SCREEN), "duration of 0 s"),
        (lambda: multimatch(A, [(np.nan, 2, 1)] * 3, SCREEN), "second scanpath .* not finite"),
        (lambda: multimatch(A, B, (0, 480)), "width"),
        (lambda: scanmatch([], A, SCREEN), "first scanpath is empty"),
        (lambda: scanmatch(A, A, SCREEN, threshold=0), "threshold"),
        (lambda: dtw([], A), "first scanpath"),
    ],
)
def test_bad_input_is_one_line(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        call()
    assert "\n" not in str(refused.value)
