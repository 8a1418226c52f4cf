"""Preference for "I don't know": direct preference optimisation against the original answers.

Rafailov et al., "Direct Preference Optimization", NeurIPS 2023, as TOFU uses it for unlearning
(Maini et al., COLM 2024, section 3.3).
"""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.privacy.unlearning.descent import Descent, descend, frozen
from sterling.privacy.unlearning.examples import Examples
from sterling.privacy.unlearning.terms import mean_loss, sequence_losses


@dataclass(frozen=True)
class IdkConfig:
    """Constants of DPO for unlearning.

    Attributes:
        refusals: The forget set's questions answered with a refusal, under the same ids.
        beta: Inverse temperature β.
        retain_weight: α of the retain loss.
        descent: Steps and rate.
    """

    refusals: Examples
    beta: float = 0.1
    retain_weight: float = 1.0
    descent: Descent = field(default_factory=Descent)


def preference_loss(
    winner: Tensor, winner_before: Tensor, loser: Tensor, loser_before: Tensor, *, beta: float
) -> Tensor:
    """−(2/β) mean log σ(β (winner's − loser's log-ratio)), from sequence losses (N,)."""
    margin = (winner_before - winner) - (loser_before - loser)
    return -2 / beta * F.logsigmoid(beta * margin).mean()


def idk(
    model: nn.Module, forget: Examples, retain: Examples, rng: torch.Generator, config: IdkConfig
) -> nn.Module:
    """Prefer the refusal to the original answer, plus α L_retain.

    Raises:
        InputError: When a record to forget has no refusal.
    """
    order = {int(record): row for row, record in enumerate(config.refusals.ids)}
    missing = [int(record) for record in forget.ids if int(record) not in order]
    if missing:
        raise InputError(f"refusals: none for record {missing[0]}; give one per record to forget")
    reference = frozen(model)

    def objective(student: nn.Module, gone: Examples, kept: Examples) -> Tensor:
        rows = torch.tensor([order[int(record)] for record in gone.ids])
        refused = config.refusals.select(rows)
        preferred = preference_loss(
            sequence_losses(student(refused.inputs), refused.labels),
            sequence_losses(reference(refused.inputs), refused.labels),
            sequence_losses(student(gone.inputs), gone.labels),
            sequence_losses(reference(gone.inputs), gone.labels),
            beta=config.beta,
        )
        held = mean_loss(student(kept.inputs), kept.labels)
        return preferred + config.retain_weight * held

    return descend(model, objective, forget, retain, rng, config.descent)
