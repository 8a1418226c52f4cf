"""Self-distillation to soft targets without the label: UNDIAL, CE-U, and generic predictions (WHP).

UNDIAL: Dong et al., "UNDIAL: Self-Distillation with Adjusted Logits for Robust Unlearning", NAACL
2025. CE-U: Yang, "CE-U: Cross Entropy Unlearning", 2025. WHP: Eldan and Russinovich, "Who's Harry
Potter? Approximate Unlearning in LLMs", 2023; ours is their reinforcement step without the
dictionary of anchored terms. All three minimise the cross-entropy to a target distribution.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.privacy.unlearning.descent import Descent, descend, frozen
from sterling.privacy.unlearning.examples import IGNORED, Examples
from sterling.privacy.unlearning.terms import mean_loss, mean_soft_loss


@dataclass(frozen=True)
class SoftLabelConfig:
    """Constants of unlearning by soft targets.

    Attributes:
        target: "adjusted" (UNDIAL), "without label" (CE-U) or "generic" (WHP).
        strength: What UNDIAL takes from the label's logit, or WHP's α.
        reinforcement: WHP only: steps and rate by which the reinforced model learns the forget set
            even better.
        retain_weight: α of the retain loss.
        descent: Steps and rate.
    """

    target: Literal["adjusted", "without label", "generic"] = "adjusted"
    strength: float = 10.0
    reinforcement: Descent = field(default_factory=Descent)
    retain_weight: float = 1.0
    descent: Descent = field(default_factory=Descent)


def _one_hot(labels: Tensor, logits: Tensor) -> Tensor:
    counted = labels.masked_fill(labels == IGNORED, 0)
    return F.one_hot(counted, logits.shape[-1]).to(logits)


def adjusted_target(before: Tensor, labels: Tensor, strength: float) -> Tensor:
    """UNDIAL: softmax(teacher's logits − strength · e_label)."""
    return (before - strength * _one_hot(labels, before)).softmax(-1)


def target_without_label(logits: Tensor, labels: Tensor) -> Tensor:
    """CE-U: the model's own softmax with the label's logit at −∞; takes no gradient."""
    label = _one_hot(labels, logits).bool()
    return logits.detach().masked_fill(label, -torch.inf).softmax(-1)


def generic_target(before: Tensor, reinforced: Tensor, strength: float) -> Tensor:
    """WHP: softmax(v_base − strength · ReLU(v_reinforced − v_base))."""
    return (before - strength * F.relu(reinforced - before)).softmax(-1)


def soft_label(
    model: nn.Module,
    forget: Examples,
    retain: Examples,
    rng: torch.Generator,
    config: SoftLabelConfig,
) -> nn.Module:
    """Minimise the cross-entropy to the target on the forget set plus α L_retain."""
    reference = frozen(model)
    targets: dict[str, Callable[[Tensor, Examples], Tensor]] = {
        "adjusted": lambda _logits, gone: adjusted_target(
            reference(gone.inputs), gone.labels, config.strength
        ),
        "without label": lambda logits, gone: target_without_label(logits, gone.labels),
        "generic": lambda _logits, gone: generic_target(
            reference(gone.inputs), reinforced(gone.inputs), config.strength
        ),
    }
    if config.target == "generic":
        reinforced = frozen(
            descend(
                model,
                lambda student, gone, _kept: mean_loss(student(gone.inputs), gone.labels),
                forget,
                retain,
                rng,
                config.reinforcement,
            )
        )

    def objective(student: nn.Module, gone: Examples, kept: Examples) -> Tensor:
        logits = student(gone.inputs)
        with torch.no_grad():
            target = targets[config.target](logits, gone)
        soft = mean_soft_loss(target, logits, gone.labels)
        return soft + config.retain_weight * mean_loss(student(kept.inputs), kept.labels)

    return descend(model, objective, forget, retain, rng, config.descent)
