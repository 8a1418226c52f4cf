"""Unlearning inversion: features of a forgotten record from the change of the weights.

Hu et al., "Learn What You Want to Unlearn", IEEE S&P 2024. Forgetting moved the weights along the
record's gradient, up to a factor. We look for an input whose gradient points the same way:

    min over x of  1 − cos(∇_θ l(x, y), θ_after − θ_before) + τ TV(x).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.privacy.influence import flatten_parameters
from sterling.research_use import require_research_use


@dataclass(frozen=True)
class Inversion:
    """A recovered record.

    Attributes:
        record: Features, in the shape of one input.
        match: Cosine of its gradient with the change of the weights, 1 at best.
    """

    record: Tensor
    match: float


def total_variation(images: Tensor) -> Tensor:
    """Mean absolute difference of neighbours over the last two axes; 0 for other shapes."""
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
        before: The model before unlearning; twice differentiable in its input is enough.
        after: And after.
        label: Its class, as label inference gives it.
        start: Where to start, in the shape of one input: the mean of public records, say.
        research_use: Must be true.
        smoothness: τ of the total variation, for images.
        steps: Steps of Adam.
        learning_rate: Of Adam.

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
