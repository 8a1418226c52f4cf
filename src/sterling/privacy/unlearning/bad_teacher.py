"""Bad teaching: a random teacher for the forget set, the model itself for the rest.

Chundawat et al., "Can Bad Teaching Induce Forgetting? Unlearning in Deep Networks Using an
Incompetent Teacher", AAAI 2023, temperature 1.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from sterling.privacy.unlearning.descent import Descent, descend, frozen, reset
from sterling.privacy.unlearning.examples import Examples
from sterling.privacy.unlearning.terms import mean_kl


@dataclass(frozen=True)
class BadTeacherConfig:
    """Constants of bad teaching.

    Attributes:
        descent: Steps and rate.
    """

    descent: Descent = field(default_factory=Descent)


def bad_teacher(
    model: nn.Module,
    forget: Examples,
    retain: Examples,
    rng: torch.Generator,
    config: BadTeacherConfig,
) -> nn.Module:
    """Minimise KL(random ‖ student) on the forget set plus KL(before ‖ student) on the rest."""
    good, bad = frozen(model), frozen(reset(model, rng))

    def objective(student: nn.Module, gone: Examples, kept: Examples) -> Tensor:
        unlearnt = mean_kl(bad(gone.inputs), student(gone.inputs), gone.labels)
        return unlearnt + mean_kl(good(kept.inputs), student(kept.inputs), kept.labels)

    return descend(model, objective, forget, retain, rng, config.descent)
