"""Split conformal label sets: a set of labels that holds the true one with probability 1 - alpha.

Marginal, or within every class or group (Mondrian: Vovk et al. 2005, section 4.5; Vovk, ACML 2012).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.errors import InputError, unknown_name
from sterling.guarantee.arrays import check_alpha
from sterling.guarantee.label_score import (
    LabelScore,
    check_probabilities,
    label_scores,
    label_sets,
)
from sterling.guarantee.quantile import conformal_quantile, group_quantiles
from sterling.guarantee.statement import Assumption, Guarantee

Condition = Literal["none", "class", "group"]
CONDITIONS: tuple[Condition, ...] = ("none", "class", "group")


@dataclass(frozen=True, eq=False)
class LabelSetRule:
    """Thresholds that turn probabilities into label sets.

    Attributes:
        score: The score that was calibrated.
        limits: Threshold of all items (1,), of each class (C,), or of each group (G,).
        condition: Within what the coverage holds.
        groups: The groups (G,), sorted; empty unless ``condition`` is "group".
        n_classes: C.
        guarantee: What the sets promise.
    """

    score: LabelScore
    limits: NDArray[np.float64]
    condition: Condition
    groups: NDArray[np.generic]
    n_classes: int
    guarantee: Guarantee

    def sets(
        self,
        probabilities: ArrayLike,
        *,
        groups: ArrayLike | None = None,
        rng: np.random.Generator | None = None,
    ) -> NDArray[np.bool_]:
        """Which labels are in the set of each item, bool (N, C).

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
        return label_sets(self.score, array, limit, _numbers(len(array), rng))


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
            :func:`sterling.guarantee.class_clusters`.
        rng: Randomises the score, which makes coverage exact; None takes u = 1: larger sets.

    Raises:
        InputError: On probabilities that are none, labels outside the classes, or a class or
            group without calibration items.
    """
    array = check_probabilities(probabilities)
    check_alpha(alpha)
    n, classes = array.shape
    of_item = _labels(labels, n, classes)
    if condition not in CONDITIONS:
        raise unknown_name("condition", condition, CONDITIONS)
    scores = label_scores(score, array, of_item, _numbers(n, rng))
    known = np.zeros(0)
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
        assumptions=(
            Assumption("calibration and test items are exchangeable"),
            Assumption("the model was fitted without the calibration items"),
        ),
        n=n,
        level=1 - alpha,
    )
    return LabelSetRule(score, limits, condition, known, classes, guarantee)


def _class_limits(
    scores: NDArray[np.float64],
    labels: NDArray[np.intp],
    classes: int,
    alpha: float,
    clusters: ArrayLike | None,
) -> NDArray[np.float64]:
    of_class = np.arange(classes) if clusters is None else np.asarray(clusters)
    if of_class.shape != (classes,) or of_class.dtype.kind not in "iu" or of_class.min() < -1:
        raise InputError(f"clusters: give one number per class ({classes}), from -1 on")
    n_clusters = int(of_class.max()) + 1
    of_item = of_class[labels]
    counts = np.bincount(of_item[of_item >= 0], minlength=n_clusters)
    absent = [
        c for c, cluster in enumerate(of_class.tolist()) if cluster >= 0 and not counts[cluster]
    ]
    if absent:
        raise InputError(
            f"class {absent[0]} has no calibration item; add some, or use condition='none'"
        )
    inside = of_item >= 0
    limits = np.zeros(n_clusters + 1)
    limits[:-1] = group_quantiles(scores[inside], of_item[inside], n_clusters, alpha)
    if (of_class < 0).any():
        limits[-1] = conformal_quantile(scores, alpha)
    return limits[of_class]


def _labels(labels: ArrayLike, n: int, classes: int) -> NDArray[np.intp]:
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
    array = np.asarray(groups)
    if array.shape != (n,):
        raise InputError(f"groups have shape {array.shape}; give one group per item ({n})")
    numbers = np.minimum(np.searchsorted(known, array), len(known) - 1)
    strange = known[numbers] != array
    if strange.any():
        raise InputError(
            f"group {array[strange][0]!s} has no calibration item; add some, or leave it out"
        )
    return numbers


def _numbers(n: int, rng: np.random.Generator | None) -> NDArray[np.float64]:
    return np.ones(n) if rng is None else rng.random(n)
