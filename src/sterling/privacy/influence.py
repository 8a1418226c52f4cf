"""Influence of records on a trained model: gradients per record, and inverse-Hessian products.

The model minimises the mean loss of its n records plus (λ/2)‖θ‖². Removing records S moves the
minimum, to first order in |S|/n, by

    θ(without S) − θ ≈ H⁻¹ Σ_{i∈S} ∇l_i(θ) / n,    H = ∇² of that mean loss plus λI.

Koh and Liang, "Understanding Black-box Predictions via Influence Functions", ICML 2017, equations
1 and 2. Parameters are one vector, the concatenation of ``module.named_parameters()``. Everything
is differentiated in the module's present mode: put it in ``eval()`` first. An identity wants
float64.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, jacrev, vmap

from sterling.errors import InputError

Loss = Callable[[Tensor, Tensor], Tensor]
Product = Callable[[Tensor], Tensor]


def _cross_entropy(outputs: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(outputs, labels, reduction="sum")


def flatten_parameters(module: nn.Module) -> Tensor:
    """Copy the module's parameters into one vector (P,)."""
    return torch.cat([value.detach().reshape(-1) for value in module.parameters()])


def split_parameters(module: nn.Module, vector: Tensor) -> dict[str, Tensor]:
    """Cut a vector (P,) into the module's named parameters, differentiable in the vector."""
    named = dict(module.named_parameters())
    sizes = [value.numel() for value in named.values()]
    if vector.shape != (sum(sizes),):
        raise InputError(
            f"parameter vector of shape {tuple(vector.shape)}: the module has {sum(sizes)}"
        )
    parts = torch.split(vector, sizes)
    return {
        name: part.view_as(value) for (name, value), part in zip(named.items(), parts, strict=True)
    }


def set_parameters(module: nn.Module, vector: Tensor) -> None:
    """Write a vector (P,) into the module's parameters."""
    parts = split_parameters(module, vector)
    with torch.no_grad():
        for name, value in module.named_parameters():
            value.copy_(parts[name])


def per_record_gradients(
    module: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    *,
    loss: Loss = _cross_entropy,
    chunk: int | None = None,
) -> Tensor:
    """Return the gradient of every record's loss, (N, P), in one vectorised pass.

    Args:
        module: Model whose outputs have one row per input.
        inputs: (N, ...).
        labels: (N, ...).
        loss: Maps outputs and labels of one record (both with a leading 1) to a scalar.
        chunk: Records per pass, to bound memory at about chunk × P numbers; None takes all.
    """
    parameters = {name: value.detach() for name, value in module.named_parameters()}

    def of_one(values: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return loss(functional_call(module, values, (x[None],)), y[None])

    gradients = vmap(grad(of_one), in_dims=(None, 0, 0), chunk_size=chunk)(
        parameters, inputs, labels
    )
    return torch.cat([gradients[name].flatten(1) for name in parameters], dim=1)


def _risk(
    module: nn.Module, inputs: Tensor, labels: Tensor, l2: float, loss: Loss
) -> Callable[[Tensor], Tensor]:
    def risk(vector: Tensor) -> Tensor:
        outputs = functional_call(module, split_parameters(module, vector), (inputs,))
        return loss(outputs, labels) / len(inputs) + 0.5 * l2 * vector.square().sum()

    return risk


def hessian_matrix(
    module: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    *,
    l2: float = 0.0,
    loss: Loss = _cross_entropy,
) -> Tensor:
    """Return the Hessian (P, P) of the mean loss plus (l2/2)‖θ‖², for small models."""
    gradient = grad(_risk(module, inputs, labels, l2, loss))
    matrix: Tensor = jacrev(gradient)(flatten_parameters(module))
    return matrix


def hessian_product(
    module: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    *,
    l2: float = 0.0,
    loss: Loss = _cross_entropy,
) -> Product:
    """Return the map v ↦ Hv for v (P,) without the matrix: Hv is the gradient of ∇risk · v."""
    gradient = grad(_risk(module, inputs, labels, l2, loss))
    here = flatten_parameters(module)

    def product(vector: Tensor) -> Tensor:
        result: Tensor = grad(lambda point: gradient(point).dot(vector))(here)
        return result

    return product


def conjugate_gradient(
    product: Product,
    right: Tensor,
    *,
    damping: float = 0.0,
    tolerance: float = 1e-6,
    iterations: int = 1000,
) -> Tensor:
    """Solve (H + damping·I) x = right by conjugate gradients, right (P,).

    Args:
        product: v ↦ Hv with H symmetric; H + damping·I must be positive definite.
        right: The right-hand side.
        damping: Added to the diagonal, 0 or more.
        tolerance: Bound of the residual, relative to ‖right‖.
        iterations: Largest number of products.

    Raises:
        InputError: When a direction of non-positive curvature shows that the matrix is not
            positive definite, or when the residual stays above the tolerance.
    """
    solution = torch.zeros_like(right)
    residual = right.clone()
    direction = residual
    squared = residual.dot(residual)
    goal = (tolerance**2) * squared
    for _ in range(iterations):
        if squared <= goal:
            return solution
        moved = product(direction) + damping * direction
        curvature = direction.dot(moved)
        if curvature <= 0:
            raise InputError(
                f"damping {damping}: the Hessian is not positive definite here; raise the damping"
            )
        step = squared / curvature
        solution = solution + step * direction
        residual = residual - step * moved
        previous, squared = squared, residual.dot(residual)
        direction = residual + squared / previous * direction
    if squared <= goal:
        return solution
    left = float((squared / right.dot(right)).sqrt())
    raise InputError(
        f"iterations {iterations}: conjugate gradients left a relative residual of {left:.1e}; "
        "raise the iterations or the damping"
    )


def removal_step(
    record_gradients: Tensor, solve: Callable[[Tensor], Tensor], records: int
) -> Tensor:
    """Return the first-order change of the parameters when records are removed, (P,).

    Args:
        record_gradients: Gradients of the removed records (B, P).
        solve: v ↦ H⁻¹v.
        records: Number of records the model was trained on.
    """
    return solve(record_gradients.sum(0)) / records


def softmax_record_gradients(features: Tensor, probabilities: Tensor, labels: Tensor) -> Tensor:
    """Return the last layer's gradients under cross-entropy in closed form, (N, C·D).

    ∇_W l = (p − e_y) hᵀ, flattened as W (C, D); append a constant 1 to the features for a bias.

    Args:
        features: Inputs h of the last layer (N, D).
        probabilities: The model's posteriors (N, C).
        labels: Class numbers (N,).
    """
    error = probabilities - F.one_hot(labels, probabilities.shape[1]).to(probabilities)
    return torch.einsum("nc,nd->ncd", error, features).flatten(1)


def softmax_hessian(features: Tensor, probabilities: Tensor, *, l2: float = 0.0) -> Tensor:
    """Return the last layer's Hessian in closed form, (C·D, C·D).

    The mean of (diag p − ppᵀ) ⊗ hhᵀ over the records, plus l2·I.

    Args:
        features: Inputs h of the last layer (N, D).
        probabilities: The model's posteriors (N, C).
        l2: The ridge λ.
    """
    n = len(probabilities)
    spread = (probabilities[:, :, None] * features[:, None, :]).flatten(1)  # p ⊗ h, (N, C·D)
    blocks = (probabilities.T[:, None, :] * features.T) @ features  # (C, D, D)
    diagonal: Tensor = torch.block_diag(*blocks)  # type: ignore[no-untyped-call]
    matrix = (diagonal - spread.T @ spread) / n
    return matrix + l2 * torch.eye(len(matrix)).to(features)
