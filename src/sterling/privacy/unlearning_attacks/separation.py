"""Distances between forgotten records and records never seen, or between two models' losses.

An area under the curve near 0 is a leak as much as one near 1: over-unlearned records stand out by
their high loss. The distance to the model that was truly retrained counts, on both sides.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from sterling.checks import check_numbers
from sterling.errors import InputError
from sterling.measure import Estimate, Scores, auc


def attack_area(forgotten: ArrayLike, never_seen: ArrayLike) -> Estimate:
    """Estimate the chance that a forgotten record scores above one never seen; 0.5 is no leak.

    Args:
        forgotten: Attack scores, higher = more like a member (A,); ties count half.
        never_seen: Scores of records that were in no training set (B,).

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
    """Return max(AUC, 1 − AUC), in [0.5, 1]: the area of an attacker who may reverse the score."""
    return max(area, 1 - area)


def privleak(unlearned: float, retrained: float) -> float:
    """Return PrivLeak of MUSE in percent: 100 (A_u − A_r) / A_r with A = 1 − AUC; 0 is retraining.

    Shi et al., "MUSE: Machine Unlearning Six-Way Evaluation for Language Models", ICLR 2025. Below
    0 too little was forgotten, above 0 too much; both tell the forgotten records apart.

    Args:
        unlearned: AUC at which forgotten records look like members, in [0, 1].
        retrained: AUC under the retrained model; below 1, else the ratio has no value.

    Raises:
        InputError: On an area outside [0, 1], or a retrained model at 1.
    """
    check_numbers(at_least=0, at_most=1, unlearned=unlearned, retrained=retrained)
    if retrained == 1:
        raise InputError(
            "retrained 1.0: the sets are told apart without any training on them, so that they are "
            "not alike; choose never-seen records of the same distribution"
        )
    return 100 * ((1 - unlearned) - (1 - retrained)) / (1 - retrained)


def lingering(unlearned: ArrayLike, retrained: ArrayLike) -> tuple[float, float]:
    """Return the Kolmogorov–Smirnov distance of two sets of losses and its p-value.

    Args:
        unlearned: Losses of the forget set under the unlearned model (A,).
        retrained: Losses of the forget set under the retrained model (B,).

    Returns:
        The distance in [0, 1], 0 is best, and the chance of so large a one between two models that
        are alike (TOFU calls the p-value "forget quality").

    Raises:
        InputError: When a set is empty or holds a value that is not finite.
    """
    sides = {"unlearned": unlearned, "retrained": retrained}
    for name, side in sides.items():
        values = np.asarray(side, dtype=np.float64)
        if not values.size or not np.isfinite(values).all():
            raise InputError(f"{name}: give one finite loss at least, and no other")
    outcome = stats.ks_2samp(*(np.ravel(side) for side in sides.values()))
    return float(outcome.statistic), float(outcome.pvalue)


def truth_ratio(paraphrased: ArrayLike, perturbed: ArrayLike) -> NDArray[np.float64]:
    """Return exp(loss of the paraphrase − mean loss of wrong answers), (N,).

    TOFU's truth ratio (Maini et al., COLM 2024, section 2.2), low when the truth is known: the
    geometric mean of the length-normalised probabilities of wrong answers over that of a paraphrase
    of the truth. The p-value of `lingering` on two models' truth ratios is TOFU's forget quality.

    Args:
        paraphrased: Mean loss per token of the paraphrased right answer (N,).
        perturbed: Mean loss per token of each wrong answer (N, K).

    Raises:
        InputError: On shapes that do not fit or a loss that is not finite.
    """
    right = np.asarray(paraphrased, dtype=np.float64)
    wrong = np.asarray(perturbed, dtype=np.float64)
    if right.ndim != 1 or wrong.ndim != 2 or len(wrong) != len(right) or not wrong.size:
        raise InputError(
            f"paraphrased {right.shape}, perturbed {wrong.shape}: give (N,) and (N, K), none empty"
        )
    if not (np.isfinite(right).all() and np.isfinite(wrong).all()):
        raise InputError("losses: a value is not finite; leave that question out")
    return np.asarray(np.exp(right - wrong.mean(axis=1)))


def forget_truth_score(ratios: ArrayLike) -> float:
    """Return the mean of min(r, 1/r) in [0, 1]; on the forget set 1 is best: truth is as likely."""
    r = np.asarray(ratios, dtype=np.float64)
    return float(np.minimum(r, 1 / r).mean())


def retain_truth_score(ratios: ArrayLike) -> float:
    """Return the mean of max(0, 1 − r) in [0, 1]; elsewhere 1 is best: truth is far likelier."""
    return float(np.maximum(0, 1 - np.asarray(ratios, dtype=np.float64)).mean())
