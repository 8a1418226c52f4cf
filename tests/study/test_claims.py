import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sterling.errors import InputError
from sterling.measure import Estimate, Interval, Rate
from sterling.study import (
    bounded_above,
    bounded_below,
    more_often,
    positive,
    verdict,
    within,
)

NEAR_ONE = [0.9, 1.0, 1.1]  # 95 % interval of the mean: 1 +- 0.248


@pytest.mark.parametrize(
    ("bar", "above", "below"), [(1.3, True, False), (1.1, None, None), (0.7, False, True)]
)
def test_three_verdicts_on_both_sides(bar: float, above: bool | None, below: bool | None) -> None:
    at_most, at_least = (one("x", "x", NEAR_ONE, bar) for one in (bounded_above, bounded_below))
    assert (at_most.holds, at_least.holds) == (above, below)
    low, high = stats.t.interval(0.95, 2, 1.0, stats.sem(NEAR_ONE))
    assert (at_most.measured, at_most.low, at_most.high) == pytest.approx((1.0, low, high))
    assert at_most.test.startswith("mean over 3 seeds, 95 % Student-t interval; holds if it ends")


@pytest.mark.parametrize(
    ("low", "high", "holds"),
    [(0.5, 1.5, True), (0.9, 1.5, None), (0.5, 1.1, None), (0.9, 1.1, None), (2, 3, False)],
)
def test_within_two_bars(low: float, high: float, holds: bool | None) -> None:
    assert within("x", "x", NEAR_ONE, low, high).holds is holds


@pytest.mark.parametrize(
    ("differences", "holds"),
    [
        ([1.0, 1.1, 0.9], True),
        ([1.0, -1.0, 0.5], None),
        ([-1.0, -1.1], False),
        ([0.0, 0.0], False),
        ([1.0], None),
        ([], None),
    ],
)
def test_a_difference_is_positive_when_its_interval_is(
    differences: list[float], holds: bool | None
) -> None:
    claim = positive("x", "x", differences)
    assert claim.holds is holds
    if len(set(differences)) > 1:
        low, high = stats.t.interval(
            0.95, len(differences) - 1, sum(differences) / len(differences), stats.sem(differences)
        )
        assert (claim.low, claim.high) == pytest.approx((low, high))


@given(st.floats(-9, 9), st.floats(0, 9), st.floats(-9, 9), st.floats(0.1, 9))
def test_the_verdict_follows_what_the_interval_allows(
    start: float, width: float, low: float, room: float
) -> None:
    interval, high = Interval(start, start + width), low + room
    points = [start + width * k / 64 for k in range(65)]
    possible = {low <= point <= high for point in points}
    found = verdict(interval, low, high)
    if found is not None:
        assert possible == {found}
    elif low - start > width / 64 or start + width - high > width / 64:
        assert False in possible


def test_counts_and_estimates_bring_their_own_interval() -> None:
    none_of_150 = bounded_above("x", "x", Rate(0, 150), 0.03)
    assert none_of_150.holds is True
    assert none_of_150.high == pytest.approx(1 - 0.025 ** (1 / 150))
    assert bounded_above("x", "x", Rate(0, 150), 0.02).holds is None
    area = Estimate(0.8, Interval(0.7, 0.9), 0.95, "DeLong")
    assert bounded_below("x", "x", area, 0.6).holds is True
    assert "DeLong, 95 % interval" in bounded_below("x", "x", area, 0.6).test


def test_too_few_values_cannot_tell() -> None:
    one, none = bounded_above("x", "x", [0.1], 1.0), bounded_above("x", "x", [], 1.0)
    assert (one.holds, one.measured, one.low) == (None, 0.1, None)
    assert (none.holds, none.measured) == (None, None)


def test_of_several_parts_the_worst_decides() -> None:
    parts = {"good": [0.1, 0.2, 0.3], "near": [0.5, 0.6, 0.7], "silent": []}
    claim = bounded_above("x", "x", parts, 0.9)
    assert claim.holds is True
    assert claim.measured == pytest.approx(0.6)
    assert "worst of 2: near" in claim.test
    assert claim.test.endswith("nothing to judge for silent")
    assert bounded_above("x", "x", {**parts, "open": NEAR_ONE}, 0.9).holds is None
    failing = bounded_above("x", "x", {**parts, "open": NEAR_ONE, "bad": [2.0, 2.1]}, 0.9)
    assert failing.holds is False
    assert failing.measured == pytest.approx(2.05)
    assert "good" in bounded_below("x", "x", parts, 0.0).test
    only_silent = bounded_above("x", "x", {"silent": []}, 0.9)
    assert (only_silent.holds, only_silent.measured) == (None, None)


def test_a_part_of_one_value_leaves_it_open() -> None:
    assert bounded_above("x", "x", {"one": [0.1], "many": [0.1, 0.1]}, 1.0).holds is None


def test_bars_in_the_wrong_order() -> None:
    with pytest.raises(InputError, match="low must lie below high"):
        within("x", "x", NEAR_ONE, 1.0, math.nan)


@pytest.mark.parametrize(
    ("hits", "trials", "level", "holds"),
    [
        # p of k of k is 2^-k: 1/128 at seven, 1/64 at six.
        (7, 7, 0.01, True),
        (6, 6, 0.01, None),
        (6, 7, 0.01, None),
        (0, 7, 0.01, False),
        (0, 6, 0.01, None),
        (5, 5, 0.05, True),
        (4, 4, 0.05, None),
        (10, 20, 0.05, None),
    ],
)
def test_a_sign_test_has_three_verdicts_too(
    hits: int, trials: int, level: float, holds: bool | None
) -> None:
    claim = more_often("x", "x", Rate(hits, trials), level=level)
    assert claim.holds is holds
    more = sum(math.comb(trials, k) for k in range(hits, trials + 1)) / 2**trials
    assert f"p = {more:.2g}, at level {level:g}" in claim.test
    interval = Rate(hits, trials).interval()
    assert (claim.measured, claim.low, claim.high) == (hits / trials, interval.low, interval.high)
