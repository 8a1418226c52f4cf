"""A list of machine-written documents with a stated false discovery rate.

Every document gets a conformal p-value: how unusual its score is among texts that people are known
to have written. Benjamini and Hochberg's procedure, or another one, turns these into a list of
which an expected share of at most the stated rate was written by people after all.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sterling.errors import InputError, NothingMeasuredError
from sterling.guarantee import ConformalSelector, Guarantee, Procedure
from sterling.text.corpus.records import TextRecord, Unread, beginning_id, content_id
from sterling.text.detectors import CalibratedDetector
from sterling.text.evaluation.unlike import unlike_calibration
from sterling.text.hidden_characters import hidden_characters

CAUTION = "not sole evidence against a person"


@dataclass(frozen=True)
class Verdict:
    """The verdict on one document.

    Attributes:
        id: Id of the record.
        declared: Whether the document is on the list.
        p_value: P-value, small when unlike the human calibration texts; 1 where not scored or of
            another kind than they are.
        adjusted_p: Least false discovery rate at which the document is on the list.
        score: Score of the detector; None where not scored.
        probability: Calibrated p(machine); None where not scored.
        hidden: Counts of characters that readers do not see, by kind.
        not_scored: Reason why it could not be scored; "" where it was.
        unlike: Whether it is of another kind than every calibration text (another language, code,
            emoji), so that its score says nothing; its p-value is then 1.
        caution: Caution that goes with every verdict.
    """

    id: str
    declared: bool
    p_value: float
    adjusted_p: float
    score: float | None
    probability: float | None
    hidden: dict[str, int]
    not_scored: str
    unlike: bool = False
    caution: str = CAUTION


@dataclass(frozen=True)
class Declaration:
    """The verdicts with their guarantee.

    Attributes:
        verdicts: Verdict on each document, in their order.
        guarantee: Guarantee of the list.
        unread: Files without a verdict, with reasons.
        calibration_not_scored: Number of calibration texts that could not be scored.
        warnings: Warnings of the procedure.
    """

    verdicts: tuple[Verdict, ...]
    guarantee: Guarantee
    unread: tuple[Unread, ...]
    calibration_not_scored: int
    warnings: tuple[str, ...]

    @property
    def declared(self) -> list[Verdict]:
        """The verdicts on the list."""
        return [verdict for verdict in self.verdicts if verdict.declared]


def declare_machine_written(
    detector: CalibratedDetector,
    documents: Sequence[TextRecord],
    calibration: Sequence[TextRecord],
    *,
    fdr: float = 0.05,
    procedure: Procedure = "bh",
    unread: Sequence[Unread] = (),
) -> Declaration:
    """Compare documents with known human texts of the same kind.

    A document that is of another kind than every calibration text (see
    `sterling.text.evaluation.unlike`) gets a p-value of 1 and a warning, whatever its score.

    Args:
        detector: Detector trained and calibrated without the calibration texts.
        documents: Documents in question; their labels are not used.
        calibration: Texts of people, such as the documents would be if people wrote them.
        fdr: Expected share of human texts on the list, in (0, 1).
        procedure: See `sterling.guarantee.ConformalSelector`.
        unread: Documents that could not be read, to report.

    Raises:
        InputError: A calibration text is a machine's, begins like one that the detector was made
            with, or is one of the documents; or there are too few of them for the rate.
        NothingMeasuredError: No document or no calibration text could be scored.
    """
    _check_calibration(detector, documents, calibration)
    known = detector.judge(calibration)
    asked = detector.judge(documents)
    for name, judged in (("calibration text", known), ("document", asked)):
        if not judged.scored.any():
            reason = judged.reasons[0] if judged.reasons else "there is none"
            raise NothingMeasuredError(f"no {name} could be scored: {reason}")
    used = [one.text for one, scored in zip(calibration, known.scored, strict=True) if scored]
    unlike = unlike_calibration([one.text for one in documents], used) & asked.scored
    selector = ConformalSelector(alpha=fdr, procedure=procedure)
    # The selector's scores are larger for its population, here people.
    selector.fit(-known.logit[known.scored])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # Unscored documents have a p-value of 1 and are tested with the others.
        scores = np.where(asked.scored & ~unlike, -asked.logit, np.inf)
        p = selector.p_values(scores)
        adjusted = selector.adjusted_p_values(scores)
        declared = selector.predict(scores)
    verdicts = [
        Verdict(
            id=record.id,
            declared=bool(declared[row]),
            p_value=float(p[row]),
            adjusted_p=float(adjusted[row]),
            score=float(asked.score[row]) if asked.scored[row] else None,
            probability=float(asked.probability[row]) if asked.scored[row] else None,
            hidden=hidden_characters(record.text),
            not_scored=asked.reasons[row],
            unlike=bool(unlike[row]),
        )
        for row, record in enumerate(documents)
    ]
    return Declaration(
        tuple(verdicts),
        selector.guarantee_,
        tuple(unread),
        int((~known.scored).sum()),
        (*(str(one.message) for one in caught), *_unlike_warning(verdicts)),
    )


def _unlike_warning(verdicts: Sequence[Verdict]) -> list[str]:
    unlike = [one.id for one in verdicts if one.unlike]
    if not unlike:
        return []
    more = ", ..." if len(unlike) > 1 else ""
    return [
        f"{len(unlike)} of {len(verdicts)} documents ({unlike[0]!r}{more}) are unlike all "
        "calibration texts: another language or kind? They are not declared; calibrate with texts "
        "like them"
    ]


def _check_calibration(
    detector: CalibratedDetector, documents: Sequence[TextRecord], calibration: Sequence[TextRecord]
) -> None:
    for record in calibration:
        if record.label != 0:
            raise InputError(f"calibration text {record.id!r} is a machine's; give human texts")
    asked = {content_id(record.text): record.id for record in documents}
    for record in calibration:
        if content_id(record.text) in asked:
            other = asked[content_id(record.text)]
            raise InputError(
                f"calibration text {record.id!r} is the document {other!r}; give other texts"
            )
    known = set(detector.development["known"])
    used = [record.id for record in calibration if beginning_id(record.text) in known]
    if used:
        raise InputError(
            f"{len(used)} calibration texts begin like texts that the detector was made with "
            f"({used[0]!r}, ...); give others"
        )
