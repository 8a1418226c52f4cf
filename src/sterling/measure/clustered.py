"""Intervals of a rate whose trials come in clusters, such as several presentations of a subject."""

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.special import xlogy

from sterling.errors import InputError, NothingMeasuredError
from sterling.measure.interval import Estimate, Interval, check_level, finite_values
from sterling.measure.rate import clopper_pearson
from sterling.measure.sequence import likelihood_interval

Counts = Sequence[int] | NDArray[np.integer]


def clustered_interval(
    errors: Counts,
    trials: Counts,
    level: float = 0.95,
    method: Literal["robust", "worst case"] = "robust",
) -> Interval:
    """Return an interval of a rate from counts per independent subject.

    ``Rate.interval`` treats every trial as independent, and is too narrow where trials of one
    subject resemble each other. Both methods here assume independent subjects:

    - "robust", approximate: the pooled rate, as Clopper and Pearson would bound it from fewer
      trials. The effective number is that with which independent trials have the jackknife variance
      over subjects, times the squared ratio of the Student-t quantiles for trials and for subjects,
      and at most ``trials``. Subjects count as ``trials.sum()**2 / (trials**2).sum()``, which is
      their number where trials are equal. With no errors, or nothing else, no variance is seen, and
      the number of subjects takes its place.
    - "worst case", exact for any number of subjects: the mean over subjects of their expected
      rates. It assumes nothing of how trials of one subject depend on each other, nor that subjects
      are alike. It is centred on the mean of the subjects' own rates, in which every subject weighs
      the same; that is also the expected pooled rate only if trials are equal in number, or if
      their number has nothing to do with the rate. The interval inverts Hoeffding's bound for means
      of independent variables from 0 to 1; with no errors it is Clopper and Pearson's of as many
      trials as subjects.

    Args:
        errors: Number of errors of each subject.
        trials: Number of trials of each subject, 1 or more.
        level: Confidence in (0, 1).
        method: "robust" or "worst case".

    Raises:
        NothingMeasuredError: Without a subject, or with one for "robust".
        InputError: On counts that do not fit, or an unknown method.

    Source: Korn and Graubard, Survey Methodology 24 (1998), for equal trials; the jackknife and the
    count of unequal subjects are ours and keep coverage near the level (docs/statistics.md).
    Hoeffding, Journal of the American Statistical Association 58 (1963), theorem 1.

    Examples:
        >>> ten_each = [10] * 15
        >>> round(clustered_interval([0] * 15, ten_each, method="worst case").high, 2)
        0.22
    """
    check_level(level)
    wrong, total = _counts(errors, trials)
    if method == "worst case":
        return _worst_case(wrong / total, level, len(total))
    if method != "robust":
        raise InputError(f"method {method!r} unknown; use robust or worst case")
    n, all_trials = len(total), float(total.sum())
    if n < 2:
        raise NothingMeasuredError("1 subject: how much subjects differ cannot be known")
    rate = float(wrong.sum()) / all_trials
    if rate in (0.0, 1.0):
        return clopper_pearson(rate * n, n, level)
    # The pooled rate without each subject in turn, less that with all.
    moved = (wrong - rate * total) / (all_trials - total)
    variance = (n - 1) / n * float((moved**2).sum())
    degrees = all_trials**2 / float((total**2).sum()) - 1
    return _effective(rate, variance, all_trials, degrees, level)


def clustered_rate(events: ArrayLike, cluster: ArrayLike, level: float = 0.95) -> Estimate:
    """Return the rate of events with `clustered_interval`, from one row per trial.

    Args:
        events: Whether each trial showed the event, bool (N,).
        cluster: Cluster of each trial, such as the person shown, (N,).
        level: Confidence in (0, 1).

    Raises:
        NothingMeasuredError: Fewer than two clusters.
        InputError: Lengths differ.

    Examples:
        >>> clustered_rate([True, False, False, False], ["ann", "ann", "bob", "cem"]).value
        0.25
    """
    happened, groups = np.asarray(events, dtype=bool), np.asarray(cluster)
    if happened.ndim != 1 or happened.shape != groups.shape:
        raise InputError(f"events {happened.shape}, clusters {groups.shape}: give one each")
    number = np.unique(groups, return_inverse=True)[1]
    trials = np.bincount(number)
    errors = np.bincount(number[happened], minlength=len(trials))
    interval = clustered_interval(errors, trials, level)
    return Estimate(float(happened.mean()), interval, level, "clustered")


