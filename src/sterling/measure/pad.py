"""Presentation attack detection in the vocabulary of ISO/IEC 30107-3.

Positives are bona fide presentations, negatives attack presentations, and their groups the species
of presentation attack instruments (PAI). APCER is the false positive rate of one species, BPCER the
false negative rate::

    threshold = threshold_at_apcer(dev, 0.05, source="dev")
    evaluate(test, threshold).apcer_max
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.display import html_table, line, number
from sterling.errors import InputError, NothingMeasuredError
from sterling.measure.curves import error_curve
from sterling.measure.interval import Interval, check_level
from sterling.measure.operating_point import (
    OperatingPoint,
    cut_at_fnr,
    cut_at_fpr,
    fnr_at_fpr,
    fpr_at_fnr,
    turn,
)
from sterling.measure.rate import Rate
from sterling.measure.scores import POSITIVE, Scores
from sterling.measure.threshold import Threshold, digest_items

if TYPE_CHECKING:
    import polars as pl

BONA_FIDE = POSITIVE


Counts = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Errors and trials of every subject."""


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
        subjects: Counts by subject of each PAI species and of ``"bona_fide"``, for
            `clustered_interval`; without those that have an unknown subject.
    """

    apcer: Mapping[str, Rate]
    bpcer: Rate
    threshold: Threshold
    in_sample: bool
    # Arrays have no single truth; the rates above already tell two results apart.
    subjects: Mapping[str, Counts] = field(default_factory=dict, compare=False, repr=False)

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

    def to_frame(self) -> "pl.DataFrame":
        """Return one row per rate: the APCER of every species, the worst first, and the BPCER.

        Columns: ``rate``, ``species``, ``errors``, ``trials``, ``value``, and ``low`` and ``high``
        of the exact 95 % interval for independent presentations.

        Example:
            >>> threshold = Threshold(0.5)
            >>> errors = PadErrors({"print": Rate(1, 20)}, Rate(0, 30), threshold, False)
            >>> errors.to_frame()["errors"].to_list()
            [1, 0]
        """
        import polars as pl

        worst_first = sorted(self.apcer.items(), key=lambda one: (-one[1].value, one[1].trials))
        rates = [("APCER", name, rate) for name, rate in worst_first]
        rows = []
        for kind, species, rate in [*rates, ("BPCER", None, self.bpcer)]:
            ends = rate.interval()
            counts = {"errors": rate.errors, "trials": rate.trials, "value": rate.value}
            rows.append({"rate": kind, "species": species, **counts, **vars(ends)})
        return pl.DataFrame(rows, schema_overrides={"species": pl.String})

    def __repr__(self) -> str:
        return line(
            self,
            f"APCER {number(self.apcer_max.value)} ({self.worst}"
            + (f", worst of {len(self.apcer)})" if len(self.apcer) > 1 else ")"),
            f"BPCER {number(self.bpcer.value)}",
            f"bona fide if {self.threshold.decision}",
            "IN SAMPLE" if self.in_sample else "",
        )

    def _repr_html_(self) -> str:
        frame = self.to_frame()
        return html_table(frame.columns, frame.rows(), caption=repr(self))

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
    """Return the error rates of the scores at a threshold chosen elsewhere.

    Args:
        scores: Scores with at least one bona fide and one attack presentation.
        threshold: Threshold to apply.
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
    apcer, subjects = {}, {}
    for name in scores.negative_groups:
        of_species = scores.group == name
        apcer[name] = Rate(int((accepted & of_species).sum()), int(of_species.sum()))
        subjects[name] = _by_subject(scores.subject[of_species], accepted[of_species])
    bpcer = Rate(int((~accepted & scores.label).sum()), int(scores.label.sum()))
    subjects[BONA_FIDE] = _by_subject(scores.subject[scores.label], ~accepted[scores.label])
    in_sample = in_sample and threshold.overlap(scores) > 0
    known = {name: counts for name, counts in subjects.items() if counts}
    return PadErrors(apcer, bpcer, threshold, in_sample, known)


