"""Verification, whether two things are the same one: rates and accuracies by counting."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.errors import InputError
from sterling.measure.rate import Rate

SEEN = 10  # impostor comparisons that must be accepted for a rate to mean anything


@dataclass(frozen=True)
class VerificationPoint:
    """True acceptance at a threshold that holds false acceptance down.

    Attributes:
        target: The false acceptance rate asked for, never exceeded.
        far: Rate reached on the impostor comparisons.
        tar: Share of genuine comparisons accepted.
        threshold: Comparisons at or above it are accepted.
    """

    target: float
    far: Rate
    tar: Rate
    threshold: float


def tar_at_far(genuine: ArrayLike, impostor: ArrayLike, far: float) -> VerificationPoint:
    """Return true acceptance at the lowest threshold with a false acceptance rate up to `far`.

    The rates' intervals take comparisons for independent. Those of one identity are not: resample
    identities (`bootstrap_by_subject`) for an interval that holds.

    Args:
        genuine: Similarities of comparisons of the same identity; larger is more alike.
        impostor: Similarities of comparisons of different identities.
        far: False acceptance rate in (0, 1), at least 10 / the number of impostor comparisons.

    Raises:
        InputError: A similarity is not finite, there is none of a kind, or there are too few
            impostor comparisons for so small a rate.
    """
    same, other = (np.asarray(one, dtype=float).ravel() for one in (genuine, impostor))
    for name, values in (("genuine", same), ("impostor", other)):
        if not len(values) or not np.isfinite(values).all():
            raise InputError(f"{name}: {len(values)} similarities; give one or more, all finite")
    if not 0 < far < 1 or far * len(other) < SEEN:
        raise InputError(
            f"far {far}: between 0 and 1, and {len(other)} impostor comparisons show no rate below "
            f"{SEEN / len(other):.2g}"
        )
    allowed = int(np.floor(far * len(other) + 1e-9))
    ordered = np.sort(other)[::-1]
    # The first similarity that must not pass: above it lie at most as many as allowed.
    blocked = ordered[allowed] if allowed < len(ordered) else -np.inf
    above = np.concatenate([same, other])
    above = above[above > blocked]
    threshold = float(above.min()) if len(above) else float(np.nextafter(blocked, np.inf))
    return VerificationPoint(
        far,
        Rate(int((other >= threshold).sum()), len(other)),
        Rate(int((same >= threshold).sum()), len(same)),
        threshold,
    )


@dataclass(frozen=True)
class FoldAccuracy:
    """Accuracy of deciding pairs, with each fold's threshold chosen on the others.

    Attributes:
        mean: Mean accuracy over folds.
        deviation: Standard deviation of the folds' accuracies, with n - 1.
        folds: Accuracy of each fold.
        thresholds: Distance below which each fold's pairs were taken for the same.
    """

    mean: float
    deviation: float
    folds: tuple[float, ...]
    thresholds: tuple[float, ...]


def fold_accuracy(distances: ArrayLike, same: ArrayLike, folds: int = 10) -> FoldAccuracy:
    """Measure by the protocol of LFW: pairs in the order given, in folds of equal size.

    Args:
        distances: Distances of the pairs, (N,); smaller is more alike.
        same: Whether each pair is of one identity, bool (N,).
        folds: Number of folds, 2 to N; pairs are not shuffled.

    Raises:
        InputError: Shapes differ, a distance is not finite, or there are more folds than pairs.
    """
    apart = np.asarray(distances, dtype=float)
    truth = np.asarray(same, dtype=bool)
    if apart.shape != truth.shape or apart.ndim != 1 or not np.isfinite(apart).all():
        raise InputError(
            f"distances {apart.shape}, same {truth.shape}: one finite distance and one truth per "
            "pair"
        )
    if not 2 <= folds <= len(apart):
        raise InputError(f"folds {folds}: from 2 to the {len(apart)} pairs")
    accuracies, thresholds = [], []
    for held in np.array_split(np.arange(len(apart)), folds):
        others = np.setdiff1d(np.arange(len(apart)), held)
        threshold = _best(apart[others], truth[others])
        thresholds.append(threshold)
        accuracies.append(float(((apart[held] < threshold) == truth[held]).mean()))
    return FoldAccuracy(
        float(np.mean(accuracies)),
        float(np.std(accuracies, ddof=1)),
        tuple(accuracies),
        tuple(thresholds),
    )


def _best(distances: NDArray[np.float64], same: NDArray[np.bool_]) -> float:
    """Return the threshold with most pairs right; among equals the middle one."""
    values = np.unique(distances)
    cuts = np.concatenate(
        [[values[0]], (values[:-1] + values[1:]) / 2, [np.nextafter(values[-1], np.inf)]]
    )
    own, other = np.sort(distances[same]), np.sort(distances[~same])
    right = np.searchsorted(own, cuts, "left") + len(other) - np.searchsorted(other, cuts, "left")
    best = np.flatnonzero(right == right.max())
    return float(cuts[best[len(best) // 2]])
