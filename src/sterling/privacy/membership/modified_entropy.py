"""Modified entropy with thresholds per class (Song and Mittal, 2021)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit, log_softmax

from sterling.errors import InputError
from sterling.privacy.membership.phi import check_outputs, phi


def modified_entropy_score(logits: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """(1 - p_y) log p_y + Σ_{i≠y} p_i log(1 - p_i), (..., records); at most 0.

    Unlike the entropy, it tells a sure right answer (0) from a sure wrong one (-∞ in the limit).
    Higher = more member.

    Args:
        logits: (..., records, classes).
        labels: The true classes, (records,).
    """
    z, y = check_outputs(logits, labels)
    odds = phi(z, y)
    # log(1 - p_i) of a class is the log-likelihood of "not i": minus the softplus of its own φ.
    per_class = np.stack([phi(z, np.full(len(y), label)) for label in range(z.shape[-1])], axis=-1)
    other = np.exp(log_softmax(z, axis=-1)) * log_expit(-per_class)
    other = np.where(np.arange(z.shape[-1]) == y[:, None], 0.0, other).sum(axis=-1)
    return np.asarray(expit(-odds) * log_expit(odds) + other)


def class_thresholds(
    scores: ArrayLike, labels: ArrayLike, member: ArrayLike, classes: int
) -> NDArray[np.float64]:
    """The threshold of each class that tells members from non-members best, (classes,).

    A record counts as a member when its score is at or above the threshold. Subtracting the
    threshold of its class makes a score that one threshold, 0, decides for all classes.

    Args:
        scores: Of records whose membership is known, such as a shadow model's, (records,).
        labels: Their classes, (records,).
        member: Whether each is a member, (records,).
        classes: Number of classes; each needs a member and a non-member.

    Raises:
        InputError: A class lacks members or non-members.
    """
    values, y = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    inside = np.asarray(member, dtype=np.bool_)
    thresholds = np.empty(classes)
    for label in range(classes):
        rows = y == label
        if inside[rows].all() or not inside[rows].any():
            raise InputError(
                f"class {label} has no member or no non-member to choose a threshold on; use more "
                "records"
            )
        order = np.argsort(values[rows])
        ordered, sign = values[rows][order], np.where(inside[rows][order], 1, -1)
        # Right answers with the threshold at each score, up to a constant: members at or above it
        # minus non-members there. Among tied scores only the first is a possible threshold.
        above = np.cumsum(sign[::-1])[::-1]
        first = np.append(True, ordered[1:] > ordered[:-1])
        thresholds[label] = ordered[np.where(first, above, above.min() - 1).argmax()]
    return thresholds
