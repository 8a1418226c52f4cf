"""Split conformal label sets: a set of labels that holds the true one with probability 1 - alpha.

Marginal, or within every class or group (Mondrian: Vovk et al. 2005, section 4.5; Vovk, ACML 2012).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.cluster import KMeans

from sterling.display import draw_shares, line
from sterling.errors import InputError, unknown_name
from sterling.guarantee.checks import Bools, Floats, check_alpha, check_groups
from sterling.guarantee.label_scores import (
    LabelScore,
    check_probabilities,
    label_scores,
    label_sets,
)
from sterling.guarantee.quantiles import conformal_quantile, group_quantiles
from sterling.guarantee.statement import EXCHANGEABLE, UNSEEN, Guarantee

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Condition = Literal["none", "class", "group"]
QUANTILES = (0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True, eq=False)
class LabelSetRule:
    """Thresholds that turn probabilities into label sets.

    Attributes:
        score: The score that was calibrated.
        limits: Threshold of all items (1,), of each class (C,), or of each group (G,).
        condition: Whether coverage holds over all items, within every class, or every group.
        groups: The groups (G,), sorted; empty unless ``condition`` is "group".
        n_classes: Number of classes, C.
        guarantee: Promise of the sets.
    """

    score: LabelScore
    limits: Floats
    condition: Condition
    groups: NDArray[np.generic]
    n_classes: int
    guarantee: Guarantee

    def __repr__(self) -> str:
        within = {"none": "", "class": "within every class", "group": "within every group"}
        return line(
            self,
            f"coverage >= {self.guarantee.level:g}",
            within[self.condition],
            type(self.score).__name__,
            f"{self.n_classes} classes",
            f"{self.guarantee.n} calibration items",
        )

    def sets(
        self,
        probabilities: ArrayLike,
        *,
        groups: ArrayLike | None = None,
        rng: np.random.Generator | None = None,
    ) -> Bools:
        """Return which labels are in the set of each item, bool (N, C).

        Args:
            probabilities: (N, C), of the same model as in calibration.
            groups: (N,), needed for rules within groups.
            rng: As in calibration: given for a randomised score, else None.
        """
        array = check_probabilities(probabilities)
        if array.shape[1] != self.n_classes:
            raise InputError(
                f"probabilities have {array.shape[1]} classes; calibrated on {self.n_classes}"
            )
        limit = self.limits[None, :]
        if self.condition == "group":
            limit = self.limits[_group_numbers(groups, self.groups, len(array)), None]
        return label_sets(self.score, array, limit, _random_numbers(len(array), rng))

    def plot(
        self,
        probabilities: ArrayLike,
        *,
        groups: ArrayLike | None = None,
        rng: np.random.Generator | None = None,
        ax: "Axes | None" = None,
    ) -> "Axes":
        """Draw the share of items whose set has each size, by group where the rule has groups.

        Args:
            probabilities: (N, C), as for `sets`.
            groups: As for `sets`.
            rng: As for `sets`.
            ax: Axes to draw on; None makes a figure.

        Returns:
            The axes: size of the set from left to right, share of the items upwards.

        Raises:
            InputError: As for `sets`, or matplotlib is not installed.
        """
        sizes = self.sets(probabilities, groups=groups, rng=rng).sum(axis=1)
        names = np.full(len(sizes), "") if groups is None else np.asarray(groups)
        shares = {
            str(name): np.bincount(sizes[names == name], minlength=self.n_classes + 1)
            / (names == name).sum()
            for name in np.unique(names)
        }
        return draw_shares(shares, ax, xlabel="labels in the set", ylabel="share of items")


def calibrate_label_sets(
    probabilities: ArrayLike,
    labels: ArrayLike,
    alpha: float,
    score: LabelScore,
    *,
    condition: Condition = "none",
    groups: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    rng: np.random.Generator | None = None,
) -> LabelSetRule:
    """Choose thresholds on calibration items that the model was not trained on.

    Args:
        probabilities: (n, C), the model's, rows that sum to 1.
        labels: True class numbers (n,), 0 to C - 1.
        alpha: Error level in (0, 1): the set misses the true label with at most this probability.
        score: ``LAC()``, ``APS()``, ``RAPS()``, ``SAPS()``, or any :class:`LabelScore`.
        condition: ``"none"``: coverage over all items; ``"class"``: within every true class;
            ``"group"``: within every group.
        groups: Group of each item (n,), known without the label; for ``"group"``.
        clusters: Cluster of each class (C,), for ``"class"`` with few items per class: classes of
            one cluster share a threshold, those of cluster -1 the threshold of all items. See
            :func:`class_clusters`.
        rng: Randomises the score, which makes coverage exact; None takes u = 1: larger sets.

    Raises:
        InputError: On probabilities that are none, labels outside the classes, or a class or
            group without calibration items.
    """
    array = check_probabilities(probabilities)
    check_alpha(alpha)
    n, classes = array.shape
    of_item = _check_labels(labels, n, classes)
    if condition not in get_args(Condition):
        raise unknown_name("condition", condition, get_args(Condition))
    scores = label_scores(score, array, of_item, _random_numbers(n, rng))
    known: NDArray[np.generic] = np.zeros(0)
    if condition == "none":
        limits = np.array([conformal_quantile(scores, alpha)])
        within = ""
    elif condition == "class":
        limits = _class_limits(scores, of_item, classes, alpha, clusters)
        within = " within every " + ("true class" if clusters is None else "cluster of classes")
    else:
        if groups is None:
            raise InputError("condition='group' needs the group of every calibration item")
        known = np.unique(np.asarray(groups))
        limits = group_quantiles(scores, _group_numbers(groups, known, n), len(known), alpha)
        within = " within every group"
    guarantee = Guarantee(
        statement=f"The set holds the true label with probability at least {1 - alpha:g}{within}, "
        "averaged over calibration sets and test items.",
        assumptions=(EXCHANGEABLE, UNSEEN),
        n=n,
        level=1 - alpha,
    )
    return LabelSetRule(score, limits, condition, known, classes, guarantee)


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
    the root of their size. Coverage of :func:`calibrate_label_sets` with these clusters is exact
    within a cluster, and near it within a class as far as the classes of one cluster are alike.

    Args:
        probabilities: (n, C) of items that are used neither for training nor for calibration.
        labels: Class numbers (n,).
        score: The score to be calibrated; taken at u = 1.
        n_clusters: Number of clusters, at least 1.
        minimum: Classes with fewer items get cluster -1: no cluster. Ours.
        seed: Seed of k-means.

    Returns:
        Cluster of each class (C,), from -1 to ``n_clusters - 1``.
    """
    array = check_probabilities(probabilities)
    n, classes = array.shape
    of_item = _check_labels(labels, n, classes)
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


