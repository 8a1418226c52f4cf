"""TOFU's truth ratio: how likely a model holds wrong answers beside a right one.

Maini et al., "TOFU: A Task of Fictitious Unlearning for LLMs", COLM 2024, section 2.2: the
geometric mean of the length-normalised probabilities of wrong answers, over that of a paraphrase
of the truth.
Two models are compared by the distribution of their truth ratios on the forget set; the p-value of
:func:`lingering` on them is TOFU's forget quality.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.errors import InputError


def truth_ratio(paraphrased: ArrayLike, perturbed: ArrayLike) -> NDArray[np.float64]:
    """exp(loss of the paraphrase − mean loss of wrong answers), (N,); low when the truth is known.

    Args:
        paraphrased: Mean loss per token of the paraphrased right answer (N,).
        perturbed: Of each wrong answer (N, K).

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
    """Mean of min(r, 1/r) in [0, 1]; on the forget set 1 is best: truth and error as likely."""
    r = np.asarray(ratios, dtype=np.float64)
    return float(np.minimum(r, 1 / r).mean())


def retain_truth_score(ratios: ArrayLike) -> float:
    """Mean of max(0, 1 − r) in [0, 1]; elsewhere 1 is best: the truth is far likelier."""
    return float(np.maximum(0, 1 - np.asarray(ratios, dtype=np.float64)).mean())
