"""Attacks that are fitted: a classifier of shadow outputs, a quantile regression, a learned sign.

Shadow classifier: Shokri et al., 2017, f_bc of MIAFdR; a shadow model's training set is known, so
its outputs show what members and non-members look like. Quantile regression: Bertran et al., 2023,
without any shadow model. Gradient norms: training has made the gradients of members small.
"""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax, logit
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.func import functional_call, grad, vmap

from sterling.checks import check_numbers
from sterling.errors import InputError
from sterling.measure import Scores, auc
from sterling.privacy.membership.output_scores import check_outputs, phi
from sterling.privacy.targets.models import Models

CLAMP = 1e-6


class ShadowClassifier:
    """One logistic regression per class on φ and the sorted log-posterior.

    Shokri et al. train one network per class on the posterior; the regression and its features
    are ours.
    """

    def fit(self, logits: ArrayLike, labels: ArrayLike, member: ArrayLike) -> "ShadowClassifier":
        """Learn from shadow models.

        Args:
            logits: Outputs of the shadows, (shadows, records, classes).
            labels: True classes, (records,).
            member: Whether a shadow was trained on a record, (shadows, records). These records
                cannot calibrate a guarantee.

        Raises:
            InputError: Shapes that do not fit, or a class of which all records are members, or
                none is.
        """
        z, y = check_outputs(logits, labels)
        inside = np.asarray(member, dtype=np.bool_)
        if z.ndim != 3 or inside.shape != z.shape[:2]:
            raise InputError(
                f"logits have shape {z.shape}, member {inside.shape}; give (shadows, records, "
                "classes) and (shadows, records)"
            )
        features = _features(z, y)
        self._per_class = {}
        for label in range(z.shape[-1]):
            rows = y == label
            if not rows.any() or inside[:, rows].all() or not inside[:, rows].any():
                raise InputError(
                    f"class {label} has no member or no non-member among the shadow models' "
                    "records; use more"
                )
            model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
            x = features[:, rows].reshape(-1, features.shape[-1])
            self._per_class[label] = model.fit(x, inside[:, rows].ravel())
        return self

    def nonmember_probability(self, logits: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
        """Return the probability u = f_bc(y) that each record is *not* a member, (records,).

        Args:
            logits: Outputs of the target, (records, classes).
            labels: True classes, (records,).
        """
        z, y = check_outputs(logits, labels)
        features, u = _features(z, y), np.empty(len(y))
        for label in np.unique(y).tolist():
            rows = y == label
            u[rows] = self._per_class[label].predict_proba(features[rows])[:, 0]
        return u


def _features(z: NDArray[np.float64], y: NDArray[np.intp]) -> NDArray[np.float64]:
    posterior = np.sort(log_softmax(z, axis=-1), axis=-1)
    return np.concatenate([phi(z, y)[..., None], posterior], axis=-1)


def nonmember_conformity(
    nonmember_probability: ArrayLike, *, mixing: float = 0.5
) -> NDArray[np.float64]:
    """Return MIAFdR's score λ log(u / (1 - u)) + (1 - λ) u; higher = more like a non-member.

    It grows with u for every λ, so λ changes neither the order of the records nor, therefore, any
    p-value or declared list. It is here because the paper's score has it.

    Args:
        nonmember_probability: Probability u in [0, 1], (records,); clamped to [1e-6, 1 - 1e-6].
        mixing: Share λ in [0, 1]; 0.5 is ours.

    Raises:
        InputError: λ or a u lies outside [0, 1].
    """
    u = np.asarray(nonmember_probability, dtype=np.float64)
    if not ((u >= 0) & (u <= 1)).all():
        raise InputError("nonmember_probability: give values between 0 and 1")
    check_numbers(at_least=0, at_most=1, mixing=mixing)
    u = np.clip(u, CLAMP, 1 - CLAMP)
    return np.asarray(mixing * logit(u) + (1 - mixing) * u)


class QuantileRegression:
    """Regression of a high quantile of φ on a record's features, learned from non-members.

    Gradient boosting with the pinball loss (the regressor is ours; any will do).

    Args:
        quantile: Quantile 1 - a of φ to predict, in (0, 1).
        seed: Seed of the regressor.
    """

    def __init__(self, quantile: float = 0.9, seed: int = 0) -> None:
        check_numbers(above=0, below=1, quantile=quantile)
        self._regressor = GradientBoostingRegressor(
            loss="quantile", alpha=quantile, max_features="sqrt", random_state=seed
        )

    def fit(self, features: ArrayLike, phi: ArrayLike) -> "QuantileRegression":
        """Learn from non-members of the target.

        Args:
            features: Features of the records, (records, features).
            phi: Confidence φ under the target, (records,). These records cannot calibrate a
                guarantee.
        """
        x, value = np.asarray(features), np.asarray(phi)
        least = round(2 / (1 - self._regressor.alpha))
        if x.ndim != 2 or value.shape != x.shape[:1] or len(value) < least:
            raise InputError(
                f"features have shape {x.shape}, phi {value.shape}; give (records, features) and "
                f"(records,), {least} records or more"
            )
        self._regressor.fit(x, value)
        return self

    def score(self, features: ArrayLike, phi: ArrayLike) -> NDArray[np.float64]:
        """Return φ minus its predicted quantile, (records,); higher = more member."""
        predicted = self._regressor.predict(np.asarray(features))
        return np.asarray(np.asarray(phi, dtype=np.float64) - predicted)


def gradient_norms(
    models: Models, x: Tensor, y: Tensor, *, order: float = 2.0, batch_size: int = 256
) -> NDArray[np.float64]:
    """Return the mean over parameter tensors of a gradient's p-norm, (models, records).

    Args:
        models: The models attacked.
        x: Records, (records, *shape).
        y: Classes, (records,).
        order: Order p of the norm, 1 or more.
        batch_size: Records at a time, which bounds the memory for their gradients.
    """
    check_numbers(at_least=1, order=order)

    def loss(own: dict[str, Tensor], record: Tensor, label: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(models.network, own, record[None]), label[None])

    def norm(own: dict[str, Tensor], record: Tensor, label: Tensor) -> Tensor:
        gradients = grad(loss)(own, record, label)
        norms = [torch.linalg.vector_norm(g, ord=order) for g in gradients.values()]
        return torch.stack(norms).mean()

    every = vmap(vmap(norm, in_dims=(None, 0, 0)), in_dims=(0, None, None))
    pairs = zip(
        torch.split(x.to(models.dtype), batch_size), torch.split(y, batch_size), strict=True
    )
    parts = [every(models.parameters, records, labels) for records, labels in pairs]
    return np.asarray(torch.cat(parts, dim=1).detach().numpy(), dtype=np.float64)


def learned_sign(norms: ArrayLike, member: ArrayLike) -> int:
    """Return 1 if members have the larger norms, else -1; ``sign * norms`` is higher for members.

    Args:
        norms: Norms of a shadow model's records, (records,), none used to calibrate or test.
        member: Whether the shadow was trained on each, (records,).
    """
    return 1 if auc(Scores(norms, member)).value > 0.5 else -1
