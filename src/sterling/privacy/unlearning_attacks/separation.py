"""How well an attack tells forgotten records from records never seen.

An area under the curve near 0 is a leak as much as one near 1: over-unlearned records stand out by
their high loss. What counts is the distance to the model that was truly retrained, on both sides.
"""

import numpy as np
from numpy.typing import ArrayLike

from sterling.errors import InputError
from sterling.measure import Estimate, Scores, auc


def attack_area(forgotten: ArrayLike, never_seen: ArrayLike) -> Estimate:
    """Chance that a forgotten record scores above one never seen, ties half; 0.5 is no leak.

    Args:
        forgotten: Attack scores (A,), higher = more like a member.
        never_seen: The same of records that were in no training set (B,).

    Raises:
        InputError: When a set is empty or a score is not finite.
    """
    first = np.asarray(forgotten, dtype=np.float64).ravel()
    second = np.asarray(never_seen, dtype=np.float64).ravel()
    if not len(first) or not len(second):
        raise InputError(
            f"{len(first)} forgotten and {len(second)} never-seen scores: give one of each at least"
        )
    values = np.concatenate([first, second])
    return auc(Scores(values, np.arange(len(values)) < len(first)))


def two_sided(area: float) -> float:
    """max(AUC, 1 − AUC), in [0.5, 1]: what an attacker who may turn the score round gets."""
    return max(area, 1 - area)


def privleak(unlearned: float, retrained: float) -> float:
    """PrivLeak of MUSE in percent: 100 (A_u − A_r) / A_r with A = 1 − AUC; 0 is like retraining.

    Shi et al., "MUSE: Machine Unlearning Six-Way Evaluation for Language Models", ICLR 2025. Below
    0 too little was forgotten, above 0 too much; both tell the forgotten records apart.

    Args:
        unlearned: AUC at which forgotten records look like members, in [0, 1].
        retrained: The same under the retrained model; below 1, else the ratio has no value.

    Raises:
        InputError: On an area outside [0, 1], or a retrained model at 1.
    """
    for name, value in (("unlearned", unlearned), ("retrained", retrained)):
        if not 0 <= value <= 1:
            raise InputError(f"{name} {value}: an area lies between 0 and 1")
    if retrained == 1:
        raise InputError(
            "retrained 1.0: the sets are told apart without any training on them, so that they are "
            "not alike; choose never-seen records of the same distribution"
        )
    return 100 * ((1 - unlearned) - (1 - retrained)) / (1 - retrained)
