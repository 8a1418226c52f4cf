"""The confidence attack: members have a more probable true class."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from sterling.privacy.membership.phi import phi


def confidence_score(logits: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """The probability p_y of the true class, (..., records), in [0, 1]; higher = more member.

    It ranks records as :func:`loss_score` does, but very sure ones round to 1 and tie.

    Args:
        logits: (..., records, classes).
        labels: The true classes, (records,).
    """
    return np.asarray(expit(phi(logits, labels)))
