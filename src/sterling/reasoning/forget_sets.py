"""Deletion requests that change what a model answers: which examples to forget, by hyper-gradients.

Auditing needs the attack: a model's owner who must honour deletion requests wants to know how much
a few of them can do. The model is held fixed up to its last layer, a softmax over tokens, whose
exact retraining is a convex problem; the gradient of any later loss by the weight of each training
example follows from one linear system. Choices made that way are verified by true retraining.

Research on models of one's own: `relaxed_forget_set` runs behind the research switch.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from sterling.checks import check_numbers
from sterling.errors import InputError
from sterling.research_use import require_research_use

RELAXED_TOLERANCE = 1e-4  # of slopes that only say which way an indicator moves
RELAXED_STEPS = 20  # of a layer that starts near its minimum
Loss = Callable[[Tensor], Tensor]
"""From the last layer's weights (V, D) to a number, differentiable."""


@dataclass(frozen=True, eq=False)
class TokenFeatures:
    """Inputs of the last layer for training examples, token by token.

    Attributes:
        features: Inputs of the last layer, (T, D).
        targets: Token that follows, (T,).
        example: Example of each token, 0 to n - 1, (T,).
        examples: Number of examples, n.

    Raises:
        InputError: Shapes differ, or an example does not exist.
    """

    features: Tensor
    targets: Tensor
    example: Tensor
    examples: int

    def __post_init__(self) -> None:
        tokens = len(self.features)
        shapes = {tuple(self.targets.shape), tuple(self.example.shape)}
        if self.features.ndim != 2 or shapes != {(tokens,)}:
            raise InputError(
                f"features {tuple(self.features.shape)}, targets {tuple(self.targets.shape)}, "
                f"example {tuple(self.example.shape)}; give (T, D), (T,), (T,)"
            )
        if tokens and not 0 <= int(self.example.min()) <= int(self.example.max()) < self.examples:
            raise InputError(f"example: numbers go from 0 to {self.examples - 1}")

    def losses(self, weights: Tensor) -> Tensor:
        """Negative log-likelihood of each example, (n,)."""
        lost = F.cross_entropy(self.features @ weights.T, self.targets, reduction="none")
        return lost.new_zeros(self.examples).index_add(0, self.example, lost)

    def errors(self, weights: Tensor) -> Tensor:
        """Probabilities less one-hot targets, (T, V)."""
        probabilities = (self.features @ weights.T).softmax(-1)
        probabilities[torch.arange(len(self.targets)), self.targets] -= 1
        return probabilities


def fit_last_layer(
    tokens: TokenFeatures,
    kept: Tensor,
    l2: float,
    start: Tensor,
    *,
    guess: Tensor | None = None,
    steps: int = 200,
) -> Tensor:
    """Train the last layer exactly on weighted examples.

    Minimises ``sum_i kept_i loss_i + l2/2 |W - start|²``, which is convex, by L-BFGS.

    Args:
        tokens: Training examples.
        kept: Weight of each example in [0, 1], (n,).
        l2: Pull towards `start`, above 0.
        start: Weights before, (V, D).
        guess: Weights from which the search begins; `start` by default.
        steps: Iterations at most.

    Returns:
        Weights (V, D).
    """
    check_numbers(above=0, l2=l2)
    weights = (start if guess is None else guess).detach().clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [weights],
        max_iter=steps,
        tolerance_grad=1e-9,
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )

    def objective() -> Tensor:
        optimizer.zero_grad()
        pull = 0.5 * l2 * (weights - start).square().sum()
        total: Tensor = (kept * tokens.losses(weights)).sum() + pull
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimizer.step(objective)  # type: ignore[no-untyped-call]
    return weights.detach()


def hyper_gradient(
    tokens: TokenFeatures,
    weights: Tensor,
    kept: Tensor,
    l2: float,
    upper: Tensor,
    *,
    tolerance: float = 1e-8,
) -> Tensor:
    """Gradient of a loss of the retrained weights by how far each example is forgotten, (n,).

    With ``w_i = 1 - kept_i`` it is ``∇l_iᵀ H⁻¹ ∇L``, where H is the Hessian of the training
    objective: one linear system for all examples, and one pass over their tokens. Negative: to
    forget the example lowers the loss.

    Args:
        tokens: Training examples.
        weights: Weights that `fit_last_layer` found, (V, D).
        kept: Weight of each example there, (n,).
        l2: As there.
        upper: Gradient of the loss by the weights, (V, D).
        tolerance: Relative residual of conjugate gradients.

    Source: implicit differentiation; Koh and Liang, ICML 2017, for single examples.
    """
    solved = _solve(tokens, weights, kept, l2, upper, tolerance)
    return gradient_products(tokens, weights, solved)


def gradient_products(tokens: TokenFeatures, weights: Tensor, vector: Tensor) -> Tensor:
    """``∇l_iᵀ v`` of every example at once, (n,): no gradient of a single example is formed."""
    along = (tokens.errors(weights) * (tokens.features @ vector.T)).sum(-1)
    return along.new_zeros(tokens.examples).index_add(0, tokens.example, along)