def pair_interval(
    errors: NDArray[np.integer],
    trials: NDArray[np.integer],
    level: float = 0.95,
    method: Literal["robust", "worst case"] = "robust",
) -> Interval:
    """Return an interval of a rate over pairs of different subjects, who are in many pairs each.

    Two pairs are dependent if they have a subject in common: one subject whom many resemble makes
    many errors. Both methods assume independent subjects:

    - "robust", approximate: as of `clustered_interval`, with the jackknife variance of leaving one
      subject out of all its pairs. With no errors, or nothing else, half as many trials as there
      are subjects are counted, for so many pairs have nobody in common.
    - "worst case", exact for any number of subjects: the mean over pairs of subjects of their
      expected rates. Every pair of subjects must have been tried. It inverts Hoeffding's bound for
      U-statistics, which is that of half as many independent trials as there are subjects.

    Args:
        errors: Number of errors of each pair, symmetric (n, n); the diagonal is not read.
        trials: Number of trials of each pair, symmetric (n, n).
        level: Confidence in (0, 1).
        method: "robust" or "worst case".

    Raises:
        NothingMeasuredError: Fewer than three subjects, or no trial.
        InputError: On shapes or counts that do not fit, an unknown method, or a pair without trial
            for "worst case".

    Source: Hoeffding, Journal of the American Statistical Association 58 (1963), section 5a;
    jackknife of U-statistics: Arvesen, Annals of Mathematical Statistics 40 (1969); the effective
    number is ours.

    Examples:
        >>> import numpy as np
        >>> none, once = np.zeros((40, 40), int), np.ones((40, 40), int)
        >>> round(pair_interval(none, once, method="worst case").high, 2)  # of 20 trials
        0.17
    """
    check_level(level)
    if errors.ndim != 2 or errors.shape != trials.shape or len(errors) != len(errors.T):
        raise InputError(f"errors {errors.shape}, trials {trials.shape}: give both as (n, n)")
    n = len(errors)
    wrong, total = (np.array(one, dtype=np.float64) for one in (errors, trials))
    for matrix in (wrong, total):
        np.fill_diagonal(matrix, 0)
    if (wrong < 0).any() or (wrong > total).any() or not np.array_equal(wrong, wrong.T):
        raise InputError("errors: symmetric, from 0 to the number of trials of each pair")
    if n < 3 or not total.any():
        raise NothingMeasuredError(f"{n} subjects: how much pairs differ takes three or more")
    if method == "worst case":
        above = np.triu_indices(n, 1)
        if not (total[above] > 0).all():
            raise InputError("worst case: every pair of subjects needs a trial; use robust")
        return _worst_case(wrong[above] / total[above], level, n // 2)
    if method != "robust":
        raise InputError(f"method {method!r} unknown; use robust or worst case")
    rate = float(wrong.sum() / total.sum())
    if rate in (0.0, 1.0):
        return clopper_pearson(rate * (n // 2), n // 2, level)
    without = (wrong.sum() / 2 - wrong.sum(axis=0)) / (total.sum() / 2 - total.sum(axis=0))
    variance = (n - 1) / n * float(((without - rate) ** 2).sum())
    return _effective(rate, variance, float(total.sum()) / 2, n - 1, level)


def _effective(
    rate: float, variance: float, trials: float, degrees: float, level: float
) -> Interval:
    """Clopper and Pearson's interval of as many trials as have this variance, `trials` at most."""
    tail = (1 + level) / 2
    few = float(stats.t.ppf(tail, trials - 1) / stats.t.ppf(tail, degrees)) ** 2
    binomial = rate * (1 - rate)
    effective = min(trials, few * binomial / variance) if variance > 0 else trials
    return clopper_pearson(rate * effective, effective, level)


def _worst_case(rates: NDArray[np.float64], level: float, n: int) -> Interval:
    """Invert Hoeffding's bound of the mean of rates, which is one of `n` independent trials."""
    mean = float(rates.mean())
    largest = n * float(xlogy(mean, mean) + xlogy(1 - mean, 1 - mean))
    return likelihood_interval(n * mean, n, largest + math.log((1 - level) / 2))


def _counts(errors: Counts, trials: Counts) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    wrong, total = np.asarray(errors), np.asarray(trials)
    if wrong.ndim != 1 or wrong.shape != total.shape:
        raise InputError(
            f"errors have shape {wrong.shape}, trials {total.shape}; give one count per subject"
        )
    if not len(total):
        raise NothingMeasuredError("0 subjects: a rate needs at least one")
    whole = all(np.issubdtype(each.dtype, np.integer) for each in (wrong, total))
    if not whole or (total < 1).any() or (wrong < 0).any() or (wrong > total).any():
        raise InputError(
            "errors and trials per subject: give whole counts, errors from 0 to the subject's "
            "trials, trials from 1"
        )
    return wrong.astype(np.float64), total.astype(np.float64)


def crossed_interval(
    values: NDArray[np.floating] | Sequence[float],
    first: Sequence[object] | NDArray[Any],
    second: Sequence[object] | NDArray[Any],
    level: float = 0.95,
) -> Interval:
    """Return an interval of the mean of values that share a cluster in either of two ways.

    Such values are, say, scores of viewers on images: two are dependent if they have the image or
    the viewer in common. The variance is that of sums over the first clusters, plus that over the
    second, less that over single cells, each with its degrees of freedom corrected; it is at least
    the larger of the first two. Student's t has the degrees of freedom of the fewer clusters.
    Approximate; coverage is near the level from about ten clusters either way.

    Args:
        values: At least two finite numbers.
        first: Cluster of each value, such as its image.
        second: Its other cluster, such as its viewer.
        level: Confidence in (0, 1).

    Raises:
        NothingMeasuredError: Fewer than two clusters either way.
        InputError: A value is not finite, or lengths differ.

    Source: Cameron, Gelbach and Miller, Journal of Business & Economic Statistics 29 (2011), for a
    mean.

    Examples:
        >>> grid = [(image, viewer) for image in range(12) for viewer in range(10)]
        >>> crossed_interval([float(i) for i, _ in grid], *zip(*grid)).contains(5.5)
        True
    """
    check_level(level)
    array = finite_values(values)
    numbers = [np.unique(np.asarray(one), return_inverse=True)[1] for one in (first, second)]
    if any(len(one) != len(array) for one in numbers):
        raise InputError(
            f"{len(array)} values, {len(numbers[0])} and {len(numbers[1])} clusters; give one each"
        )
    counts = [int(one.max()) + 1 for one in numbers]
    if min(counts) < 2:
        raise NothingMeasuredError(
            f"{counts[0]} and {counts[1]} clusters: how much they differ cannot be known from one"
        )
    cells = np.unique(numbers[0] * counts[1] + numbers[1], return_inverse=True)[1]
    centred = array - array.mean()
    both = [_variance_of_mean(centred, one) for one in numbers]
    variance = max(*both, sum(both) - _variance_of_mean(centred, cells))
    half = float(stats.t.ppf((1 + level) / 2, min(counts) - 1)) * math.sqrt(variance)
    return Interval(float(array.mean()) - half, float(array.mean()) + half)


def _variance_of_mean(centred: NDArray[np.float64], cluster: NDArray[np.intp]) -> float:
    """Variance of a mean from the sums of centred values over independent clusters."""
    sums = np.bincount(cluster, weights=centred)
    n = len(sums)
    return n / (n - 1) * float((sums**2).sum()) / len(centred) ** 2 if n > 1 else 0.0
