"""Clusters of classes that are uncertain in the same way, for coverage per class with few items."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.cluster import KMeans

from sterling.errors import InputError
from sterling.guarantee.label_score import LabelScore, check_probabilities, label_scores

QUANTILES = (0.5, 0.6, 0.7, 0.8, 0.9)


def class_clusters(
    probabilities: ArrayLike,
    labels: ArrayLike,
    score: LabelScore,
    n_clusters: int,
    *,
    minimum: int = 10,
    seed: int = 0,
) -> NDArray[np.intp]:
    """Cluster classes by the quantiles of their scores (Ding et al., NeurIPS 2023).

    k-means on the 50, 60, 70, 80 and 90 % quantiles of each class's scores, classes weighted by
    the root of their size. Coverage of :func:`sterling.guarantee.calibrate_label_sets` with these
    clusters is exact within a cluster, and near it within a class as far as the classes of one
    cluster are alike.

    Args:
        probabilities: (n, C) of items that are used neither for training nor for calibration.
        labels: Class numbers (n,).
        score: The score to be calibrated; taken at u = 1.
        n_clusters: At least 1.
        minimum: Classes with fewer items get cluster -1: no cluster. Ours.
        seed: Of k-means.

    Returns:
        Cluster of each class (C,), from -1 to ``n_clusters - 1``.
    """
    array = check_probabilities(probabilities)
    of_item = np.asarray(labels, dtype=np.intp)
    n, classes = array.shape
    if of_item.shape != (n,) or not ((of_item >= 0) & (of_item < classes)).all():
        raise InputError(f"labels: give one class number, 0 to {classes - 1}, per item ({n})")
    scores = label_scores(score, array, of_item, np.ones(n))
    sizes = np.bincount(of_item, minlength=classes)
    large = np.flatnonzero(sizes >= max(1, minimum))
    if not 1 <= n_clusters <= len(large):
        raise InputError(
            f"n_clusters {n_clusters}: {len(large)} classes have {minimum} items or more; give a "
            "number from 1 to that"
        )
    profiles = np.array([np.quantile(scores[of_item == one], QUANTILES) for one in large])
    means = KMeans(n_clusters, n_init=10, random_state=seed)
    clusters = np.full(classes, -1, dtype=np.intp)
    clusters[large] = means.fit_predict(profiles, sample_weight=np.sqrt(sizes[large]))
    return clusters
