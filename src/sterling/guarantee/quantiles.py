"""Order statistics of calibration scores: conformal quantiles and tolerance limits."""

import math
import warnings
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from sterling.errors import InputError
from sterling.guarantee.checks import check_alpha, check_scores, check_weights
from sterling.guarantee.statement import INDEPENDENT, Guarantee, ResolutionWarning


def conformal_rank(n: int, alpha: float) -> int:
    """Return ``ceil((n + 1)(1 - alpha))`` in exact arithmetic on alpha as written in decimals."""
    return math.ceil((n + 1) * (1 - Fraction(repr(float(alpha)))))


def needed_for(alpha: float) -> int:
    """Return the least calibration size at which the conformal quantile is finite."""
    return math.ceil(1 / Fraction(repr(float(alpha)))) - 1


def conformal_quantile(scores: ArrayLike, alpha: float) -> float:
    """Return the ``ceil((n + 1)(1 - alpha))``-th smallest of n calibration scores.

    The score of a new exchangeable item is at most this with probability at least 1 - alpha, and
    at most 1 - alpha + 1/(n + 1) when no scores tie (Vovk et al. 2005; Lei et al., JASA 2018).
    Given the calibration set the probability is Beta(k, n + 1 - k) distributed, k the rank.

    Args:
        scores: Calibration scores (n,); larger means the item fits worse.
        alpha: Error level in (0, 1).

    Returns:
        Infinity, with a :class:`ResolutionWarning`, when n < 1/alpha - 1.
    """
    values = check_scores("scores", scores)
    rank = conformal_rank(len(values), check_alpha(alpha))
    if rank > len(values):
        warnings.warn(
            f"{len(values)} calibration items are too few for alpha = {alpha:g}: every label or "
            f"value is kept; give at least {needed_for(alpha)}",
            ResolutionWarning,
            stacklevel=2,
        )
        return math.inf
    return float(np.partition(values, rank - 1)[rank - 1])


def group_quantiles(
    scores: NDArray[np.float64], groups: NDArray[np.intp], n_groups: int, alpha: float
) -> NDArray[np.float64]:
    """Return the conformal quantile of every group, (G,); groups are numbered 0 to G - 1."""
    order = np.argsort(groups, kind="stable")
    ends = np.cumsum(np.bincount(groups, minlength=n_groups))
    parts = np.split(scores[order], ends)[:n_groups]
    return np.array([conformal_quantile(part, alpha) for part in parts])


def weighted_quantiles(
    scores: ArrayLike, weights: ArrayLike, test_weights: ArrayLike, alpha: float
) -> NDArray[np.float64]:
    """Return the threshold of each test item under a known covariate shift, (T,).

    The smallest score s at which calibration items of score <= s hold a share 1 - alpha of the
    weight of all n items and the test item together (Tibshirani, Foygel Barber, Candès, Ramdas,
    NeurIPS 2019). Equal weights give :func:`conformal_quantile`.

    Args:
        scores: Calibration scores (n,); larger fits worse.
        weights: Likelihood ratio test / calibration at each calibration item (n,), finite, >= 0,
            up to a common factor. Estimated ratios give estimated coverage.
        test_weights: The same ratio at each test item (T,).
        alpha: Error level in (0, 1).

    Returns:
        Infinity where the test item alone holds more than alpha of the weight.
    """
    values = check_scores("scores", scores, minimum=1)
    known = check_weights("weights", weights)
    new = check_weights("test_weights", test_weights)
    check_alpha(alpha)
    if known.shape != values.shape:
        raise InputError(f"weights have shape {known.shape}; give one per score ({len(values)})")
    if not known.any():
        raise InputError("weights are all 0: no calibration item is like the test items")
    order = np.argsort(values)
    mass = np.cumsum(known[order])
    wanted = (1 - alpha) * (mass[-1] + new)
    # The last digit of a sum must not push a threshold up by one score.
    place = np.searchsorted(mass, wanted * (1 - 1e-12))
    limits: NDArray[np.float64] = np.append(values[order], np.inf)[place]
    return limits


@dataclass(frozen=True)
class ToleranceLimit:
    """A cut below which at most a stated share of a population falls.

    Attributes:
        value: One of the scores: at most a share ``guarantee.level`` of the population lies below.
        below: Largest possible number of the given scores below it (``k - 1``).
        guarantee: The statement.
    """

    value: float
    below: int
    guarantee: Guarantee


def tolerance_limit(scores: ArrayLike, rate: float, confidence: float = 0.95) -> ToleranceLimit:
    """Return the highest order statistic below which at most a share ``rate`` of a population lies.

    One-sided, distribution-free (Wilks, Annals of Mathematical Statistics, 1941): the share below
    the k-th smallest of n scores is at most Beta(k, n + 1 - k) distributed, so k is the largest
    number with P(Binomial(n, rate) >= k) >= confidence. Ties only lower the share.

    Args:
        scores: Independent draws from the population (n,), finite.
        rate: Allowed share in (0, 1).
        confidence: Probability over the draw of the scores, in (0, 1).

    Raises:
        InputError: Also when no order statistic will do: n < log(1 - confidence) / log(1 - rate);
            the message says how many scores are needed.
    """
    values = check_scores("scores", scores)
    check_alpha(rate, "rate")
    check_alpha(1 - confidence, "1 - confidence")
    n = len(values)
    needed = math.ceil(math.log(1 - confidence) / math.log1p(-rate))
    if n < needed:
        raise InputError(
            f"{n} calibration items are too few for a rate of {rate:g} with confidence "
            f"{confidence:g}; {needed} are needed"
        )
    # P(Binomial >= k) = 1 - cdf(k - 1) falls with k.
    ranks = np.arange(1, n + 1)
    k = int(np.searchsorted(-stats.binom.sf(ranks - 1, n, rate), -confidence, side="right"))
    k = max(k, 1)  # n >= needed says that 1 will do, whatever the last digit of sf
    guarantee = Guarantee(
        statement=f"With confidence {confidence:g} over the draw of the calibration items, at "
        f"most {rate:g} of the population lies below the limit.",
        assumptions=(INDEPENDENT,),
        n=n,
        level=rate,
        confidence=confidence,
    )
    return ToleranceLimit(float(np.partition(values, k - 1)[k - 1]), k - 1, guarantee)
