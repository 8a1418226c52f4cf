"""Primal-dual unlearning: flatten the forget set's logits, hold the retain loss under a bound.

Entesari et al., "Constrained Entropic Unlearning: A Primal-Dual Framework for Large Language
Models", 2025. The multiplier of the retain constraint rises while the constraint is broken.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from sterling.privacy.unlearning.descent import Descent, descend
from sterling.privacy.unlearning.examples import Examples
from sterling.privacy.unlearning.terms import counted_mean, mean_loss


@dataclass(frozen=True)
class PDUConfig:
    """Constants of primal-dual unlearning.

    Attributes:
        bound: ε that the retain loss is held under.
        dual_step: Step of the multiplier.
        start: The multiplier at the start.
        descent: Steps and rate.
    """

    bound: float = 0.1
    dual_step: float = 1.0
    start: float = 1.0
    descent: Descent = field(default_factory=Descent)


def logit_margin_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean of (largest logit − mean logit)²; 0 where the posterior is uniform."""
    return counted_mean((logits.amax(-1) - logits.mean(-1)).square(), labels)


def pdu(
    model: nn.Module, forget: Examples, retain: Examples, rng: torch.Generator, config: PDUConfig
) -> nn.Module:
    """Minimise the margin loss + a L_retain, with a ← max(0, a + step (L_retain − ε))."""
    multiplier = config.start

    def objective(student: nn.Module, gone: Examples, kept: Examples) -> Tensor:
        nonlocal multiplier
        held = mean_loss(student(kept.inputs), kept.labels)
        loss = logit_margin_loss(student(gone.inputs), gone.labels) + multiplier * held
        multiplier = max(0.0, multiplier + config.dual_step * (float(held.detach()) - config.bound))
        return loss

    return descend(model, objective, forget, retain, rng, config.descent)
