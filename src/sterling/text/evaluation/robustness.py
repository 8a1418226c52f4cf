"""MGTEVAL's paired attack success rate: the share of detections that an attack undoes.

ASR = 1 - accuracy(attacked | the parent was detected). With several variants of one parent the
attack succeeds if any of them passes as human. A text that an attack makes impossible to score has
passed, too.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sterling.errors import InputError, NothingMeasuredError
from sterling.measure import Rate
from sterling.text.detectors import Judged


@dataclass(frozen=True)
class AttackSuccess:
    """One attack against one detector.

    Attributes:
        attack: Name of the attack.
        rate: Parents of which a variant passed as human, among the detected parents.
        variants: Number of attacked copies of these parents.
        not_scored: Number of those that could not be scored.
    """

    attack: str
    rate: Rate
    variants: int
    not_scored: int


def attack_success(originals: Judged, attacked: Judged) -> dict[str, AttackSuccess]:
    """Return paired success rates, by attack.

    Args:
        originals: Texts with the parents among them, scored by the same detector.
        attacked: Texts with parent and attack, as `attack_records` makes them.

    Returns:
        One entry per attack; an attack of whose parents none was detected is left out.

    Raises:
        InputError: An attacked record whose parent is not among the originals.
        NothingMeasuredError: No parent was detected.
    """
    detected = {
        record.id: bool(called)
        for record, called in zip(originals.records, originals.machine, strict=True)
        if record.label == 1
    }
    passed: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    missing: dict[str, int] = defaultdict(int)
    for record, called, scored in zip(
        attacked.records, attacked.machine, attacked.scored, strict=True
    ):
        if record.parent not in detected:
            raise InputError(
                f"record {record.id!r}: its parent {record.parent!r} is no machine text among the "
                "originals; evaluate both together"
            )
        if detected[record.parent]:
            passed[record.attack][record.parent].append(not called)
            missing[record.attack] += not scored
    if attacked.records and not passed:
        raise NothingMeasuredError("no attacked text has a parent that was detected")
    return {
        attack: AttackSuccess(
            attack,
            Rate(sum(map(any, parents.values())), len(parents)),
            sum(map(len, parents.values())),
            missing[attack],
        )
        for attack, parents in sorted(passed.items())
    }


def mean_success(found: Mapping[str, AttackSuccess]) -> tuple[float, float]:
    """Return the mean success over attacks, weighed by parents, and the plain mean.

    Raises:
        NothingMeasuredError: No attack.
    """
    rates = [one.rate for one in found.values()]
    if not rates:
        raise NothingMeasuredError("no attack to average")
    weighed = sum(rate.errors for rate in rates) / sum(rate.trials for rate in rates)
    return weighed, float(np.mean([rate.value for rate in rates]))
