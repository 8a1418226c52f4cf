"""Two intervals of one figure: by presentation, and with subjects as the unit."""

import numpy as np
import pytest
from scipy import stats

from sterling.face.evaluation.intervals import (
    acer_figure,
    area_figure,
    bpcer_figure,
    events_figure,
    rate_figure,
    species_figures,
)
from sterling.measure import Rate, Scores, Threshold, evaluate


def subjects(n: int, each: int) -> list[str]:
    return [f"s{i // each}" for i in range(n)]


def test_no_error_in_360_presentations_of_six_subjects_is_no_small_rate() -> None:
    """Six people without an error bound the rate by 1 - 0.025 ** (1/6), not by 0.8 %."""
    scores = Scores(
        np.tile([1.0, -1.0], 360),
        np.tile([True, False], 360),
        subject=subjects(720, 120),
    )
    errors = evaluate(scores, Threshold(0.0))
    bpcer = bpcer_figure(errors)
    assert (bpcer.value, bpcer.n, bpcer.subjects, bpcer.units) == (0, 360, 6, 6)
    assert Rate(0, 360).upper_limit() == pytest.approx(0.0083, abs=1e-4)
    assert bpcer.presentation.high == pytest.approx(1 - 0.025 ** (1 / 360))
    assert bpcer.interval.high == pytest.approx(1 - 0.025 ** (1 / 6))
    assert species_figures(errors)["attack"].interval.high > 0.45
    assert "0 of 360 presentations, clustered by 6 subjects" in bpcer.estimate().method
    assert acer_figure(errors, 720).interval.high > 0.45
    assert area_figure(scores).interval.low == pytest.approx(0.025 ** (1 / 6))


def test_a_single_subject_says_little_of_others() -> None:
    figure = rate_figure(Rate(0, 100), (np.array([0]), np.array([100])))
    assert figure.interval.high == pytest.approx(0.975)  # one trial
    assert figure.unit == "worst case over 1 subject"
    one = Scores([1.0, 2.0, 0.0, 0.5], [True, True, False, False], subject=["ann"] * 4)
    assert area_figure(one).interval.low == pytest.approx(0.025)


def test_one_presentation_of_each_subject_is_exact() -> None:
    figure = rate_figure(Rate(3, 20), (np.r_[[1] * 3, [0] * 17], np.ones(20, int)))
    assert figure.subject == figure.presentation == Rate(3, 20).interval()


def test_unknown_subjects_leave_the_interval_by_presentation() -> None:
    wrong, nobody = np.array([True, False, False]), np.array(["ann", "", "bob"])
    figure = events_figure(wrong, nobody)
    assert figure.subject is None
    assert figure.interval == Rate(1, 3).interval()
    assert "per presentation, subjects not known" in figure.estimate().method
    known = events_figure(wrong, np.array(["ann", "ann", "bob"]))
    assert known.subjects == 2


def test_the_interval_by_subject_covers_where_the_other_does_not() -> None:
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(20), 30)
    covered = {"presentation": 0, "subject": 0}
    for _ in range(200):
        own = rng.beta(0.5, 1.5, 20)  # mean 0.25; presentations of a person resemble each other
        figure = events_figure(rng.random(600) < own[who], who.astype(str))
        assert figure.subject is not None
        covered["presentation"] += figure.presentation.contains(0.25)
        covered["subject"] += figure.subject.contains(0.25)
    assert stats.binomtest(covered["subject"], 200, 0.95, "less").pvalue > 1e-3
    assert covered["presentation"] < 140
