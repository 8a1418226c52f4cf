"""Methods that move weights at once by the curvature of the loss: Fisher, SSD, Newton.

Fisher forgetting: Golatkar, Achille and Soatto, "Eternal Sunshine of the Spotless Net: Selective
Forgetting in Deep Networks", CVPR 2020, with the diagonal of the Fisher information. SSD: Foster,
Schoepf and Brintrup, "Fast Machine Unlearning Without Retraining Through Selective Synaptic
Dampening", AAAI 2024, equations 5 and 6. Newton: Golatkar et al. and Guo et al., "Certified Data
Removal from Machine Learning Models", ICML 2020.
"""

from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from sterling.errors import unknown_name
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
from sterling.privacy.unlearning.losses import example_loss


def fisher_diagonal(model: nn.Module, examples: Examples, *, chunk: int = 64) -> Tensor:
    """Return the mean over examples of the squared gradient of each example's loss, (P,)."""
    total = torch.zeros(())
    for rows in torch.split(torch.arange(len(examples)), chunk):
        part = examples.select(rows)
        gradients = per_record_gradients(model, part.inputs, part.labels, loss=example_loss)
        total = total + gradients.square().sum(0)
    return total / len(examples)


def fisher_forgetting(
    model: nn.Module,
    forget: Examples,  # noqa: ARG001 - one signature for all methods
    retain: Examples,
    rng: torch.Generator,
    *,
    scale: float = 0.02,
    floor: float = 1e-6,
) -> nn.Module:
    """Add noise where the retained data does not hold the weights: θ + s F_retain^(−1/4) · noise.

    Constants:
        scale: Scale s of the noise, which is standard normal.
        floor: Added to the Fisher information, so that unused weights get finite noise. Ours.
    """
    student = frozen(model)
    spread = (fisher_diagonal(student, retain) + floor) ** -0.25
    noise = torch.randn(spread.shape, generator=rng, dtype=spread.dtype)
    set_parameters(student, flatten_parameters(student) + scale * spread * noise)
    return student.requires_grad_(True)


def ssd(
    model: nn.Module,
    forget: Examples,
    retain: Examples,
    rng: torch.Generator,  # noqa: ARG001 - one signature for all methods
    *,
    selection: float = 10.0,
    dampening: float = 1.0,
) -> nn.Module:
    """Shrink the weights that the forget set uses more than the training set as a whole.

    Constants:
        selection: Factor α: a weight is chosen when F_forget > α F_all.
        dampening: Factor λ: a chosen weight is multiplied by min(λ F_all / F_forget, 1).
    """
    student = frozen(model)
    of_forget, of_retain = fisher_diagonal(student, forget), fisher_diagonal(student, retain)
    share = len(forget) / (len(forget) + len(retain))
    of_all = share * of_forget + (1 - share) * of_retain
    chosen = of_forget > selection * of_all
    factor = (dampening * of_all / of_forget).clamp(max=1)
    weights = flatten_parameters(student)
    set_parameters(student, torch.where(chosen, weights * factor, weights))
    return student.requires_grad_(True)


def newton(
    model: nn.Module,
    forget: Examples,
    retain: Examples,
    rng: torch.Generator,  # noqa: ARG001 - one signature for all methods
    *,
    curvature: Literal["exact", "kfac"] = "kfac",
    damping: float = 0.01,
) -> nn.Module:
    """Take one Newton step to the minimum without the forget set.

    θ + H_retain⁻¹ Σ_forget ∇l / n_retain, the curvature taken on the retained examples.

    Constants:
        curvature: "exact" (conjugate gradients on the Hessian) suits a convex model with its ridge;
            "kfac" suits a network of linear layers, whose Hessian is not positive definite.
        damping: Added to the curvature's diagonal; with "exact" it must make the Hessian positive
            definite. It contains the model's ridge.
    """
    if curvature not in ("exact", "kfac"):
        raise unknown_name("curvature", curvature, ("exact", "kfac"))
    student = frozen(model).requires_grad_(True)
    gradients = per_record_gradients(student, forget.inputs, forget.labels, loss=example_loss)
    if curvature == "kfac":
        solve = partial(fit_kfac(student, retain.inputs).solve, damping=damping)
    else:
        product = hessian_product(student, retain.inputs, retain.labels)
        solve = partial(conjugate_gradient, product, damping=damping)
    move = removal_step(gradients, solve, len(retain))
    set_parameters(student, flatten_parameters(student) + move)
    return student
