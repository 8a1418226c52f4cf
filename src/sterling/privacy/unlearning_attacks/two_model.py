"""Membership inference from the model before and after unlearning together.

Chen et al., "When Machine Unlearning Jeopardizes Privacy", CCS 2021. Retraining exactly does not
help: what leaks is the difference of two posteriors on the deleted record.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sterling.errors import InputError, unknown_name

Array = NDArray[np.float64]


def posteriors(logits: ArrayLike) -> Array:
    """Probabilities from logits over the last axis.

    Raises:
        InputError: On a value that is not finite.
    """
    values = np.asarray(logits, dtype=np.float64)
    if not np.isfinite(values).all():
        raise InputError("logits: a value is not finite; leave that record out")
    return np.asarray(softmax(values, axis=-1))


def _sorted(before: Array, after: Array) -> tuple[Array, Array]:
    """Both in the descending order of the posterior before."""
    order = np.argsort(-before, axis=-1, kind="stable")
    return np.take_along_axis(before, order, -1), np.take_along_axis(after, order, -1)


def _concatenated(before: Array, after: Array) -> Array:
    return np.concatenate([before, after], axis=-1)


FEATURES: dict[str, Callable[[Array, Array], Array]] = {
    "direct concatenation": _concatenated,
    "sorted concatenation": lambda before, after: _concatenated(*_sorted(before, after)),
    "direct difference": lambda before, after: before - after,
    "sorted difference": lambda before, after: np.subtract(*_sorted(before, after)),
    "Euclidean distance": lambda before, after: np.linalg.norm(
        before - after, axis=-1, keepdims=True
    ),
}
"""Feature maps from posteriors (..., C) before and after to features (..., F)."""


def attack_two_models(
    before: ArrayLike,
    after: ArrayLike,
    membership: ArrayLike,
    *,
    features: str = "sorted difference",
    classifier: ClassifierMixin | None = None,
) -> Array:
    """Every model attacked by a classifier trained on the others, (models, records).

    Two folds of whole complementary pairs: each half of the models is attacked with a classifier
    that was trained on the other half, so that no target is among its own shadow models.

    Args:
        before: Posteriors of every record before unlearning, (models, records, C).
        after: And after.
        membership: Whether the model learned and forgot the record, bool (models, records); models
            2i and 2i + 1 belong together.
        features: One of ``FEATURES``.
        classifier: A scikit-learn classifier with ``predict_proba``; None is logistic regression
            on standardised features.

    Returns:
        Probabilities that the record was learned and forgotten.

    Raises:
        InputError: On an unknown feature map, posteriors that are none, or fewer than 4 models.
    """
    if features not in FEATURES:
        raise unknown_name("feature map", features, FEATURES)
    first, second = _checked("before", before), _checked("after", after)
    inside = np.asarray(membership, dtype=np.bool_)
    if first.shape != second.shape or inside.shape != first.shape[:2]:
        raise InputError(
            f"before {first.shape}, after {second.shape}, membership {inside.shape}: give (models, "
            "records, classes) twice and (models, records)"
        )
    return _in_two_folds(FEATURES[features](first, second), inside, classifier)


def degradation(
    two_models: ArrayLike, one_model: ArrayLike, membership: ArrayLike
) -> tuple[float, float]:
    """DegCount and DegRate: how often, and by how much, two models tell more than one.

    A confidence counts in the right direction: up for records that were learned and forgotten,
    down for records never seen.

    Args:
        two_models: The attack's confidences from both models, (...,).
        one_model: Of classical membership inference on the model before, the same shape.
        membership: Truth, the same shape.

    Returns:
        The share of records with more confidence, in [0, 1], above 0.5 when unlearning harms; and
        the mean excess of confidence, in [−1, 1], above 0 when it harms.
    """
    inside = np.asarray(membership, dtype=np.bool_)
    gain = np.asarray(two_models, dtype=np.float64) - np.asarray(one_model, dtype=np.float64)
    if gain.shape != inside.shape or not gain.size:
        raise InputError(f"confidences {gain.shape}, membership {inside.shape}: give equal shapes")
    gain = np.where(inside, gain, -gain)
    return float((gain > 0).mean()), float(gain.mean())


def _checked(name: str, values: ArrayLike) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 3:
        raise InputError(f"{name} has shape {array.shape}; give (models, records, classes)")
    if (
        not np.isfinite(array).all()
        or array.min() < 0
        or np.abs(array.sum(axis=-1) - 1).max() > 1e-3
    ):
        raise InputError(f"{name}: a row is no probability distribution; apply softmax to logits")
    return array


def _in_two_folds(
    features: Array, inside: NDArray[np.bool_], classifier: ClassifierMixin | None
) -> Array:
    models = len(features)
    if models < 4:
        raise InputError(f"{models} models: two folds of complementary pairs need 4")
    half = 2 * (models // 4)
    fold = np.arange(models) < half
    scores = np.empty(inside.shape)
    model = classifier or make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    for attacked in (fold, ~fold):
        x, y = features[~attacked].reshape(-1, features.shape[-1]), inside[~attacked].ravel()
        fitted = clone(model).fit(x, y)
        rows = features[attacked].reshape(-1, features.shape[-1])
        scores[attacked] = fitted.predict_proba(rows)[:, 1].reshape(-1, inside.shape[1])
    return scores
