"""Everything that is said about one detector on one test set, as evidence for a report."""

import json
from collections.abc import Sequence

from sterling.errors import InputError
from sterling.study import Findings, Metric, metric_of_rate
from sterling.text.corpus.records import TextRecord
from sterling.text.detectors import CalibratedDetector, Judged
from sterling.text.evaluation.effectiveness import (
    BREAKDOWNS,
    breakdown,
    effectiveness,
    judge_timed,
    risk_coverage,
    worst_case,
)
from sterling.text.evaluation.robustness import attack_success, mean_success, success_table


def assess(
    detector: CalibratedDetector,
    records: Sequence[TextRecord],
    attacked: Sequence[TextRecord] = (),
    *,
    seed: int = 0,
) -> tuple[Findings, list[Judged]]:
    """Effectiveness, parts, efficiency and robustness of a detector.

    Args:
        detector: Trained and calibrated.
        records: Test texts of people and of machines, none of them used for the calibration.
        attacked: Attacked copies of machine texts among the records.
        seed: Of the bootstrap.

    Returns:
        The findings, and what was said about the records and the attacked ones.

    Raises:
        InputError: Texts of people or of machines are missing, or a record calibrated the detector.
    """
    for label, kind in ((0, "people"), (1, "machines")):
        if not any(record.label == label for record in records):
            raise InputError(f"no test text of {kind}; evaluation needs both")
    threshold = detector.threshold.value
    judged, spent = judge_timed(detector, records)
    scores = worst_case(judged)
    detector.threshold.accept(scores)  # refuses texts that it was chosen on
    name = detector.detector.name
    metrics = [*effectiveness(judged, threshold, seed=seed), *spent.metrics()]
    tables = [breakdown(judged, by, threshold) for by in BREAKDOWNS]
    every = [judged]
    if attacked:
        copies = detector.judge(attacked)
        every.append(copies)
        found = attack_success(judged, copies)
        weighed, plain = mean_success(found)
        metrics += [metric_of_rate(f"ASR {attack}", one.rate) for attack, one in found.items()]
        metrics += [
            Metric(name=f"ASR, {how} mean over attacks", value=value, n=len(found), unit="rate")
            for how, value in (("weighed", weighed), ("plain", plain))
        ]
        tables.append(success_table({name: found}))
    not_scored = sum(int((~one.scored).sum()) for one in every)
    findings = Findings(
        scope=f"Detector {name} on {len(records)} texts of the user's. A verdict on a text is not "
        "sole evidence against a person.",
        not_scored=not_scored,
        metrics=metrics,
        claims=[],
        tables=tables,
        figures=[risk_coverage({name: (scores, threshold)})],
    )
    return findings, every


def prediction_lines(judged: Judged) -> str:
    """One JSON object per text: id, label, score, probability, verdict, and why not scored."""
    lines = []
    for row, record in enumerate(judged.records):
        scored = bool(judged.scored[row])
        lines.append(
            json.dumps(
                {
                    "id": record.id,
                    "label": record.label,
                    "attack": record.attack,
                    "score": float(judged.score[row]) if scored else None,
                    "probability": float(judged.probability[row]) if scored else None,
                    "machine": bool(judged.machine[row]),
                    "not_scored": judged.reasons[row],
                }
            )
        )
    return "".join(line + "\n" for line in lines)
