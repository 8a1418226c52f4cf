"""K-FAC: the Gauss–Newton matrix of a network as one Kronecker product per linear layer.

Martens and Grosse, "Optimizing Neural Networks with Kronecker-factored Approximate Curvature",
ICML 2015. For a linear layer with inputs a and back-propagated errors g, the block E[aaᵀ ⊗ ggᵀ] is
taken as E[aaᵀ] ⊗ E[ggᵀ]; blocks between layers are dropped. The expectation over labels is taken
exactly, over all classes. The damped inverse is exact for the approximation: both factors are
diagonalised, and λ is added to the products of their eigenvalues.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sterling.errors import InputError


@dataclass(frozen=True)
class _Block:
    bias: bool
    inputs: tuple[Tensor, Tensor]  # eigenvalues and eigenvectors of E[aaᵀ], a with 1 if bias
    errors: tuple[Tensor, Tensor]  # eigenvalues and eigenvectors of E[ggᵀ]

    def solve(self, vectors: Tensor, damping: float) -> Tensor:
        """Multiply rows (K, P of this layer) by the block's damped inverse."""
        rows, columns = len(self.errors[0]), len(self.inputs[0]) - self.bias
        weight = vectors[:, : rows * columns].reshape(-1, rows, columns)
        if self.bias:
            weight = torch.cat([weight, vectors[:, rows * columns :, None]], dim=2)
        left, right = self.errors[1], self.inputs[1]
        rotated = left.T @ weight @ right
        rotated = rotated / (self.errors[0][:, None] * self.inputs[0][None, :] + damping)
        solved = left @ rotated @ right.T
        if self.bias:
            return torch.cat([solved[:, :, :-1].flatten(1), solved[:, :, -1]], dim=1)
        return solved.flatten(1)


@dataclass(frozen=True)
class KFac:
    """A fitted curvature, one block per layer. ``solve`` multiplies by its damped inverse."""

    blocks: tuple[_Block, ...]
    sizes: tuple[int, ...]

    def solve(self, vectors: Tensor, *, damping: float) -> Tensor:
        """Return (G + damping·I)⁻¹ v for v (P,) or rows of (K, P).

        Raises:
            InputError: Without a positive damping, or on a vector of another size.
        """
        if damping <= 0:
            raise InputError(f"damping {damping}: K-FAC's factors are singular; give more than 0")
        rows = vectors.reshape(-1, vectors.shape[-1])
        if rows.shape[1] != sum(self.sizes):
            raise InputError(
                f"vectors of {rows.shape[1]} numbers: the module has {sum(self.sizes)} parameters"
            )
        parts = zip(self.blocks, torch.split(rows, list(self.sizes), dim=1), strict=True)
        solved = torch.cat([block.solve(part, damping) for block, part in parts], dim=1)
        return solved.reshape(vectors.shape)


def fit_kfac(module: nn.Module, inputs: Tensor) -> KFac:
    """Fit the factors of the Gauss–Newton matrix of the mean cross-entropy.

    Args:
        module: Model with logits (N, C); all its parameters belong to ``nn.Linear`` layers, each
            used once per call on (N, D) inputs.
        inputs: (N, ...). Labels are not needed: the expectation is over the model's own posterior.

    Raises:
        InputError: When a parameter belongs to another kind of layer.
    """
    layers = {name: part for name, part in module.named_modules() if isinstance(part, nn.Linear)}
    covered = {f"{name}.{leaf}".lstrip(".") for name in layers for leaf in ("weight", "bias")}
    others = [name for name, _ in module.named_parameters() if name not in covered]
    if others:
        raise InputError(f"parameter {others[0]!r} is not of a linear layer: K-FAC needs those")
    seen: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def keep(layer: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> None:
        seen[layer] = (arguments[0].detach(), output)

    handles = [layer.register_forward_hook(keep) for layer in layers.values()]
    try:
        logits = module(inputs)
    finally:
        for handle in handles:
            handle.remove()
    n, classes = logits.shape
    log_probabilities = logits.log_softmax(1)
    root = log_probabilities.detach().exp().sqrt()
    factors = [torch.zeros(()) for _ in layers]
    outputs = [seen[layer][1] for layer in layers.values()]
    for label in range(classes):
        # Σ_c p_c g_c g_cᵀ with g_c the error for label c: weight each record by sqrt(p_c).
        target = (root[:, label] * log_probabilities[:, label]).sum()
        errors = torch.autograd.grad(target, outputs, retain_graph=True)
        factors = [
            factor + error.T @ error / n for factor, error in zip(factors, errors, strict=True)
        ]
    blocks = []
    for layer, factor in zip(layers.values(), factors, strict=True):
        activations = seen[layer][0]
        has_bias = layer.bias is not None
        if has_bias:
            activations = torch.cat([activations, torch.ones_like(activations[:, :1])], dim=1)
        of_inputs = torch.linalg.eigh(activations.T @ activations / n)
        blocks.append(_Block(has_bias, tuple(of_inputs), tuple(torch.linalg.eigh(factor))))
    sizes = [sum(value.numel() for value in layer.parameters()) for layer in layers.values()]
    return KFac(tuple(blocks), tuple(sizes))
