"""A detector's threshold whose BPCER is bounded with confidence, not only on the data it saw."""

from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sterling.checks import Level, check_fields
from sterling.errors import InputError, unknown_name
from sterling.guarantee import Assumption, Guarantee, tolerance_limit
from sterling.measure import Scores, Threshold
from sterling.measure.threshold import digest_items


@dataclass(frozen=True)
class Promise:
    """A guarantee asked of a threshold.

    Attributes:
        bpcer: Bound of the bona fide presentation classification error rate, in (0, 1).
        confidence: Probability over the draw of the calibration captures, in (0, 1).
        unit: ``"capture"`` counts every bona fide capture as a trial; ``"subject"`` one capture
            of each subject, drawn at random, so that the trials are as independent as the
            subjects are.

    Raises:
        InputError: A rate that does not lie between 0 and 1.
    """

    bpcer: Level
    confidence: Level = 0.95
    unit: Literal["capture", "subject"] = "capture"

    def __post_init__(self) -> None:
        check_fields(self)

    @classmethod
    def parse(cls, text: str) -> "Promise":
        """Read ``bpcer=0.05[,confidence=0.95][,unit=subject]``.

        Raises:
            InputError: Another name, or a value that is no rate between 0 and 1.
        """
        names = [field.name for field in fields(cls)]
        given: dict[str, Any] = {}
        for part in text.split(","):
            name, _, value = part.partition("=")
            if name not in names:
                raise unknown_name("guarantee", name, names)
            try:
                given[name] = value if name == "unit" else float(value)
            except ValueError as error:
                raise InputError(f"--guarantee {part}: write it as {name}=0.05") from error
        if "bpcer" not in given:
            raise InputError(f"--guarantee {text}: name the rate to bound, as bpcer=0.05")
        return cls(**given)


def require_enough(promise: Promise, subject: NDArray[np.str_], place: str) -> None:
    """Refuse bona fide presentations that are too few for a promise, before any is scored.

    Args:
        promise: Guarantee asked for.
        subject: Subject of each bona fide presentation, text (N,).
        place: Name of the presentations, for the message.

    Raises:
        InputError: There is none, or too few; the message says how many are needed.
    """
    if not len(subject):
        raise InputError(f"{place}: no bona fide presentation, and those choose the threshold")
    counted = len(set(subject.tolist())) if promise.unit == "subject" else len(subject)
    tolerance_limit(np.zeros(counted), promise.bpcer, promise.confidence)  # any scores will do


def bounded_threshold(
    calibration: Scores,
    promise: Promise,
    *,
    source: str,
    held_out: str | None = None,
    seed: int = 0,
) -> tuple[Threshold, Guarantee]:
    """The strictest threshold whose BPCER on new captures is bounded, with confidence.

    An order statistic of the bona fide scores; see :func:`sterling.guarantee.tolerance_limit`.

    Args:
        calibration: Scores of captures that neither trained the detector nor are tested; only
            the bona fides count.
        promise: Error rate to bound, its confidence and its population.
        source: Name of the calibration data.
        held_out: Check that the detector was trained without them; None if there was none.
        seed: Seed of the draw of one capture per subject.

    Raises:
        InputError: Too few bona fide captures (or subjects); the message says how many are
            needed. Or subjects to be counted are not known.
    """
    counted = calibration.select(calibration.label)
    subjects = set(counted.subject.tolist())
    n, unknown = len(counted), "" in subjects
    known = "subjects not known" if unknown else f"{n} captures of {len(subjects)} subjects"
    met: bool | None = True
    if promise.unit == "subject":
        if unknown:
            raise InputError("unit=subject: the calibration captures name no subject; use capture")
        order = np.random.default_rng(seed).permutation(n)
        _, first = np.unique(counted.subject[order], return_index=True)
        counted = counted.resample(order[first])
        known += "; one of each counts"
    elif unknown:
        known += ": captures of one subject would not be independent trials"
        met = None
    elif len(subjects) < n:
        known += ": NOT MET, captures of one subject are not independent trials"
        met = False
    limit = tolerance_limit(counted.positive, promise.bpcer, promise.confidence)
    threshold = Threshold(
        value=limit.value if calibration.direction == "up" else -limit.value,
        direction=calibration.direction,
        rule=f"BPCER <= {promise.bpcer:g} with confidence {promise.confidence:g}",
        source=source,
        n=len(counted),
        items=digest_items(calibration.item.tolist()),
    )
    guarantee = replace(
        limit.guarantee,
        statement=f"With confidence {promise.confidence:g} over the draw of the calibration "
        f"captures, the BPCER at this threshold is at most {promise.bpcer:g}.",
        assumptions=(
            Assumption("the bona fide captures counted are independent draws", known, met),
            Assumption("the captures judged later are drawn as the calibration captures were"),
            Assumption("the detector was trained without them", held_out, bool(held_out) or None),
        ),
    )
    return threshold, guarantee
