"""Settings of a training, and what it returns."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from sterling.checks import Count, Natural, Range, Share, Weight, check_fields

Precision = Literal["no", "bf16", "fp16"]
Optimizer = Literal["adam", "adamw", "adadelta"]
Schedule = Literal["step", "cosine"]


class TrainingError(RuntimeError):
    """Training broke although the input was well formed: the loss is no longer finite."""


@dataclass(frozen=True)
class TrainConfig:
    """Training settings. Defaults suit hundreds of small crops on a small machine, and are ours.

    CDCN's release (OULU-NPU) trains 1400 epochs of one random frame per video, batch 7, learning
    rate 1e-4, weight decay 5e-5, halving the rate every 500 epochs, contrastive depth loss with
    weight 1.

    Attributes:
        epochs: Passes over the training items, 1 or more.
        batch_size: Items per step, over all devices together.
        optimizer: "adam" (weight decay as an L2 penalty), "adamw" (decoupled) or "adadelta".
        learning_rate: The optimiser's rate in the first epoch, after the warm-up.
        weight_decay: The optimiser's.
        warmup_steps: Steps over which the rate rises linearly from near 0, 0 or more.
        schedule: "step" multiplies the rate by `step_factor` every `step_epochs`; "cosine" lets it
            fall to 0 over the whole run along half a cosine.
        step_epochs: Epochs between two changes of the rate.
        step_factor: Factor of the learning rate at each change, in (0, 1].
        cdl_weight: Weight of the contrastive depth loss beside the mean squared error.
        augment: Whether to augment (see `augment`).
        drop_modality: Probability with which each modality but the first is absent from a
            training item, on its own, in [0, 1] (modality dropout; only for flexible networks).
        seed: Decides the order of items and the augmentation.
        mixed_precision: "no", "bf16" or "fp16".

    Raises:
        InputError: A value is out of range.
    """

    epochs: Count = 30
    batch_size: Count = 16
    optimizer: Optimizer = "adam"
    learning_rate: Weight = 1e-3
    weight_decay: Weight = 5e-5
    warmup_steps: Natural = 0
    schedule: Schedule = "step"
    step_epochs: Count = 500
    step_factor: Annotated[float, Range(0, 1, open_low=True)] = 0.5
    cdl_weight: Weight = 1.0
    augment: bool = True
    drop_modality: Share = 0.0
    seed: Natural = 0
    mixed_precision: Precision = "no"

    def __post_init__(self) -> None:
        check_fields(self)

    def rate(self, epoch: int, step: int, steps: int) -> float:
        """Return the learning rate of `epoch` at `step` of `steps` in all, counted from 0."""
        warm = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        if self.schedule == "cosine":
            return warm * self.learning_rate * (1 + math.cos(math.pi * step / steps)) / 2
        return warm * self.learning_rate * self.step_factor ** (epoch // self.step_epochs)


@dataclass(frozen=True)
class EpochRecord:
    """One epoch in figures.

    Attributes:
        epoch: Counted from 1.
        loss: Mean training loss over items, lower is better.
        bona_fide_score: Mean score over bona fide training items, while training.
        attack_score: The same over attacks. A detector that learns moves the two apart.
        dev_loss: Mean loss on the development items after the epoch; None without them.
    """

    epoch: int
    loss: float
    bona_fide_score: float
    attack_score: float
    dev_loss: float | None


@dataclass(frozen=True)
class TrainHistory:
    """Result of a training; the weights are those after the last epoch.

    Attributes:
        epochs: One record per epoch, resumed ones included.
        digest: SHA-256 of the training images and maps.
        items: Number of training items.
    """

    epochs: tuple[EpochRecord, ...]
    digest: str
    items: int

    @property
    def collapsed(self) -> bool:
        """Whether a network with maps scored bona fide items zero in the last epoch: of no use.

        A map's last ReLU passes no gradient where the map is zero, so training cannot recover by
        itself; take a lower learning rate or another seed of the initial weights.
        """
        return self.epochs[-1].bona_fide_score < 1e-4
