"""Are the calibration scores still like the new ones? The assumption behind every guarantee."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from sterling.errors import InputError
from sterling.guarantee.arrays import check_p_values, check_scores


def exchangeability_p_value(calibration: ArrayLike, held_out: ArrayLike) -> float:
    """p-value of "both sets of scores are from one population"; small says they are not.

    The largest distance between the distribution of the held-out items' conformal p-values and
    the uniform one is, up to 1/(n + 1), the two-sample Kolmogorov-Smirnov statistic of the
    scores. It is judged by that test's law: the one-sample law takes the p-values for
    independent, which they are not, as they share one calibration set, and alarms too often.
    With tied scores it alarms more rarely than at its level.

    Args:
        calibration: Scores (n,).
        held_out: Scores (T,) of items known to be of the same population.
    """
    known = check_scores("calibration", calibration, minimum=1)
    new = check_scores("held_out", held_out, minimum=1)
    return float(stats.ks_2samp(known, new).pvalue)


def conformal_martingale(p: ArrayLike, jump: float = 0.01) -> NDArray[np.float64]:
    """Logarithm of a wealth that bets against exchangeability as items arrive, (T,).

    Vovk et al.'s simple jumper ("Retrain or not retrain", COPA 2021): capital is spread over the
    bets ``1 + e (p - 1/2)``, e in {-1, 0, 1}, and a share ``jump`` of it is spread anew each step.
    If the sequence is exchangeable, the wealth ever reaches 1/a with probability at most a.

    Args:
        p: Independent uniform p-values under exchangeability, in order of arrival: those of
            :func:`sterling.guarantee.online_p_values`.
        jump: In [0, 1]; the paper's 0.01.
    """
    values = check_p_values(p)
    if not 0 <= jump <= 1:
        raise InputError(f"jump {jump}: give a share between 0 and 1")
    bets = 1 + np.array([-1.0, 0.0, 1.0]) * (values[:, None] - 0.5)
    capital = np.full(3, 1 / 3)
    wealth, logarithm = np.empty(len(values)), 0.0
    for t, factors in enumerate(bets):
        capital = ((1 - jump) * capital + jump / 3) * factors
        total = float(capital.sum())
        capital /= total
        logarithm += np.log(total)
        wealth[t] = logarithm
    return wealth
