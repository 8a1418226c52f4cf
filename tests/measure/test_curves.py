"""ROC and DET points, EER and AUC against scikit-learn, SciPy and closed forms."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import interpolate, optimize, stats
from sklearn.metrics import roc_curve

from sterling.errors import NothingMeasuredError
from sterling.measure import Estimate, Scores, auc, eer, error_curve, tpr_at_fpr

two_classes = st.tuples(
    st.lists(st.integers(-4, 4), min_size=1, max_size=30),
    st.lists(st.integers(-4, 4), min_size=1, max_size=30),
)


def of(bona_fide: list[int], attack: list[int], **more: object) -> Scores:
    label = [True] * len(bona_fide) + [False] * len(attack)
    return Scores([*bona_fide, *attack], label, **more)  # type: ignore[arg-type]


def normal(n: int, shift: float, seed: int, decimals: int = 12) -> Scores:
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 3 == 0
    return Scores(np.round(rng.normal(size=n) + shift * label, decimals), label)


@pytest.mark.parametrize("decimals", [12, 1, 0])
def test_curve_has_the_points_of_sklearn(decimals: int) -> None:
    scores = normal(300, 1.0, 0, decimals)
    curve = error_curve(scores)
    fpr, tpr, cuts = roc_curve(scores.label, scores.values, drop_intermediate=False)
    assert curve.fpr[::-1] == pytest.approx(fpr)
    assert 1 - curve.fnr[::-1] == pytest.approx(tpr)
    assert curve.threshold[::-1][1:] == pytest.approx(cuts[1:])


@given(two_classes)
def test_eer_is_the_crossing_of_the_roc_polyline(sides: tuple[list[int], list[int]]) -> None:
    scores = of(*sides)
    fpr, tpr, _ = roc_curve(scores.label, scores.values, drop_intermediate=False)
    # Walk along the polyline by arc length in (fpr + tpr), which is strictly increasing.
    place = fpr + tpr
    fnr_minus_fpr = interpolate.interp1d(place, 1 - tpr - fpr)
    crossing = optimize.brentq(fnr_minus_fpr, 0, 2)
    estimate = eer(scores)
    assert estimate.value == pytest.approx(float(np.interp(crossing, place, fpr)), abs=1e-9)
    assert estimate.interval.contains(estimate.value)


@given(two_classes)
def test_auc_is_the_mann_whitney_statistic(sides: tuple[list[int], list[int]]) -> None:
    estimate = auc(of(*sides))
    statistic = stats.mannwhitneyu(*sides).statistic / (len(sides[0]) * len(sides[1]))
    assert estimate.value == pytest.approx(statistic)
    assert estimate.interval.contains(estimate.value)
    assert estimate.interval.low < estimate.interval.high


@given(two_classes)
def test_rates_depend_on_the_order_of_the_scores_only(sides: tuple[list[int], list[int]]) -> None:
    plain, cubed = of(*sides), of(*[[x**3 + 5 for x in side] for side in sides])
    flipped = of(*[[-x for x in side] for side in sides], direction="down")
    for other in (cubed, flipped):
        assert eer(other) == eer(plain)
        assert auc(other) == auc(plain)
    assert error_curve(flipped).fpr.tolist() == error_curve(plain).fpr.tolist()
    assert error_curve(flipped).threshold.tolist() == (-error_curve(plain).threshold).tolist()


@given(two_classes)
def test_swapping_the_classes_mirrors_the_figures(sides: tuple[list[int], list[int]]) -> None:
    there, back = of(*sides), of(sides[1], sides[0])
    assert auc(back).value == pytest.approx(1 - auc(there).value)
    assert auc(back).interval.low == pytest.approx(1 - auc(there).interval.high, abs=1e-7)
    assert eer(back).value == pytest.approx(1 - eer(there).value)


def test_trap_label_positive_is_bona_fide() -> None:
    # One of four attacks scores above all bona fides: no bona fide passes at FPR 0, although
    # three of four attacks would be caught with every bona fide accepted.
    scores = of([3, 4, 5], [0, 1, 2, 9])
    assert tpr_at_fpr(scores, 0.0).rate.value == 0.0
    assert tpr_at_fpr(scores, 0.25).rate.value == 1.0


@pytest.mark.parametrize(
    ("bona_fide", "attack", "equal_error", "area"),
    [
        ([1, 1, 1], [1, 1], 0.5, 0.5),
        ([2, 3], [0, 1], 0.0, 1.0),
        ([0, 1], [2, 3], 1.0, 0.0),
        ([1, 1, 1, 0], [0, 0, 0, 1], 0.25, 0.75),
        ([1], [0, 1], 1 / 3, 0.75),
    ],
)
def test_trap_ties_constant_and_two_valued_scores(
    bona_fide: list[int], attack: list[int], equal_error: float, area: float
) -> None:
    scores = of(bona_fide, attack)
    assert eer(scores).value == pytest.approx(equal_error)
    assert auc(scores).value == pytest.approx(area)


def test_separated_scores_keep_an_interval_with_width() -> None:
    scores = of(list(range(100, 250)), list(range(100)))
    estimate = auc(scores)
    assert estimate.interval.low == pytest.approx(0.025 ** (1 / 100))
    # The equal error rate's limit holds both classes at once, hence half the tail each; the
    # smaller class decides.
    assert eer(scores).interval.high == pytest.approx(1 - 0.0125 ** (1 / 100))


@pytest.mark.parametrize(
    ("figure", "true", "bar"),
    [
        # Equal-variance normals with distance d: EER = Φ(-d / 2), AUC = Φ(d / √2). DeLong's
        # interval is asymptotic: 0.87 is the bar at 30 + 60 items.
        (eer, float(stats.norm.cdf(-0.75)), 0.9),
        (auc, float(stats.norm.cdf(1.5 / np.sqrt(2))), 0.87),
    ],
)
def test_intervals_cover_at_their_level_over_repetitions(
    figure: Callable[[Scores, float], Estimate], true: float, bar: float
) -> None:
    hits = sum(figure(normal(90, 1.5, seed), 0.9).interval.contains(true) for seed in range(400))
    assert hits >= stats.binom.ppf(1e-4, 400, bar)


def test_delong_variance_agrees_with_the_spread_over_samples() -> None:
    values = [auc(normal(300, 1.0, seed)).value for seed in range(400)]
    interval = auc(normal(300, 1.0, 0), 0.95).interval
    logits = np.log(values) - np.log1p(-np.array(values))
    width = np.log(interval.high / (1 - interval.high)) - np.log(interval.low / (1 - interval.low))
    assert width / (2 * 1.96) == pytest.approx(np.std(logits), rel=0.15)


def test_worst_species_curve_lies_above_every_other() -> None:
    rng = np.random.default_rng(3)
    label = np.arange(90) % 3 == 0
    group = np.where(label, "bona_fide", np.where(np.arange(90) % 3 == 1, "print", "mask"))
    scores = Scores(rng.normal(size=90).round(1), label, group=group)

    def at(species: str, cuts: NDArray[np.float64]) -> NDArray[np.float64]:
        curve = error_curve(scores, species)
        return curve.fpr[np.searchsorted(curve.threshold, cuts)]

    cuts = error_curve(scores, "max").threshold[:-1]
    worst = np.maximum(
        *((scores.negatives(s)[s] >= cuts[:, None]).mean(axis=1) for s in ("print", "mask"))
    )
    assert error_curve(scores, "max").fpr[:-1] == pytest.approx(worst)
    assert (at("pooled", cuts) <= worst + 1e-12).all()


def test_a_missing_class_is_nothing_measured() -> None:
    for scores in (of([1, 2], []), of([], [1, 2])):
        for figure in (error_curve, eer, auc):
            with pytest.raises(NothingMeasuredError):
                figure(scores)
