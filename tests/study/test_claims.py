import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sterling.errors import InputError
from sterling.measure import Estimate, Interval, Rate
from sterling.study import (
    at_least,
    at_most,
    more_often,
    positive,
    verdict,
    within,
)
from sterling.study.evidence import Verdict

YES: Verdict = "holds"
NO: Verdict = "does not hold"
OPEN: Verdict = "undecided"
NEAR_ONE = [0.9, 1.0, 1.1]  # 95 % interval of the mean: 1 +- 0.248


@pytest.mark.parametrize(
    ("bar", "above", "below"), [(1.3, YES, NO), (1.1, OPEN, OPEN), (0.7, NO, YES)]
)
def test_three_verdicts_on_both_sides(bar: float, above: Verdict, below: Verdict) -> None:
    upper, lower = (one("x", "x", NEAR_ONE, bar) for one in (at_most, at_least))
    assert (upper.verdict, lower.verdict) == (above, below)
    low, high = stats.t.interval(0.95, 2, 1.0, stats.sem(NEAR_ONE))
    assert (upper.measured, upper.low, upper.high) == pytest.approx((1.0, low, high))
    assert upper.estimand == "mean over 3 repetitions, 95 % Student-t interval"
    assert (upper.bar, lower.bar) == (f"<= {bar:.4g}", f">= {bar:.4g}")


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [(0.5, 1.5, YES), (0.9, 1.5, OPEN), (0.5, 1.1, OPEN), (0.9, 1.1, OPEN), (2, 3, NO)],
)
def test_within_two_bars(low: float, high: float, found: Verdict) -> None:
    assert within("x", "x", NEAR_ONE, low, high).verdict == found


@pytest.mark.parametrize(
    ("differences", "found"),
    [
        ([1.0, 1.1, 0.9], YES),
        ([1.0, -1.0, 0.5], OPEN),
        ([-1.0, -1.1], NO),
        ([0.0, 0.0], NO),
        ([1.0], OPEN),
        ([], OPEN),
    ],
)
def test_a_difference_is_positive_when_its_interval_is(
    differences: list[float], found: Verdict
) -> None:
    claim = positive("x", "x", differences)
    assert claim.verdict == found
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
    if found != OPEN:
        assert possible == {found == YES}
    elif low - start > width / 64 or start + width - high > width / 64:
        assert False in possible


def test_counts_and_estimates_bring_their_own_interval() -> None:
    none_of_150 = at_most("x", "x", Rate(0, 150), 0.03)
    assert none_of_150.verdict == "holds"
    assert none_of_150.high == pytest.approx(1 - 0.025 ** (1 / 150))
    assert at_most("x", "x", Rate(0, 150), 0.02).verdict == "undecided"
    area = Estimate(0.8, Interval(0.7, 0.9), 0.95, "DeLong")
    assert at_least("x", "x", area, 0.6).verdict == "holds"
    assert "DeLong, 95 % interval" in at_least("x", "x", area, 0.6).estimand


def test_too_few_values_cannot_tell() -> None:
    one, none = at_most("x", "x", [0.1], 1.0), at_most("x", "x", [], 1.0)
    assert (one.verdict, one.measured, one.low) == (OPEN, 0.1, None)
    assert (none.verdict, none.measured) == (OPEN, None)


def test_of_several_parts_the_worst_decides() -> None:
    parts = {"good": [0.1, 0.2, 0.3], "near": [0.5, 0.6, 0.7], "silent": []}
    claim = at_most("x", "x", parts, 0.9)
    assert claim.verdict == "holds"
    assert claim.measured == pytest.approx(0.6)
    assert "worst of 2: near" in claim.estimand
    assert claim.estimand.endswith("nothing measured for silent")
    assert at_most("x", "x", {**parts, "open": NEAR_ONE}, 0.9).verdict == "undecided"
    failing = at_most("x", "x", {**parts, "open": NEAR_ONE, "bad": [2.0, 2.1]}, 0.9)
    assert failing.verdict == "does not hold"
    assert failing.measured == pytest.approx(2.05)
    assert "good" in at_least("x", "x", parts, 0.0).estimand
    only_silent = at_most("x", "x", {"silent": []}, 0.9)
    assert (only_silent.verdict, only_silent.measured) == (OPEN, None)


def test_a_part_of_one_value_leaves_it_open() -> None:
    assert at_most("x", "x", {"one": [0.1], "many": [0.1, 0.1]}, 1.0).verdict == "undecided"


def test_bars_in_the_wrong_order() -> None:
    with pytest.raises(InputError, match="low must lie below high"):
        within("x", "x", NEAR_ONE, 1.0, math.nan)


@pytest.mark.parametrize(
    ("hits", "trials", "level", "found"),
    [
        # p of k of k is 2^-k: 1/128 at seven, 1/64 at six.
        (7, 7, 0.01, YES),
        (6, 6, 0.01, OPEN),
        (6, 7, 0.01, OPEN),
        (0, 7, 0.01, NO),
        (0, 6, 0.01, OPEN),
        (5, 5, 0.05, YES),
        (4, 4, 0.05, OPEN),
        (10, 20, 0.05, OPEN),
    ],
)
def test_a_sign_test_has_three_verdicts_too(
    hits: int, trials: int, level: float, found: Verdict
) -> None:
    claim = more_often("x", "x", Rate(hits, trials), level=level)
    assert claim.verdict == found
    more = sum(math.comb(trials, k) for k in range(hits, trials + 1)) / 2**trials
    assert f"p = {more:.2g}" in claim.estimand
    interval = Rate(hits, trials).interval()
    assert (claim.measured, claim.low, claim.high) == (hits / trials, interval.low, interval.high)
