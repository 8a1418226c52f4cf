"""Gradient ascent with a weight per position: WGA and SatImp.

WGA: Wang et al., "Rethinking LLM Unlearning Objectives: A Gradient Perspective and Go Beyond", ICLR
2025. SatImp: Yang et al., "Exploring Criteria of Loss Reweighting to Enhance LLM Unlearning", 2025.
The weights p^a (1 − p)^b take no gradient: what is forgotten already is pushed no further.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from sterling.privacy.unlearning.descent import Descent, descend
from sterling.privacy.unlearning.examples import Examples
from sterling.privacy.unlearning.terms import counted_mean, mean_loss, position_losses


@dataclass(frozen=True)
class WeightedAscentConfig:
    """Constants: (1, 0) is WGA, (5, 1) with retain weight 0.1 is SatImp.

    Attributes:
        saturation: Power a of p.
        importance: Power b of 1 − p.
        forget_weight: Of the ascent.
        retain_weight: α of the retain loss.
        descent: Steps and rate.
    """

    saturation: float = 1.0
    importance: float = 0.0
    forget_weight: float = 1.0
    retain_weight: float = 1.0
    descent: Descent = field(default_factory=Descent)


def weighted_ascent_loss(
    logits: Tensor, labels: Tensor, *, saturation: float, importance: float
) -> Tensor:
    """−mean(p^a (1 − p)^b CE) over the positions that count."""
    losses = position_losses(logits, labels)
    p = torch.exp(-losses.detach())
    return -counted_mean(p**saturation * (1 - p) ** importance * losses, labels)


def weighted_ascent(
    model: nn.Module,
    forget: Examples,
    retain: Examples,
    rng: torch.Generator,
    config: WeightedAscentConfig,
) -> nn.Module:
    """Minimise the weighted ascent on the forget set plus α L_retain."""

    def objective(student: nn.Module, gone: Examples, kept: Examples) -> Tensor:
        ascent = weighted_ascent_loss(
            student(gone.inputs),
            gone.labels,
            saturation=config.saturation,
            importance=config.importance,
        )
        held = mean_loss(student(kept.inputs), kept.labels)
        return config.forget_weight * ascent + config.retain_weight * held

    return descend(model, objective, forget, retain, rng, config.descent)
