"""Selective synaptic dampening: shrink the weights that matter for the forget set above all.

Foster, Schoepf and Brintrup, "Fast Machine Unlearning Without Retraining Through Selective Synaptic
Dampening", AAAI 2024, equations 5 and 6. No training at all.
"""

from dataclasses import dataclass

import torch
from torch import nn

from sterling.privacy.influence import flatten_parameters, set_parameters
from sterling.privacy.unlearning.descent import frozen
from sterling.privacy.unlearning.examples import Examples
from sterling.privacy.unlearning.fisher import fisher_diagonal


@dataclass(frozen=True)
class SSDConfig:
    """Constants of selective synaptic dampening.

    Attributes:
        selection: α: a weight is chosen when F_forget > α F_all.
        dampening: λ: a chosen weight is multiplied by min(λ F_all / F_forget, 1).
    """

    selection: float = 10.0
    dampening: float = 1.0


def ssd(
    model: nn.Module,
    forget: Examples,
    retain: Examples,
    rng: torch.Generator,  # noqa: ARG001 - one signature for all methods
    config: SSDConfig,
) -> nn.Module:
    """Dampen the weights that the forget set uses more than the training set as a whole."""
    student = frozen(model)
    of_forget, of_retain = fisher_diagonal(student, forget), fisher_diagonal(student, retain)
    share = len(forget) / (len(forget) + len(retain))
    of_all = share * of_forget + (1 - share) * of_retain
    chosen = of_forget > config.selection * of_all
    factor = (config.dampening * of_all / of_forget).clamp(max=1)
    weights = flatten_parameters(student)
    set_parameters(student, torch.where(chosen, weights * factor, weights))
    return student.requires_grad_(True)
