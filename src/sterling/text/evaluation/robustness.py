"""How many detections an attack undoes: MGTEVAL's paired attack success rate.

ASR = 1 - accuracy(attacked | the parent was detected). With several variants of one parent the
attack succeeds if any of them passes as human. A text that an attack makes impossible to score has
passed, too.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sterling.errors import InputError, NothingMeasuredError
from sterling.measure import Rate
from sterling.study import Row, Table
from sterling.text.detectors import Judged


@dataclass(frozen=True)
class AttackSuccess:
    """One attack against one detector.

    Attributes:
        attack: Its name.
        rate: Parents of which a variant passed as human, among the detected parents.
        variants: Attacked copies of these parents that were judged.
        not_scored: Of those, how many could not be scored.
    """

    attack: str
    rate: Rate
    variants: int
    not_scored: int


def attack_success(originals: Judged, attacked: Judged) -> dict[str, AttackSuccess]:
    """Paired success rates, by attack.

    Args:
        originals: Among them the parents, judged by the same detector.
        attacked: Records with parent and attack, as `attack_records` makes them.

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
    """Over attacks: the mean weighed by parents, and the plain mean.

    Raises:
        NothingMeasuredError: No attack.
    """
    rates = [one.rate for one in found.values()]
    if not rates:
        raise NothingMeasuredError("no attack to average")
    weighed = sum(rate.errors for rate in rates) / sum(rate.trials for rate in rates)
    return weighed, float(np.mean([rate.value for rate in rates]))


def success_table(by_detector: Mapping[str, Mapping[str, AttackSuccess]]) -> Table:
    """One row per detector and attack, with exact intervals."""
    rows: list[Row] = []
    for detector, found in by_detector.items():
        rows += [[detector, *_cells(one)] for one in found.values()]
    return Table(
        name="robustness",
        title="Attack success rate: detected texts of which an attacked copy passes as human",
        columns=["detector", "attack", "detected", "ASR", "low", "high", "not scored"],
        rows=rows,
        caption="Paired with the parent; exact 95 % interval over parents.",
    )


def _cells(one: AttackSuccess) -> Sequence[str | int | float]:
    interval = one.rate.interval()
    return [
        one.attack,
        one.rate.trials,
        one.rate.value,
        interval.low,
        interval.high,
        one.not_scored,
    ]
