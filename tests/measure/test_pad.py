import numpy as np
import pytest
from scipy import stats

from sterling.errors import InputError, NothingMeasuredError
from sterling.measure import PadErrors, Rate, Scores, Threshold, evaluate, non_response_rates


def uneven() -> Scores:
    """Species a: 1 of 10 accepted; species b: 0 of 90; bona fide: 3 of 20 rejected."""
    values = [1.0] + [0.0] * 99 + [1.0] * 17 + [0.0] * 3
    group = ["a"] * 10 + ["b"] * 90 + ["bona_fide"] * 20
    return Scores(values, np.array(group) == "bona_fide", group=group)


def test_trap_pooled_apcer_hides_the_worst_species() -> None:
    errors = evaluate(uneven(), Threshold(0.5))
    assert errors.apcer == {"a": Rate(1, 10), "b": Rate(0, 90)}
    assert errors.worst == "a"
    assert errors.apcer_max.value == pytest.approx(0.10)
    assert errors.apcer_pooled.value == pytest.approx(0.01)
    assert errors.bpcer == Rate(3, 20)
    assert errors.acer == pytest.approx((0.10 + 0.15) / 2)
    assert errors.hter == pytest.approx((0.01 + 0.15) / 2)


def test_of_equally_bad_species_the_least_tested_is_named() -> None:
    errors = PadErrors({"a": Rate(0, 90), "b": Rate(0, 10)}, Rate(0, 5), Threshold(0.5), False)
    assert errors.worst == "b"


def test_intervals_are_bonferroni_unions_of_exact_ones() -> None:
    errors = evaluate(uneven(), Threshold(0.5))
    a, b = Rate(1, 10).interval(0.975), Rate(0, 90).interval(0.975)
    worst = errors.apcer_max_interval()
    assert (worst.low, worst.high) == (max(a.low, b.low), max(a.high, b.high))
    acer, bpcer = errors.acer_interval(0.9), Rate(3, 20).interval(0.95)
    assert acer.low == pytest.approx((errors.apcer_max_interval(0.95).low + bpcer.low) / 2)
    assert acer.contains(errors.acer)
    hter = errors.hter_interval()
    assert hter.contains(errors.hter)
    assert hter.low == pytest.approx(
        (Rate(1, 100).interval(0.975).low + Rate(3, 20).interval(0.975).low) / 2
    )


def test_interval_of_the_worst_species_covers_although_the_worst_is_picked() -> None:
    true, trials, repetitions = [0.05, 0.06, 0.04, 0.06], 60, 1000
    counts = np.random.default_rng(0).binomial(trials, true, (repetitions, len(true)))
    hits = 0
    for row in counts:
        apcer = {str(i): Rate(int(k), trials) for i, k in enumerate(row)}
        errors = PadErrors(apcer, Rate(0, 1), Threshold(0.0), False)
        hits += errors.apcer_max_interval(0.9).contains(max(true))
    assert hits >= stats.binom.ppf(1e-4, repetitions, 0.9)


def test_a_missing_class_is_nothing_measured() -> None:
    scores = uneven()
    with pytest.raises(NothingMeasuredError, match="no BPCER"):
        evaluate(scores.select(~scores.label), Threshold(0.5))
    with pytest.raises(NothingMeasuredError, match="no APCER"):
        evaluate(scores.select(scores.label), Threshold(0.5))


def test_non_responses_are_counted_by_group() -> None:
    group = ["bona_fide", "bona_fide", "print", "mask", "print"]
    rates = non_response_rates(group, [True, False, True, True, False])
    assert rates == {"bona_fide": Rate(1, 2), "mask": Rate(0, 1), "print": Rate(1, 2)}
    with pytest.raises(NothingMeasuredError):
        non_response_rates([], [])
    with pytest.raises(InputError, match="one each"):
        non_response_rates(["a"], [True, False])


def test_counts_by_subject_where_every_subject_is_known() -> None:
    values = [0.9, 0.1, 0.8, 0.7, 0.2, 0.6]
    label = [True, True, True, False, False, False]
    subject, group = ["b", "a", "a", "a", "a", ""], ["bona_fide"] * 3 + ["x", "x", "y"]
    errors = evaluate(Scores(values, label, subject=subject, group=group), Threshold(0.5))
    assert sorted(errors.subjects) == ["bona_fide", "x"]
    assert [each.tolist() for each in errors.subjects["bona_fide"]] == [[1, 0], [2, 1]]
    assert [each.tolist() for each in errors.subjects["x"]] == [[1], [2]]
    for name, rate in {"bona_fide": errors.bpcer, "x": errors.apcer["x"]}.items():
        wrong, trials = errors.subjects[name]
        assert Rate(int(wrong.sum()), int(trials.sum())) == rate
