"""Label sets from concept sets that cover even when the head errs: calibrated a second time.

The transferred score of a label is its least distance from the first rank over the concept set:
``t(x, y) = min over v of max(0, max_k g_k(v) - g_y(v))``. Its conformal quantile on a second
calibration split gives label coverage with no assumption on the head (ours; without it
coverage is at least 1 - epsilon minus the head's error).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sterling.guarantee import Assumption, Guarantee, conformal_quantile

Floats = NDArray[np.float64]

CHUNK = 1 << 22  # numbers handled at a time


def shortfalls(scores: Floats, limit: float, logits: Floats) -> Floats:
    """Return ``t(x, y)`` of every label, (N, C), at least 0, over the vectors of each concept set.

    Args:
        scores: Scores of every vector for every item (N, V).
        limit: Threshold of the concept sets. An empty set is replaced by its item's best vector.
        logits: Logits of the head at every vector (V, C).
    """
    short = logits.max(axis=1, keepdims=True) - logits
    limits = np.maximum(limit, scores.min(axis=1))
    result = np.empty((len(scores), logits.shape[1]))
    step = max(1, CHUNK // len(logits))
    for start in range(0, len(scores), step):
        rows = slice(start, start + step)
        inside = scores[rows] <= limits[rows, None]
        for label, order in enumerate(np.argsort(short, axis=0).T):
            first = inside[:, order].argmax(axis=1)
            result[rows, label] = short[order[first], label]
    return result


@dataclass(frozen=True)
class RepairedRule:
    """A second threshold, on the transferred score.

    Attributes:
        limit: Largest shortfall of a label in the set.
        guarantee: Promise of the sets.
    """

    limit: float
    guarantee: Guarantee

    def sets(self, shortfall: Floats) -> NDArray[np.bool_]:
        """Return which labels are in the set of each item, bool (N, C), from :func:`shortfalls`."""
        return shortfall <= self.limit


def calibrate_repair(shortfall: Floats, labels: NDArray[np.intp], epsilon: float) -> RepairedRule:
    """Calibrate on a second split, apart from the one that gave the concept sets.

    Args:
        shortfall: Shortfalls t of the second split's items (n, C).
        labels: Labels of these items (n,).
        epsilon: Error level in (0, 1).
    """
    own = shortfall[np.arange(len(labels)), labels]
    guarantee = Guarantee(
        statement=f"The label set holds the true label with probability at least {1 - epsilon:g}, "
        "whatever the head's errors, averaged over calibration sets and items.",
        assumptions=(
            Assumption("second calibration split and test items are exchangeable"),
            Assumption("network and concept sets were made without the second split"),
        ),
        n=len(labels),
        level=1 - epsilon,
    )
    return RepairedRule(conformal_quantile(own, epsilon), guarantee)
