"""Presentation attack detection errors at a threshold, in the vocabulary of ISO/IEC 30107-3."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sterling.errors import InputError, NothingMeasuredError
from sterling.measure.interval import Interval, check_level
from sterling.measure.rate import Rate
from sterling.measure.scores import Scores
from sterling.measure.threshold import Threshold


@dataclass(frozen=True)
class PadErrors:
    """Error rates of a detector at one threshold; lower is better throughout.

    Attributes:
        apcer: Attack presentation classification error rate of each PAI species: the
            share of its presentations accepted as bona fide.
        bpcer: Bona fide presentation classification error rate: the share rejected.
        threshold: The threshold applied, with its origin.
        in_sample: True when the threshold was chosen on some of these items, which makes the
            rates optimistic.
    """

    apcer: Mapping[str, Rate]
    bpcer: Rate
    threshold: Threshold
    in_sample: bool

    @property
    def worst(self) -> str:
        """The species with the highest APCER; of equals, the one with the fewest trials."""
        rates = self.apcer
        return max(rates, key=lambda name: (rates[name].value, -rates[name].trials))

    @property
    def apcer_max(self) -> Rate:
        """APCER of the worst species: the figure that counts."""
        return self.apcer[self.worst]

    @property
    def apcer_pooled(self) -> Rate:
        """All attacks as one species, as many papers report it; never above ``apcer_max``."""
        rates = self.apcer.values()
        return Rate(sum(rate.errors for rate in rates), sum(rate.trials for rate in rates))

    @property
    def acer(self) -> float:
        """Mean of APCER (worst species) and BPCER; only for comparison with papers."""
        return (self.apcer_max.value + self.bpcer.value) / 2

    @property
    def hter(self) -> float:
        """Mean of pooled APCER and BPCER (half total error rate); for comparison with papers."""
        return (self.apcer_pooled.value + self.bpcer.value) / 2

    def apcer_max_interval(self, level: float = 0.95) -> Interval:
        """Interval of the highest true APCER of all species, whichever species that is.

        Exact and conservative: every species has its Clopper–Pearson interval at confidence
        ``1 - (1 - level) / K``, so that all K hold at once (Bonferroni).
        """
        each = 1 - (1 - check_level(level)) / len(self.apcer)
        intervals = [rate.interval(each) for rate in self.apcer.values()]
        return Interval(max(i.low for i in intervals), max(i.high for i in intervals))

    def acer_interval(self, level: float = 0.95) -> Interval:
        """Conservative interval of the ACER: both of its parts hold at once (Bonferroni)."""
        each = 1 - (1 - check_level(level)) / 2
        return _midpoint(self.apcer_max_interval(each), self.bpcer.interval(each))

    def hter_interval(self, level: float = 0.95) -> Interval:
        """Conservative interval of the HTER: both of its parts hold at once (Bonferroni)."""
        each = 1 - (1 - check_level(level)) / 2
        return _midpoint(self.apcer_pooled.interval(each), self.bpcer.interval(each))


def evaluate(scores: Scores, threshold: Threshold, *, in_sample: bool = False) -> PadErrors:
    """Error rates of the scores at a threshold chosen elsewhere.

    Args:
        scores: With at least one bona fide and one attack presentation.
        threshold: Where to decide.
        in_sample: Allow scores that the threshold was chosen on; the result says so.

    Raises:
        NothingMeasuredError: When bona fides or attacks are missing.
        InputError: When the threshold was chosen on scored items and ``in_sample`` is false.
    """
    if not scores.label.any():
        raise NothingMeasuredError("no bona fide presentations among the scores: no BPCER")
    if scores.label.all():
        raise NothingMeasuredError("no attack presentations among the scores: no APCER")
    accepted = threshold.accept(scores, in_sample)
    apcer = {}
    for name in scores.species:
        of_species = scores.group == name
        apcer[name] = Rate(int((accepted & of_species).sum()), int(of_species.sum()))
    bpcer = Rate(int((~accepted & scores.label).sum()), int(scores.label.sum()))
    return PadErrors(apcer, bpcer, threshold, in_sample and threshold.overlap(scores) > 0)


def non_response_rates(group: ArrayLike, responded: ArrayLike) -> dict[str, Rate]:
    """Share of presentations, by group, to which the system gave no score; lower is better.

    The entry ``"bona_fide"`` is the BPNRR, each other entry the APNRR of that PAI species.

    Args:
        group: Text (N,): the PAI species of every presentation made, or ``"bona_fide"``.
        responded: Bool (N,): whether the presentation was scored.

    Raises:
        InputError: When the two differ in length.
        NothingMeasuredError: When there was no presentation.
    """
    groups, answered = np.asarray(group), np.asarray(responded, dtype=np.bool_)
    if groups.ndim != 1 or groups.shape != answered.shape:
        raise InputError(
            f"group has shape {groups.shape}, responded {answered.shape}; one each per presentation"
        )
    if not len(groups):
        raise NothingMeasuredError("no presentations: no non-response rate")
    return {
        str(name): Rate(int((~answered[groups == name]).sum()), int((groups == name).sum()))
        for name in np.unique(groups)
    }


def _midpoint(first: Interval, second: Interval) -> Interval:
    return Interval((first.low + second.low) / 2, (first.high + second.high) / 2)
