"""Softmax regression fitted to machine precision: where exact unlearning can be computed.

The weights minimise  Σ_i l_i(θ) + (ridge/2) ‖θ‖²,  the sum and not the mean, so that removing a
record changes nothing but its own term.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sterling.checks import check_numbers
from sterling.errors import InputError
from sterling.privacy.influence import softmax_hessian, softmax_record_gradients


def with_bias(features: Tensor) -> Tensor:
    """Append a constant 1 to features (N, D), float64 (N, D + 1)."""
    return torch.cat([features.double(), torch.ones(len(features), 1, dtype=torch.float64)], dim=1)


@dataclass(frozen=True, eq=False)
class ConvexModel:
    """A fitted model with its training records.

    Attributes:
        features: Features, float64 (N, D).
        labels: Labels, int64 (N,).
        classes: Number of classes C.
        ridge: Strength of the penalty, above 0.
        weights: Minimum of the objective, (C·D,).
        tilt: Coefficient b of a linear term bᵀθ in the objective, (C·D,); None for none.
    """

    features: Tensor
    labels: Tensor
    classes: int
    ridge: float
    weights: Tensor
    tilt: Tensor | None = None

    def logits(self, features: Tensor) -> Tensor:
        """Return logits (M, C) of features (M, D)."""
        return features @ self.weights.view(self.classes, -1).T

    def posteriors(self, features: Tensor) -> Tensor:
        """Return posteriors (M, C) of features (M, D)."""
        return self.logits(features).softmax(1)

    def record_gradients(self) -> Tensor:
        """Return the gradient of each training record's loss, (N, C·D)."""
        return softmax_record_gradients(self.features, self.posteriors(self.features), self.labels)

    def objective_gradient(self) -> Tensor:
        """Return the gradient of the whole objective at the weights, (C·D,); 0 at the minimum."""
        gradient = self.record_gradients().sum(0) + self.ridge * self.weights
        return gradient if self.tilt is None else gradient + self.tilt

    def hessian(self) -> Tensor:
        """Return the Hessian of the sum, (C·D, C·D)."""
        n = len(self.features)
        return n * softmax_hessian(self.features, self.posteriors(self.features), l2=self.ridge / n)

    def without(self, rows: Tensor) -> "ConvexModel":
        """Retrain exactly without some training records."""
        keep = torch.ones(len(self.features), dtype=torch.bool)
        keep[rows] = False
        return fit_convex(
            self.features[keep],
            self.labels[keep],
            self.classes,
            self.ridge,
            start=self.weights,
            tilt=self.tilt,
        )

    def at(self, weights: Tensor) -> "ConvexModel":
        """Return the model with other weights."""
        return replace(self, weights=weights)


def fit_convex(
    features: Tensor,
    labels: Tensor,
    classes: int,
    ridge: float,
    *,
    start: Tensor | None = None,
    tilt: Tensor | None = None,
) -> ConvexModel:
    """Fit by Newton's method with step halving.

    Args:
        features: Features, float64 (N, D), finite; see :func:`with_bias`.
        labels: Labels, int64 (N,) in [0, classes).
        classes: Number of classes, 2 or more.
        ridge: Strength of the penalty, above 0, so that there is one minimum.
        start: Weights to start from; None for zeros. The minimum does not depend on it.
        tilt: Coefficient b of a linear term bᵀθ in the objective; None for none.

    Raises:
        InputError: On bad values, or when Newton's method does not arrive.
    """
    check_numbers(above=0, ridge=ridge)
    check_numbers(at_least=2, classes=classes)
    if len(features) != len(labels) or not len(features) or not torch.isfinite(features).all():
        raise InputError(
            f"{len(features)} features, {len(labels)} labels: give one label per record, and "
            "finite features"
        )
    if int(labels.min()) < 0 or int(labels.max()) >= classes:
        raise InputError(f"labels: give whole numbers from 0 to {classes - 1}")
    size = classes * features.shape[1]
    weights = torch.zeros(size, dtype=torch.float64) if start is None else start
    model = ConvexModel(features, labels, classes, ridge, weights, tilt)
    value = _objective(model)
    for _ in range(100):
        gradient = model.objective_gradient()
        if float(gradient.abs().max()) < 1e-9 * len(features):
            return model
        step = torch.linalg.solve(model.hessian(), gradient)
        scale = 1.0
        moved = model.at(model.weights - step)
        while (lower := _objective(moved)) > value and scale > 1e-6:
            scale /= 2
            moved = model.at(model.weights - scale * step)
        model, value = moved, lower
    raise InputError(f"ridge {ridge}: Newton's method did not arrive in 100 steps; raise the ridge")


def _objective(model: ConvexModel) -> float:
    losses = torch.nn.functional.cross_entropy(
        model.logits(model.features), model.labels, reduction="sum"
    )
    value = losses + 0.5 * model.ridge * model.weights.square().sum()
    return float(value if model.tilt is None else value + model.tilt.dot(model.weights))
