"""Verification, whether two things are the same one, and identification among many, by counting.

`Comparisons` holds the similarities of all pairs of items and whom they show, and gives rates with
intervals that know which pairs have an identity in common. `identification_ranks` and
`tpir_at_fpir` take probes against a gallery.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.errors import InputError, NothingMeasuredError
from sterling.measure.clustered import clustered_rate, pair_interval
from sterling.measure.interval import Estimate, Interval, check_level
from sterling.measure.operating_point import allowed_errors
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
    allowed = allowed_errors(far, len(other))
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


@dataclass(frozen=True, eq=False)
class Comparisons:
    """All pairs of some items.

    Attributes:
        similarity: Symmetric (N, N), larger is more alike; the diagonal is not read.
        identity: Identity of each item, (N,).

    Raises:
        InputError: Shapes differ, or similarities are not finite or not symmetric.

    Examples:
        >>> import numpy as np
        >>> place = np.array([0.0, 0.1, 1.0, 1.1, 2.0, 2.1])  # pairs of one identity are 0.1 apart
        >>> pairs = Comparisons(-abs(place[:, None] - place), np.repeat(["ann", "bob", "cem"], 2))
        >>> pairs.false_match(-0.5).value, pairs.false_non_match(-0.5).value
        (0.0, 0.0)
    """

    similarity: NDArray[np.floating]
    identity: NDArray[Any]

    def __post_init__(self) -> None:
        shape = (len(self.identity),) * 2
        if self.similarity.shape != shape or not np.isfinite(self.similarity).all():
            raise InputError(
                f"similarity {self.similarity.shape}: finite, {shape} for {shape[0]} identities"
            )
        if not np.array_equal(self.similarity, self.similarity.T):
            raise InputError("similarity: not symmetric; give that of (a, b) for (b, a), too")

    @cached_property
    def number(self) -> NDArray[np.int64]:
        """Number of each item's identity, from 0."""
        return np.unique(self.identity, return_inverse=True)[1].astype(np.int64)

    @cached_property
    def _pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        first, second = np.triu_indices(len(self.number), 1)
        return first, second, self.number[first] == self.number[second]

    @property
    def genuine(self) -> NDArray[np.floating]:
        """Similarities of pairs of one identity."""
        first, second, same = self._pairs
        return self.similarity[first[same], second[same]]

    @property
    def impostor(self) -> NDArray[np.floating]:
        """Similarities of pairs of two identities."""
        first, second, same = self._pairs
        return self.similarity[first[~same], second[~same]]

    def where(self, rows: NDArray[np.bool_]) -> "Comparisons":
        """Return the pairs among some items, such as those of one group or range of yaw."""
        return Comparisons(self.similarity[np.ix_(rows, rows)], self.identity[rows])

    def by_group(self, groups: NDArray[Any]) -> dict[Hashable, "Comparisons"]:
        """Return the pairs within each group of items, (N,), such as a range of yaw."""
        return {one: self.where(groups == one) for one in np.unique(groups).tolist()}

    def false_match(self, threshold: float, level: float = 0.95) -> Estimate:
        """Return the rate of impostor pairs at or above a threshold (FMR), with `pair_interval`.

        Raises:
            NothingMeasuredError: Fewer than three identities.
        """
        wrong, total = self.matches(threshold)
        value = (wrong.sum() - np.trace(wrong)) / max(1, total.sum() - np.trace(total))
        return Estimate(float(value), pair_interval(wrong, total, level), level, "jackknife")

    def false_match_limit(self, threshold: float, level: float = 0.95) -> Interval:
        """Return `pair_interval` of "worst case": exact whatever the identities' resemblance."""
        return pair_interval(*self.matches(threshold), level, "worst case")

    def false_non_match(self, threshold: float, level: float = 0.95) -> Estimate:
        """Return the rate of genuine pairs below a threshold (FNMR), clustered by identity.

        Raises:
            NothingMeasuredError: Fewer than two identities have two items.
        """
        first, _, same = self._pairs
        if not same.any():
            raise NothingMeasuredError(
                "no identity has two items, and a false non-match rate compares two of one"
            )
        return clustered_rate(self.genuine < threshold, self.number[first[same]], level)

    def matches(self, threshold: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return pairs at or above a threshold, and all pairs, of each two identities: (n, n)."""
        order = np.argsort(self.number, kind="stable")
        starts = np.flatnonzero(np.diff(self.number[order], prepend=-1))
        accepted = (self.similarity >= threshold)[np.ix_(order, order)]
        np.fill_diagonal(accepted, False)
        rows = np.add.reduceat(accepted, starts, axis=0, dtype=np.int64)
        count = np.bincount(self.number)
        total = np.outer(count, count) - np.diag(count)
        return np.add.reduceat(rows, starts, axis=1), total

    def tar(
        self, far: float, *, seed: int = 0, repetitions: int = 200, level: float = 0.95
    ) -> Estimate:
        """Return `tar_at_far` with a percentile interval from identities drawn with replacement.

        Each repetition chooses its own threshold, so that the interval knows the threshold's
        uncertainty. A pair counts as often as both its identities were drawn, together.

        Args:
            far: False acceptance rate, at least 10 / the number of impostor pairs.
            seed: Seed of the draws.
            repetitions: Number of draws.
            level: Confidence in (0, 1).

        Raises:
            InputError: There are too few impostor pairs for so small a rate, or no genuine pair.
        """
        check_level(level)
        point = tar_at_far(self.genuine, self.impostor, far)
        first, second, same = self._pairs
        own = self.number[first[same]]
        one, other = self.number[first[~same]], self.number[second[~same]]
        order = np.argsort(-self.impostor, kind="stable")
        # The strictest threshold lies among the most similar pairs, of which a part is enough.
        order = order[: int(20 * far * len(order)) + 1000]
        scores, one, other = self.impostor[order], one[order], other[order]
        last = np.append(scores[1:] != scores[:-1], True)  # of those that are tied
        items = np.bincount(self.number)
        draw, n = np.random.default_rng(seed), len(items)
        values = []
        for _ in range(repetitions):
            drawn = draw.multinomial(n, np.full(n, 1 / n))
            every = (float(drawn @ items) ** 2 - float(drawn**2 @ items**2)) / 2
            allowed = np.flatnonzero(last & (np.cumsum(drawn[one] * drawn[other]) <= far * every))
            blocked = allowed[-1] + 1 if len(allowed) else 0
            least = scores[min(blocked, len(scores) - 1)]
            weight = drawn[own]
            if weight.any() and every:
                values.append(float(weight @ (self.genuine > least)) / float(weight.sum()))
        low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
        interval = Interval(float(low), float(high))
        return Estimate(point.tar.value, interval, level, "bootstrap over identities")
