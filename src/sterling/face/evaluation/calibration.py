"""A detector's threshold for one camera, chosen on presentations recorded with that camera.

Error rates do not carry from the camera a detector was trained with to another; a threshold chosen
where it will be used does. Only bona fides choose it, so that the attack presentations stay a test
set and their exact intervals hold.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from sterling.errors import InputError
from sterling.face.data import Faces
from sterling.face.evaluation.bounded_threshold import Promise, bounded_threshold
from sterling.face.evaluation.evaluate import scored, scores_of
from sterling.face.pad import DetectorBase
from sterling.guarantee import Guarantee
from sterling.measure import PadErrors, Rate, Scores, evaluate

NEARLY_CONSTANT = 0.01
"""Spread of scores below which people are warned; ours, of scores that lie in [0, 1] or so."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """A detector with its new threshold, and what to expect of it.

    Attributes:
        detector: The detector given, with the threshold chosen.
        guarantee: Guarantee on the BPCER at the threshold.
        errors: Error rates at the new threshold; None without attack presentations. The APCER is
            measured on presentations that chose nothing; the BPCER on those that chose the
            threshold.
        before: Error rates at the former threshold; None without one, or without attacks.
        spread: Between the 5th and the 95th percentile of all scores. Near 0 the detector does not
            respond to these pictures: a threshold may keep its promise then and separate nothing.
    """

    detector: DetectorBase
    guarantee: Guarantee
    errors: PadErrors | None
    before: PadErrors | None
    spread: float

    def to_dict(self) -> dict[str, Any]:
        """Return one JSON object: the promise with its assumptions, and rates with intervals."""
        threshold = self.detector.threshold
        assert threshold is not None
        return {
            "threshold": {
                "value": threshold.value,
                "rule": threshold.rule,
                "source": threshold.source,
                "n": threshold.n,
            },
            "guarantee": asdict(self.guarantee),
            "at this threshold": _rates(self.errors),
            "at the former threshold": _rates(self.before),
            "spread of scores": self.spread,
        }

    def lines(self) -> list[str]:
        """For people: the promise, what it rests on, and the rates to expect."""
        said = [self.guarantee.statement]
        if self.spread < NEARLY_CONSTANT:
            said.append(
                f"WARNING: nine of ten scores lie within {self.spread:.2g}, nearly constant: the "
                "detector hardly responds to these pictures, so no threshold makes it useful"
            )
        said += [
            f"  assumes: {one.text} ({one.checked or 'not checked'})"
            for one in self.guarantee.assumptions
        ]
        if self.errors is None:
            return [*said, "no attack presentation: nothing is known about the APCER"]
        for name, rate in sorted(self.errors.apcer.items(), key=lambda entry: -entry[1].value):
            said.append(f"expected APCER of {name}: {_spelt(rate)}")
        said.append(f"BPCER of the presentations that chose it: {_spelt(self.errors.bpcer)}")
        if self.before is not None:
            said.append(
                f"before: worst APCER {_spelt(self.before.apcer_max)} ({self.before.worst}), "
                f"BPCER {_spelt(self.before.bpcer)}"
            )
        return [*said, "instruments that are not among these may be accepted more often"]


def calibrate(
    detector: DetectorBase, faces: Faces, promise: Promise, *, source: str, seed: int = 0
) -> Calibration:
    """Choose the strictest threshold that bounds the BPCER with confidence.

    Args:
        detector: Detector with or without a threshold; the one returned carries the promise.
        faces: Presentations recorded as the detector will be used, none of which trained it; a
            video counts once, by its mean score. Attack presentations may be missing.
        promise: Error rate to bound.
        source: Name of the recordings.
        seed: Seed of the draw of one presentation per subject, where subjects are counted.

    Raises:
        InputError: No bona fide presentation, or too few for the promise; the message says how
            many are needed. Or subjects are counted and not known.
    """
    if not faces.manifest.bona_fide.any():
        raise InputError(f"{source}: no bona fide presentation, and those choose the threshold")
    scores = scores_of(scored(detector, faces), faces.manifest)
    threshold, guarantee = bounded_threshold(scores, promise, source=source, seed=seed)
    calibrated = replace(detector, threshold=threshold, promise=guarantee.statement)
    low, high = np.quantile(scores.values, (0.05, 0.95))
    return Calibration(
        calibrated,
        guarantee,
        _errors(calibrated, scores),
        _errors(detector, scores),
        float(high - low),
    )


def _errors(detector: DetectorBase, scores: Scores) -> PadErrors | None:
    if detector.threshold is None or not len(scores.negative):
        return None
    return evaluate(scores, detector.threshold, in_sample=True)


def _rates(errors: PadErrors | None) -> dict[str, Any] | None:
    if errors is None:
        return None
    apcer = {name: _rate(rate) for name, rate in errors.apcer.items()}
    return {"apcer": apcer, "bpcer": _rate(errors.bpcer)}


def _rate(rate: Rate) -> dict[str, float | int]:
    interval = rate.interval()
    return {"value": rate.value, "low": interval.low, "high": interval.high, "n": rate.trials}


def _spelt(rate: Rate) -> str:
    interval = rate.interval()
    return f"{rate.value:.3f} ({interval.low:.3f} … {interval.high:.3f}), n = {rate.trials}"