def _solve(
    tokens: TokenFeatures,
    weights: Tensor,
    kept: Tensor,
    l2: float,
    target: Tensor,
    tolerance: float,
) -> Tensor:
    """``H⁻¹ target`` by conjugate gradients; H is positive definite."""
    probabilities = (tokens.features @ weights.T).softmax(-1)
    share = kept[tokens.example][:, None]

    def product(vector: Tensor) -> Tensor:
        moved = tokens.features @ vector.T
        centred = moved - (probabilities * moved).sum(-1, keepdim=True)
        return (share * probabilities * centred).T @ tokens.features + l2 * vector

    solved = torch.zeros_like(target)
    residual = target.clone()
    direction = residual.clone()
    size = residual.square().sum()
    limit = tolerance**2 * size
    for _ in range(10 * target.numel()):
        if size <= limit:
            break
        ahead = product(direction)
        step = size / (direction * ahead).sum()
        solved = solved + step * direction
        residual = residual - step * ahead
        grown = residual.square().sum()
        direction = residual + grown / size * direction
        size = grown
    return solved


@dataclass(frozen=True, eq=False)
class ForgetSet:
    """Examples chosen to be forgotten.

    Attributes:
        chosen: Their numbers, ascending.
        relaxed: Weights in [0, 1] before rounding, (n,).
        losses: Loss after each step.
    """

    chosen: NDArray[np.intp]
    relaxed: NDArray[np.float64]
    losses: tuple[float, ...]


def relaxed_forget_set(
    tokens: TokenFeatures,
    upper: Loss,
    budget: int,
    *,
    l2: float,
    start: Tensor,
    candidates: Tensor | None = None,
    steps: int = 10,
    rate: float = 0.5,
    research_use: bool = False,
) -> ForgetSet:
    """Choose a forget set of a size that lowers a loss of the retrained model most.

    The indicator of each example is relaxed to [0, 1] with at most `budget` in sum, follows the
    hyper-gradient, and is rounded to the `budget` largest at the end.

    Args:
        tokens: Training examples.
        upper: Loss of the retrained weights that the requests should lower.
        budget: Number of examples, 1 or more.
        l2: Pull of retraining towards `start`.
        start: Weights from which the layer is retrained, (V, D).
        candidates: Examples that may be requested, bool (n,); all by default.
        steps: Steps of the indicator; 1 is a choice by influence alone, without relaxation.
        rate: Largest change of an indicator in a step.
        research_use: Say that the model is your own.

    Raises:
        InputError: Not for research, or a budget beyond the candidates.

    Source: arXiv 2604.04255 names the parts; equations, rate and rounding are our choice.

    Examples:
        >>> relaxed_forget_set(tokens, loss, 10, l2=1.0, start=weights, research_use=True).chosen
    """
    require_research_use(research_use)
    allowed = torch.ones(tokens.examples, dtype=torch.bool) if candidates is None else candidates
    if not 1 <= budget <= int(allowed.sum()):
        raise InputError(
            f"budget {budget}: {int(allowed.sum())} of {tokens.examples} examples may be requested"
        )
    forgotten = torch.zeros(tokens.examples, dtype=start.dtype)
    weights = fit_last_layer(tokens, 1 - forgotten, l2, start)
    losses = []
    for _ in range(steps):
        wanted = weights.clone().requires_grad_()
        loss = upper(wanted)
        (gradient,) = torch.autograd.grad(loss, wanted)
        losses.append(float(loss.detach()))
        slope = hyper_gradient(
            tokens, weights, 1 - forgotten, l2, gradient, tolerance=RELAXED_TOLERANCE
        )
        slope = torch.where(allowed, slope, slope.new_tensor(torch.inf))
        largest = slope[allowed].abs().max().clamp(min=1e-30)
        moved = torch.where(allowed, forgotten - rate * slope / largest, 0.0)
        forgotten = capped_simplex(moved, budget) if steps > 1 else _top(-slope, budget)
        weights = fit_last_layer(
            tokens, 1 - forgotten, l2, start, guess=weights, steps=RELAXED_STEPS
        )
    order = torch.argsort(torch.where(allowed, forgotten, -1.0), descending=True, stable=True)
    chosen = np.sort(order[:budget].numpy()).astype(np.intp)
    return ForgetSet(chosen, forgotten.double().numpy(), tuple(losses))


def capped_simplex(values: Tensor, total: float) -> Tensor:
    """Nearest point with entries in [0, 1] that sum to at most `total`.

    Examples:
        >>> capped_simplex(torch.tensor([2.0, 0.5, 0.5]), 1.5)
        tensor([1.0000, 0.2500, 0.2500])
    """
    if float(values.clamp(0, 1).sum()) <= total:
        return values.clamp(0, 1)
    low, high = values.min() - 1, values.max()
    for _ in range(100):  # the sum falls as the shift grows
        middle = (low + high) / 2
        if float((values - middle).clamp(0, 1).sum()) > total:
            low = middle
        else:
            high = middle
    return (values - high).clamp(0, 1)


def _top(values: Tensor, count: int) -> Tensor:
    chosen = torch.zeros_like(values)
    chosen[torch.argsort(values, descending=True, stable=True)[:count]] = 1
    return chosen


def influential_tokens(gradients: Tensor, embeddings: Tensor, share: float = 0.2) -> Tensor:
    """Weights of a trace's tokens by their influence on the answer, (T,), summing to 1.

    The influence of a token is the absolute product of its embedding with the gradient of the
    answer's log-probability by it; the largest ones are kept and normalised by softmax of their
    logarithms, which is their share.

    Args:
        gradients: Gradient of the answer's log-probability by each embedding, (T, E).
        embeddings: (T, E).
        share: Share of the tokens that are kept, in (0, 1].

    Source: arXiv 2604.04255 names "influential token alignment"; the formula is our choice.
    """
    check_numbers(above=0, at_most=1, share=share)
    influence = (gradients * embeddings).sum(-1).abs()
    count = max(1, round(share * len(influence)))
    kept = _top(influence, count) * influence
    total = kept.sum()
    return kept / total if float(total) else torch.full_like(kept, 1 / len(kept))