def _by_subject(subject: NDArray[np.str_], wrong: NDArray[np.bool_]) -> Counts | None:
    if (subject == "").any():
        return None
    _, index, trials = np.unique(subject, return_inverse=True, return_counts=True)
    return np.bincount(index, weights=wrong).astype(np.int64), trials.astype(np.int64)


def non_response_rates(group: ArrayLike, responded: ArrayLike) -> dict[str, Rate]:
    """Return the share of presentations without a score, by group; lower is better.

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


def threshold_at_apcer(
    scores: Scores, apcer: float, *, species: str = "max", source: str = "these scores"
) -> Threshold:
    """Return the lowest threshold at which the APCER is at most ``apcer``.

    Args:
        scores: The data to choose on; only attacks and the scores' order matter.
        apcer: Wanted attack presentation classification error rate, in [0, 1].
        species: ``"max"`` to hold it for every PAI species, ``"pooled"`` for all attacks as one,
            or one species.
        source: Name of the data, kept in the threshold.
    """
    cut, resolved = cut_at_fpr(scores, apcer, species, "APCER")
    over = {"max": "every PAI species", "pooled": "all attacks pooled"}.get(species, species)
    counted = sum(len(values) for values in scores.negatives(species).values())
    return _threshold(scores, cut, f"APCER <= {apcer:g} for {over}", source, counted, resolved)


def threshold_at_bpcer(scores: Scores, bpcer: float, *, source: str = "these scores") -> Threshold:
    """Return the highest threshold whose BPCER is at most ``bpcer``; only bona fides matter."""
    cut, resolved = cut_at_fnr(scores, bpcer, "BPCER")
    counted = len(scores.positives())
    return _threshold(scores, cut, f"BPCER <= {bpcer:g}", source, counted, resolved)


def threshold_at_eer(scores: Scores, *, source: str = "these scores") -> Threshold:
    """Return the threshold where pooled APCER and BPCER are nearest to each other.

    Ties are broken by the smallest sum of both errors, and then by the fewest presentations
    accepted.
    """
    curve = error_curve(scores)
    # Whole numbers proportional to the rates, so that equal gaps compare equal.
    bona_fides = int(scores.label.sum())
    attacks = len(scores) - bona_fides
    apcer = np.rint(curve.fpr * attacks) * bona_fides
    bpcer = np.rint(curve.fnr * bona_fides) * attacks
    strictest_first = -np.arange(len(apcer))
    best = np.lexsort((strictest_first, apcer + bpcer, np.abs(apcer - bpcer)))[0]
    cut = turn(scores, float(curve.threshold[best]))
    return _threshold(scores, cut, "APCER = BPCER (equal error)", source, len(scores), True)


def bpcer_at_apcer(scores: Scores, apcer: float, *, species: str = "max") -> OperatingPoint:
    """Return the BPCER at the lowest threshold whose APCER is at most ``apcer``.

    Lower is better.
    """
    return fnr_at_fpr(scores, apcer, group=species, name="APCER")


def apcer_at_bpcer(scores: Scores, bpcer: float, *, species: str = "max") -> OperatingPoint:
    """Return the worst species' APCER at the highest threshold whose BPCER is at most ``bpcer``.

    Lower is better.
    """
    return fpr_at_fnr(scores, bpcer, group=species, name="BPCER")


def _threshold(
    scores: Scores, cut: float, rule: str, source: str, n: int, resolved: bool
) -> Threshold:
    return Threshold(
        value=turn(scores, cut),
        direction=scores.direction,
        rule=rule,
        source=source,
        n=n,
        items=digest_items(scores.item.tolist()),
        resolved=resolved,
    )


def _midpoint(first: Interval, second: Interval) -> Interval:
    return Interval((first.low + second.low) / 2, (first.high + second.high) / 2)
