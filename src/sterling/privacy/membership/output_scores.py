"""Scores of one model's outputs: loss, confidence, entropy, modified entropy, difficulty.

Loss: Yeom et al., 2018. Modified entropy with thresholds per class: Song and Mittal, 2021.
Difficulty calibration: Watson et al., 2022. φ: Carlini et al., 2022. Logits are finite,
(..., records, classes) with two classes or more; labels are the true classes, (records,). Every
score is higher for members.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit, log_softmax, logsumexp

from sterling.errors import InputError


def phi(logits: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """Return φ = log(p_y / (1 - p_y)) = z_y - log Σ_{j≠y} exp z_j, float64 (..., records).

    Taken from logits, not from probabilities: a float32 probability of a confident model is 1 and
    its odds are infinite, while φ keeps the order of such records. The confidence p_y is
    ``expit(phi)`` and the log-likelihood ``log_expit(phi)``.

    Raises:
        InputError: Shapes that do not fit, a label that is no class, or a logit that is not finite.
    """
    z, y = check_outputs(logits, labels)
    chosen = np.take_along_axis(z, y.reshape((1,) * (z.ndim - 2) + (-1, 1)), axis=-1)[..., 0]
    others = np.where(np.arange(z.shape[-1]) == y[:, None], -np.inf, z)
    return np.asarray(chosen - logsumexp(others, axis=-1))


def check_outputs(
    logits: ArrayLike, labels: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return logits as float64 (..., records, classes) and labels as positions (records,)."""
    z = np.asarray(logits, dtype=np.float64)
    y = np.asarray(labels)
    if z.ndim < 2 or z.shape[-1] < 2 or y.shape != z.shape[-2:-1]:
        raise InputError(
            f"logits have shape {z.shape} and labels {y.shape}; give (..., records, classes), two "
            "classes or more, and (records,)"
        )
    if not np.isfinite(z).all():
        raise InputError("logits: a value is not finite; leave that record out")
    if y.dtype.kind not in "iu" or (len(y) and (y.min() < 0 or y.max() >= z.shape[-1])):
        raise InputError(f"labels: give whole numbers from 0 to {z.shape[-1] - 1}")
    return z, y.astype(np.intp)


def loss_score(logits: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """Return minus the cross-entropy, log p_y, (..., records); at most 0."""
    return np.asarray(log_expit(phi(logits, labels)))


def confidence_score(logits: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """Return the probability p_y of the true class, (..., records), in [0, 1].

    It ranks records as :func:`loss_score` does, but very sure ones round to 1 and tie.
    """
    return np.asarray(expit(phi(logits, labels)))


def entropy_score(logits: ArrayLike) -> NDArray[np.float64]:
    """Return minus the entropy of the posterior in nats, (..., records); it needs no label.

    From -log(classes) to 0: the model hesitates less on members.
    """
    z = np.asarray(logits, dtype=np.float64)
    check_outputs(z, np.zeros(z.shape[-2] if z.ndim > 1 else 0, dtype=int))
    log_p = log_softmax(z, axis=-1)
    return np.asarray((np.exp(log_p) * log_p).sum(axis=-1))


def modified_entropy_score(logits: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """Return (1 - p_y) log p_y + Σ_{i≠y} p_i log(1 - p_i), (..., records); at most 0.

    Unlike the entropy, it tells a sure right answer (0) from a sure wrong one (-∞ in the limit).
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
    """Return the threshold of each class that tells members from non-members best, (classes,).

    A record counts as a member when its score is at or above the threshold. Subtracting the
    threshold of its class makes a score that one threshold, 0, decides for all classes.

    Args:
        scores: Scores of records whose membership is known, such as a shadow model's, (records,).
        labels: Classes of the records, (records,).
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


def difficulty_score(target: ArrayLike, reference: ArrayLike) -> NDArray[np.float64]:
    """Return the mean loss of reference models minus the target's loss, (records,).

    A record that every model finds easy is no sign of membership.

    Args:
        target: Log-likelihoods log p_y under the target, (records,).
        reference: Log-likelihoods under reference models, (models, records); not a number (NaN)
            where that model was trained on that record, which is then left out of the mean.

    Raises:
        InputError: Shapes that do not fit, or a record that every reference was trained on.
    """
    own, others = np.asarray(target, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if others.ndim != 2 or own.shape != others.shape[1:]:
        raise InputError(
            f"target has shape {own.shape}, reference {others.shape}; give (records,) and (models, "
            "records)"
        )
    known = ~np.isnan(others)
    if not known.any(axis=0).all():
        record = int((~known.any(axis=0)).argmax())
        raise InputError(f"record {record} has no reference model; give one not trained on it")
    mean = np.where(known, others, 0).sum(axis=0) / known.sum(axis=0)
    return np.asarray(own - mean)
