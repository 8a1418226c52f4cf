"""Certified removal from softmax regression: noise in training hides what a Newton step leaves.

Guo et al., "Certified Data Removal from Machine Learning Models", ICML 2020. The model is trained
on the losses, a ridge, and a random linear term bᵀθ with b ~ N(0, σ²I). A Newton step removes
records up to a gradient residual r; by their Theorem 3 the outcome is (ε, δ)-indistinguishable from
retraining with

    ε = c ‖r‖ / σ,    δ = 1.5 exp(−c² / 2).

Removals add up: when their ε would exceed what was promised, the model is trained again with fresh
noise. The paper bounds ‖r‖ in closed form; we compute it, which is tighter and costs one gradient.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sterling.checks import check_numbers
from sterling.errors import InputError
from sterling.privacy.targets.convex import ConvexModel, fit_convex


@dataclass(frozen=True, eq=False)
class CertifiedModel:
    """A model that can forget with a promise.

    Attributes:
        model: The present model; its tilt is b.
        sigma: σ of the objective's noise.
        epsilon: Promised ε over all removals since the last training.
        delta: Promised δ.
        spent: Part of ε that removals have used.
    """

    model: ConvexModel
    sigma: float
    epsilon: float
    delta: float
    spent: float = 0.0


def fit_certified(
    features: Tensor,
    labels: Tensor,
    classes: int,
    ridge: float,
    *,
    sigma: float,
    epsilon: float,
    delta: float,
    rng: torch.Generator,
) -> CertifiedModel:
    """Train with objective perturbation.

    Args:
        features: float64 (N, D).
        labels: int64 (N,).
        classes: C.
        ridge: Ridge of the sum of the losses.
        sigma: Standard deviation of the noise; more allows more removals and costs accuracy.
        epsilon: Promised ε, above 0.
        delta: Promised δ, in (0, 1).
        rng: Draws the noise.
    """
    check_numbers(above=0, sigma=sigma, epsilon=epsilon)
    check_numbers(above=0, below=1, delta=delta)
    size = classes * features.shape[1]
    tilt = sigma * torch.randn(size, generator=rng, dtype=torch.float64)
    model = fit_convex(features, labels, classes, ridge, tilt=tilt)
    return CertifiedModel(model, sigma, epsilon, delta)


def remove_certified(
    certified: CertifiedModel, rows: Tensor, rng: torch.Generator
) -> CertifiedModel:
    """Remove training records by one Newton step, or train again when the promise is used up.

    Args:
        certified: The present model.
        rows: Positions of the records in ``certified.model``; those after them move up.
        rng: Draws fresh noise when the model is trained again.

    Raises:
        InputError: On an empty deletion request, or one for records that are not there.
    """
    model = certified.model
    if not len(rows) or int(rows.min()) < 0 or int(rows.max()) >= len(model.features):
        raise InputError(
            f"rows: {len(rows)} records of {len(model.features)}; name some that are there"
        )
    keep = torch.ones(len(model.features), dtype=torch.bool)
    keep[rows] = False
    rest = replace(model, features=model.features[keep], labels=model.labels[keep])
    step = torch.linalg.solve(rest.hessian(), rest.objective_gradient())
    moved = rest.at(rest.weights - step)
    width = math.sqrt(2 * math.log(1.5 / certified.delta))
    # At the moved weights all that removals so far have left unsolved stands in one gradient.
    spent = width * float(moved.objective_gradient().norm()) / certified.sigma
    if spent > certified.epsilon:
        return fit_certified(
            rest.features,
            rest.labels,
            rest.classes,
            rest.ridge,
            sigma=certified.sigma,
            epsilon=certified.epsilon,
            delta=certified.delta,
            rng=rng,
        )
    return replace(certified, model=moved, spent=spent)
