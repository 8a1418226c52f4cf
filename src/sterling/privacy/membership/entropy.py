"""The entropy attack: the model hesitates less on members. It needs no label."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax

from sterling.privacy.membership.phi import check_outputs


def entropy_score(logits: ArrayLike) -> NDArray[np.float64]:
    """Minus the entropy of the predicted distribution in nats, (..., records).

    From -log(classes) to 0; higher = more member.

    Args:
        logits: (..., records, classes).
    """
    z = np.asarray(logits, dtype=np.float64)
    check_outputs(z, np.zeros(z.shape[-2] if z.ndim > 1 else 0, dtype=int))
    log_p = log_softmax(z, axis=-1)
    return np.asarray((np.exp(log_p) * log_p).sum(axis=-1))
