"""Figures of an evaluation with two intervals: per presentation, and with subjects as the unit.

Several presentations of one person are not independent. Where subjects are known the interval that
takes them as the unit is used, for claims and headlines; docs/statistics.md says when each holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sterling.errors import NothingMeasuredError
from sterling.measure import (
    BONA_FIDE,
    Estimate,
    Interval,
    PadErrors,
    Rate,
    Scores,
    auc,
    bootstrap_by_subject,
    clustered_interval,
)
from sterling.measure.pad import Counts
from sterling.measure.rate import clopper_pearson

DRAWS = 400
"""Draws of subjects for the interval of an area. Our choice."""


@dataclass(frozen=True)
class Figure:
    """A measured value with its intervals.

    Attributes:
        value: The measured value.
        n: Number of presentations behind it.
        presentation: 95 % interval for independent presentations.
        subjects: Number of subjects; 0 where one is not known.
        subject: 95 % interval for independent subjects; None where one is not known.
        method: Name of the interval by subject.
        counts: Errors of a rate; None for other figures.
    """

    value: float
    n: int
    presentation: Interval
    subjects: int = 0
    subject: Interval | None = None
    method: str = ""
    counts: int | None = None

    @property
    def interval(self) -> Interval:
        """The interval that claims use: by subject where subjects are known."""
        return self.presentation if self.subject is None else self.subject

    @property
    def units(self) -> int:
        """Number of units that the interval counts as independent."""
        return self.n if self.subject is None else self.subjects

    @property
    def unit(self) -> str:
        """Unit that the interval takes as independent, and its method, in words."""
        return "per presentation, subjects not known" if self.subject is None else self.method

    def estimate(self, level: float = 0.95) -> Estimate:
        """Return the value with the interval that claims use."""
        counted = f"{self.n}" if self.counts is None else f"{self.counts} of {self.n}"
        return Estimate(self.value, self.interval, level, f"{counted} presentations, {self.unit}")


def rate_figure(rate: Rate, counts: Counts | None, level: float = 0.95) -> Figure:
    """Return a rate with its interval per presentation and, where subjects are known, by subject.

    Args:
        rate: Errors and presentations.
        counts: Errors and presentations of each subject; None where a subject is not known.
        level: Confidence in (0, 1).

    Examples:
        >>> none = rate_figure(Rate(0, 360), (np.zeros(6, int), np.full(6, 60)))
        >>> round(none.presentation.high, 3), round(none.interval.high, 2)
        (0.01, 0.46)
    """
    plain = Figure(rate.value, rate.trials, rate.interval(level), counts=rate.errors)
    if counts is None:
        return plain
    wrong, trials = counts
    if max(trials) == 1:
        interval, method = plain.presentation, f"one of each of {len(trials)} subjects, exact"
    elif len(trials) == 1:  # how much subjects differ cannot be seen
        interval = clustered_interval(wrong, trials, level, method="worst case")
        method = "worst case over 1 subject"
    else:
        interval, method = (
            clustered_interval(wrong, trials, level),
            f"clustered by {len(trials)} subjects",
        )
    return replace(plain, subjects=len(trials), subject=interval, method=method)


def events_figure(wrong: NDArray[np.bool_], subject: NDArray[np.str_]) -> Figure:
    """Return the rate of events among presentations of known or unknown subjects.

    Args:
        wrong: Whether each presentation is an error, bool (N,), N at least 1.
        subject: Subject of each, text (N,); ``""`` where unknown.
    """
    rate = Rate(int(wrong.sum()), len(wrong))
    if (subject == "").any():
        return rate_figure(rate, None)
    number = np.unique(subject, return_inverse=True)[1]
    errors = np.bincount(number, weights=wrong).astype(np.int64)
    return rate_figure(rate, (errors, np.bincount(number).astype(np.int64)))


def species_figures(errors: PadErrors, level: float = 0.95) -> dict[str, Figure]:
    """Return the APCER of every species, the worst first."""
    rates = sorted(errors.apcer.items(), key=lambda entry: (-entry[1].value, entry[1].trials))
    return {name: rate_figure(rate, errors.subjects.get(name), level) for name, rate in rates}


def bpcer_figure(errors: PadErrors, level: float = 0.95) -> Figure:
    """Return the BPCER."""
    return rate_figure(errors.bpcer, errors.subjects.get(BONA_FIDE), level)


def error_figures(errors: PadErrors) -> Mapping[str, Figure]:
    """Return the APCER of every species, the worst first, and the BPCER as ``"bona_fide"``."""
    return {**species_figures(errors), BONA_FIDE: bpcer_figure(errors)}


def acer_figure(errors: PadErrors, n: int, level: float = 0.95) -> Figure:
    """Return the ACER of `n` presentations, with conservative intervals.

    Both of its parts hold at once (Bonferroni), and so do those of all species.
    """
    plain = Figure(errors.acer, n, errors.acer_interval(level))
    each = 1 - (1 - level) / 2
    bpcer = bpcer_figure(errors, each)
    species = species_figures(errors, 1 - (1 - each) / len(errors.apcer)).values()
    parts = [bpcer, *species]
    if any(part.subject is None for part in parts):
        return plain
    low, high = (
        (max(getattr(one.interval, end) for one in species) + getattr(bpcer.interval, end)) / 2
        for end in ("low", "high")
    )
    fewest = min(part.subjects for part in parts)
    method = f"both rates at once (Bonferroni), each clustered by {fewest} subjects or more"
    return replace(plain, subjects=fewest, subject=Interval(low, high), method=method)


def area_figure(scores: Scores, *, seed: int = 0) -> Figure:
    """Return the AUC, with DeLong's interval and one over draws of subjects where they are known.

    Where every draw has the same area the bootstrap sees no spread: the interval is then Clopper
    and Pearson's with one trial per subject. Where subjects are too few to draw from, as one alone,
    it is all of [0, 1].
    """
    plain = auc(scores)
    figure = Figure(plain.value, len(scores), plain.interval)
    subjects = len(set(scores.subject.tolist()))
    if (scores.subject == "").any():
        return figure
    method = f"bootstrap over {subjects} subjects"
    # Items and groups, which every draw would copy, have no part in an area.
    bare = Scores(scores.upward, scores.label, subject=scores.subject)
    try:
        interval = bootstrap_by_subject(
            bare, lambda one: auc(one).value, seed=seed, repetitions=DRAWS
        ).interval
    except NothingMeasuredError:  # each class has subjects of its own, and few
        interval, method = Interval(0.0, 1.0), f"nothing known from {subjects} subjects"
    if interval.low == interval.high:
        interval = clopper_pearson(plain.value * subjects, subjects, plain.level)
        method = f"Clopper–Pearson with {subjects} subjects as trials"
    return replace(figure, subjects=subjects, subject=interval, method=method)
