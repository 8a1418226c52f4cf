"""Thresholds at a wanted error rate, and the error on the other side at that threshold.

Every threshold is an order statistic: an observed score, found by counting. The realised rate
never exceeds the target on the data. With n presentations no rate below 1/n but 0 can be
observed; a smaller target is met with zero errors and marked as unresolved.
"""

import math
from dataclasses import dataclass

import numpy as np

from sterling.errors import InputError
from sterling.measure.curve import error_curve
from sterling.measure.rate import Rate
from sterling.measure.scores import Scores
from sterling.measure.threshold import Threshold, digest_items


@dataclass(frozen=True)
class OperatingPoint:
    """One figure read where another is held; the threshold is chosen on the same scores.

    Attributes:
        target: The rate asked for, never exceeded.
        realised: The rate reached there.
        rate: The figure read at that threshold.
        threshold: In the scores' own direction.
        resolved: False when the target lies below 1/n, so that ``realised`` is 0.
        species: What the APCER or FPR was taken over: ``"pooled"`` or a PAI species.
    """

    target: float
    realised: Rate
    rate: Rate
    threshold: float
    resolved: bool
    species: str


def threshold_at_apcer(
    scores: Scores, apcer: float, *, species: str = "max", source: str = "these scores"
) -> Threshold:
    """The lowest threshold at which the APCER is at most ``apcer``.

    Args:
        scores: The data to choose on; only attacks and the scores' order matter.
        apcer: Wanted attack presentation classification error rate, in [0, 1].
        species: ``"max"`` to hold it for every PAI species, ``"pooled"`` for all attacks as one,
            or one species.
        source: Name of the data, kept in the threshold.
    """
    cut, resolved = _cut_at_apcer(scores, apcer, species)
    over = {"max": "every PAI species", "pooled": "all attacks pooled"}.get(species, species)
    counted = sum(len(values) for values in scores.attacks(species).values())
    return _threshold(scores, cut, f"APCER <= {apcer:g} for {over}", source, counted, resolved)


def threshold_at_bpcer(scores: Scores, bpcer: float, *, source: str = "these scores") -> Threshold:
    """The highest threshold at which the BPCER is at most ``bpcer``; only bona fides matter."""
    cut, resolved = _cut_at_bpcer(scores, bpcer)
    counted = len(scores.bona_fides())
    return _threshold(scores, cut, f"BPCER <= {bpcer:g}", source, counted, resolved)


def threshold_at_eer(scores: Scores, *, source: str = "these scores") -> Threshold:
    """The threshold where pooled APCER and BPCER are nearest to each other.

    Of several that are equally near, the one with the smallest sum of both errors is taken, and
    of those the one that accepts the fewest presentations.
    """
    curve = error_curve(scores)
    # Whole numbers proportional to the rates, so that equal gaps compare equal.
    bona_fides = int(scores.label.sum())
    attacks = len(scores) - bona_fides
    apcer = np.rint(curve.apcer * attacks) * bona_fides
    bpcer = np.rint(curve.bpcer * bona_fides) * attacks
    strictest_first = -np.arange(len(apcer))
    best = np.lexsort((strictest_first, apcer + bpcer, np.abs(apcer - bpcer)))[0]
    cut = _turn(scores, float(curve.threshold[best]))
    return _threshold(scores, cut, "APCER = BPCER (equal error)", source, len(scores), True)


def bpcer_at_apcer(scores: Scores, apcer: float, *, species: str = "max") -> OperatingPoint:
    """BPCER at the lowest threshold whose APCER is at most ``apcer``; lower is better."""
    bona_fide = scores.bona_fides()
    cut, resolved = _cut_at_apcer(scores, apcer, species)
    name, realised = _worst_apcer(scores, cut, species)
    rejected = Rate(int((bona_fide < cut).sum()), len(bona_fide))
    return OperatingPoint(apcer, realised, rejected, _turn(scores, cut), resolved, name)


def apcer_at_bpcer(scores: Scores, bpcer: float, *, species: str = "max") -> OperatingPoint:
    """APCER at the highest threshold whose BPCER is at most ``bpcer``, of the worst species.

    Lower is better.
    """
    bona_fide = scores.bona_fides()
    cut, resolved = _cut_at_bpcer(scores, bpcer)
    name, accepted = _worst_apcer(scores, cut, species)
    realised = Rate(int((bona_fide < cut).sum()), len(bona_fide))
    return OperatingPoint(bpcer, realised, accepted, _turn(scores, cut), resolved, name)


def tpr_at_fpr(scores: Scores, fpr: float) -> OperatingPoint:
    """The largest share of bona fides accepted while at most ``fpr`` of all attacks are.

    The positive class is bona fide; attacks are pooled, as in the papers that report this figure.
    Higher is better; ``rate`` counts the accepted bona fides.
    """
    point = bpcer_at_apcer(scores, fpr, species="pooled")
    accepted = Rate(point.rate.trials - point.rate.errors, point.rate.trials)
    return OperatingPoint(fpr, point.realised, accepted, point.threshold, point.resolved, "pooled")


def _allowed(target: float, trials: int) -> int:
    """The largest number of errors k with ``k / trials <= target``."""
    k = math.floor(target * trials)
    # The product may round to either side of a whole number; the quotient decides.
    return k + 1 if k < trials and (k + 1) / trials <= target else k - (k / trials > target)


def _check_rate(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise InputError(f"{name} {value}: give a rate between 0 and 1, such as 0.01 for 1 %")


def _cut_at_apcer(scores: Scores, apcer: float, species: str) -> tuple[float, bool]:
    """Lowest safe upward cut (accept at or above it), and whether the target is resolved."""
    _check_rate("APCER", apcer)
    upward = scores.upward
    cut, resolved = float(upward.min()), True
    for attacks in scores.attacks(species).values():
        n = len(attacks)
        allowed = _allowed(apcer, n)
        resolved &= allowed > 0
        if allowed == n:
            continue
        # All attacks up to this one must be rejected, so the cut is the next score above it.
        last = float(np.partition(attacks, n - 1 - allowed)[n - 1 - allowed])
        above = upward[upward > last]
        cut = max(cut, float(above.min()) if above.size else math.nextafter(last, math.inf))
    return cut, resolved


def _cut_at_bpcer(scores: Scores, bpcer: float) -> tuple[float, bool]:
    """Highest upward cut (accept at or above it) that rejects few enough bona fides."""
    _check_rate("BPCER", bpcer)
    bona_fide = scores.bona_fides()
    n = len(bona_fide)
    allowed = _allowed(bpcer, n)
    if allowed == n:
        return math.nextafter(float(scores.upward.max()), math.inf), True
    return float(np.partition(bona_fide, allowed)[allowed]), allowed > 0


def _worst_apcer(scores: Scores, cut: float, species: str) -> tuple[str, Rate]:
    rates = {
        name: Rate(int((attacks >= cut).sum()), len(attacks))
        for name, attacks in scores.attacks(species).items()
    }
    return max(rates.items(), key=lambda entry: (entry[1].value, -entry[1].trials))


def _turn(scores: Scores, upward: float) -> float:
    return upward if scores.direction == "up" else -upward


def _threshold(
    scores: Scores, cut: float, rule: str, source: str, n: int, resolved: bool
) -> Threshold:
    return Threshold(
        value=_turn(scores, cut),
        direction=scores.direction,
        rule=rule,
        source=source,
        n=n,
        items=digest_items(scores.item.tolist()),
        resolved=resolved,
    )
