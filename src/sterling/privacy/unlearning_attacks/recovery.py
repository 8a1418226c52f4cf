"""Recovery of forgotten records and classes from the change that forgetting made.

Ridge regression: Bertran et al., "Reconstruction Attacks on Machine Unlearning: Simple Models are
Vulnerable", NeurIPS 2024. With A = XᵀX + λI and A' = A − xxᵀ the weights before and after exact
deletion differ by

    θ − θ' = A'⁻¹ x (y − xᵀθ),

so that A'(θ − θ') is the record times one number; a constant feature of 1 tells that number.

Inversion and label inference: Hu et al., "Learn What You Want to Unlearn: Unlearning Inversion
Attacks against Machine Unlearning", IEEE S&P 2024. Forgetting moved the weights along the record's
gradient, up to a factor. Inversion looks for an input whose gradient points the same way:

    min over x of  1 − cos(∇_θ l(x, y), θ_after − θ_before) + τ TV(x).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy
from torch import Tensor, nn

from sterling.errors import InputError, unknown_name
from sterling.privacy.influence import flatten_parameters
from sterling.research_use import require_research_use
from sterling.runs import derive_seed


def reconstruct_record(
    before: ArrayLike, after: ArrayLike, gram: ArrayLike, *, research_use: bool
) -> NDArray[np.float64]:
    """Return the features (D,) of a record deleted from ridge regression, the last of them 1.

    Args:
        before: Weights before the deletion, (D,), or (D, K) for K outputs.
        after: Weights after exact deletion; the last feature of every record is the constant 1.
        gram: Matrix A' = X'ᵀX' + λI of the retained records, (D, D). A covariance of public records
            of the same distribution, times their number, gives an approximation.
        research_use: Must be true.

    Raises:
        InputError: When ``research_use`` is false, or the weights did not change.
    """
    require_research_use(research_use)
    difference = np.asarray(before, dtype=np.float64) - np.asarray(after, dtype=np.float64)
    matrix = np.asarray(gram, dtype=np.float64)
    if difference.ndim not in (1, 2) or matrix.shape != (len(difference),) * 2:
        raise InputError(
            f"weights {difference.shape}, gram {matrix.shape}: give (D,) or (D, K), and (D, D)"
        )
    moved = matrix @ difference.reshape(len(difference), -1)  # x eᵀ, of rank one
    direction = np.linalg.svd(moved, full_matrices=False)[0][:, 0]
    if not moved.any() or direction[-1] == 0:
        raise InputError("weights: they did not change, so that nothing was deleted between them")
    return np.asarray(direction / direction[-1])


def reconstruction_errors(seed: int, *, repeats: int = 50) -> list[float]:
    """Return the largest error of a reconstructed feature, per simulated regression.

    Each has 80 records of 10 standard normal features and the constant, and λ = 1.
    """
    errors = []
    for repeat in range(repeats):
        rng = np.random.default_rng(derive_seed(seed, "ridge", repeat))
        x = np.column_stack([rng.normal(size=(80, 10)), np.ones(80)])
        y = x @ rng.normal(size=11) + rng.normal(size=80)
        gram = x.T @ x + np.eye(11)
        rest = gram - np.outer(x[0], x[0])
        before = np.linalg.solve(gram, x.T @ y)
        after = np.linalg.solve(rest, x[1:].T @ y[1:])
        found = reconstruct_record(before, after, rest, research_use=True)
        errors.append(float(np.abs(found - x[0]).max()))
    return errors


@dataclass(frozen=True)
class Inversion:
    """A recovered record.

    Attributes:
        record: Recovered features, in the shape of one input.
        match: Cosine of its gradient with the change of the weights, 1 at best.
    """

    record: Tensor
    match: float


def total_variation(images: Tensor) -> Tensor:
    """Return the mean absolute difference of neighbours over the last two axes, 0 without them."""
    if images.ndim < 3:
        return images.new_zeros(())
    down = (images[..., 1:, :] - images[..., :-1, :]).abs().mean()
    across = (images[..., :, 1:] - images[..., :, :-1]).abs().mean()
    return down + across


def invert(
    before: nn.Module,
    after: nn.Module,
    label: int,
    start: Tensor,
    *,
    research_use: bool,
    smoothness: float = 0.0,
    steps: int = 300,
    learning_rate: float = 0.05,
) -> Inversion:
    """Recover one forgotten record.

    Args:
        before: Model before unlearning, twice differentiable in its input.
        after: Model after unlearning.
        label: Class of the record, as label inference gives it.
        start: First guess, in the shape of one input, such as the mean of public records.
        research_use: Must be true.
        smoothness: Weight τ of the total variation, for images.
        steps: Steps of Adam.
        learning_rate: Learning rate of Adam.

    Raises:
        InputError: When ``research_use`` is false, or the weights did not change.
    """
    require_research_use(research_use)
    change = flatten_parameters(after) - flatten_parameters(before)
    if not change.any():
        raise InputError("after: its weights are those of before; nothing was forgotten")
    target, weights = torch.tensor([label]), list(before.parameters())
    record = start[None].clone().requires_grad_()
    optimiser = torch.optim.Adam([record], lr=learning_rate)
    best = Inversion(start.clone(), -1.0)
    for _ in range(steps):
        loss = F.cross_entropy(before(record), target)
        parts = torch.autograd.grad(loss, weights, create_graph=True)
        match = F.cosine_similarity(torch.cat([part.flatten() for part in parts]), change, dim=0)
        if float(match.detach()) > best.match:
            best = Inversion(record.detach()[0].clone(), float(match.detach()))
        objective = 1 - match + smoothness * total_variation(record)
        (record.grad,) = torch.autograd.grad(objective, record)
        optimiser.step()
    return best


def forgotten_class_from_probes(
    before: ArrayLike,
    after: ArrayLike,
    probe_class: ArrayLike,
    *,
    signal: Literal["confidence", "entropy"] = "confidence",
) -> NDArray[np.float64]:
    """Return the change of the posteriors on each class's probes, (C,); the largest is forgotten.

    Args:
        before: Posteriors of probes before unlearning, (P, C).
        after: Posteriors of the probes after unlearning, (P, C).
        probe_class: Class of each probe, (P,); every class has one at least.
        signal: Mean fall of the posterior of the probe's own class, or mean rise of the entropy. A
            model retrained without a class can be sure, and wrong, on its probes: entropy misses
            that.

    Raises:
        InputError: On a class without a probe, or posteriors of different shape.
    """
    first, second = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    classes = np.asarray(probe_class)
    if first.shape != second.shape or classes.shape != first.shape[:1]:
        raise InputError(
            f"before {first.shape}, after {second.shape}, probes {classes.shape}: give (P, C) "
            "twice and (P,)"
        )
    counts = np.bincount(classes, minlength=first.shape[1])
    if not counts.all():
        raise InputError(f"probes: class {int(counts.argmin())} has none; give one at least")
    rows = np.arange(len(classes))
    if signal == "confidence":
        change = first[rows, classes] - second[rows, classes]
    elif signal == "entropy":
        change = xlogy(first, first).sum(1) - xlogy(second, second).sum(1)
    else:
        raise unknown_name("signal", signal, ("confidence", "entropy"))
    return np.asarray(np.bincount(classes, change, minlength=first.shape[1]) / counts)


def forgotten_class_from_bias(before: ArrayLike, after: ArrayLike) -> NDArray[np.float64]:
    """Return how far forgetting lowered each class's last bias, (C,); the largest is forgotten.

    A record's gradient on the bias is p − e_y: going back along it lowers its class and no other.

    Args:
        before: Bias of the last layer before unlearning, (C,).
        after: Bias after unlearning, (C,).
    """
    return np.asarray(before, dtype=np.float64) - np.asarray(after, dtype=np.float64)
