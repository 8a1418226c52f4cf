"""A detector's threshold whose BPCER is bounded with confidence, not only on the data it saw."""

from dataclasses import replace

from sterling.errors import InputError, unknown_name
from sterling.guarantee import Assumption, Guarantee, tolerance_limit
from sterling.measure import PadErrors, Scores, Threshold
from sterling.measure.threshold import digest_items
from sterling.study import Claim

__all__ = ["bounded_threshold", "bpcer_claim", "parse_guarantee"]


def parse_guarantee(text: str) -> tuple[float, float]:
    """BPCER and confidence from ``bpcer=0.05`` or ``bpcer=0.05,confidence=0.95``.

    Raises:
        InputError: Another name, or a value that is no rate between 0 and 1.
    """
    fields = {"confidence": 0.95}
    for part in text.split(","):
        name, _, value = part.partition("=")
        if name not in ("bpcer", "confidence"):
            raise unknown_name("guarantee", name, ("bpcer", "confidence"))
        try:
            fields[name] = float(value)
        except ValueError as error:
            raise InputError(f"--guarantee {part}: write it as {name}=0.05") from error
        if not 0 < fields[name] < 1:
            raise InputError(f"--guarantee {part}: give a rate between 0 and 1")
    if "bpcer" not in fields:
        raise InputError(f"--guarantee {text}: name the rate to bound, as bpcer=0.05")
    return fields["bpcer"], fields["confidence"]


def bounded_threshold(
    calibration: Scores, bpcer: float, confidence: float, *, source: str
) -> tuple[Threshold, Guarantee]:
    """The strictest threshold whose BPCER on new captures is at most ``bpcer``, with confidence.

    An order statistic of the bona fide scores; see :func:`sterling.guarantee.tolerance_limit`.

    Args:
        calibration: Scores of captures that neither trained the detector nor are tested; only
            the bona fides count.
        bpcer: Bound of the bona fide presentation classification error rate, in (0, 1).
        confidence: In (0, 1).
        source: Name of the calibration data.

    Raises:
        InputError: Too few bona fide captures; the message says how many are needed.
    """
    bona_fides = calibration.select(calibration.label)
    limit = tolerance_limit(bona_fides.positive, bpcer, confidence)
    subjects = len(set(bona_fides.subject.tolist()))
    n = len(bona_fides)
    known = (
        "subjects not known"
        if set(bona_fides.subject.tolist()) == {""}
        else f"{n} captures of {subjects} subjects"
    )
    note = "" if subjects == n else ": NOT MET, captures of one subject are not independent trials"
    threshold = Threshold(
        value=limit.value if calibration.direction == "up" else -limit.value,
        direction=calibration.direction,
        rule=f"BPCER <= {bpcer:g} with confidence {confidence:g}",
        source=source,
        n=n,
        items=digest_items(calibration.item.tolist()),
    )
    guarantee = replace(
        limit.guarantee,
        statement=f"With confidence {confidence:g} over the draw of the calibration captures, the "
        f"BPCER at this threshold is at most {bpcer:g}.",
        assumptions=(
            Assumption("bona fide captures are independent draws", known + note),
            Assumption("the captures judged later are drawn as the calibration captures were"),
            Assumption("the detector was trained without them", "they are of the split 'dev'"),
        ),
    )
    return threshold, guarantee


def bpcer_claim(guarantee: Guarantee, errors: PadErrors) -> Claim:
    """Whether the captures of the test agree with the bound; they did not help to choose it."""
    interval = errors.bpcer.interval()
    holds = None
    if interval.high <= guarantee.level:
        holds = True
    elif interval.low > guarantee.level:
        holds = False
    return Claim(
        id="bpcer_bound",
        claim=guarantee.statement,
        measured=errors.bpcer.value,
        low=interval.low,
        high=interval.high,
        holds=holds,
        test="BPCER of the test captures: holds if its exact 95 % interval lies at or below the "
        "bound, fails if it lies above, cannot tell in between",
    )
