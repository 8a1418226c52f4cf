"""Error curves over all thresholds, the equal error rate and the area under the ROC curve."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from sterling.display import draw_trade_off, line, number
from sterling.measure.interval import Estimate, Interval, check_level
from sterling.measure.rate import clopper_pearson
from sterling.measure.scores import Scores

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False)
class ErrorCurve:
    """Operating points in order of growing strictness, one per distinct score and one beyond.

    The first point accepts every item, the last rejects every one.

    Attributes:
        threshold: float64 (M,), in the scores' own direction; an item at or beyond it is accepted.
            The last lies one float beyond every score.
        fpr: float64 (M,), share of negatives accepted (false positive rate), falling.
        fnr: float64 (M,), share of positives rejected (1 - true positive rate), rising.
    """

    threshold: NDArray[np.float64]
    fpr: NDArray[np.float64]
    fnr: NDArray[np.float64]

    def __repr__(self) -> str:
        equal = number(_crossing(self.fpr, self.fnr))
        return line(self, f"{len(self.threshold)} points", f"equal error rate {equal}")

    def to_frame(self) -> "pl.DataFrame":
        """Return the points as a frame with the columns ``threshold``, ``fpr`` and ``fnr``."""
        import polars as pl

        return pl.DataFrame(vars(self))

    def plot(self, ax: "Axes | None" = None, *, label: str = "") -> "Axes":
        """Draw the trade-off of both rates: left and low is better; the dashed line has FPR = FNR.

        Args:
            ax: Axes to draw on; None makes a figure.
            label: Name of the curve for a legend.

        Returns:
            The axes: false positive rate from left to right, false negative rate upwards.

        Raises:
            InputError: matplotlib is not installed.

        Example:
            >>> scores = Scores([0.1, 0.4, 0.3, 0.9], [False, False, True, True])
            >>> error_curve(scores).plot().get_xlabel()
            'false positive rate'
        """
        return draw_trade_off(self.fpr, self.fnr, ax, label)


def error_curve(scores: Scores, group: str = "pooled") -> ErrorCurve:
    """Return both error rates at every threshold that can be told apart: a ROC or DET curve.

    Args:
        scores: Scores with at least one positive and one negative.
        group: False positives over all negatives as one (``"pooled"``, the usual curve), of the
            worst group at each threshold (``"max"``), or of one named group.

    Raises:
        NothingMeasuredError: When positives or negatives are missing.
    """
    positive = np.sort(scores.positives())
    groups = [np.sort(values) for values in scores.negatives(group).values()]
    cuts = np.unique(np.concatenate([positive, *groups]))
    missed = np.append(np.searchsorted(positive, cuts, side="left"), len(positive))
    fpr = np.zeros(len(cuts) + 1)
    for values in groups:
        rejected = np.append(np.searchsorted(values, cuts, side="left"), len(values))
        np.maximum(fpr, (len(values) - rejected) / len(values), out=fpr)
    upward = np.append(cuts, np.nextafter(cuts[-1], np.inf))
    threshold = upward if scores.direction == "up" else -upward
    return ErrorCurve(threshold, fpr, missed / len(positive))


def eer(scores: Scores, level: float = 0.95) -> Estimate:
    """Return the rate at which both errors are equal; lower is better, 0.5 is chance.

    The operating points are joined by straight lines, which is what breaking ties at random
    gives on average, and the value is where the line crosses FPR = FNR. Constant scores give
    0.5, separated ones 0.

    The interval needs no assumption on the distribution of the scores. At the true equal-error
    threshold both counts of errors are binomial with the same rate, so that rate lies in both
    Clopper–Pearson intervals taken there, each at confidence ``1 - (1 - level) / 2``. The
    threshold being unknown, the interval is the union over all points of the line of the
    intersection of both; its coverage is at least ``level`` for independent items.

    Raises:
        NothingMeasuredError: When positives or negatives are missing.
    """
    curve = error_curve(scores)
    fpr, fnr = curve.fpr, curve.fnr
    negatives, positives = int((~scores.label).sum()), int(scores.label.sum())
    each = 1 - (1 - check_level(level)) / 2

    def intervals(position: float) -> tuple[Interval, Interval]:
        """Intervals of both rates at a point of the line, by its place among the points."""
        left = min(int(position), len(fpr) - 2)
        part = position - left
        a, b = ((1 - part) * rates[left] + part * rates[left + 1] for rates in (fpr, fnr))
        return (
            clopper_pearson(float(a) * negatives, negatives, each),
            clopper_pearson(float(b) * positives, positives, each),
        )

    def gap(position: float, end: str) -> float:
        a, b = intervals(position)
        return float(getattr(a, end) - getattr(b, end))

    # Along the line FPR falls and FNR rises, continuously, from (1, 0) to (0, 1). So do both
    # limits of their intervals, and each pair of limits crosses once.
    lowest, highest = (
        intervals(optimize.brentq(gap, 0.0, float(len(fpr) - 1), args=(end,), xtol=1e-9))
        for end in ("low", "high")
    )
    value = _crossing(fpr, fnr)
    low = min(value, *(one.low for one in lowest))
    high = max(value, *(one.high for one in highest))
    return Estimate(value, Interval(low, high), level, "Clopper–Pearson")


def _crossing(fpr: NDArray[np.float64], fnr: NDArray[np.float64]) -> float:
    """Return the rate at which the line through the points has equal errors."""
    left = int(np.searchsorted(fnr - fpr, 0.0, side="right")) - 1
    before = float(fpr[left] - fnr[left])
    if before == 0:
        return float(fpr[left])
    after = float(fpr[left + 1] - fnr[left + 1])
    part = before / (before - after)
    return float((1 - part) * fpr[left] + part * fpr[left + 1])


def auc(scores: Scores, level: float = 0.95) -> Estimate:
    """Return the chance that a positive scores above a negative; 1 is best, 0.5 is chance.

    The value is the Mann–Whitney statistic over all pairs, ties counting half. The interval is
    DeLong's (Biometrics, 1988), taken on the logit scale so that it stays within (0, 1).
    Completely separated scores, and constant ones, show no DeLong variance; there the interval is
    Clopper–Pearson's for ``min(positives, negatives)`` disjoint, hence independent, pairs.

    Raises:
        NothingMeasuredError: When positives or negatives are missing.
    """
    check_level(level)
    positive = np.sort(scores.positives())
    negative = np.sort(scores.negatives()["pooled"])
    # DeLong's placements: the share of the other class that each item beats.
    over = _share_below(positive, negative)
    under = 1 - _share_below(negative, positive)
    value = float(over.mean())
    variance = _variance(over) / len(over) + _variance(under) / len(under)
    if variance == 0:
        pairs = min(len(over), len(under))
        interval = clopper_pearson(value * pairs, pairs, level)
        return Estimate(value, interval, level, "Clopper–Pearson on disjoint pairs")
    z = float(stats.norm.ppf((1 + level) / 2))
    half = z * math.sqrt(variance) / (value * (1 - value))
    logit = float(special.logit(value))
    interval = Interval(float(special.expit(logit - half)), float(special.expit(logit + half)))
    return Estimate(value, interval, level, "DeLong on the logit scale")


def _share_below(values: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each value the share of sorted ``others`` below it, ties counting half."""
    left = np.searchsorted(others, values, side="left")
    right = np.searchsorted(others, values, side="right")
    return (left + right) / (2 * len(others))


def _variance(placements: NDArray[np.float64]) -> float:
    if len(placements) > 1:
        return float(placements.var(ddof=1))
    # One item shows no spread; this is the most that a share of this mean can have.
    return float(placements[0] * (1 - placements[0]))
