"""Bootstrap by subject, paired comparison and McNemar's test."""

import numpy as np
import pytest
from scipy import stats

from sterling.errors import InputError, NothingMeasuredError
from sterling.measure import Scores, auc, bootstrap_by_subject, compare_paired, mcnemar


def clustered(seed: int, subjects: int = 30, each: int = 10, noise: float = 0.1) -> Scores:
    """Bona fide and attack scores that share most of their spread within a subject."""
    rng = np.random.default_rng(seed)
    subject = np.repeat(np.arange(subjects), each)
    label = np.arange(subjects * each) % 2 == 0
    values = rng.normal(size=subjects)[subject] + noise * rng.normal(size=subjects * each)
    return Scores(values + label, label, subject=subject)


def mean_value(scores: Scores) -> float:
    return float(scores.values.mean())


def area(scores: Scores) -> float:
    return auc(scores).value


def test_interval_is_as_wide_as_the_number_of_subjects_says() -> None:
    # The values of a subject are nearly one value: the spread of the mean is 1 / sqrt(subjects).
    estimate = bootstrap_by_subject(clustered(0), mean_value, seed=0)
    width = estimate.interval.high - estimate.interval.low
    per_subject = clustered(0).values.reshape(30, 10).mean(axis=1)
    expected = 2 * 1.96 * per_subject.std() / np.sqrt(30)
    assert width == pytest.approx(expected, rel=0.12)
    assert estimate.value == mean_value(clustered(0))


def test_interval_covers_over_repetitions() -> None:
    hits = sum(
        bootstrap_by_subject(
            clustered(s), mean_value, seed=s, repetitions=200, level=0.9
        ).interval.contains(0.5)
        for s in range(200)
    )
    # Percentile intervals are asymptotic; at 30 subjects 0.86 is the bar.
    assert hits >= stats.binom.ppf(1e-4, 200, 0.86)


def test_same_seed_same_interval() -> None:
    scores = clustered(1)
    first, again, other = (
        bootstrap_by_subject(scores, area, seed=s, repetitions=50) for s in (4, 4, 5)
    )
    assert first == again
    assert first != other


def test_unknown_subjects_and_hopeless_draws_are_refused() -> None:
    with pytest.raises(InputError, match="2 of 2 subjects are unknown"):
        bootstrap_by_subject(Scores([1.0, 0.0], [1, 0]), area, seed=0)
    with pytest.raises(InputError, match="repetitions 0"):
        bootstrap_by_subject(clustered(0), area, seed=0, repetitions=0)

    two = Scores([1.0, 0.0], [1, 0], subject=["a", "b"])

    def needs_both_twice(scores: Scores) -> float:
        if len(set(scores.item.tolist())) == 2:
            return area(scores)
        raise NothingMeasuredError("one item only")

    with pytest.raises(NothingMeasuredError, match="too few subjects"):
        bootstrap_by_subject(two, needs_both_twice, seed=0, repetitions=20)


def test_draws_without_a_class_are_drawn_again() -> None:
    scores = Scores([1.0, 2.0, 0.0, 0.5], [1, 1, 0, 0], subject=["a", "b", "c", "d"])
    estimate = bootstrap_by_subject(scores, area, seed=0, repetitions=40)
    assert estimate.interval.low == estimate.interval.high == 1.0


def test_pairing_cancels_what_the_subjects_share() -> None:
    first = clustered(2)
    order = np.random.default_rng(0).permutation(len(first))
    second = Scores(
        first.values[order] - 0.2,
        first.label[order],
        item=first.item[order],
        subject=first.subject[order],
    )
    estimate = compare_paired(first, second, mean_value, seed=0, repetitions=100)
    assert estimate.value == pytest.approx(0.2)
    assert estimate.interval.low == pytest.approx(0.2)
    assert estimate.interval.high == pytest.approx(0.2)
    alone = bootstrap_by_subject(first, mean_value, seed=0, repetitions=100).interval
    assert alone.high - alone.low > 0.3


def test_other_items_or_labels_are_not_paired() -> None:
    first = clustered(0, subjects=4)
    renamed = Scores(first.values, first.label, subject=first.subject, item=np.arange(40) + 1)
    with pytest.raises(InputError, match=r"2 items are scored by one system only \(first: '0'\)"):
        compare_paired(first, renamed, area, seed=0)
    relabelled = Scores(first.values, ~first.label, subject=first.subject)
    with pytest.raises(InputError, match="item '0' has a different label"):
        compare_paired(first, relabelled, area, seed=0)


def test_mcnemar_is_the_exact_binomial_test() -> None:
    first = np.array([True] * 12 + [False] * 3 + [True] * 50 + [False] * 9)
    second = np.array([False] * 12 + [True] * 3 + [True] * 50 + [False] * 9)
    outcome = mcnemar(first, second)
    assert (outcome.only_first, outcome.only_second) == (12, 3)
    closed_form = 2 * sum(stats.binom.pmf(k, 15, 0.5) for k in range(4))
    assert outcome.p_value == pytest.approx(closed_form)
    assert mcnemar(second, first).p_value == outcome.p_value
    assert mcnemar(first, first).p_value == 1.0
    with pytest.raises(InputError, match="pair them"):
        mcnemar([True], [True, False])
