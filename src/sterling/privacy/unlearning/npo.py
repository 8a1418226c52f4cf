"""Negative preference optimisation, with and without a reference model.

NPO: Zhang et al., "Negative Preference Optimization: From Catastrophic Collapse to Effective
Unlearning", COLM 2024. SimNPO: Fan et al., "Simplicity Prevails: Rethinking Negative Preference
Optimization for LLM Unlearning", 2024. A class label counts as a sequence of one token.
"""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.privacy.unlearning.descent import Descent, descend, frozen
from sterling.privacy.unlearning.examples import IGNORED, Examples
from sterling.privacy.unlearning.terms import mean_loss, sequence_losses


@dataclass(frozen=True)
class NPOConfig:
    """Constants of NPO.

    Attributes:
        beta: Inverse temperature β.
        retain_weight: α of the retain loss.
        descent: Steps and rate.
    """

    beta: float = 0.1
    retain_weight: float = 1.0
    descent: Descent = field(default_factory=Descent)


@dataclass(frozen=True)
class SimNPOConfig:
    """Constants of SimNPO.

    Attributes:
        beta: Inverse temperature β.
        delta: Margin δ.
        forget_weight: γ of the forget term.
        retain_weight: α of the retain loss.
        descent: Steps and rate.
    """

    beta: float = 4.5
    delta: float = 0.0
    forget_weight: float = 0.125
    retain_weight: float = 1.0
    descent: Descent = field(default_factory=Descent)


def npo_loss(losses: Tensor, reference_losses: Tensor, *, beta: float) -> Tensor:
    """−(2/β) mean log σ(−β log(π_θ/π_ref)), from negative log-likelihoods of sequences (N,).

    (2/β) log 2 at the reference, where its gradient is that of −mean(losses): gradient ascent.
    """
    return -2 / beta * F.logsigmoid(beta * (losses - reference_losses)).mean()


def simnpo_loss(losses: Tensor, lengths: Tensor, *, beta: float, delta: float) -> Tensor:
    """−(2/β) mean log σ(β (NLL / length − δ))."""
    return -2 / beta * F.logsigmoid(beta * (losses / lengths - delta)).mean()


def npo(
    model: nn.Module, forget: Examples, retain: Examples, rng: torch.Generator, config: NPOConfig
) -> nn.Module:
    """Minimise the NPO loss on the forget set plus α L_retain."""
    reference = frozen(model)

    def objective(student: nn.Module, gone: Examples, kept: Examples) -> Tensor:
        losses = sequence_losses(student(gone.inputs), gone.labels)
        before = sequence_losses(reference(gone.inputs), gone.labels)
        held = mean_loss(student(kept.inputs), kept.labels)
        return npo_loss(losses, before, beta=config.beta) + config.retain_weight * held

    return descend(model, objective, forget, retain, rng, config.descent)


def simnpo(
    model: nn.Module, forget: Examples, retain: Examples, rng: torch.Generator, config: SimNPOConfig
) -> nn.Module:
    """Minimise γ times the SimNPO loss on the forget set plus α L_retain."""

    def objective(student: nn.Module, gone: Examples, kept: Examples) -> Tensor:
        losses = sequence_losses(student(gone.inputs), gone.labels)
        lengths = (gone.labels != IGNORED).reshape(len(gone), -1).sum(1)
        term = simnpo_loss(losses, lengths, beta=config.beta, delta=config.delta)
        held = mean_loss(student(kept.inputs), kept.labels)
        return config.forget_weight * term + config.retain_weight * held

    return descend(model, objective, forget, retain, rng, config.descent)
