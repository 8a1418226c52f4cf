"""Numbers of trials and of subjects that a bound on an error rate takes."""

import math
from dataclasses import dataclass

from scipy import stats

from sterling.errors import InputError
from sterling.measure.interval import check_level
from sterling.measure.rate import Rate

ERRORS = (0, 1, 2, 5)  # allowed errors that a plan lists
LIKELY = 0.8  # chance of showing a bound that counts as likely


def trials_for_bound(bound: float, confidence: float = 0.95, errors: int = 0) -> int:
    """Return the least number of independent trials with so many errors that shows a bound.

    The one-sided exact limit (`Rate.upper_limit`) of ``errors`` among them is at most ``bound``.

    Args:
        bound: Largest rate to show, in (0, 1).
        confidence: Confidence of the limit, in (0, 1).
        errors: Number of errors, 0 or more.

    Raises:
        InputError: A number outside its range.

    Examples:
        >>> trials_for_bound(0.05), trials_for_bound(0.01), trials_for_bound(0.05, errors=1)
        (59, 299, 93)
    """
    check_level(confidence)
    if not 0 < bound < 1:
        raise InputError(f"bound {bound:g}: give a rate between 0 and 1, such as 0.05")
    if errors < 0:
        raise InputError(f"errors {errors}: give 0 or more")

    def shown(trials: int) -> bool:
        return Rate(errors, trials).upper_limit(confidence) <= bound

    few, many = errors, max(1, 2 * errors)
    while not shown(many):
        few, many = many, 2 * many
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if shown(middle) else (middle, many)
    return many


@dataclass(frozen=True)
class SubjectPlan:
    """Trials and subjects with which an error rate is bounded.

    Attributes:
        bound: Largest rate to show.
        confidence: Confidence of the bound.
        errors: Number of errors allowed; in the worst case, of subjects with any error.
        trials: Number of independent trials.
        subjects: Number of subjects.
        counts: Number of independent trials that one subject counts as.
        true_rate: True rate at which the bound is shown with a chance of `LIKELY`.
    """

    bound: float
    confidence: float
    errors: int
    trials: int
    subjects: int
    counts: float
    true_rate: float

    def best_bound(self, subjects: int) -> float:
        """Return the least bound that so many subjects can show, without an error."""
        return -math.expm1(math.log1p(-self.confidence) / (subjects * self.counts))


def plan_subjects(
    bound: float, confidence: float = 0.95, *, presentations: int = 1, icc: float | None = None
) -> list[SubjectPlan]:
    """Plan a test of "the error rate is at most ``bound``", for 0, 1, 2 and 5 errors.

    Presentations of one subject are dependent. Without ``icc`` a subject counts as one trial, and
    as an error if any of its presentations is one: the bound then holds whatever they have in
    common. With ``icc`` m presentations count as
    m / (1 + (m - 1) icc) trials: Kish's design effect, an approximation.

    Args:
        bound: Largest rate to show, in (0, 1).
        confidence: Confidence of the bound, one-sided, in (0, 1).
        presentations: Presentations of each subject, 1 or more.
        icc: Correlation of errors within a subject, from 0 to 1; None for the worst case.

    Source: Kish, Survey Sampling (1965), section 5.4.

    Examples:
        >>> [each.subjects for each in plan_subjects(0.05, presentations=10, icc=0.2)]
        [17, 27, 35, 59]
    """
    if presentations < 1:
        raise InputError(f"presentations {presentations}: give 1 or more")
    if icc is not None and not 0 <= icc <= 1:
        raise InputError(f"icc {icc:g}: give a correlation from 0 to 1")
    counts = 1.0 if icc is None else presentations / (1 + (presentations - 1) * icc)
    plans = []
    for errors in ERRORS:
        trials = trials_for_bound(bound, confidence, errors)
        # P(at most k of n errors) = LIKELY at this quantile of a beta distribution.
        true_rate = float(stats.beta.ppf(1 - LIKELY, errors + 1, trials - errors))
        subjects = math.ceil(round(trials / counts, 9))
        plans.append(SubjectPlan(bound, confidence, errors, trials, subjects, counts, true_rate))
    return plans
