"""Where to cut so that at most a stated share of a population falls below, with confidence."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from sterling.errors import InputError
from sterling.guarantee.arrays import check_alpha, check_scores
from sterling.guarantee.statement import Assumption, Guarantee


@dataclass(frozen=True)
class ToleranceLimit:
    """A cut with its guarantee.

    Attributes:
        value: One of the scores: at most a share ``guarantee.level`` of the population lies below.
        below: How many of the scores lie below it at most (``k - 1``).
        guarantee: The statement.
    """

    value: float
    below: int
    guarantee: Guarantee


def tolerance_limit(scores: ArrayLike, rate: float, confidence: float = 0.95) -> ToleranceLimit:
    """The highest order statistic below which lies at most a share ``rate`` of the population.

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
    return ToleranceLimit(
        value=float(np.partition(values, k - 1)[k - 1]),
        below=k - 1,
        guarantee=Guarantee(
            statement=f"With confidence {confidence:g} over the draw of the calibration items, at "
            f"most {rate:g} of the population lies below the limit.",
            assumptions=(
                Assumption("calibration items and later items are independent draws of one kind"),
            ),
            n=n,
            level=rate,
            confidence=confidence,
        ),
    )
