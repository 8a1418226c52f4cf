"""Task vectors: go backwards along what fine-tuning on the forget set would add.

Ilharco et al., "Editing Models with Task Arithmetic", ICLR 2023.
"""

from dataclasses import dataclass, field

import torch
from torch import nn

from sterling.privacy.influence import flatten_parameters, set_parameters
from sterling.privacy.unlearning.descent import Descent, descend
from sterling.privacy.unlearning.examples import Examples
from sterling.privacy.unlearning.terms import mean_loss


@dataclass(frozen=True)
class TaskVectorConfig:
    """Constants of task vectors.

    Attributes:
        scale: s of the step back.
        descent: Steps and rate of the fine-tuning.
    """

    scale: float = 1.0
    descent: Descent = field(default_factory=Descent)


def task_vector(
    model: nn.Module,
    forget: Examples,
    retain: Examples,
    rng: torch.Generator,
    config: TaskVectorConfig,
) -> nn.Module:
    """θ − s (θ_fine-tuned on the forget set − θ)."""
    student = descend(
        model,
        lambda learner, gone, _kept: mean_loss(learner(gone.inputs), gone.labels),
        forget,
        retain,
        rng,
        config.descent,
    )
    here, there = flatten_parameters(model), flatten_parameters(student)
    set_parameters(student, here - config.scale * (there - here))
    return student
