"""Gradients through the end of an optimisation, without its steps."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from sterling.errors import InputError


def implicit_gradient(
    inner: Callable[[Sequence[Tensor], Sequence[Tensor]], Tensor],
    outer: Callable[[Sequence[Tensor]], Tensor],
    parameters: Sequence[Tensor],
    hyper: Sequence[Tensor],
    *,
    damping: float = 0.0,
    iterations: int = 50,
    tolerance: float = 1e-10,
) -> list[Tensor]:
    """Return D outer(θ*(φ)) / dφ at a minimum θ* of the inner loss.

    By the implicit function theorem it is -(∂²inner/∂φ∂θ) (H + damping I)^-1 ∂outer/∂θ with H the
    inner Hessian, solved by conjugate gradients on Hessian-vector products (Rajeswaran et al.,
    NeurIPS 2019).

    Args:
        inner: Maps θ and φ to a scalar; at `parameters` its gradient in θ is about 0.
        outer: Maps θ to a scalar.
        parameters: The minimum θ*.
        hyper: The hyperparameters φ.
        damping: Added to the Hessian, 0 or more.
        iterations: Largest number of conjugate gradient steps.
        tolerance: Share of the first squared residual at which they end.

    Returns:
        One gradient for each tensor of φ.

    Raises:
        InputError: The Hessian is not positive definite along a direction met: raise `damping`.
    """
    theta = [one.detach().requires_grad_() for one in parameters]
    phi = [one.detach().requires_grad_() for one in hyper]
    target = torch.autograd.grad(outer(theta), theta)
    slope = torch.autograd.grad(inner(theta, phi), theta, create_graph=True)

    def curved(vector: Sequence[Tensor]) -> list[Tensor]:
        product = torch.autograd.grad(
            slope, theta, grad_outputs=vector, retain_graph=True, allow_unused=True
        )
        return [
            (torch.zeros_like(v) if p is None else p) + damping * v
            for p, v in zip(product, vector, strict=True)
        ]

    solution = [torch.zeros_like(one) for one in target]
    residual = [one.clone() for one in target]
    direction = list(residual)
    size = first = _dot(residual, residual)
    for _ in range(iterations):
        if size <= tolerance * first:
            break
        product = curved(direction)
        along = _dot(direction, product)
        if along <= 0:
            raise InputError(
                f"damping {damping}: the inner Hessian is not positive definite here; raise it, or "
                "optimise the inner loss further"
            )
        step = size / along
        solution = [x + step * d for x, d in zip(solution, direction, strict=True)]
        residual = [r - step * p for r, p in zip(residual, product, strict=True)]
        size, before = _dot(residual, residual), size
        direction = [r + size / before * d for r, d in zip(residual, direction, strict=True)]
    given = torch.autograd.grad(slope, phi, grad_outputs=solution, allow_unused=True)
    return [
        torch.zeros_like(one) if gradient is None else -gradient
        for one, gradient in zip(phi, given, strict=True)
    ]


def _dot(one: Sequence[Tensor], other: Sequence[Tensor]) -> float:
    return float(sum((a * b).sum() for a, b in zip(one, other, strict=True)))
