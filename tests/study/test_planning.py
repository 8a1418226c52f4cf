"""Projected repetitions, against simulated runs of that many."""

import numpy as np
import pytest
from scipy import stats

from sterling.errors import InputError
from sterling.measure import Estimate, Interval, Rate, mean_sequence, rate_sequence
from sterling.study import Claim, Evidence, at_least, at_most, more_often, positive, within
from sterling.study.planning import Projection, growth, plan

RUNS = 2000
MARGIN = 0.06  # of the approximations, and of counts that are whole


def _plan(claim: Claim, repetitions: int) -> Projection:
    evidence = Evidence(
        scope="", not_scored=0, metrics=[], claims=[claim], study="toy", preset="quick", seed=0,
        command="", config={}, versions={}, started="", wall_s=0.0,
    )  # fmt: skip
    (found,) = plan(evidence, repetitions)
    return found


def _sample(mean: float, spread: float, n: int) -> list[float]:
    """Values of exactly that mean and standard deviation."""
    values = stats.norm.ppf((np.arange(n) + 0.5) / n)
    scaled: list[float] = (mean + spread * values / values.std(ddof=1)).tolist()
    return scaled


@pytest.mark.parametrize("effect", [0.25, 0.5])
def test_the_projected_power_of_a_mean(effect: float) -> None:
    found = _plan(positive("x", "x", _sample(effect, 1, 5)), 5)
    assert (found.towards, found.repetitions) == ("holds", 5)
    rng = np.random.default_rng(0)
    for power, fixed, sequential in zip((0.5, 0.8), found.fixed, found.sequential, strict=True):
        assert fixed is not None
        assert sequential is not None
        assert fixed < sequential
        draws = rng.normal(effect, 1, (RUNS, fixed))
        lower = draws.mean(1) - stats.t.ppf(0.975, fixed - 1) * stats.sem(draws, axis=1)
        assert (lower > 0).mean() == pytest.approx(power, abs=MARGIN)
        draws = rng.normal(effect, 1, (RUNS, sequential))
        decided = np.mean([mean_sequence(row).low > 0 for row in draws])
        assert decided == pytest.approx(power, abs=MARGIN)


def test_the_projected_power_of_a_rate() -> None:
    found = _plan(at_most("x", "x", Rate(8, 40), 0.3), 4)  # ten trials a repetition
    rng = np.random.default_rng(1)
    for power, fixed, sequential in zip((0.5, 0.8), found.fixed, found.sequential, strict=True):
        assert fixed is not None
        assert sequential is not None
        assert fixed < sequential
        errors = rng.binomial(10 * fixed, 0.2, RUNS).tolist()
        decided = np.mean([Rate(k, 10 * fixed).interval().high <= 0.3 for k in errors])
        assert decided == pytest.approx(power, abs=MARGIN + 0.02)
        errors = rng.binomial(10 * sequential, 0.2, RUNS).tolist()
        decided = np.mean([rate_sequence(k, 10 * sequential).high <= 0.3 for k in errors])
        assert decided == pytest.approx(power, abs=MARGIN + 0.02)


def test_a_quantity_between_two_bars_has_to_keep_clear_of_both() -> None:
    found = _plan(within("x", "x", _sample(0.0, 1.0, 4), -0.5, 0.5), 4)
    one = _plan(at_most("x", "x", _sample(0.0, 1.0, 4), 0.5), 4)
    assert found.fixed[1] is not None
    assert one.fixed[1] is not None
    assert found.fixed[1] > one.fixed[1]
    draws = np.random.default_rng(2).normal(0, 1, (RUNS, found.fixed[1]))
    half = stats.t.ppf(0.975, found.fixed[1] - 1) * stats.sem(draws, axis=1)
    assert (np.abs(draws.mean(1)) + half <= 0.5).mean() == pytest.approx(0.8, abs=MARGIN)


def test_an_estimate_on_the_wrong_side_points_to_not_holding() -> None:
    found = _plan(at_least("x", "x", _sample(0.0, 1.0, 5), 0.4), 5)
    same = _plan(positive("x", "x", _sample(0.4, 1.0, 5)), 5)
    assert found.towards == "does not hold"
    assert found.fixed == same.fixed
    assert found.sequential == same.sequential


def test_parts_hold_with_the_last_and_fail_with_the_first() -> None:
    near, far, out = _sample(0.5, 1, 5), _sample(0.2, 1, 5), _sample(1.4, 1, 5)
    alone = _plan(at_most("x", "x", near, 1.0), 5)
    parts = {"near": near, "far": far, "silent": []}
    assert _plan(at_most("x", "x", parts, 1.0), 5).fixed == alone.fixed
    wrong = _plan(at_most("x", "x", {**parts, "out": out}, 1.0), 5)
    assert wrong.towards == "does not hold"
    assert wrong.fixed == _plan(at_most("x", "x", out, 1.0), 5).fixed


def test_the_sign_test_is_one_sided_at_its_level() -> None:
    found = _plan(more_often("x", "x", Rate(13, 20), level=0.01), 20)
    fixed = found.fixed[0]
    assert fixed is not None
    decided = stats.binomtest(round(0.65 * fixed), fixed, alternative="greater").pvalue
    assert decided == pytest.approx(0.01, abs=0.004)
    assert (found.sequential[0] or 0) > fixed


@pytest.mark.parametrize(
    ("claim", "note"),
    [
        (positive("x", "x", [1.0]), "one value"),
        (positive("x", "x", []), "nothing was measured"),
        (positive("x", "x", [1.0, -1.0]), "on the bar"),
        (at_least("x", "x", Estimate(0.6, Interval(0.4, 0.9), 0.95, "DeLong"), 0.5), "estimate"),
    ],
)
def test_without_a_projection_the_reason_is_named(claim: Claim, note: str) -> None:
    found = _plan(claim, 2)
    assert (found.towards, found.fixed, found.sequential) == ("undecided", (), ())
    assert note in found.note


def test_beyond_any_run() -> None:
    found = _plan(positive("x", "x", _sample(1e-5, 1, 5)), 5)
    assert found.fixed == (None, None)


def test_decided_claims_are_left_out_and_repetitions_are_needed() -> None:
    evidence = Evidence(
        scope="", not_scored=0, metrics=[], claims=[at_most("x", "x", Rate(0, 99), 0.5)],
        study="toy", preset="quick", seed=0, command="", config={}, versions={}, started="",
        wall_s=0.0,
    )  # fmt: skip
    assert plan(evidence, 5) == []
    with pytest.raises(InputError, match="one or more"):
        plan(evidence, 0)


def test_an_estimate_is_decided_by_as_many_times_the_items_with_the_chance_that_is_said() -> None:
    deviation, bar, value = 0.05, 0.5, 0.56
    half = float(stats.norm.ppf(0.975)) * deviation
    estimate = Estimate(value, Interval(value - half, value + half), 0.95, "bootstrap")
    times = growth(at_least("x", "x", estimate, bar), 0.8)
    assert times is not None
    narrower = deviation / np.sqrt(times)
    draws = np.random.default_rng(0).normal(value, narrower, 20_000)
    decided = draws - stats.norm.ppf(0.975) * narrower > bar
    assert decided.mean() == pytest.approx(0.8, abs=0.01)
    assert growth(at_least("x", "x", estimate, value)) is None
    assert growth(at_least("x", "x", [], 0.5)) is None
