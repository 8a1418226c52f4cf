"""Audit of a user's own unlearned model, from its answers on three sets of records.

The question: can the records that it was asked to forget still be told from records that it never
saw, more than under a model retrained without them? Shadow models would tell more; losses and
posteriors alone give a lower bound of the leak.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sterling.checks import check_numbers
from sterling.display import line, number, span
from sterling.errors import InputError
from sterling.measure import Estimate, Interval, Rate, Scores, tpr_at_fpr
from sterling.privacy.unlearning_attacks.separation import attack_area, lingering, privleak
from sterling.privacy.unlearning_attacks.signals import Signals

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Retraining:
    """Comparison with a model retrained without the forget set.

    Attributes:
        area: Area of the loss attack on the retrained model.
        excess: Area of the unlearned model less that of the retrained one, with the interval of a
            paired bootstrap over records.
        privleak: PrivLeak in percent with its interval; None when the retrained area is 1.
        distance: Kolmogorov–Smirnov distance of the forget set's losses under the two models.
        p_value: P-value of that distance.
    """

    area: float
    excess: Estimate
    privleak: Estimate | None
    distance: float
    p_value: float


@dataclass(frozen=True)
class ForgettingAudit:
    """Evidence of forgetting in a model's answers.

    Attributes:
        area: Area at which low losses tell forgotten from never-seen records.
        entropy_area: Area by low entropy; None without posteriors.
        low_loss: True positives at 1 % false positives, by low loss.
        high_loss: True positives at 1 % false positives, by high loss.
        accuracy: Accuracy by the name of the set, where posteriors are known.
        retraining: Comparison with a retrained model; None without one.
        sets: Answers by the name of the set.
        tolerance: Largest distance of the area that counts as forgotten.
    """

    area: Estimate
    entropy_area: Estimate | None
    low_loss: Rate
    high_loss: Rate
    accuracy: Mapping[str, Rate]
    retraining: Retraining | None
    sets: Mapping[str, Signals]
    tolerance: float

    def __repr__(self) -> str:
        found, retrained = self.area, self.retraining
        limits = span(found.interval.low, found.interval.high, found.level)
        return line(
            self,
            f"area {number(found.value)}",
            limits,
            f"retrained {number(retrained.area)}" if retrained else "",
        )


def audit_forgetting(
    forget: Signals,
    holdout: Signals,
    *,
    retain: Signals | None = None,
    retrained: tuple[Signals, Signals] | None = None,
    tolerance: float = 0.05,
    seed: int = 0,
) -> ForgettingAudit:
    """Measure what the answers of an unlearned model tell about forgetting.

    Args:
        forget: Answers on the records that the model was asked to forget.
        holdout: Answers on records of the same distribution that it never saw.
        retain: Answers on records that it should still know, for utility.
        retrained: Answers of a model trained without the forget set on the first two sets, in the
            same order. Without it the area is compared with 1/2, which assumes that the two sets
            are alike.
        tolerance: Largest distance of the area that counts as forgotten, in (0, 0.5).
        seed: Seed of the bootstrap over records.

    Raises:
        InputError: On a tolerance outside the range, or reference sets of another length.
    """
    check_numbers(above=0, below=0.5, tolerance=tolerance)
    area = attack_area(-forget.loss, -holdout.loss)
    by_entropy = None
    if forget.entropy is not None and holdout.entropy is not None:
        by_entropy = attack_area(-forget.entropy, -holdout.entropy)
    values = np.concatenate([forget.loss, holdout.loss])
    label = np.arange(len(values)) < len(forget)
    sets = {"forget": forget, "holdout": holdout}
    if retain is not None:
        sets["retain"] = retain
    comparison = None
    if retrained is not None:
        comparison = _compare(forget, holdout, retrained, area.value, seed)
    return ForgettingAudit(
        area=area,
        entropy_area=by_entropy,
        low_loss=tpr_at_fpr(Scores(-values, label), 0.01).rate,
        high_loss=tpr_at_fpr(Scores(values, label), 0.01).rate,
        accuracy={
            name: Rate(int(signals.right.sum()), len(signals))
            for name, signals in sets.items()
            if signals.right is not None
        },
        retraining=comparison,
        sets=sets
        if retrained is None
        else {**sets, "forget, retrained": retrained[0], "holdout, retrained": retrained[1]},
        tolerance=tolerance,
    )


def _compare(
    forget: Signals, holdout: Signals, retrained: tuple[Signals, Signals], area: float, seed: int
) -> Retraining:
    again, again_holdout = retrained
    if len(again) != len(forget) or len(again_holdout) != len(holdout):
        raise InputError(
            f"the retrained model answers {len(again)} and {len(again_holdout)} records, the "
            f"unlearned one {len(forget)} and {len(holdout)}; ask both about the same"
        )
    reference = attack_area(-again.loss, -again_holdout.loss).value
    rng = np.random.default_rng(seed)
    differences, leaks = [], []
    for _ in range(1000):
        i = rng.integers(len(forget), size=len(forget))
        j = rng.integers(len(holdout), size=len(holdout))
        first = _area(forget.loss[i], holdout.loss[j])
        second = _area(again.loss[i], again_holdout.loss[j])
        differences.append(first - second)
        if second < 1:
            leaks.append(privleak(first, second))
    leak = None
    if reference < 1:
        leak = _bootstrapped(privleak(area, reference), leaks, "PrivLeak")
    distance, p_value = lingering(forget.loss, again.loss)
    excess = _bootstrapped(area - reference, differences, "the difference of areas")
    return Retraining(reference, excess, leak, distance, p_value)


def _bootstrapped(value: float, drawn: list[float], what: str) -> Estimate:
    low, high = np.quantile(drawn, [0.025, 0.975])
    interval = Interval(float(low), float(high))
    return Estimate(value, interval, 0.95, f"paired bootstrap over records of {what}")


def _area(low: Array, high: Array) -> float:
    """The value of ``attack_area`` alone, for thousands of draws."""
    ordered = np.sort(high)
    above = len(high) - np.searchsorted(ordered, low, side="right")
    ties = len(high) - np.searchsorted(ordered, low, side="left") - above
    return float((above + 0.5 * ties).mean() / len(high))
