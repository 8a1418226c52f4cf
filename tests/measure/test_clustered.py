"""Clustered intervals cover where subjects differ; the interval per presentation does not."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from sterling.errors import InputError, NothingMeasuredError
from sterling.measure import (
    Interval,
    Rate,
    clustered_interval,
    clustered_rate,
    crossed_interval,
    mean_interval,
    pair_interval,
)

RUNS = 500
Drawn = tuple[NDArray[np.int64], NDArray[np.int64]]


def _drawn(rate: float, likeness: float, subjects: int, *, unequal: bool) -> list[Drawn]:
    """Counts of subjects whose rates have a beta distribution with that intraclass correlation."""
    rng = np.random.default_rng(0)
    strength = 1 / likeness - 1
    trials = np.tile([4, 10, 25, 60] if unequal else [25], subjects)[:subjects]
    rates = rng.beta(rate * strength, (1 - rate) * strength, (RUNS, subjects))
    return [(errors, trials) for errors in rng.binomial(trials, rates)]


def _covered(intervals: list[Interval], rate: float) -> int:
    return sum(interval.contains(rate) for interval in intervals)


ENOUGH = int(stats.binom.ppf(0.001, RUNS, 0.95))  # runs that cover, at a coverage of 95 %


@pytest.mark.parametrize("unequal", [False, True])
@pytest.mark.parametrize(("rate", "likeness"), [(0.3, 0.2), (0.5, 0.5), (0.1, 0.1)])
def test_coverage_where_subjects_differ(rate: float, likeness: float, unequal: bool) -> None:
    drawn = _drawn(rate, likeness, 12, unequal=unequal)
    robust = [clustered_interval(*counts) for counts in drawn]
    worst = [clustered_interval(*counts, method="worst case") for counts in drawn]
    each = [Rate(int(errors.sum()), int(trials.sum())).interval() for errors, trials in drawn]
    assert _covered(worst, rate) >= ENOUGH
    assert _covered(robust, rate) >= ENOUGH
    assert _covered(each, rate) < 0.85 * RUNS


@pytest.mark.parametrize("rate", [0.02, 0.3])
@pytest.mark.parametrize("subjects", [5, 40])
def test_worst_case_covers_wholly_correlated_trials(rate: float, subjects: int) -> None:
    wrong = np.random.default_rng(1).random((RUNS, subjects)) < rate
    trials = np.arange(1, subjects + 1)
    found = [clustered_interval(row * trials, trials, method="worst case") for row in wrong]
    assert _covered(found, rate) >= ENOUGH


def test_worst_case_is_exact_at_zero_errors_and_scales_with_subjects() -> None:
    none = clustered_interval([0] * 20, range(1, 21), method="worst case")
    assert (none.low, none.high) == pytest.approx((0.0, 1 - 0.025 ** (1 / 20)))
    every = clustered_interval([3] * 20, [3] * 20, method="worst case")
    assert (every.low, every.high) == pytest.approx((0.025 ** (1 / 20), 1.0))
    one = clustered_interval([3], [10], method="worst case")
    assert one.low < 0.02
    assert one.high > 0.97


def test_worst_case_weighs_subjects_alike() -> None:
    errors, trials = [1, 9], [1, 90]
    found = clustered_interval(errors * 200, trials * 200, method="worst case")
    assert found.contains(0.55)  # mean of the rates 1 and 0.1
    assert not found.contains(10 / 91)  # pooled
    assert clustered_interval(errors * 200, trials * 200).contains(10 / 91)


def test_robust_by_hand() -> None:
    errors, trials = np.array([1, 0, 3, 2, 0]), np.array([10, 4, 5, 10, 3])
    rate = 6 / 32
    without = [(6 - wrong) / (32 - total) for wrong, total in zip(errors, trials, strict=True)]
    variance = 4 / 5 * sum((one - rate) ** 2 for one in without)
    ratio = stats.t.ppf(0.975, 31) / stats.t.ppf(0.975, 32**2 / (trials**2).sum() - 1)
    effective = rate * (1 - rate) / variance * ratio**2
    found = clustered_interval(errors, trials)
    low = stats.beta.ppf(0.025, rate * effective, effective - rate * effective + 1)
    high = stats.beta.ppf(0.975, rate * effective + 1, effective - rate * effective)
    assert (found.low, found.high) == pytest.approx((low, high))


def test_robust_with_equal_trials_is_korn_and_graubard() -> None:
    errors = np.array([1, 0, 3, 2, 0])
    variance = errors.var(ddof=1) / 5 / 10**2
    ratio = stats.t.ppf(0.975, 49) / stats.t.ppf(0.975, 4)
    effective = 0.12 * 0.88 / variance * ratio**2
    high = stats.beta.ppf(0.975, 0.12 * effective + 1, 0.88 * effective)
    assert clustered_interval(errors, [10] * 5).high == pytest.approx(high)


def test_one_subject_with_nearly_all_trials_tells_nothing() -> None:
    found = clustered_interval([1, 300], [1, 1000])
    assert found.low < 1e-6
    assert found.high > 0.999


def test_robust_without_any_spread() -> None:
    assert clustered_interval([0] * 8, [50] * 8) == Rate(0, 8).interval()
    assert clustered_interval([50] * 8, [50] * 8) == Rate(8, 8).interval()
    # Equal rates: no more trials than there are.
    assert clustered_interval([5] * 8, [50] * 8) == Rate(40, 400).interval()


@pytest.mark.parametrize("method", ["robust", "worst case"])
def test_a_higher_level_is_wider(method: str) -> None:
    low, high = (
        clustered_interval([1, 0, 2, 4], [9, 9, 9, 9], level, method)  # type: ignore[arg-type]
        for level in (0.8, 0.99)
    )
    assert high.low < low.low < low.high < high.high


@pytest.mark.parametrize(
    ("errors", "trials"),
    [([1], [1, 2]), ([2], [1]), ([0], [0]), ([-1], [3]), ([0.5], [2]), ([[1]], [[2]])],
)
def test_counts_that_do_not_fit(errors: list[int], trials: list[int]) -> None:
    with pytest.raises(InputError, match="per subject"):
        clustered_interval(errors, trials)


def test_too_few_subjects_and_unknown_methods() -> None:
    with pytest.raises(NothingMeasuredError, match="0 subjects"):
        clustered_interval([], [])
    with pytest.raises(NothingMeasuredError, match="1 subject"):
        clustered_interval([1], [9])
    with pytest.raises(InputError, match="use robust or worst case"):
        clustered_interval([1], [9], method="best")  # type: ignore[arg-type]


def crossed(rng: np.random.Generator, images: int, viewers: int) -> NDArray[np.float64]:
    """Values about 0 that share an image or a viewer, (images, viewers)."""
    return (
        rng.normal(0, 1, (images, 1))
        + rng.normal(0, 0.7, (1, viewers))
        + rng.normal(0, 1, (images, viewers))
    )


def test_a_mean_over_images_and_viewers_is_covered_and_one_way_is_not() -> None:
    rng, worlds = np.random.default_rng(0), 400
    image, viewer = (index.ravel() for index in np.indices((30, 12)))
    both, image_alone = 0, 0
    for _ in range(worlds):
        values = crossed(rng, 30, 12).ravel()
        both += crossed_interval(values, image, viewer).contains(0)
        # A viewer for each value: dependence between a viewer's values is not seen.
        image_alone += crossed_interval(values, image, np.arange(360)).contains(0)
    assert stats.binom.cdf(both, worlds, 0.93) > 0.01  # no worse than 93 %
    assert stats.binom.cdf(image_alone, worlds, 0.93) < 0.01


def test_crossed_clusters_of_one_value_each_are_student_t() -> None:
    values = np.random.default_rng(1).normal(size=25)
    found = crossed_interval(values, np.arange(25), np.arange(25))
    expected = mean_interval(values)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_crossed_interval_refuses_what_it_cannot_measure() -> None:
    with pytest.raises(NothingMeasuredError, match="1 and 3 clusters"):
        crossed_interval([1.0, 2.0, 3.0], [0, 0, 0], [0, 1, 2])
    with pytest.raises(InputError, match="give one each"):
        crossed_interval([1.0, 2.0], [0, 1, 2], [0, 1])


def ordinary(rng: np.random.Generator, n: int, rate: float) -> NDArray[np.int64]:
    """Symmetric errors of one trial a pair; subjects differ in how often they are mistaken."""
    place = rng.normal(size=n)
    shift = stats.norm.ppf(rate) * np.sqrt(3)  # of the sum of three standard normals
    noise = np.triu(rng.normal(size=(n, n)), 1)
    wrong: NDArray[np.int64] = np.array(place[:, None] + place + noise + noise.T < shift, np.int64)
    np.fill_diagonal(wrong, 0)
    return wrong


@pytest.mark.parametrize("rate", [0.05, 0.3])
def test_pairs_that_share_subjects_are_covered_and_independent_ones_are_not(rate: float) -> None:
    rng, worlds, n = np.random.default_rng(0), 300, 40
    trials = np.ones((n, n), np.int64)
    robust = worst = independent = 0
    for _ in range(worlds):
        wrong = ordinary(rng, n, rate)
        robust += pair_interval(wrong, trials).contains(rate)
        worst += pair_interval(wrong, trials, method="worst case").contains(rate)
        independent += Rate(int(wrong.sum()) // 2, n * (n - 1) // 2).interval().contains(rate)
    assert stats.binom.cdf(robust, worlds, 0.92) > 0.01  # no worse than 92 %
    assert worst >= 0.99 * worlds
    assert stats.binom.cdf(independent, worlds, 0.8) < 0.01  # the control


def test_pairs_without_errors_count_as_many_as_have_nobody_in_common() -> None:
    none, trials = np.zeros((21, 21), int), np.full((21, 21), 6)
    assert pair_interval(none, trials) == Rate(0, 10).interval()
    assert pair_interval(trials, trials) == Rate(10, 10).interval()
    worst = pair_interval(none, trials, method="worst case")
    assert (worst.low, worst.high) == pytest.approx((0.0, 1 - 0.025 ** (1 / 10)))


def test_the_jackknife_over_pairs_by_hand() -> None:
    rng = np.random.default_rng(2)
    wrong, trials = ordinary(rng, 9, 0.4), np.ones((9, 9), np.int64)
    rate = wrong.sum() / 72
    without = []
    for left_out in range(9):
        kept = np.delete(np.delete(wrong, left_out, 0), left_out, 1)
        without.append(kept.sum() / 56)
    variance = 8 / 9 * sum((one - rate) ** 2 for one in without)
    ratio = stats.t.ppf(0.975, 35) / stats.t.ppf(0.975, 8)
    effective = min(36, rate * (1 - rate) / variance * ratio**2)
    expected = stats.beta.ppf([0.025], rate * effective, effective - rate * effective + 1)[0]
    assert pair_interval(wrong, trials).low == pytest.approx(expected)
    np.fill_diagonal(wrong, 1)  # which is not read
    assert pair_interval(wrong, trials).low == pytest.approx(expected)


def test_pairs_that_do_not_fit_are_refused() -> None:
    ones = np.ones((4, 4), int)
    with pytest.raises(InputError, match=r"give both as \(n, n\)"):
        pair_interval(ones[:2], ones[:2])
    with pytest.raises(InputError, match="symmetric, from 0"):
        pair_interval(2 * ones, ones)
    with pytest.raises(InputError, match="symmetric, from 0"):
        pair_interval(np.triu(ones), 2 * ones)
    with pytest.raises(NothingMeasuredError, match="2 subjects"):
        pair_interval(ones[:2, :2], ones[:2, :2])
    with pytest.raises(NothingMeasuredError, match="4 subjects"):
        pair_interval(0 * ones, 0 * ones)
    missing = ones.copy()
    missing[0, 1] = missing[1, 0] = 0
    assert pair_interval(0 * ones, missing).high < 1
    with pytest.raises(InputError, match="every pair of subjects needs a trial"):
        pair_interval(0 * ones, missing, method="worst case")
    with pytest.raises(InputError, match="use robust or worst case"):
        pair_interval(0 * ones, ones, method="best")  # type: ignore[arg-type]


def test_a_clustered_rate_counts_rows_by_cluster() -> None:
    events, cluster = [True, False, True, False, False, True], ["b", "a", "b", "a", "c", "c"]
    found = clustered_rate(events, cluster)
    assert found.value == 0.5
    assert found.interval == clustered_interval([0, 2, 1], [2, 2, 2])
    with pytest.raises(InputError, match="give one each"):
        clustered_rate(events, cluster[:3])
    with pytest.raises(NothingMeasuredError, match="0 subjects"):
        clustered_rate([], [])
