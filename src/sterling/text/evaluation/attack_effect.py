"""Effect of an attack on a detector's AUROC and TPR, paired by text.

The human texts are the same before and after, and so is the threshold, which is chosen on them.
With several copies of one text the least machine-like counts; a copy that cannot be scored ranks
below every text that can.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.measure import (
    Estimate,
    Interval,
    OperatingPoint,
    Rate,
    Scores,
    auc,
    compare_paired,
    compare_unpaired,
    tpr_at_fpr,
)
from sterling.text.detectors import Judged
from sterling.text.evaluation.effectiveness import worst_case


@dataclass(frozen=True)
class Change:
    """A figure before and after an attack.

    Attributes:
        before: Figure on the texts as they are.
        after: Figure with the attacked copies in the place of their parents.
        difference: ``after`` less ``before``, on the same texts; negative where the attack works.
    """

    before: Estimate
    after: Estimate
    difference: Estimate


@dataclass(frozen=True)
class AttackEffect:
    """One attack against one detector.

    Attributes:
        attack: Name of the attack.
        human: Number of human texts.
        machine: Number of machine texts that were attacked.
        auroc: Area under the ROC curve, in [0, 1].
        tpr: True positive rate at the false positive rate of `point`.
        point: Operating point on the texts as they are, with the false positive rate reached.
    """

    attack: str
    human: int
    machine: int
    auroc: Change
    tpr: Change
    point: OperatingPoint


def attack_effects(
    originals: Judged, attacked: Judged, fpr: float, *, seed: int = 0, repetitions: int = 500
) -> dict[str, AttackEffect]:
    """Measure the change of AUROC and TPR by each attack.

    The difference of areas has a bootstrap interval over groups; where no draw differs, one that
    takes the two areas as independent. The difference of rates has exact limits for a threshold
    that is given: those of the shares of texts lost and gained, at half the error each.

    Args:
        originals: Texts of people and of machines, scored.
        attacked: Copies of machine texts among them, scored by the same detector.
        fpr: False positive rate in (0, 1), never exceeded on the human texts.
        seed: Seed of the bootstrap.
        repetitions: Repetitions of the bootstrap.

    Raises:
        InputError: A copy without its parent among the originals.
        NothingMeasuredError: No human text.
    """
    every = worst_case(originals)
    place = {one.id: row for row, one in enumerate(originals.records) if one.label == 1}
    scored = attacked.logit[attacked.scored]
    lowest = _lowest(attacked, place, float(min(every.values.min(), *scored)) - 1)
    return {
        attack: _effect(attack, every, rows, fpr, seed, repetitions)
        for attack, rows in sorted(lowest.items())
    }


def _lowest(
    attacked: Judged, place: Mapping[str, int], beneath: float
) -> dict[str, dict[int, float]]:
    """The lowest logit of a parent's copies, by attack and row of the parent."""
    found: dict[str, dict[int, float]] = {}
    for record, logit in zip(attacked.records, attacked.logit, strict=True):
        if record.parent not in place:
            raise InputError(
                f"record {record.id!r}: its parent {record.parent!r} is no machine text among the "
                "originals; evaluate both together"
            )
        own = found.setdefault(record.attack, {})
        row = place[record.parent]
        value = float(logit) if np.isfinite(logit) else beneath
        own[row] = min(value, own.get(row, value))
    return found


def _effect(
    attack: str,
    every: Scores,
    copies: Mapping[int, float],
    fpr: float,
    seed: int,
    repetitions: int,
) -> AttackEffect:
    rows = np.array(sorted(copies))
    used = ~every.label | np.isin(np.arange(len(every)), rows)
    values = every.values.copy()
    values[rows] = [copies[row] for row in rows.tolist()]
    changed = Scores(values, every.label, item=every.item, subject=every.subject)
    before, after = every.select(used), changed.select(used)
    point = tpr_at_fpr(before, fpr)
    found = [one.values[one.label] >= point.threshold for one in (before, after)]
    return AttackEffect(
        attack=attack,
        human=int((~before.label).sum()),
        machine=len(rows),
        auroc=_areas(before, after, seed, repetitions),
        tpr=_rates(*found),
        point=point,
    )


def _areas(before: Scores, after: Scores, seed: int, repetitions: int) -> Change:
    first, second = auc(before), auc(after)
    paired = compare_paired(
        after, before, lambda one: auc(one).value, seed=seed, repetitions=repetitions
    )
    flat = paired.interval.low == paired.interval.high
    return Change(first, second, compare_unpaired(second, first) if flat else paired)


def _rates(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> Change:
    """Shares of the same texts that were found, and their difference with conservative limits."""
    n = len(before)
    lost, gained = Rate(int((before & ~after).sum()), n), Rate(int((after & ~before).sum()), n)
    less, more = lost.interval(0.975), gained.interval(0.975)
    value = gained.value - lost.value
    limits = Interval(more.low - less.high, more.high - less.low)
    shares = [Rate(int(found.sum()), n) for found in (before, after)]
    first, second = (Estimate(one.value, one.interval(), 0.95, "exact") for one in shares)
    return Change(first, second, Estimate(value, limits, 0.95, "exact, given the threshold"))
