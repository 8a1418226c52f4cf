"""Saliency unlearning: random labels, on the weights that the forget set's gradient points at.

Fan et al., "SalUn: Empowering Machine Unlearning via Gradient-based Weight Saliency in Both Image
Classification and Generation", ICLR 2024.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.privacy.unlearning.descent import Descent
from sterling.privacy.unlearning.examples import Examples
from sterling.privacy.unlearning.random_label import relearn_wrong
from sterling.privacy.unlearning.terms import mean_loss


@dataclass(frozen=True)
class SalUnConfig:
    """Constants of SalUn.

    Attributes:
        share: Of the weights that may move, in (0, 1]; the paper has one half, by the median.
        retain_weight: α of the retain loss.
        descent: Steps and rate.
    """

    share: float = 0.5
    retain_weight: float = 1.0
    descent: Descent = field(default_factory=Descent)

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise InputError(f"share {self.share}: give a part of the weights above 0, up to 1")


def saliency_masks(model: nn.Module, forget: Examples, share: float) -> list[Tensor]:
    """For each parameter 1 where |∇L_forget| is among the largest `share` of all weights."""
    loss = mean_loss(model(forget.inputs), forget.labels)
    gradients = [g.abs() for g in torch.autograd.grad(loss, list(model.parameters()))]
    sizes = torch.cat([g.flatten() for g in gradients]).sort(descending=True).values
    least = sizes[max(1, round(share * len(sizes))) - 1]
    return [(g >= least).to(g) for g in gradients]


def salun(
    model: nn.Module, forget: Examples, retain: Examples, rng: torch.Generator, config: SalUnConfig
) -> nn.Module:
    """Random labels on the forget set plus α L_retain, moving salient weights only."""
    return relearn_wrong(
        model,
        forget,
        retain,
        rng,
        config.descent,
        retain_weight=config.retain_weight,
        masks=saliency_masks(model, forget, config.share),
    )