def _class_limits(
    scores: Floats, labels: NDArray[np.intp], classes: int, alpha: float, clusters: ArrayLike | None
) -> Floats:
    of_class = np.arange(classes) if clusters is None else np.asarray(clusters)
    if of_class.shape != (classes,) or of_class.dtype.kind not in "iu" or of_class.min() < -1:
        raise InputError(f"clusters: give one number per class ({classes}), from -1 on")
    n_clusters = int(of_class.max()) + 1
    of_item = of_class[labels]
    inside = of_item >= 0
    counts = np.bincount(of_item[inside], minlength=n_clusters + 1)
    absent = np.flatnonzero((of_class >= 0) & (counts[of_class] == 0))
    if len(absent):
        raise InputError(
            f"class {absent[0]} has no calibration item; add some, or use condition='none'"
        )
    limits = np.zeros(n_clusters + 1)
    limits[:-1] = group_quantiles(scores[inside], of_item[inside], n_clusters, alpha)
    if (of_class < 0).any():
        limits[-1] = conformal_quantile(scores, alpha)
    return limits[of_class]


def _check_labels(labels: ArrayLike, n: int, classes: int) -> NDArray[np.intp]:
    array = np.asarray(labels)
    if array.shape != (n,) or array.dtype.kind not in "iu":
        raise InputError(
            f"labels are {array.dtype} of shape {array.shape}; give one class number per item ({n})"
        )
    outside = (array < 0) | (array >= classes)
    if outside.any():
        raise InputError(
            f"label {array[outside][0]} is no class number; there are probabilities for {classes}"
        )
    return array.astype(np.intp)


def _group_numbers(
    groups: ArrayLike | None, known: NDArray[np.generic], n: int
) -> NDArray[np.intp]:
    array = check_groups("groups", groups, n)
    numbers = np.minimum(np.searchsorted(known, array), len(known) - 1)
    strange = known[numbers] != array
    if strange.any():
        raise InputError(
            f"group {array[strange][0]!s} has no calibration item; add some, or leave it out"
        )
    return numbers


def _random_numbers(n: int, rng: np.random.Generator | None) -> Floats:
    return np.ones(n) if rng is None else rng.random(n)
