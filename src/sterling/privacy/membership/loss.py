"""The loss attack of Yeom et al. (2018): members have a lower loss."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_expit

from sterling.privacy.membership.phi import phi


def loss_score(logits: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """Minus the cross-entropy, log p_y, (..., records); at most 0, higher = more member.

    Args:
        logits: (..., records, classes).
        labels: The true classes, (records,).
    """
    return np.asarray(log_expit(phi(logits, labels)))
