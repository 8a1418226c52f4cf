"""Planned numbers of trials are the least that show a bound, and subjects carry no more."""

import numpy as np
import pytest
from scipy import stats

from sterling.errors import InputError
from sterling.measure import Rate, clustered_interval
from sterling.measure.sample_size import ERRORS, LIKELY, plan_subjects, trials_for_bound


@pytest.mark.parametrize("bound", [0.3, 0.05, 0.002])
@pytest.mark.parametrize("errors", [0, 1, 4])
def test_no_smaller_number_shows_the_bound(bound: float, errors: int) -> None:
    n = trials_for_bound(bound, errors=errors)
    # An independent route: at a true rate equal to the bound, so few errors are rare.
    assert stats.binom.cdf(errors, n, bound) <= 0.05 < stats.binom.cdf(errors, n - 1, bound)
    assert Rate(errors, n).upper_limit() <= bound


def test_without_an_error_the_number_has_a_closed_form() -> None:
    for bound, confidence in ((0.05, 0.95), (0.01, 0.99), (0.2, 0.9)):
        closed = int(np.ceil(np.log(1 - confidence) / np.log(1 - bound)))
        assert trials_for_bound(bound, confidence) == closed


def test_the_bound_is_shown_with_the_chance_that_is_said() -> None:
    for errors, each in zip(ERRORS, plan_subjects(0.05), strict=True):
        chance = stats.binom.cdf(errors, each.trials, each.true_rate)
        assert chance == pytest.approx(LIKELY)


def test_the_worst_case_is_that_of_the_clustered_interval() -> None:
    plan = plan_subjects(0.05, 0.975, presentations=10)[0]  # one side of 95 %
    errors, trials = [0] * plan.subjects, [10] * plan.subjects
    assert clustered_interval(errors, trials, method="worst case").high <= 0.05
    assert clustered_interval(errors[1:], trials[1:], method="worst case").high > 0.05
    assert plan.best_bound(plan.subjects) <= 0.05 < plan.best_bound(plan.subjects - 1)


def test_correlation_goes_from_independent_presentations_to_one_a_subject() -> None:
    def subjects(icc: float | None) -> int:
        return plan_subjects(0.05, presentations=10, icc=icc)[0].subjects

    assert (subjects(0), subjects(1), subjects(None)) == (6, 59, 59)
    assert subjects(0) < subjects(0.1) < subjects(0.5) < subjects(1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"bound": 0.0}, "bound 0"),
        ({"bound": 0.1, "confidence": 1.0}, "level 1"),
        ({"bound": 0.1, "presentations": 0}, "presentations 0"),
        ({"bound": 0.1, "icc": 2.0}, "icc 2"),
    ],
)
def test_what_is_no_plan_is_refused(arguments: dict[str, float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        plan_subjects(**arguments)  # type: ignore[arg-type]
