"""Tests of exchangeability, the assumption behind every guarantee."""

from bisect import bisect_left, bisect_right

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from sterling.errors import InputError
from sterling.guarantee.checks import Floats, check_p_values, check_scores


def exchangeability_p_value(calibration: ArrayLike, held_out: ArrayLike) -> float:
    """Return the p-value of "both sets of scores are from one population"; small: they are not.

    The largest distance between the distribution of the held-out items' conformal p-values and
    the uniform one is, up to 1/(n + 1), the two-sample Kolmogorov-Smirnov statistic of the
    scores, and that test's law applies. The one-sample law would alarm too often: it takes the
    p-values for independent, but they share one calibration set. With tied scores the test alarms
    more rarely than at its level.

    Args:
        calibration: Scores (n,).
        held_out: Scores (T,) of items known to be of the same population.
    """
    known = check_scores("calibration", calibration, minimum=1)
    new = check_scores("held_out", held_out, minimum=1)
    return float(stats.ks_2samp(known, new).pvalue)


def online_p_values(scores: ArrayLike, rng: np.random.Generator) -> Floats:
    """Return the smoothed p-value of each score among those before it and itself.

    For an exchangeable sequence they are independent and uniform on (0, 1], so that
    :func:`conformal_martingale` may bet against them.

    Args:
        scores: (T,), in order of arrival; a larger score is more like the population.
        rng: Source of the random tie-breaks.

    Returns:
        p (T,), in (0, 1].
    """
    values = check_scores("scores", scores)
    seen: list[float] = []
    below, ties = np.empty(len(values)), np.empty(len(values))
    for t, value in enumerate(values.tolist()):
        first = bisect_left(seen, value)
        last = bisect_right(seen, value, first)
        below[t], ties[t] = first, last - first
        seen.insert(last, value)
    arrived = np.arange(1, len(values) + 1)
    return (below + (1 - rng.random(len(values))) * (1 + ties)) / arrived


def conformal_martingale(p: ArrayLike, jump: float = 0.01) -> Floats:
    """Return the logarithm of a wealth that bets against exchangeability as items arrive, (T,).

    Large values speak against exchangeability. Vovk et al.'s simple jumper ("Retrain or not
    retrain", COPA 2021): capital is spread over the bets ``1 + e (p - 1/2)``, e in {-1, 0, 1}, and
    a share ``jump`` of it is spread anew each step.
    If the sequence is exchangeable, the wealth ever reaches 1/a with probability at most a.

    Args:
        p: Independent uniform p-values under exchangeability, in order of arrival: those of
            :func:`online_p_values`.
        jump: Share of the capital, in [0, 1]; the paper's 0.01.
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
