"""Membership inference after unlearning, by attackers with shadow models or with both models.

U-LiRA: Hayes et al., "Inexact Unlearning Needs More Careful Evaluations to Avoid a False Sense of
Privacy", 2024. RMIA: Zarifzadeh et al., "Low-Cost High-Power Membership Inference Attacks", ICML
2024. Two models: Chen et al., "When Machine Unlearning Jeopardizes Privacy", CCS 2021; retraining
exactly does not help against it, because the difference of two posteriors on the deleted record
leaks.

Models 2i and 2i + 1 are complements: where one learned and forgot a record, the other never saw it.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sterling.errors import InputError, unknown_name
from sterling.privacy.membership.lira import lira_online
from sterling.privacy.membership.rmia import likelihood_ratio, rmia_score

Array = NDArray[np.float64]


def _shadows(models: int) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Yield every model with the mask of its shadow models: all others but its complement."""
    rows = np.arange(models)
    return ((row, rows // 2 != row // 2) for row in range(models))


def ulira(after: ArrayLike, membership: ArrayLike, *, shadow: ArrayLike | None = None) -> Array:
    """Attack every model with all others but its complement as shadow models, (models, records).

    The attacker trains shadow models and runs the unlearning method on them: one normal
    distribution of φ where the record was learned and then forgotten, one where it was never seen.
    U-LiRA+ is the same on records with wrong labels, which a model must memorise. Leaving
    complements out keeps the two distributions equally well known, so that records of exactly
    retrained models score with an area of 0.5 in expectation.

    Args:
        after: Confidence φ of every record under every unlearned model, (models, records).
        membership: Whether the model learned and forgot the record, bool (models, records).
        shadow: Confidence φ of the models that the distributions are fitted on. None takes
            ``after``, which is U-LiRA; the models before unlearning make it plain LiRA, whose
            attacker does not know that anything was forgotten.

    Returns:
        Log-likelihood ratios; higher = more like learned and forgotten.

    Raises:
        InputError: When models are not complementary pairs, or fewer than six.
    """
    values = np.asarray(after, dtype=np.float64)
    inside = np.asarray(membership, dtype=np.bool_)
    known = values if shadow is None else np.asarray(shadow, dtype=np.float64)
    if values.ndim != 2 or values.shape != inside.shape or known.shape != values.shape:
        raise InputError(
            f"after {values.shape}, membership {inside.shape}, shadow {known.shape}: give (models, "
            "records) for each"
        )
    models = len(values)
    if models < 6 or models % 2 or not np.array_equal(inside[::2], ~inside[1::2]):
        raise InputError(
            f"membership of {models} models: give 6 models or more as complementary pairs, as "
            "balanced_membership draws them"
        )
    return np.stack(
        [
            lira_online(values[row], known[others], inside[others])
            for row, others in _shadows(models)
        ]
    )


def rmia_after_unlearning(after: ArrayLike, reference: ArrayLike, membership: ArrayLike) -> Array:
    """Attack by RMIA without knowing that anything was forgotten, (models, records).

    The references are the shadow models before unlearning; records that no model learned stand for
    the population.

    Args:
        after: Probability of each record's label under every unlearned model, (models, records +
            population); those of the population come last and were in no training set.
        reference: Probabilities before unlearning, in the same shape.
        membership: Whether the model learned and forgot the record, bool (models, records).

    Returns:
        Shares of the population that a record beats, in [0, 1]; higher = more like a member.

    Raises:
        InputError: On shapes that do not fit, no population, or fewer than four models.
    """
    p, q = np.asarray(after, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    inside = np.asarray(membership, dtype=np.bool_)
    models, records = inside.shape
    if p.shape != q.shape or len(p) != models or p.shape[1] <= records or models < 4:
        raise InputError(
            f"after {p.shape}, reference {q.shape}, membership {inside.shape}: give (models, "
            "records + population) twice and (models, records), 4 models and a population of 1 or "
            "more"
        )
    outside = np.concatenate([~inside, np.ones((models, p.shape[1] - records), np.bool_)], axis=1)
    scores = np.empty(inside.shape)
    for row, others in _shadows(models):
        ratio = likelihood_ratio(p[row], q[others], outside[others])
        scores[row] = rmia_score(ratio[:records], ratio[records:])
    return scores


def posteriors(logits: ArrayLike) -> Array:
    """Return probabilities from logits over the last axis.

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


FEATURES: dict[str, Callable[[Array, Array], Array]] = {
    "direct concatenation": lambda *both: np.concatenate(both, axis=-1),
    "sorted concatenation": lambda *both: np.concatenate(_sorted(*both), axis=-1),
    "direct difference": lambda before, after: before - after,
    "sorted difference": lambda *both: np.subtract(*_sorted(*both)),
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
    """Attack every model by a classifier trained on the others, (models, records).

    Two folds of whole complementary pairs: each half of the models is attacked with a classifier
    that was trained on the other half, so that no target is among its own shadow models.

    Args:
        before: Posteriors of every record before unlearning, (models, records, C).
        after: Posteriors after unlearning.
        membership: Whether the model learned and forgot the record, bool (models, records).
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
    models = len(inside)
    if models < 4:
        raise InputError(f"{models} models: two folds of complementary pairs need 4")
    values = FEATURES[features](first, second)
    fold = np.arange(models) < 2 * (models // 4)
    scores = np.empty(inside.shape)
    model = classifier or make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    for attacked in (fold, ~fold):
        x, y = values[~attacked].reshape(-1, values.shape[-1]), inside[~attacked].ravel()
        fitted = clone(model).fit(x, y)
        rows = values[attacked].reshape(-1, values.shape[-1])
        scores[attacked] = fitted.predict_proba(rows)[:, 1].reshape(-1, inside.shape[1])
    return scores


def _checked(name: str, values: ArrayLike) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 3:
        raise InputError(f"{name} has shape {array.shape}; give (models, records, classes)")
    # A value that is not finite makes its row's sum so.
    if not (np.abs(array.sum(axis=-1) - 1).max() <= 1e-3 and array.min() >= 0):
        raise InputError(f"{name}: a row is no probability distribution; apply softmax to logits")
    return array


def degradation(
    two_models: ArrayLike, one_model: ArrayLike, membership: ArrayLike
) -> tuple[float, float]:
    """Return DegCount and DegRate: how often, and by how much, two models tell more than one.

    A confidence counts in the right direction: up for records that were learned and forgotten,
    down for records never seen.

    Args:
        two_models: The attack's confidences from both models, (...,).
        one_model: Confidences of classical membership inference on the model before, (...,).
        membership: Whether the record was learned and forgotten, (...,).

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
