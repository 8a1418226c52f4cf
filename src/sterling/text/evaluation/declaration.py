"""A list of machine-written documents with a stated false discovery rate.

Every document gets a conformal p-value: how unusual its score is among texts that people are known
to have written. Benjamini and Hochberg's procedure, or another one, turns these into a list of
which an expected share of at most the stated rate was written by people after all.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from sterling.display import draw_list, html_table, line, number
from sterling.errors import InputError, NothingMeasuredError
from sterling.guarantee import ConformalSelector, Guarantee, Procedure
from sterling.lm import SignalStore
from sterling.text.corpus.records import TextRecord, Unread, beginning_id, content_id
from sterling.text.detectors import CalibratedDetector, Detector
from sterling.text.detectors.scored import Scored
from sterling.text.detectors.stepwise import Report, score_in_steps
from sterling.text.evaluation.shift import LEVEL, FeatureShift, compare_features
from sterling.text.evaluation.unlike import unlike_calibration
from sterling.text.hidden_characters import hidden_characters

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes

CAUTION = "not sole evidence against a person"


ShiftVerdict = Literal["refuted", "undecided", "not refuted"]
"""Refuted: documents that are not declared are unlike the calibration texts. Undecided: only all
documents together are, so that machines, or people of another kind on the list, may make the
difference. Not refuted: no difference was found, which is no proof."""


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
        probability: Calibrated p(machine); None where not scored, or by an untrained detector.
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

    def __repr__(self) -> str:
        return line(
            self,
            self.id,
            "declared" if self.declared else "not declared",
            f"p = {number(self.p_value)}",
            f"declared from an FDR of {number(self.adjusted_p)} on",
            self.not_scored,
        )


@dataclass(frozen=True)
class Declaration:
    """The verdicts with their guarantee.

    Attributes:
        verdicts: Verdict on each document, in their order.
        guarantee: Guarantee of the list.
        unread: Files without a verdict, with reasons.
        calibration_not_scored: Number of calibration texts that could not be scored.
        shift: Features of the documents compared with those of the calibration texts.
        shift_of_rest: The same of the documents that are not declared; empty where there is none.
        together: Number of documents that have to exceed all calibration texts together before any
            is declared.
        calibration_for_one: Number of calibration texts with which a single such document is.
        warnings: Warnings of the procedure.
    """

    verdicts: tuple[Verdict, ...]
    guarantee: Guarantee
    unread: tuple[Unread, ...]
    calibration_not_scored: int
    shift: tuple[FeatureShift, ...]
    shift_of_rest: tuple[FeatureShift, ...]
    together: int
    calibration_for_one: int
    warnings: tuple[str, ...]

    @property
    def shift_verdict(self) -> ShiftVerdict:
        """Whether a difference in a feature refutes the guarantee; see `ShiftVerdict`."""
        return _shift_verdict(self.shift, self.shift_of_rest)

    @property
    def declared(self) -> list[Verdict]:
        """The verdicts on the list."""
        return [verdict for verdict in self.verdicts if verdict.declared]

    def to_frame(self) -> "pl.DataFrame":
        """Return one row per document, in their order.

        Columns: ``id``, ``declared``, ``p_value``, ``adjusted_p``, ``score``, ``probability``,
        ``hidden`` (number of characters that readers do not see), ``not_scored`` and ``unlike``.
        """
        import polars as pl

        rows = [
            {**vars(verdict), "hidden": sum(verdict.hidden.values())} for verdict in self.verdicts
        ]
        numbers = {"score": pl.Float64, "probability": pl.Float64}
        return pl.DataFrame(rows, schema_overrides=numbers).drop("caution")

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the documents' adjusted p-values in ascending order, and the level.

        Args:
            ax: Axes to draw on; None makes a figure.

        Returns:
            The axes; documents at or below the dashed line are declared.

        Raises:
            InputError: matplotlib is not installed.
        """
        adjusted = np.array([verdict.adjusted_p for verdict in self.verdicts])
        return draw_list(adjusted, self.guarantee.level, ax)

    def __repr__(self) -> str:
        return line(
            self,
            f"{len(self.declared)} of {len(self.verdicts)} documents declared",
            f"FDR <= {self.guarantee.level:g}",
            f"{self.guarantee.n} calibration texts",
            "REFUTED" if self.shift_verdict == "refuted" else "",
        )

    def _repr_html_(self) -> str:
        frame = self.to_frame().filter("declared").sort("adjusted_p")
        shown = frame.select("id", "p_value", "adjusted_p", "score")
        return html_table(shown.columns, shown.rows(), caption=f"{self!r}; {CAUTION}")


