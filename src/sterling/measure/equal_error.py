"""Equal error rate with an exact interval."""

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from sterling.measure.curve import error_curve
from sterling.measure.interval import Estimate, Interval, check_level
from sterling.measure.rate import clopper_pearson
from sterling.measure.scores import Scores


def eer(scores: Scores, level: float = 0.95) -> Estimate:
    """The rate at which pooled APCER and BPCER are equal; lower is better, 0.5 is chance.

    The operating points are joined by straight lines, which is what breaking ties at random
    gives on average, and the value is where the line crosses APCER = BPCER. Constant scores give
    0.5, separated ones 0.

    The interval needs no assumption on the distribution of the scores. At the true equal-error
    threshold both counts of errors are binomial with the same rate, so that rate lies in both
    Clopper–Pearson intervals taken there, each at confidence ``1 - (1 - level) / 2``. The
    threshold being unknown, the interval is the union over all points of the line of the
    intersection of both; its coverage is at least ``level`` for independent presentations.

    Raises:
        NothingMeasuredError: When bona fides or attacks are missing.
    """
    curve = error_curve(scores)
    apcer, bpcer = curve.apcer, curve.bpcer
    attacks, bona_fides = int((~scores.label).sum()), int(scores.label.sum())
    each = 1 - (1 - check_level(level)) / 2

    def ends(position: float) -> tuple[float, float]:
        """Both rates at a point of the line, by its place between two operating points."""
        left = min(int(position), len(apcer) - 2)
        part = position - left
        a = (1 - part) * apcer[left] + part * apcer[left + 1]
        b = (1 - part) * bpcer[left] + part * bpcer[left + 1]
        return float(a), float(b)

    def intervals(position: float) -> tuple[Interval, Interval]:
        a, b = ends(position)
        return (
            clopper_pearson(a * attacks, attacks, each),
            clopper_pearson(b * bona_fides, bona_fides, each),
        )

    # Along the line APCER falls and BPCER rises, continuously, from (1, 0) to (0, 1). So do both
    # limits of their intervals, and each pair of limits crosses once.
    last = float(len(apcer) - 1)

    def low_gap(position: float) -> float:
        a, b = intervals(position)
        return a.low - b.low

    def high_gap(position: float) -> float:
        a, b = intervals(position)
        return a.high - b.high

    left = int(np.searchsorted(bpcer - apcer, 0.0, side="right")) - 1
    value = _crossing(apcer, bpcer, left)
    lowest = intervals(optimize.brentq(low_gap, 0.0, last, xtol=1e-9))
    highest = intervals(optimize.brentq(high_gap, 0.0, last, xtol=1e-9))
    low = min(lowest[0].low, lowest[1].low)
    high = max(highest[0].high, highest[1].high)
    return Estimate(value, Interval(min(low, value), max(high, value)), level, "Clopper–Pearson")


def _crossing(apcer: NDArray[np.float64], bpcer: NDArray[np.float64], left: int) -> float:
    """Where the line through points ``left`` and ``left + 1`` has equal rates."""
    before = float(apcer[left] - bpcer[left])
    if before == 0:
        return float(apcer[left])
    after = float(apcer[left + 1] - bpcer[left + 1])
    part = before / (before - after)
    return float((1 - part) * apcer[left] + part * apcer[left + 1])
