"""Relearning the forget set with wrong labels drawn at random.

Graves, Nagisetty and Ganesh, "Amnesiac Machine Learning", AAAI 2021 (their first method).
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.privacy.unlearning.descent import Descent, descend
from sterling.privacy.unlearning.examples import IGNORED, Examples
from sterling.privacy.unlearning.terms import mean_loss


@dataclass(frozen=True)
class RandomLabelConfig:
    """Constants of random labels.

    Attributes:
        retain_weight: α of the retain loss.
        descent: Steps and rate.
    """

    retain_weight: float = 1.0
    descent: Descent = field(default_factory=Descent)


def wrong_labels(labels: Tensor, classes: int, rng: torch.Generator) -> Tensor:
    """For each label another one, uniform over the wrong ones; ignored positions stay ignored."""
    if classes < 2:
        raise InputError(f"{classes} class: a wrong label needs two classes")
    shift = torch.randint(1, classes, labels.shape, generator=rng)
    return torch.where(labels == IGNORED, labels, (labels + shift) % classes)


def relearn_wrong(
    model: nn.Module,
    forget: Examples,
    retain: Examples,
    rng: torch.Generator,
    descent: Descent,
    *,
    retain_weight: float,
    masks: list[Tensor] | None = None,
) -> nn.Module:
    """Minimise the loss of wrong labels on the forget set plus α L_retain."""
    with torch.no_grad():
        classes = model(forget.inputs[:1]).shape[-1]
    mislabelled = forget.with_labels(wrong_labels(forget.labels, classes, rng))

    def objective(student: nn.Module, gone: Examples, kept: Examples) -> Tensor:
        wrong = mean_loss(student(gone.inputs), gone.labels)
        return wrong + retain_weight * mean_loss(student(kept.inputs), kept.labels)

    return descend(model, objective, mislabelled, retain, rng, descent, masks=masks)


def random_label(
    model: nn.Module,
    forget: Examples,
    retain: Examples,
    rng: torch.Generator,
    config: RandomLabelConfig,
) -> nn.Module:
    """Relearn the forget set with wrong labels, moving all weights."""
    return relearn_wrong(
        model, forget, retain, rng, config.descent, retain_weight=config.retain_weight
    )
