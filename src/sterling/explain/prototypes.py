"""Explanations without concept labels: the typical training items that an item resembles."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from sterling.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Prototypes:
    """Typical embeddings of each class.

    Attributes:
        centres: (P, d), of length 1.
        classes: Class of each centre (P,).
    """

    centres: Floats
    classes: NDArray[np.intp]

    def scores(self, embedding: Floats) -> Floats:
        """Return ``1 - cosine similarity`` to every prototype, (N, P); larger fits worse.

        The set at a threshold is the prototypes at or below it; its labels are their classes.
        """
        return np.asarray(1 - _unit(embedding) @ self.centres.T)

    def class_scores(self, embedding: Floats, n_classes: int) -> Floats:
        """Return the score of the nearest prototype of each class, (N, C).

        Calibrated at the item's own class: the pseudo-truth is its class's nearest prototype.
        """
        scores = self.scores(embedding)
        columns = [scores[:, self.classes == one].min(axis=1) for one in range(n_classes)]
        return np.stack(columns, axis=1)


def fit_prototypes(
    embedding: Floats, labels: NDArray[np.intp], per_class: int, *, seed: int = 0
) -> Prototypes:
    """Fit prototypes: k-means centres of each class's training embeddings, scaled to length 1.

    Args:
        embedding: (n, d) of training items.
        labels: Class numbers (n,); every class from 0 on has at least ``per_class`` items.
        per_class: Number of prototypes per class.
        seed: Seed of k-means.
    """
    centres, classes = [], []
    for one in range(int(labels.max()) + 1):
        members = _unit(embedding[labels == one])
        if len(members) < per_class:
            raise InputError(
                f"class {one} has {len(members)} training items; {per_class} prototypes need more"
            )
        means = KMeans(per_class, n_init=4, random_state=seed).fit(members)
        centres.append(_unit(means.cluster_centers_))
        classes += [one] * per_class
    return Prototypes(np.concatenate(centres), np.array(classes, dtype=np.intp))


def _unit(rows: Floats) -> Floats:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(length, 1e-12))
