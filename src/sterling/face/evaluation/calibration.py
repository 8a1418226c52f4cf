"""A threshold for one camera, chosen on presentations recorded with that camera.

Error rates do not carry from the camera a detector was trained with to another; a threshold chosen
where it will be used does. Only bona fides choose it, so that the attack presentations stay a test
set and their exact intervals hold.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sterling.errors import InputError
from sterling.face.evaluation.bounded_threshold import Promise
from sterling.face.evaluation.chosen_threshold import ChosenThreshold, errors_there, rates_of
from sterling.face.evaluation.intervals import Figure
from sterling.guarantee import Assumption, Guarantee
from sterling.measure import BONA_FIDE, PadErrors, Scores, Threshold

NEARLY_CONSTANT = 0.01
"""Spread of scores below which people are warned; ours, of scores that lie in [0, 1] or so."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """A new threshold, and what to expect of it.

    Attributes:
        chosen: The threshold with its guarantee, and the error rates there; no rates without attack
            presentations. The APCER is measured on presentations that chose nothing; the BPCER on
            those that chose the threshold.
        guarantee: Guarantee on the BPCER at the threshold.
        before: Error rates at the former threshold; None without one, or without attacks.
        spread: Between the 5th and the 95th percentile of all scores. Near 0 a detector does not
            respond to these pictures: a threshold may keep its promise then and separate nothing.
    """

    chosen: ChosenThreshold
    guarantee: Guarantee
    before: PadErrors | None
    spread: float

    @property
    def threshold(self) -> Threshold:
        """The threshold chosen."""
        return self.chosen.threshold

    def to_dict(self) -> dict[str, Any]:
        """Return one JSON object: the promise with its assumptions, and rates with intervals."""
        before = ChosenThreshold(self.threshold, rates=rates_of(self.before)).to_dict()
        return {
            **self.chosen.to_dict(),
            "at the former threshold": before["at this threshold"],
            "spread of scores": self.spread,
        }

    @property
    def rests(self) -> bool:
        """Whether no assumption of the bound was found unmet."""
        return not self._unmet

    @property
    def _unmet(self) -> list[Assumption]:
        return [one for one in self.guarantee.assumptions if one.met is False]

    def lines(self, *, any_scale: bool = False) -> list[str]:
        """For people: the promise, what it rests on, and the rates to expect.

        Args:
            any_scale: The scores may have any range, so that their spread means nothing.
        """
        said = [f"DOES NOT HOLD: {one.text} ({one.checked})" for one in self._unmet]
        said.append(self.guarantee.statement)
        if self.spread < NEARLY_CONSTANT and not any_scale:
            said.append(
                f"WARNING: nine of ten scores lie within {self.spread:.2g}, nearly constant: the "
                "detector hardly responds to these pictures, so no threshold makes it useful"
            )
        said += [
            f"  assumes: {one.text} ({one.checked or 'not checked'})"
            for one in self.guarantee.assumptions
        ]
        rates = self.chosen.rates
        if not rates:
            return [*said, "no attack presentation: nothing is known about the APCER"]
        for name, figure in rates.items():
            if name != BONA_FIDE:
                said.append(f"expected APCER of {name}: {_spelt(figure)}")
        said.append(f"BPCER of the presentations that chose it: {_spelt(rates[BONA_FIDE])}")
        if self.before is not None:
            before = rates_of(self.before)
            said.append(
                f"before: worst APCER {_spelt(before[self.before.worst])} ({self.before.worst}), "
                f"BPCER {_spelt(before[BONA_FIDE])}"
            )
        return [*said, "instruments that are not among these may be accepted more often"]


def calibrate(
    scores: Scores,
    promise: Promise,
    *,
    source: str,
    before: Threshold | None = None,
    held_out: str | None = None,
    seed: int = 0,
) -> Calibration:
    """Choose the strictest threshold that bounds the BPCER with confidence.

    Args:
        scores: Scores of presentations recorded as the detector will be used, none of which trained
            it; of a video the mean score. Attack presentations may be missing.
        promise: Error rate to bound.
        source: Name of the recordings.
        before: The former threshold, to compare with.
        held_out: Check that the detector was trained without them; None if there was none.
        seed: Seed of the draw of one presentation per subject, where subjects are counted.

    Raises:
        InputError: No bona fide presentation, or too few for the promise; the message says how
            many are needed. Or subjects are counted and not known.
    """
    if not scores.label.any():
        raise InputError(f"{source}: no bona fide presentation, and those choose the threshold")
    chosen = ChosenThreshold.promised(scores, promise, source=source, held_out=held_out, seed=seed)
    assert chosen.guarantee is not None
    low, high = np.quantile(scores.values, (0.05, 0.95))
    former = None if before is None else errors_there(scores, before)
    return Calibration(chosen, chosen.guarantee, former, float(high - low))


def _spelt(figure: Figure) -> str:
    low, high = figure.presentation.low, figure.presentation.high
    said = f"{figure.value:.3f} ({low:.3f} … {high:.3f}), n = {figure.n}"
    if figure.subject is None:
        return said
    by_subject = f"{figure.subject.low:.3f} … {figure.subject.high:.3f}"
    return f"{said}; by subject {by_subject}, {figure.subjects} subjects"
