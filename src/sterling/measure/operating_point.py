"""Operating points: one error rate read where the other is held.

Every threshold is an order statistic: an observed score, found by counting. The realised rate
never exceeds the target on the data. With n items no rate below 1/n but 0 can be observed; a
smaller target is met with zero errors and marked as unresolved.
"""

import math
from dataclasses import dataclass

import numpy as np

from sterling.errors import InputError
from sterling.measure.rate import Rate
from sterling.measure.scores import Scores


@dataclass(frozen=True)
class OperatingPoint:
    """One figure read where another is held; the threshold is chosen on the same scores.

    Attributes:
        target: The rate asked for, never exceeded.
        realised: The rate reached there.
        rate: The figure read at that threshold.
        threshold: Threshold in the scores' own direction.
        resolved: False when the target lies below 1/n, so that ``realised`` is 0.
        group: Negatives that the false positive rate was taken over: ``"pooled"`` or a group.
    """

    target: float
    realised: Rate
    rate: Rate
    threshold: float
    resolved: bool
    group: str


def tpr_at_fpr(scores: Scores, fpr: float) -> OperatingPoint:
    """Return the largest share of positives accepted while at most ``fpr`` of all negatives are.

    Higher is better; ``rate`` counts the accepted positives.
    """
    point = fnr_at_fpr(scores, fpr, group="pooled")
    accepted = Rate(point.rate.trials - point.rate.errors, point.rate.trials)
    return OperatingPoint(fpr, point.realised, accepted, point.threshold, point.resolved, "pooled")


def fnr_at_fpr(
    scores: Scores, fpr: float, *, group: str = "max", name: str = "FPR"
) -> OperatingPoint:
    """Return the false negative rate at the lowest threshold whose FPR is at most ``fpr``."""
    cut, resolved = cut_at_fpr(scores, fpr, group, name)
    worst, realised = _worst_fpr(scores, cut, group)
    return OperatingPoint(fpr, realised, _fnr(scores, cut), turn(scores, cut), resolved, worst)


def fpr_at_fnr(
    scores: Scores, fnr: float, *, group: str = "max", name: str = "FNR"
) -> OperatingPoint:
    """Return the false positive rate at the highest threshold whose FNR is at most ``fnr``."""
    cut, resolved = cut_at_fnr(scores, fnr, name)
    worst, accepted = _worst_fpr(scores, cut, group)
    return OperatingPoint(fnr, _fnr(scores, cut), accepted, turn(scores, cut), resolved, worst)


def cut_at_fpr(scores: Scores, fpr: float, group: str, name: str = "FPR") -> tuple[float, bool]:
    """Return the lowest safe upward cut (accept at or above it), and whether it is resolved.

    Args:
        scores: The data to choose on.
        fpr: False positive rate in [0, 1] that no group may exceed.
        group: As in :meth:`Scores.negatives`.
        name: Name of the rate in the message of an error.
    """
    _check_rate(name, fpr)
    upward = scores.upward
    cut, resolved = float(upward.min()), True
    for negatives in scores.negatives(group).values():
        n = len(negatives)
        allowed = allowed_errors(fpr, n)
        resolved &= allowed > 0
        if allowed == n:
            continue
        # All negatives up to this one must be rejected, so the cut is the next score above it.
        last = float(np.partition(negatives, n - 1 - allowed)[n - 1 - allowed])
        above = upward[upward > last]
        cut = max(cut, float(above.min()) if above.size else math.nextafter(last, math.inf))
    return cut, resolved


def cut_at_fnr(scores: Scores, fnr: float, name: str = "FNR") -> tuple[float, bool]:
    """Return the highest upward cut that rejects few enough positives, and whether it is resolved.

    Arguments as in :func:`cut_at_fpr`.
    """
    _check_rate(name, fnr)
    positive = scores.positives()
    n = len(positive)
    allowed = allowed_errors(fnr, n)
    if allowed == n:
        return math.nextafter(float(scores.upward.max()), math.inf), True
    return float(np.partition(positive, allowed)[allowed]), allowed > 0


def turn(scores: Scores, upward: float) -> float:
    """Return an upward cut in the scores' own direction."""
    return upward if scores.direction == "up" else -upward


def allowed_errors(target: float, trials: int) -> int:
    """Return the largest number of errors k with ``k / trials <= target``."""
    k = math.floor(target * trials)
    # The product may round to either side of a whole number; the quotient decides.
    return k + 1 if k < trials and (k + 1) / trials <= target else k - (k / trials > target)


def _check_rate(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise InputError(f"{name} {value}: give a rate between 0 and 1, such as 0.01 for 1 %")


def _fnr(scores: Scores, cut: float) -> Rate:
    positive = scores.positives()
    return Rate(int((positive < cut).sum()), len(positive))


def _worst_fpr(scores: Scores, cut: float, group: str) -> tuple[str, Rate]:
    rates = {
        name: Rate(int((negatives >= cut).sum()), len(negatives))
        for name, negatives in scores.negatives(group).items()
    }
    return max(rates.items(), key=lambda entry: (entry[1].value, -entry[1].trials))
