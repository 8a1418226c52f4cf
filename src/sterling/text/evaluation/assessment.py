"""The whole assessment of one detector on one test set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sterling.errors import InputError
from sterling.measure import Scores
from sterling.text.corpus.records import TextRecord
from sterling.text.detectors import CalibratedDetector, Judged
from sterling.text.evaluation.effectiveness import (
    BREAKDOWNS,
    Effectiveness,
    Efficiency,
    PartErrors,
    breakdown,
    effectiveness,
    judge_timed,
    worst_case,
)
from sterling.text.evaluation.robustness import AttackSuccess, attack_success


@dataclass(frozen=True, eq=False)
class Assessment:
    """Effectiveness, parts, efficiency and robustness of a detector.

    Attributes:
        name: Name of the detector.
        threshold: Threshold on the logit.
        scores: Logits of the records, unscored ones on the wrong side.
        effectiveness: Figures on the records.
        efficiency: Cost of scoring the records.
        parts: Errors on parts of the records, by breakdown.
        attacks: Success of each attack; empty without attacked copies.
        judged: Scores of the records, and of the attacked copies if there are any.
    """

    name: str
    threshold: float
    scores: Scores
    effectiveness: Effectiveness
    efficiency: Efficiency
    parts: Mapping[str, Sequence[PartErrors]]
    attacks: Mapping[str, AttackSuccess]
    judged: Sequence[Judged]


def assess(
    detector: CalibratedDetector,
    records: Sequence[TextRecord],
    attacked: Sequence[TextRecord] = (),
    *,
    seed: int = 0,
) -> Assessment:
    """Assess a detector.

    Args:
        detector: Trained and calibrated detector.
        records: Test texts of people and of machines, none of them used for the calibration.
        attacked: Attacked copies of machine texts among the records.
        seed: Seed of the bootstrap.

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
    copies = [detector.judge(attacked)] if attacked else []
    return Assessment(
        name=detector.detector.name,
        threshold=threshold,
        scores=scores,
        effectiveness=effectiveness(judged, threshold, seed=seed),
        efficiency=spent,
        parts={by: breakdown(judged, by, threshold) for by in BREAKDOWNS},
        attacks=attack_success(judged, copies[0]) if copies else {},
        judged=[judged, *copies],
    )
