"""Paired comparison: bootstrap over subjects, and McNemar's test on decisions."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from sterling.errors import InputError, NothingMeasuredError
from sterling.measure.interval import Estimate, Interval, check_level
from sterling.measure.scores import Scores

Statistic = Callable[[Scores], float]


def bootstrap_by_subject(
    scores: Scores,
    statistic: Statistic,
    *,
    seed: int | np.random.Generator,
    repetitions: int = 1000,
    level: float = 0.95,
) -> Estimate:
    """Return the percentile interval of a statistic over draws of whole subjects.

    Subjects are drawn with replacement. At zero errors the interval has no width: read it next to
    the exact interval of a ``Rate``. Draws on which the statistic cannot be measured (no negative
    drawn, say) are repeated.

    Args:
        scores: Scores with the subject of every item.
        statistic: Maps scores to a finite number. Use a fixed threshold, or choose it within.
        seed: Integer or generator.
        repetitions: Number of draws, 1 or more.
        level: Confidence in (0, 1).

    Raises:
        InputError: When a subject is unknown (``""``). To treat items as independent, make the
            items the subjects.
        NothingMeasuredError: When more draws fail than succeed.
    """
    value = float(statistic(scores))
    draws = _draws(scores, np.random.default_rng(seed))
    values = _collect(lambda rows: statistic(scores.resample(rows)), draws, repetitions)
    return _percentile(value, values, level)


def compare_paired(
    first: Scores,
    second: Scores,
    statistic: Statistic,
    *,
    seed: int | np.random.Generator,
    repetitions: int = 1000,
    level: float = 0.95,
) -> Estimate:
    """Return ``statistic(first) - statistic(second)`` for two systems scored on the same items.

    Both are resampled with the same subjects, so that what the items have in common cancels.

    Args:
        first: Scores of one system.
        second: Scores of the other on the same items, in any order; directions may differ.
        statistic: Maps scores to a finite number.
        seed: Integer or generator.
        repetitions: Number of draws, 1 or more.
        level: Confidence in (0, 1).

    Raises:
        InputError: When the items, or their labels, subjects or groups differ.
        NothingMeasuredError: When more draws fail than succeed.
    """
    second = _in_order_of(first, second)
    value = float(statistic(first)) - float(statistic(second))
    draws = _draws(first, np.random.default_rng(seed))

    def difference(rows: NDArray[np.intp]) -> float:
        return statistic(first.resample(rows)) - statistic(second.resample(rows))

    return _percentile(value, _collect(difference, draws, repetitions), level)


def compare_unpaired(first: Estimate, second: Estimate) -> Estimate:
    """Return ``first - second`` for values measured on different items.

    Each end of the interval combines the distances of both values from their own ends (MOVER). It
    holds for independent estimates and is too wide for ones that share items.

    Args:
        first: One value with its interval.
        second: The other, with the same confidence.

    Source: Zou and Donner, Statistics in Medicine 27 (2008).

    Raises:
        InputError: The confidences differ.

    Examples:
        >>> a = Estimate(0.9, Interval(0.87, 0.94), 0.95, "x")
        >>> b = Estimate(0.8, Interval(0.77, 0.84), 0.95, "x")
        >>> round(compare_unpaired(a, b).interval.low, 3), round(compare_unpaired(a, b).value, 3)
        (0.05, 0.1)
    """
    if first.level != second.level:
        raise InputError(f"levels {first.level} and {second.level}: give intervals of one")
    value = first.value - second.value
    down = math.hypot(first.value - first.interval.low, second.interval.high - second.value)
    up = math.hypot(first.interval.high - first.value, second.value - second.interval.low)
    return Estimate(value, Interval(value - down, value + up), first.level, "unpaired")


def _draws(scores: Scores, rng: np.random.Generator) -> Iterator[NDArray[np.intp]]:
    """Draw row positions without end, subject by subject."""
    unknown = scores.subject == ""
    if unknown.any():
        raise InputError(
            f"{unknown.sum()} of {len(scores)} subjects are unknown; pass subject= to Scores "
            "(the items themselves, if they are independent)"
        )
    _, subject_of, counts = np.unique(scores.subject, return_inverse=True, return_counts=True)
    rows = np.split(np.argsort(subject_of, kind="stable"), np.cumsum(counts)[:-1])
    while True:
        yield np.concatenate([rows[i] for i in rng.integers(len(rows), size=len(rows))])


def _collect(
    measure: Callable[[NDArray[np.intp]], float],
    draws: Iterator[NDArray[np.intp]],
    repetitions: int,
) -> list[float]:
    if repetitions < 1:
        raise InputError(f"repetitions {repetitions}: give 1 or more")
    values: list[float] = []
    failed = 0
    for rows in draws:
        try:
            values.append(float(measure(rows)))
        except NothingMeasuredError:
            failed += 1
        if len(values) == repetitions:
            break
        if failed > repetitions:
            raise NothingMeasuredError(
                f"{failed} of {failed + len(values)} draws of subjects could not be measured; "
                "there are too few subjects for a bootstrap"
            )
    return values


def _percentile(value: float, values: list[float], level: float) -> Estimate:
    tail = (1 - check_level(level)) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return Estimate(value, Interval(float(low), float(high)), level, "bootstrap by subject")


def _in_order_of(first: Scores, second: Scores) -> Scores:
    """Return ``second`` with its rows in the order of ``first``."""
    here, there = np.argsort(first.item), np.argsort(second.item)
    if not np.array_equal(first.item[here], second.item[there]):
        odd = sorted(set(first.item.tolist()) ^ set(second.item.tolist()))
        raise InputError(f"{len(odd)} items are scored by one system only (first: {odd[0]!r})")
    positions = np.empty_like(here)
    positions[here] = there
    second = second.resample(positions)
    for name in ("label", "subject", "group"):
        differs = getattr(first, name) != getattr(second, name)
        if differs.any():
            item = str(first.item[differs.argmax()])
            raise InputError(f"item {item!r} has a different {name} in the two sets of scores")
    return second


@dataclass(frozen=True)
class McNemar:
    """Outcome of McNemar's exact test.

    Attributes:
        only_first: Items that only the first system decided correctly.
        only_second: Items that only the second system decided correctly.
        p_value: Two-sided; small when the systems differ.
    """

    only_first: int
    only_second: int
    p_value: float


def mcnemar(first_correct: ArrayLike, second_correct: ArrayLike) -> McNemar:
    """Test by McNemar whether two systems err equally often on the same independent items.

    Exact: where the systems disagree, each is right with chance 1/2 if they err equally often.

    Args:
        first_correct: Bool (N,), ``threshold.accept(scores) == scores.label`` of one system.
        second_correct: Bool (N,), the same items in the same order, of the other.

    Raises:
        InputError: When the two differ in length.
    """
    first = np.asarray(first_correct, dtype=np.bool_)
    second = np.asarray(second_correct, dtype=np.bool_)
    if first.ndim != 1 or first.shape != second.shape:
        raise InputError(f"decisions have shapes {first.shape} and {second.shape}; pair them")
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    disagreements = only_first + only_second
    p = float(stats.binomtest(only_first, disagreements).pvalue) if disagreements else 1.0
    return McNemar(only_first, only_second, p)
