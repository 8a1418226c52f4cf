"""SCRUB: a student that disobeys its teacher on the forget set and obeys it on the rest.

Kurmanji et al., "Towards Unbounded Machine Unlearning", NeurIPS 2023. Without the rewinding of
SCRUB+R, which needs a validation set of the forget set's distribution.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from sterling.privacy.unlearning.descent import Descent, descend, frozen
from sterling.privacy.unlearning.examples import Examples
from sterling.privacy.unlearning.terms import mean_kl, mean_loss

__all__ = ["ScrubConfig", "scrub"]


@dataclass(frozen=True)
class ScrubConfig:
    """Constants of SCRUB.

    Attributes:
        ascents: The first so many rounds have a step away from the teacher.
        divergence_weight: α of the divergence on the retain set.
        loss_weight: γ of the retain loss.
        descent: Steps, those away from the teacher counted, and rate.
    """

    ascents: int = 10
    divergence_weight: float = 0.5
    loss_weight: float = 1.0
    descent: Descent = field(default_factory=Descent)


def scrub(
    model: nn.Module, forget: Examples, retain: Examples, rng: torch.Generator, config: ScrubConfig
) -> nn.Module:
    """Alternate one step that raises KL(teacher ‖ student) on the forget set with one that obeys.

    After the ascents all steps minimise α KL(teacher ‖ student) + γ L_retain.
    """
    teacher = frozen(model)
    step = 0

    def objective(student: nn.Module, gone: Examples, kept: Examples) -> Tensor:
        nonlocal step
        step += 1
        # A step that obeys comes first: at the teacher itself the divergence has no gradient.
        if step % 2 == 0 and step <= 2 * config.ascents:
            return -mean_kl(teacher(gone.inputs), student(gone.inputs), gone.labels)
        logits = student(kept.inputs)
        divergence = mean_kl(teacher(kept.inputs), logits, kept.labels)
        held = mean_loss(logits, kept.labels)
        return config.divergence_weight * divergence + config.loss_weight * held

    return descend(model, objective, forget, retain, rng, config.descent)
