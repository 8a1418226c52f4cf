"""Gradient ascent on what is to be forgotten, alone or against a term that holds the rest.

GA: Jang et al., "Knowledge Unlearning for Mitigating Privacy Risks in Language Models", ACL 2023.
GradDiff: Liu, Liu and Stone, "Continual Learning and Private Unlearning", CoLLAs 2022.
KL-min: Maini et al., "TOFU: A Task of Fictitious Unlearning for LLMs", COLM 2024, section 3.3.
Their code averages the divergence over prompts and padding as well; ours over answers only.
"""

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from sterling.privacy.unlearning.descent import Descent, descend, frozen
from sterling.privacy.unlearning.examples import Examples
from sterling.privacy.unlearning.terms import mean_kl, mean_loss


@dataclass(frozen=True)
class GradientAscentConfig:
    """Constants of gradient ascent.

    Attributes:
        hold: What keeps the rest: nothing (GA), the retain loss (GradDiff), or the divergence from
            the model before (KL-min).
        forget_weight: γ of −L_forget.
        hold_weight: α of the term that holds.
        descent: Steps and rate.
    """

    hold: Literal["nothing", "loss", "divergence"] = "nothing"
    forget_weight: float = 1.0
    hold_weight: float = 1.0
    descent: Descent = field(default_factory=Descent)


def gradient_ascent(
    model: nn.Module,
    forget: Examples,
    retain: Examples,
    rng: torch.Generator,
    config: GradientAscentConfig,
) -> nn.Module:
    """Minimise −γ L_forget, plus α L_retain or α KL(before ‖ after) on the retain set."""
    reference = frozen(model)

    def objective(student: nn.Module, gone: Examples, kept: Examples) -> Tensor:
        loss = -config.forget_weight * mean_loss(student(gone.inputs), gone.labels)
        if config.hold == "loss":
            loss = loss + config.hold_weight * mean_loss(student(kept.inputs), kept.labels)
        elif config.hold == "divergence":
            logits, before = student(kept.inputs), reference(kept.inputs)
            loss = loss + config.hold_weight * mean_kl(before, logits, kept.labels)
        return loss

    return descend(model, objective, forget, retain, rng, config.descent)
