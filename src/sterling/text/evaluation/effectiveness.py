"""How good a detector of machine-generated text is, with intervals and without dropping anything.

MGTEVAL's effectiveness and efficiency. The platform's metrics leave out texts without a finite
score, so that a detector can gain by failing. Here such a text counts as the worst answer there is,
and the figure without it stands beside. Texts of one origin are drawn together.
"""

import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special
from sklearn.metrics import average_precision_score

from sterling.errors import NothingMeasuredError, unknown_name
from sterling.measure import (
    Estimate,
    Rate,
    Scores,
    auc,
    bootstrap_by_subject,
    brier_score,
    calibration_error,
    tpr_at_fpr,
)
from sterling.study import Figure, Metric, Row, Table, lines, metric_of_rate
from sterling.text.corpus.records import TextRecord
from sterling.text.detectors import CalibratedDetector, Judged

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
    """What scoring some texts took.

    Attributes:
        seconds: Wall time.
        texts: How many.
        peak_mib: The process's largest resident memory so far, in MiB.
    """

    seconds: float
    texts: int
    peak_mib: float

    def metrics(self) -> list[Metric]:
        """Seconds, texts per second and peak memory."""
        return [
            Metric(name="time", value=self.seconds, n=self.texts, unit="seconds"),
            Metric(name="speed", value=self.texts / self.seconds, n=self.texts, unit="texts/s"),
            Metric(name="peak memory", value=self.peak_mib, n=self.texts, unit="MiB, process"),
        ]


def judge_timed(
    detector: CalibratedDetector, records: Sequence[TextRecord]
) -> tuple[Judged, Efficiency]:
    """Judge records and say what it took."""
    start = time.perf_counter()
    judged = detector.judge(records)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    mib = peak / 2**20 if sys.platform == "darwin" else peak / 2**10
    return judged, Efficiency(seconds, len(records), mib)


