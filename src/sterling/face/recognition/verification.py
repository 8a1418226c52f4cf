"""Verification and identification: pairs of faces, and a gallery picture against all probes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.errors import InputError
from sterling.measure import (
    Estimate,
    FoldAccuracy,
    Interval,
    Rate,
    VerificationPoint,
    fold_accuracy,
    tar_at_far,
)

Statistic = Callable[["GalleryProbe"], float]


@dataclass(frozen=True, eq=False)
class GalleryProbe:
    """Similarities of every probe with every gallery picture.

    Attributes:
        similarity: (G, P).
        gallery: Person of each row, (G,), none twice.
        probe: Person of each column, (P,), all of them in the gallery.
        weight: Count of each row's person, integers (G,).

    Raises:
        InputError: Shapes differ, a person is in the gallery twice, or a probe not once.
    """

    similarity: NDArray[np.float64]
    gallery: NDArray[np.int64]
    probe: NDArray[np.int64]
    weight: NDArray[np.int64]

    def __post_init__(self) -> None:
        shape = (len(self.gallery), len(self.probe))
        if self.similarity.shape != shape or not np.isfinite(self.similarity).all():
            raise InputError(
                f"similarity {self.similarity.shape}: finite, one for each of {shape[0]} gallery "
                f"pictures and {shape[1]} probes"
            )
        if len(np.unique(self.gallery)) < shape[0] or not np.isin(self.probe, self.gallery).all():
            raise InputError(
                "gallery: give one picture of each person, and everybody who is probed"
            )

    @classmethod
    def of(cls, embeddings: NDArray[np.float64], person: NDArray[np.int64]) -> "GalleryProbe":
        """Split embeddings (N, D): the first picture of each person is gallery, the others probes.

        Similarity is the cosine.
        """
        unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
        people, first = np.unique(person, return_index=True)
        others = np.setdiff1d(np.arange(len(person)), first)
        return cls(
            unit[first] @ unit[others].T, people, person[others], np.ones(len(people), np.int64)
        )

    def comparisons(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Similarities of the same person, and of two; each as often as its people count."""
        same = self.gallery[:, None] == self.probe
        own = self.weight[np.searchsorted(self.gallery, self.probe)]
        times = np.where(same, self.weight[:, None], self.weight[:, None] * own)
        return (
            np.repeat(self.similarity[same], times[same]),
            np.repeat(self.similarity[~same], times[~same]),
        )

    def tar(self, far: float) -> VerificationPoint:
        """`tar_at_far` of all comparisons.

        Raises:
            InputError: There are too few comparisons for so small a rate.
        """
        return tar_at_far(*self.comparisons(), far)

    def rank_1(self) -> Rate:
        """Errors: probes whose nearest gallery picture, of all, is of somebody else."""
        nearest = self.gallery[self.similarity.argmax(axis=0)]
        own = self.weight[np.searchsorted(self.gallery, self.probe)]
        return Rate(int(own[nearest != self.probe].sum()), int(own.sum()))

    def accuracy(self, folds: int = 10) -> FoldAccuracy:
        """`fold_accuracy` of as many pairs of one person as of two.

        Each probe is compared with its own gallery picture and with the next person's, person after
        person, so that a fold holds few people that another one has.
        """
        order = np.argsort(self.probe, kind="stable")
        own = np.searchsorted(self.gallery, self.probe[order])
        both = np.stack([own, (own + 1) % len(self.gallery)], axis=1)
        cosines = self.similarity[both, order[:, None]].ravel()
        same = np.tile([True, False], len(order))
        return fold_accuracy(2 - 2 * cosines, same, folds)

    def over_people(
        self, statistic: Statistic, *, seed: int, repetitions: int = 200, level: float = 0.95
    ) -> Estimate:
        """Percentile interval of a statistic when people are drawn with replacement.

        A pair of one person drawn twice is no pair of two people.
        """
        draw = np.random.default_rng(seed)
        chance = np.full(len(self.gallery), 1 / len(self.gallery))
        values = [
            statistic(
                GalleryProbe(
                    self.similarity, self.gallery, self.probe, draw.multinomial(len(chance), chance)
                )
            )
            for _ in range(repetitions)
        ]
        low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
        interval = Interval(float(low), float(high))
        return Estimate(statistic(self), interval, level, "bootstrap over people")


def verification_accuracy(
    first: ArrayLike, second: ArrayLike, same: ArrayLike, folds: int = 10
) -> FoldAccuracy:
    """Accuracy of "same or not" by the squared distance of unit embeddings, as LFW's protocol.

    Each fold is judged at the threshold that was best on the others, so none is tuned on itself.
    Pairs are taken in the order given. Thresholds are found by counting, where the usual code
    walks from 0 to 4 in steps of 0.01.

    Args:
        first: Embeddings of the first face of each pair, (N, D).
        second: Embeddings of the second face, (N, D).
        same: Whether a pair is of one identity, bool (N,).
        folds: Number of folds; 10 for LFW and its kind.

    Raises:
        InputError: Shapes differ, or an embedding is not finite or has no length.
    """
    one, other = (_unit(name, value) for name, value in (("first", first), ("second", second)))
    if one.shape != other.shape:
        raise InputError(f"first {one.shape}, second {other.shape}: as many of the same length")
    return fold_accuracy(((one - other) ** 2).sum(axis=1), same, folds)


def _unit(name: str, embeddings: ArrayLike) -> NDArray[np.float64]:
    vectors = np.asarray(embeddings, dtype=float)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True) if vectors.ndim == 2 else np.zeros(1)
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise InputError(
            f"{name}: give finite embeddings (N, D), none of them zero; got shape {vectors.shape}"
        )
    return np.asarray(vectors / lengths)
