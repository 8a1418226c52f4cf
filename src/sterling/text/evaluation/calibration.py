"""From a detector's score to a probability, and from that to a decision.

MGTEVAL's calibration: univariate Platt scaling by iteratively re-weighted least squares on
standardised scores, with a penalty on the slope alone; thresholds by accuracy, F1, or the largest
true positive rate at a false positive rate of at most 1 %.
"""

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from sterling.errors import InputError, unknown_name
from sterling.measure import Scores, Threshold, error_curve, threshold_at_apcer
from sterling.measure.threshold import digest_items

ThresholdMode = Literal["accuracy", "f1", "low_fpr"]
L2, ITERATIONS, TOLERANCE, CLIP = 1e-2, 200, 1e-6, 1e-6
LOW_FPR = 0.01


@dataclass(frozen=True)
class Platt:
    """p(machine) = 1 / (1 + exp(-(intercept + slope (score - mean) / deviation))).

    Attributes:
        mean: Mean of the scores it was fitted on.
        deviation: Standard deviation of these scores, above 0.
        slope: Slope of the logit, below 0 where lower scores mean machine.
        intercept: Intercept of the logit.
    """

    mean: float
    deviation: float
    slope: float
    intercept: float

    def logit(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Return logits (N,), larger is more like a machine for either direction; NaN stays."""
        values = np.asarray(scores, dtype=np.float64)
        logit: NDArray[np.float64] = (
            self.intercept + self.slope * (values - self.mean) / self.deviation
        )
        return logit

    def probability(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Return p(machine) (N,), within [1e-6, 1 - 1e-6]."""
        return np.asarray(np.clip(special.expit(self.logit(scores)), CLIP, 1 - CLIP))


def fit_platt(scores: ArrayLike, labels: ArrayLike) -> Platt:
    """Minimise the penalised log-loss: sum over texts of -ln p(label), plus 0.005 slope².

    Newton's steps are halved while they do not lower the loss, so that separated classes do no
    harm; the published scheme takes whole steps.

    Args:
        scores: Scores of development texts, (N,), finite.
        labels: Labels (N,), 1 for machine, 0 for human; both occur.

    Raises:
        InputError: Scores that are not finite, one class only, or one value for all.
    """
    values, y = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    if values.ndim != 1 or values.shape != y.shape or not np.isfinite(values).all():
        raise InputError(f"scores {values.shape}, labels {y.shape}: give finite ones, (N,) each")
    if set(np.unique(y).tolist()) != {0.0, 1.0}:
        raise InputError("labels: calibration needs texts of people (0) and of machines (1)")
    mean, deviation = float(values.mean()), float(values.std())
    if deviation == 0:
        raise InputError("scores: all are equal; this detector cannot tell the texts apart")
    design = np.stack([np.ones_like(values), (values - mean) / deviation], axis=1)
    penalty = np.array([0.0, L2])
    weights = np.zeros(2)
    for _ in range(ITERATIONS):
        p = special.expit(design @ weights)
        gradient = design.T @ (p - y) + penalty * weights
        curvature = (design * (p * (1 - p))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(curvature + 1e-12 * np.eye(2), gradient)
        before, size = _loss(design, y, weights, penalty), 1.0
        while _loss(design, y, weights - size * step, penalty) > before and size > 1e-8:
            size /= 2
        weights = weights - size * step
        if np.abs(size * step).max() < TOLERANCE:
            break
    return Platt(mean, deviation, slope=float(weights[1]), intercept=float(weights[0]))


def _loss(
    design: NDArray[np.float64],
    y: NDArray[np.float64],
    weights: NDArray[np.float64],
    penalty: NDArray[np.float64],
) -> float:
    logit = design @ weights
    return float((np.logaddexp(0, logit) - y * logit).sum() + (penalty * weights**2).sum() / 2)


def choose_threshold(scores: Scores, mode: ThresholdMode, source: str = "dev") -> Threshold:
    """Choose the logit from which a text is called a machine's, on development texts.

    Args:
        scores: Logits, upward, machine being the positive class (`Scores.label` true).
        mode: Merit: "accuracy" or "f1" for the largest one (of equals the strictest), or "low_fpr"
            for the lowest threshold with at most 1 % false positives among these texts.
        source: Name of the data, kept in the threshold.

    Raises:
        InputError: An unknown mode.
        NothingMeasuredError: A class is missing.
    """
    if mode not in get_args(ThresholdMode):
        raise unknown_name("threshold mode", str(mode), get_args(ThresholdMode))
    if mode == "low_fpr":
        found = threshold_at_apcer(scores, LOW_FPR, species="pooled", source=source)
        return replace(found, rule=f"largest TPR at FPR <= {LOW_FPR:g}")
    curve = error_curve(scores)
    positives, negatives = len(scores.positive), len(scores.negative)
    hits = np.rint((1 - curve.fnr) * positives)
    alarms = np.rint(curve.fpr * negatives)
    if mode == "accuracy":
        merit = hits + negatives - alarms
    else:
        merit = 2 * hits / (hits + alarms + positives)
    best = int(np.flatnonzero(merit == merit.max())[-1])
    return Threshold(
        value=float(curve.threshold[best]),
        rule=f"largest {mode} on {source}",
        source=source,
        n=len(scores),
        items=digest_items(scores.item.tolist()),
    )