def worst_case(judged: Judged) -> Scores:
    """Logits, a machine's text being positive; what could not be scored ranks on the wrong side.

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


def effectiveness(
    judged: Judged, threshold: float, *, seed: int = 0, repetitions: int = 500
) -> list[Metric]:
    """Accuracy, F1, AUROC, AUPR, ECE, Brier score, TPR at three FPR and risk-coverage.

    Counts have exact intervals, the AUROC DeLong's, everything else a bootstrap over groups.

    Args:
        judged: Test texts of people and of machines.
        threshold: On the logit.
        seed: Of the bootstrap.
        repetitions: Of the bootstrap.

    Returns:
        Metrics; "AUROC, scored texts only" is what the figure would be without those that could
        not be scored, whose number is the last metric.

    Raises:
        NothingMeasuredError: A class is missing, or nothing could be scored.
    """
    scores = worst_case(judged)
    correct = (scores.values >= threshold) == scores.label
    n = len(scores)

    def drawn(name: str, statistic: Callable[[Scores], float], unit: str) -> Metric:
        found = bootstrap_by_subject(scores, statistic, seed=seed, repetitions=repetitions)
        return _metric(name, found, n, unit)

    metrics = [
        metric_of_rate("accuracy", Rate(int(correct.sum()), n)),
        drawn("F1", lambda one: _f1(one, threshold), "score"),
        _metric("AUROC", auc(scores), n, "area"),
        drawn("AUPR", _average_precision, "area"),
        drawn("ECE", _calibration_error, "rate"),
        drawn("Brier score", _brier, "score"),
    ]
    for rate in FALSE_POSITIVE_RATES:
        point = tpr_at_fpr(scores, rate)
        name = f"TPR at {rate:.0%} FPR" + " (fewer human texts than that resolves)" * (
            not point.resolved
        )
        metrics.append(metric_of_rate(name, point.rate))
    metrics.append(
        drawn(
            "area under risk-coverage",
            lambda one: area_under_risk_coverage(one, threshold),
            "risk",
        )
    )
    own = judged.select(judged.scored)
    if 0 < own.label.sum() < len(own.label):
        metrics.append(
            _metric("AUROC, scored texts only", auc(worst_case(own)), len(own.label), "area")
        )
    missing = int((~judged.scored).sum())
    metrics.append(Metric(name="not scored", value=missing, n=n, unit="texts"))
    return metrics


def _metric(name: str, found: Estimate, n: int, unit: str) -> Metric:
    return Metric(
        name=name,
        value=found.value,
        low=found.interval.low,
        high=found.interval.high,
        n=n,
        unit=unit,
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


def _risks(scores: Scores, threshold: float) -> NDArray[np.float64]:
    """Share of wrong answers among the k surest, for k = 1 to N; equal ones are taken together."""
    distance = np.abs(scores.values - threshold)
    wrong = (scores.values >= threshold) != scores.label
    sure, place = np.unique(-distance, return_inverse=True)
    counts = np.bincount(place, minlength=len(sure))
    errors = np.bincount(place, weights=wrong, minlength=len(sure))
    # Among ties the order is unknown: each takes the mean of its tie.
    return np.cumsum(np.repeat(errors / counts, counts)) / np.arange(1, len(scores) + 1)


def area_under_risk_coverage(scores: Scores, threshold: float) -> float:
    """Mean over coverages of the error rate among the surest texts, in [0, 1]; 0 is best.

    A text is the surer the farther its logit lies from the threshold (Geifman et al., ICLR 2019).
    """
    return float(_risks(scores, threshold).mean())


def risk_coverage(curves: dict[str, tuple[Scores, float]]) -> Figure:
    """Risk against coverage of several detectors, at 5 % to 100 % of the texts.

    Args:
        curves: Scores and threshold by the detector's name.
    """
    coverages = [step / 20 for step in range(1, 21)]
    series = {}
    for name, (scores, threshold) in curves.items():
        risks = _risks(scores, threshold)
        series[name] = [
            float(risks[max(1, round(coverage * len(risks))) - 1]) for coverage in coverages
        ]
    return lines(
        "risk_coverage",
        "Error rate among the surest texts",
        "Share of texts answered, the surest first, and the share of wrong answers among them.",
        coverages,
        series,
        labels=("coverage", "risk"),
    )


def breakdown(judged: Judged, by: str, threshold: float) -> Table:
    """Errors by domain, language, model or length.

    Args:
        judged: Test texts.
        by: One of `BREAKDOWNS`.
        threshold: On the logit.

    Returns:
        Per part: texts, AUROC with interval, true and false positive rate with intervals; None
        where a part has no machine's or no person's text. A model's machine texts are held against
        all human texts.

    Raises:
        InputError: An unknown breakdown.
    """
    if by not in BREAKDOWNS:
        raise unknown_name("breakdown", by, BREAKDOWNS)
    parts = np.array([BREAKDOWNS[by](record) for record in judged.records])
    scores = worst_case(judged)
    rows: list[Row] = []
    for part in sorted(set(parts.tolist())):
        inside = parts == part
        if by == "model":
            if not (inside & scores.label).any():
                continue
            inside = (inside & scores.label) | ~scores.label
        rows.append([part, *_part(scores.select(inside), threshold)])
    columns = [by, "texts", "AUROC", "low", "high", "TPR", "low", "high", "FPR", "low", "high"]
    return Table(name=f"by_{by}", title=f"By {by}", columns=columns, rows=rows)


def _part(scores: Scores, threshold: float) -> Row:
    called = scores.values >= threshold
    cells: Row = [len(scores)]
    if 0 < scores.label.sum() < len(scores):
        found = auc(scores)
        cells += [found.value, found.interval.low, found.interval.high]
    else:
        cells += [None, None, None]
    for kind in (scores.label, ~scores.label):
        if kind.any():
            rate = Rate(int((called & kind).sum()), int(kind.sum()))
            cells += [rate.value, rate.interval().low, rate.interval().high]
        else:
            cells += [None, None, None]
    return cells
