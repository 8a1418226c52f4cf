"""The whole assessment of one detector on one test set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sterling.checks import check_numbers
from sterling.errors import InputError
from sterling.measure import Scores
from sterling.text.corpus.records import TextRecord
from sterling.text.detectors import CalibratedDetector, Judged
from sterling.text.detectors.stepwise import Report
from sterling.text.evaluation.attack_effect import AttackEffect, attack_effects
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

FPR = 0.05
"""False positive rate at which attacks are compared by default. Our choice."""


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
        attacks: Success of each attack on detected texts; empty without attacked copies.
        effects: AUROC and TPR before and after each attack; empty likewise.
        judged: Scores of the records, and of the attacked copies if there are any.
    """

    name: str
    threshold: float
    scores: Scores
    effectiveness: Effectiveness
    efficiency: Efficiency
    parts: Mapping[str, Sequence[PartErrors]]
    attacks: Mapping[str, AttackSuccess]
    effects: Mapping[str, AttackEffect]
    judged: Sequence[Judged]


def assess(
    detector: CalibratedDetector,
    records: Sequence[TextRecord],
    attacked: Sequence[TextRecord] = (),
    *,
    fpr: float = FPR,
    seed: int = 0,
    report: Report | None = None,
) -> Assessment:
    """Assess a detector.

    Args:
        detector: Trained and calibrated detector.
        records: Test texts of people and of machines, none of them used for the calibration.
        attacked: Attacked copies of machine texts among the records.
        fpr: False positive rate at which attacks are compared, in (0, 1).
        seed: Seed of the bootstrap.
        report: Function of the number of scored texts and of all, attacked copies included.

    Raises:
        InputError: Texts of people or of machines are missing, or a record calibrated the detector.
    """
    for label, kind in ((0, "people"), (1, "machines")):
        if not any(record.label == label for record in records):
            raise InputError(f"no test text of {kind}; evaluation needs both")
    check_numbers(above=0, below=1, fpr=fpr)
    threshold, total = detector.threshold.value, len(records) + len(attacked)

    def counted(before: int) -> Report | None:
        return report and (lambda done, _of: report(before + done, total))

    judged, spent = judge_timed(detector, records, counted(0))
    scores = worst_case(judged)
    detector.threshold.accept(scores)  # refuses texts that it was chosen on
    copies = [detector.judge(attacked, counted(len(records)))] if attacked else []
    return Assessment(
        name=detector.detector.name,
        threshold=threshold,
        scores=scores,
        effectiveness=effectiveness(judged, threshold, seed=seed),
        efficiency=spent,
        parts={by: breakdown(judged, by, threshold) for by in BREAKDOWNS},
        attacks=attack_success(judged, copies[0]) if copies else {},
        effects=attack_effects(judged, copies[0], fpr, seed=seed) if copies else {},
        judged=[judged, *copies],
    )
