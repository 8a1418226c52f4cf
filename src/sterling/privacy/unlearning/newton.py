"""Unlearning by influence: one Newton step to the minimum without the forget set.

Golatkar et al., CVPR 2020, and Guo et al., "Certified Data Removal from Machine Learning Models",
ICML 2020. Exact curvature suits a convex model with its ridge; K-FAC suits a network of linear
layers, where the Hessian is not positive definite.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import nn

from sterling.errors import InputError
from sterling.privacy.influence import (
    conjugate_gradient,
    flatten_parameters,
    hessian_product,
    per_record_gradients,
    removal_step,
    set_parameters,
)
from sterling.privacy.kfac import fit_kfac
from sterling.privacy.unlearning.descent import frozen
from sterling.privacy.unlearning.examples import Examples
from sterling.privacy.unlearning.terms import example_loss


@dataclass(frozen=True)
class NewtonConfig:
    """Constants of the Newton step.

    Attributes:
        curvature: "exact" (conjugate gradients on the Hessian) or "kfac".
        damping: Added to the curvature's diagonal; with "exact" it must make the Hessian positive
            definite. It contains the model's ridge.
    """

    curvature: Literal["exact", "kfac"] = "kfac"
    damping: float = 0.01

    def __post_init__(self) -> None:
        if self.curvature not in ("exact", "kfac"):
            raise InputError(f"curvature {self.curvature!r}: use 'exact' or 'kfac'")


def newton(
    model: nn.Module,
    forget: Examples,
    retain: Examples,
    rng: torch.Generator,  # noqa: ARG001 - one signature for all methods
    config: NewtonConfig,
) -> nn.Module:
    """θ + H_retain⁻¹ Σ_forget ∇l / n_retain, the curvature taken on the retained examples."""
    student = frozen(model).requires_grad_(True)
    gradients = per_record_gradients(student, forget.inputs, forget.labels, loss=example_loss)
    if config.curvature == "kfac":
        solve = partial(fit_kfac(student, retain.inputs).solve, damping=config.damping)
    else:
        product = hessian_product(student, retain.inputs, retain.labels)
        solve = partial(conjugate_gradient, product, damping=config.damping)
    move = removal_step(gradients, solve, len(retain))
    set_parameters(student, flatten_parameters(student) + move)
    return student
