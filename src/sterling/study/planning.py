"""Repetitions that an undecided claim would need: a projection from a finished run."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from sterling.errors import InputError
from sterling.measure.interval import Interval
from sterling.measure.rate import clopper_pearson
from sterling.measure.sequence import rate_limits, t_limit
from sterling.study.evidence import Claim, Design, Evidence, Sample, Verdict

POWERS = (0.5, 0.8)
MOST_UNITS = 10**7
NOTE = (
    "A projection: mean, spread and rate are taken to stay as this run measured them. With the "
    "first number of repetitions of a design the chance of the verdict is about 1/2, with the "
    "second 0.8: plan for the second. Until decided: by one look at that number; looks before it "
    "add to the chance."
)


@dataclass(frozen=True)
class Projection:
    """Repetitions with which an undecided claim would be decided.

    Attributes:
        claim: Id of the claim.
        towards: The verdict that the estimate points to; "undecided" where there is no projection.
        repetitions: Number of repetitions so far.
        fixed: Number that gives each of `POWERS` with an interval for a number chosen beforehand;
            None where it is beyond any run.
        sequential: The same with a confidence sequence.
        note: Why there is no projection; empty where there is one.
    """

    claim: str
    towards: Verdict
    repetitions: int
    fixed: tuple[int | None, ...] = ()
    sequential: tuple[int | None, ...] = ()
    note: str = ""


def plan(evidence: Evidence, repetitions: int) -> list[Projection]:
    """Project the undecided claims of a run.

    Means are projected with a normal approximation to the noncentral t distribution (Johnson and
    Welch, Biometrika 31, 1940), rates with a normal approximation to the count. A claim over
    several parts holds with the last of its parts, and does not hold with the first.

    Args:
        evidence: Evidence of the run.
        repetitions: Number of its repetitions; other samples are taken to grow in proportion.
    """
    if repetitions < 1:
        raise InputError(f"{repetitions} repetitions: a plan needs a run with one or more")
    undecided = [claim for claim in evidence.claims if claim.verdict == "undecided"]
    return [_project(claim, repetitions) for claim in undecided]


def growth(claim: Claim, power: float = POWERS[1]) -> float | None:
    """Return how many times as many items would decide an undecided claim with that chance.

    For estimates whose interval is their own, such as a bootstrap's: its width is taken to shrink
    with the root of the number of items, and the estimate to stay. None where nothing was measured,
    there is no interval, or the estimate lies on the bar.

    Args:
        claim: The claim.
        power: Chance of the verdict, in (0, 1).

    Examples:
        >>> from sterling.measure import Estimate, Interval
        >>> from sterling.study import at_least
        >>> near = at_least("x", "x", Estimate(0.6, Interval(0.4, 0.8), 0.95, "bootstrap"), 0.5)
        >>> round(growth(near), 1)
        8.2
    """
    if claim.measured is None or claim.low is None or claim.high is None:
        return None
    bars = [bar for bar in (claim.bar_low, claim.bar_high) if bar is not None]
    gap = min(abs(claim.measured - bar) for bar in bars)
    if not gap:
        return None
    quantile = float(stats.norm.ppf(1 - claim.error / 2))
    deviation = (claim.high - claim.low) / 2 / quantile
    return max(1.0, ((quantile + float(stats.norm.ppf(power))) * deviation / gap) ** 2)


def _project(claim: Claim, repetitions: int) -> Projection:
    def without(note: str) -> Projection:
        return Projection(claim.id, "undecided", repetitions, note=note)

    parts = [part for part in claim.sample if part.values != []]
    if not parts:
        return without("nothing was measured, or the run is older than plans")
    if any(part.values is None and part.trials is None for part in parts):
        return without("an estimate with an interval of its own: no projection")
    if any(part.values is not None and len(part.values) < 2 for part in parts):
        return without("one value: its spread is unknown; run two repetitions or more")
    low = -math.inf if claim.bar_low is None else claim.bar_low
    high = math.inf if claim.bar_high is None else claim.bar_high
    values = [_value(part) for part in parts]
    if any(value in (low, high) for value in values):
        return without("the estimate lies on the bar")
    wrong = [part for part, value in zip(parts, values, strict=True) if not low < value < high]

    def needed(design: Design, power: float) -> int | None:
        counts = [
            _least(_decides(part, low, high, claim, design, power), _units(part))
            for part in wrong or parts
        ]
        known = [
            math.ceil(count * repetitions / _units(part))
            for count, part in zip(counts, wrong or parts, strict=True)
            if count is not None
        ]
        if wrong:
            return min(known, default=None)
        return max(known) if len(known) == len(parts) else None

    fixed, sequential = (
        tuple(needed(design, power) for power in POWERS) for design in ("fixed", "sequential")
    )
    return Projection(
        claim.id, "does not hold" if wrong else "holds", repetitions, fixed, sequential
    )


def _value(part: Sample) -> float:
    if part.values is not None:
        return float(np.mean(part.values))
    assert part.errors is not None
    assert part.trials is not None
    return part.errors / part.trials


def _units(part: Sample) -> int:
    return part.trials if part.trials is not None else len(part.values or ())


def _decides(
    part: Sample, low: float, high: float, claim: Claim, design: Design, power: float
) -> Callable[[int], bool]:
    """Whether a sample of a size like this part leaves the bar with that chance or more."""
    sides = 2 if design == "fixed" and claim.one_sided else 1
    level = 1 - sides * claim.error
    value = _value(part)
    # Inside, the interval has to keep clear of both ends; outside, of the end in between.
    ends = (low, high) if low < value < high else (low,) if value < low else (high,)
    gaps = [abs(value - end) for end in ends if math.isfinite(end)]
    if part.values is not None:
        spread = float(np.std(part.values, ddof=1))
        return lambda n: _power_of_mean(gaps, spread, n, level, design) >= power
    interval = clopper_pearson if design == "fixed" else rate_limits
    return lambda n: _rate_leaves(value, low, high, n, power, lambda k, n: interval(k, n, level))


def _power_of_mean(gaps: list[float], spread: float, n: int, level: float, design: Design) -> float:
    limit = t_limit(n, level)
    if design == "fixed":
        limit = float(stats.t.ppf((1 + level) / 2, n - 1))
    if math.isinf(limit) or not spread:
        return float(math.isfinite(limit))
    # The spread of the t statistic grows with that of the estimated spread.
    scale = math.sqrt(1 + limit**2 / (2 * (n - 1)))
    shrunk = limit * (1 - 1 / (4 * (n - 1)))
    misses = (stats.norm.cdf((shrunk - gap / spread * math.sqrt(n)) / scale) for gap in gaps)
    return 1 - float(sum(misses))


def _rate_leaves(
    rate: float,
    low: float,
    high: float,
    n: int,
    power: float,
    interval: Callable[[float, float], Interval],
) -> bool:
    unlucky = float(stats.norm.ppf(power)) * math.sqrt(rate * (1 - rate) / n)
    below, above = (interval(n * min(1.0, max(0.0, rate + way * unlucky)), n) for way in (-1, 1))
    if low < rate < high:
        return low <= below.low and above.high <= high
    return above.high < low if rate < low else high < below.low


def _least(enough: Callable[[int], bool], start: int) -> int | None:
    """Smallest size that is enough, from the present one on."""
    most = max(2, start)
    while not enough(most):
        if most > MOST_UNITS:
            return None
        start, most = most, 2 * most
    while most - start > 1:
        middle = (start + most) // 2
        start, most = (start, middle) if enough(middle) else (middle, most)
    return most