def describe(detector: CalibratedDetector | Detector) -> dict[str, Any]:
    """Return the name and settings of a detector as a JSON object."""
    if isinstance(detector, CalibratedDetector):
        return detector.describe()
    return {"detector": detector.name, "settings": detector.settings(), "trained": False}


def declaration_document(
    given: Declaration, unread_calibration: Sequence[Unread], detector: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a declaration as a JSON object, without a word of any text.

    Args:
        given: The declaration.
        unread_calibration: Calibration files that could not be read.
        detector: Description of the detector.
    """
    return {
        "declared": [one.id for one in given.declared],
        "documents": [asdict(one) for one in given.verdicts],
        "not_read": [asdict(one) for one in given.unread],
        "not_read_calibration": [asdict(one) for one in unread_calibration],
        "calibration_not_scored": given.calibration_not_scored,
        "calibration_for_one": given.calibration_for_one,
        "guarantee": asdict(given.guarantee),
        "shift": [asdict(one) for one in given.shift],
        "shift_of_rest": [asdict(one) for one in given.shift_of_rest],
        "shift_verdict": given.shift_verdict,
        "warnings": list(given.warnings),
        "detector": dict(detector),
        "caution": CAUTION,
    }


def declare_machine_written(
    detector: CalibratedDetector | Detector,
    documents: Sequence[TextRecord],
    calibration: Sequence[TextRecord],
    *,
    fdr: float = 0.05,
    procedure: Procedure = "bh",
    unread: Sequence[Unread] = (),
    store: SignalStore | None = None,
    report: Report | None = None,
) -> Declaration:
    """Compare documents with known human texts of the same kind.

    A document that is of another kind than every calibration text (see
    `sterling.text.evaluation.unlike`) gets a p-value of 1 and a warning, whatever its score.

    Args:
        detector: Detector trained and calibrated without the calibration texts, or an untrained one
            whose larger scores are a machine's.
        documents: Documents in question; their labels are not used.
        calibration: Texts of people, such as the documents would be if people wrote them.
        fdr: Expected share of human texts on the list, in (0, 1).
        procedure: See `sterling.guarantee.ConformalSelector`.
        unread: Documents that could not be read, to report.
        store: Store of earlier scores; see `sterling.text.detectors.stepwise.score_in_steps`.
        report: Function of the number of scored texts and of all, calibration texts included.

    Raises:
        InputError: A calibration text is a machine's, begins like one that the detector was made
            with, or is one of the documents; or there are too few of them for the rate.
        NothingMeasuredError: No document or no calibration text could be scored.
    """
    _check_calibration(detector, documents, calibration)
    texts, known_texts = ([one.text for one in part] for part in (documents, calibration))
    raw = detector.detector if isinstance(detector, CalibratedDetector) else detector
    # Together, so that there is one account of the time.
    scored = score_in_steps(raw, [*known_texts, *texts], store=store, report=report)
    known, asked = _part(scored, len(known_texts))
    for name, part in (("calibration text", known), ("document", asked)):
        if not np.isfinite(part.values).any():
            reason = part.reasons[0] if part.reasons else "there is none"
            raise NothingMeasuredError(f"no {name} could be scored: {reason}")
    usable, was_scored = np.isfinite(known.values), np.isfinite(asked.values)
    used = [text for text, use in zip(known_texts, usable, strict=True) if use]
    unlike = unlike_calibration(texts, used) & was_scored
    own, new = (_machine_likeness(detector, part.values) for part in (known, asked))
    probability = _probability(detector, asked.values)
    selector = ConformalSelector(alpha=fdr, procedure=procedure)
    # The selector's scores are larger for its population, here people.
    selector.fit(-own[usable])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # Unscored documents have a p-value of 1 and are tested with the others.
        scores = np.where(was_scored & ~unlike, -new, np.inf)
        p = selector.p_values(scores)
        adjusted = selector.adjusted_p_values(scores)
        declared = selector.predict(scores)
    verdicts = [
        Verdict(
            id=record.id,
            declared=bool(declared[row]),
            p_value=float(p[row]),
            adjusted_p=float(adjusted[row]),
            score=float(asked.values[row]) if was_scored[row] else None,
            probability=float(probability[row]) if np.isfinite(probability[row]) else None,
            hidden=hidden_characters(record.text),
            not_scored=asked.reasons[row],
            unlike=bool(unlike[row]),
        )
        for row, record in enumerate(documents)
    ]
    shift, rest = (
        compare_features(asked_of, used) if (asked_of := _where(texts, mask)) else ()
        for mask in (was_scored, was_scored & ~declared)
    )
    together, for_one = selector.resolution(len(documents))
    return Declaration(
        tuple(verdicts),
        _with_check(selector.guarantee_, shift, rest),
        tuple(unread),
        int((~usable).sum()),
        shift,
        rest,
        together,
        for_one,
        (*(str(one.message) for one in caught), *_unlike_warning(verdicts)),
    )


def _machine_likeness(
    detector: CalibratedDetector | Detector, values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return numbers that are larger for machines' texts, (N,)."""
    return detector.platt.logit(values) if isinstance(detector, CalibratedDetector) else values


def _probability(
    detector: CalibratedDetector | Detector, values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return p(machine), (N,); NaN where nothing was calibrated."""
    if isinstance(detector, CalibratedDetector):
        return detector.platt.probability(values)
    return np.full(len(values), np.nan)


def _part(scored: Scored, calibration: int) -> tuple[Scored, Scored]:
    """Divide scores into those of the calibration texts and those of the documents."""
    return (
        Scored(scored.values[:calibration], scored.reasons[:calibration]),
        Scored(scored.values[calibration:], scored.reasons[calibration:]),
    )


def _where(texts: Sequence[str], mask: NDArray[np.bool_]) -> list[str]:
    return [text for text, use in zip(texts, mask, strict=True) if use]


def _shift_verdict(shift: Sequence[FeatureShift], rest: Sequence[FeatureShift]) -> ShiftVerdict:
    if any(one.differs for one in rest):
        return "refuted"
    return "undecided" if any(one.differs for one in shift) else "not refuted"


def _with_check(
    guarantee: Guarantee, shift: Sequence[FeatureShift], rest: Sequence[FeatureShift]
) -> Guarantee:
    """Return the guarantee with the result of the comparison at its first assumption."""
    verdict = _shift_verdict(shift, rest)
    shown = rest if verdict == "refuted" else shift
    names = ", ".join(one.feature for one in shown if one.differs)
    least = min(one.p_value for one in shown)
    checked = {
        "refuted": f"REFUTED: documents that are not declared, too, are unlike the calibration "
        f"texts in {names} (p = {least:.2g})",
        "undecided": f"undecided: the documents are unlike the calibration texts in {names} (p = "
        f"{least:.2g}), those that are not declared are not; machines may write so, or people of "
        "another kind are on the list",
        "not refuted": f"not refuted by {len(shift)} features of the documents (p = {least:.2g} "
        f"against a level of {LEVEL:g}), which is no proof",
    }[verdict]
    first, *others = guarantee.assumptions
    return replace(guarantee, assumptions=(replace(first, checked=checked), *others))


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
    detector: CalibratedDetector | Detector,
    documents: Sequence[TextRecord],
    calibration: Sequence[TextRecord],
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
    if not isinstance(detector, CalibratedDetector):
        return
    known = set(detector.development["known"])
    used = [record.id for record in calibration if beginning_id(record.text) in known]
    if used:
        raise InputError(
            f"{len(used)} calibration texts begin like texts that the detector was made with "
            f"({used[0]!r}, ...); give others"
        )
