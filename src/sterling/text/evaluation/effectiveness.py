"""Effectiveness and efficiency of a detector, with intervals and without dropping anything.

MGTEVAL's effectiveness and efficiency. The platform's metrics leave out texts without a finite
score, so that a detector can gain by failing. Here such a text counts as the worst answer there is,
and the figure without it is given besides. Texts of one origin are drawn together.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special
from sklearn.metrics import average_precision_score

from sterling.errors import NothingMeasuredError, unknown_name
from sterling.measure import (
    Estimate,
    OperatingPoint,
    Rate,
    Scores,
    auc,
    bootstrap_by_subject,
    brier_score,
    calibration_error,
    tpr_at_fpr,
)
from sterling.text.corpus.records import TextRecord
from sterling.text.detectors import CalibratedDetector, Judged
from sterling.text.detectors.stepwise import Report

FALSE_POSITIVE_RATES = (0.01, 0.05, 0.1)
FAR = 40.0  # a logit beyond which a probability is 0 or 1 in double precision
LENGTHS = (50, 100, 200, 400)  # words

BREAKDOWNS: dict[str, Callable[[TextRecord], str]] = {
    "domain": lambda record: record.domain or "unknown",
    "language": lambda record: record.language,
    "model": lambda record: record.model,
    "length": lambda record: _length(record.text),
}


def _length(text: str) -> str:
    words = len(text.split())
    above = [limit for limit in LENGTHS if words >= limit]
    below = [limit for limit in LENGTHS if words < limit]
    if not below:
        return f"{LENGTHS[-1]} words or more"
    return f"{above[-1] if above else 0} to {below[0] - 1} words"


@dataclass(frozen=True)
class Efficiency:
    """Cost of scoring some texts.

    Attributes:
        seconds: Wall time.
        texts: Number of texts.
        peak_mib: Largest resident memory of the process so far, in MiB; None on Windows.
    """

    seconds: float
    texts: int
    peak_mib: float | None


def judge_timed(
    detector: CalibratedDetector, records: Sequence[TextRecord], report: Report | None = None
) -> tuple[Judged, Efficiency]:
    """Score records and measure the cost."""
    start = time.perf_counter()
    judged = detector.judge(records, report)
    seconds = time.perf_counter() - start
    return judged, Efficiency(seconds, len(records), _peak_mib())


def _peak_mib() -> float | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def worst_case(judged: Judged) -> Scores:
    """Return logits, machine text being positive; unscored texts rank on the wrong side.

    Raises:
        NothingMeasuredError: Nothing could be scored.
    """
    if not judged.scored.any():
        reason = judged.reasons[0] if judged.reasons else "there are no texts"
        raise NothingMeasuredError(f"no text could be scored: {reason}")
    known = np.abs(judged.logit[judged.scored]).max()
    beyond = max(FAR, float(known)) + 1
    values = np.where(judged.scored, judged.logit, np.where(judged.label, -beyond, beyond))
    return Scores(
        values,
        judged.label,
        item=[record.id for record in judged.records],
        subject=[record.group for record in judged.records],
    )


@dataclass(frozen=True)
class Effectiveness:
    """Figures of merit on test texts of people and of machines.

    Counts have exact intervals, the AUROC DeLong's, everything else a bootstrap over groups.

    Attributes:
        texts: Number of texts.
        not_scored: Number of texts that could not be scored.
        accuracy: Share of right answers.
        auroc: Area under the ROC curve.
        scored_only: AUROC without the texts that could not be scored, and their number; None where
            a class is then missing.
        tpr: Operating point by false positive rate.
        drawn: F1, AUPR, ECE, Brier score and area under risk-coverage by name.
    """

    texts: int
    not_scored: int
    accuracy: Rate
    auroc: Estimate
    scored_only: tuple[Estimate, int] | None
    tpr: Mapping[float, OperatingPoint]
    drawn: Mapping[str, Estimate]


def effectiveness(
    judged: Judged, threshold: float, *, seed: int = 0, repetitions: int = 500
) -> Effectiveness:
    """Measure the effectiveness of a detector.

    Args:
        judged: Test texts of people and of machines.
        threshold: Threshold on the logit.
        seed: Seed of the bootstrap.
        repetitions: Repetitions of the bootstrap.

    Raises:
        NothingMeasuredError: A class is missing, or nothing could be scored.
    """
    scores = worst_case(judged)
    correct = (scores.values >= threshold) == scores.label
    statistics: dict[str, Callable[[Scores], float]] = {
        "F1": lambda one: _f1(one, threshold),
        "AUPR": _average_precision,
        "ECE": _calibration_error,
        "Brier score": _brier,
        "area under risk-coverage": lambda one: area_under_risk_coverage(one, threshold),
    }
    own = judged.select(judged.scored)
    both = 0 < own.label.sum() < len(own.label)
    return Effectiveness(
        texts=len(scores),
        not_scored=int((~judged.scored).sum()),
        accuracy=Rate(int(correct.sum()), len(scores)),
        auroc=auc(scores),
        scored_only=(auc(worst_case(own)), len(own.label)) if both else None,
        tpr={rate: tpr_at_fpr(scores, rate) for rate in FALSE_POSITIVE_RATES},
        drawn={
            name: bootstrap_by_subject(scores, statistic, seed=seed, repetitions=repetitions)
            for name, statistic in statistics.items()
        },
    )


def _f1(scores: Scores, threshold: float) -> float:
    called = scores.values >= threshold
    hits = int((called & scores.label).sum())
    total = int(called.sum()) + int(scores.label.sum())
    if total == 0:
        raise NothingMeasuredError("F1: no machine text, and none is called one")
    return 2 * hits / total


def _average_precision(scores: Scores) -> float:
    if not scores.label.any():
        raise NothingMeasuredError("AUPR: no machine text")
    return float(average_precision_score(scores.label, scores.values))


def _probabilities(scores: Scores) -> NDArray[np.float64]:
    p = special.expit(scores.values)
    return np.stack([1 - p, p], axis=1)


def _calibration_error(scores: Scores) -> float:
    return calibration_error(_probabilities(scores), scores.label.astype(int))


def _brier(scores: Scores) -> float:
    """Mean of (p - label)², in [0, 1], as the field writes it for two classes."""
    return brier_score(_probabilities(scores), scores.label.astype(int)) / 2


def risks(scores: Scores, threshold: float) -> NDArray[np.float64]:
    """Return the share of wrong answers among the k surest, for k = 1 to N; ties share theirs."""
    distance = np.abs(scores.values - threshold)
    wrong = (scores.values >= threshold) != scores.label
    sure, place = np.unique(-distance, return_inverse=True)
    counts = np.bincount(place, minlength=len(sure))
    errors = np.bincount(place, weights=wrong, minlength=len(sure))
    # Among ties the order is unknown: each takes the mean of its tie.
    return np.cumsum(np.repeat(errors / counts, counts)) / np.arange(1, len(scores) + 1)


def area_under_risk_coverage(scores: Scores, threshold: float) -> float:
    """Return the mean over coverages of the error rate among the surest texts; 0 is best.

    A text is the surer the farther its logit lies from the threshold (Geifman et al., ICLR 2019).
    """
    return float(risks(scores, threshold).mean())


@dataclass(frozen=True)
class PartErrors:
    """Errors on a part of the texts.

    Attributes:
        part: Name of the part.
        texts: Number of texts.
        auroc: Area under the ROC curve; None without texts of both kinds.
        tpr: True positive rate; None without a machine's text.
        fpr: False positive rate; None without a person's text.
    """

    part: str
    texts: int
    auroc: Estimate | None
    tpr: Rate | None
    fpr: Rate | None


def breakdown(judged: Judged, by: str, threshold: float) -> list[PartErrors]:
    """Measure errors by domain, language, model or length.

    Args:
        judged: Test texts.
        by: One of `BREAKDOWNS`.
        threshold: Threshold on the logit.

    Returns:
        One entry per part. A model's machine texts are compared with all human texts.

    Raises:
        InputError: An unknown breakdown.
    """
    if by not in BREAKDOWNS:
        raise unknown_name("breakdown", by, BREAKDOWNS)
    parts = np.array([BREAKDOWNS[by](record) for record in judged.records])
    scores = worst_case(judged)
    found = []
    for part in sorted(set(parts.tolist())):
        inside = parts == part
        if by == "model":
            if not (inside & scores.label).any():
                continue
            inside = (inside & scores.label) | ~scores.label
        found.append(_part(part, scores.select(inside), threshold))
    return found


def _part(part: str, scores: Scores, threshold: float) -> PartErrors:
    called = scores.values >= threshold
    both = 0 < scores.label.sum() < len(scores)
    tpr, fpr = (
        Rate(int((called & kind).sum()), int(kind.sum())) if kind.any() else None
        for kind in (scores.label, ~scores.label)
    )
    return PartErrors(part, len(scores), auc(scores) if both else None, tpr, fpr)
