"""Area under the ROC curve with its interval."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from sterling.measure.interval import Estimate, Interval, check_level
from sterling.measure.rate import clopper_pearson
from sterling.measure.scores import Scores


def auc(scores: Scores, level: float = 0.95) -> Estimate:
    """Chance that a bona fide scores above an attack, ties counting half; 1 is best, 0.5 chance.

    The value is the Mann–Whitney statistic over all pairs. The interval is DeLong's (Biometrics,
    1988), taken on the logit scale so that it stays within (0, 1). Completely separated scores,
    and constant ones, show no DeLong variance; there the interval is Clopper–Pearson's for
    ``min(bona fides, attacks)`` disjoint, hence independent, pairs.

    Raises:
        NothingMeasuredError: When bona fides or attacks are missing.
    """
    check_level(level)
    bona_fide = np.sort(scores.bona_fides())
    attacks = np.sort(scores.attacks()["pooled"])
    m, n = len(bona_fide), len(attacks)
    # DeLong's placements: the share of the other class that each presentation beats.
    over = _share_below(bona_fide, attacks)
    under = 1 - _share_below(attacks, bona_fide)
    value = float(over.mean())
    variance = _variance(over) / m + _variance(under) / n
    if variance == 0:
        pairs = min(m, n)
        interval = clopper_pearson(value * pairs, pairs, level)
        return Estimate(value, interval, level, "Clopper–Pearson on disjoint pairs")
    z = float(stats.norm.ppf((1 + level) / 2))
    half = z * math.sqrt(variance) / (value * (1 - value))
    logit = float(special.logit(value))
    interval = Interval(float(special.expit(logit - half)), float(special.expit(logit + half)))
    return Estimate(value, interval, level, "DeLong on the logit scale")


def _share_below(values: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each value the share of sorted ``others`` below it, ties counting half."""
    left = np.searchsorted(others, values, side="left")
    right = np.searchsorted(others, values, side="right")
    return (left + right) / (2 * len(others))


def _variance(placements: NDArray[np.float64]) -> float:
    if len(placements) > 1:
        return float(placements.var(ddof=1))
    # One presentation shows no spread; this is the most that a share of this mean can have.
    return float(placements[0] * (1 - placements[0]))
