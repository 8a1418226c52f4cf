"""Fine-tuning on what is retained, plainly or with an l1 penalty that makes the weights sparse.

Jia et al., "Model Sparsity Can Simplify Machine Unlearning", NeurIPS 2023. The penalty falls
linearly to zero over the steps, as theirs does.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from sterling.privacy.unlearning.descent import Descent, descend
from sterling.privacy.unlearning.examples import Examples
from sterling.privacy.unlearning.terms import mean_loss


@dataclass(frozen=True)
class FineTuneConfig:
    """Constants of fine-tuning.

    Attributes:
        l1: Weight γ of ‖θ‖₁ at the first step; 0 is plain fine-tuning, the paper has 5e-4.
        descent: Steps and rate.
    """

    l1: float = 0.0
    descent: Descent = field(default_factory=Descent)


def fine_tune(
    model: nn.Module,
    forget: Examples,
    retain: Examples,
    rng: torch.Generator,
    config: FineTuneConfig,
) -> nn.Module:
    """Minimise L_retain + γ_t ‖θ‖₁; the forget set is not looked at."""
    step = 0

    def objective(student: nn.Module, _forget: Examples, kept: Examples) -> Tensor:
        nonlocal step
        loss = mean_loss(student(kept.inputs), kept.labels)
        if config.l1:
            weight = config.l1 * (1 - step / config.descent.steps)
            loss = loss + weight * torch.stack([p.abs().sum() for p in student.parameters()]).sum()
        step += 1
        return loss

    return descend(model, objective, forget, retain, rng, config.descent)
