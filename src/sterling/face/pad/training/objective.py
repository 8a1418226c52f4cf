"""What a step of training minimises: label maps by default, or anything that takes a batch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from sterling.face.pad.detector.preprocessing import normalise
from sterling.face.pad.networks.network import Network
from sterling.face.pad.training.augment import augment
from sterling.face.pad.training.losses import OutputLoss


@dataclass(frozen=True, eq=False)
class Batch:
    """Training items of one step, on the device of the network.

    Attributes:
        images: uint8 (N, [T,] C, S, S).
        maps: Label maps, float.
        present: bool (N, M), which modalities there are; None: all.
        rows: Where the items stand among all training items, int64 (N,), on the CPU.
    """

    images: Tensor
    maps: Tensor
    present: Tensor | None
    rows: Tensor


class Objective(Protocol):
    """The loss of a batch, and its augmentation."""

    def __call__(
        self, network: nn.Module, model: Network, batch: Batch, draws: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return the scalar loss and the scores (N,) of a batch.

        Args:
            network: What to call: `model` as accelerate has wrapped it.
            model: Its attributes and `liveness`.
            batch: The items.
            draws: CPU generator of everything random.
        """

    def to_dict(self) -> Mapping[str, Any]:
        """What has to be the same when a killed run goes on, as JSON; {} where nothing is."""


@dataclass(frozen=True, eq=False)
class Supervised:
    """Label maps (or their classes) by `OutputLoss`, on augmented pictures.

    Attributes:
        loss: Of an output and label maps.
        augmented: Whether to augment (see `augment`).
        drop_modality: Probability with which each modality but the first drops out.
    """

    loss: OutputLoss
    augmented: bool
    drop_modality: float

    def __call__(
        self, network: nn.Module, model: Network, batch: Batch, draws: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """See `Objective`."""
        images, maps, present = batch.images, batch.maps, batch.present
        if self.augmented:
            images, maps = augment(images, maps, draws, model.modalities)
        if self.drop_modality:
            there = None if present is None else present.cpu()
            shape = (len(images), len(model.modalities))
            present = _drop(there, shape, self.drop_modality, draws).to(images.device)
        output = network(normalise(images), present)
        return self.loss(output, maps), model.liveness(output)

    def to_dict(self) -> Mapping[str, Any]:
        """Everything stands in `TrainConfig`."""
        return {}


def _drop(
    present: Tensor | None, shape: tuple[int, int], share: float, draws: torch.Generator
) -> Tensor:
    """What is left, bool (items, modalities), when each modality but the first may drop out.

    An item keeps what it has where nothing would be left.
    """
    kept = torch.rand(shape, generator=draws) >= share
    kept[:, 0] = True
    if present is None:
        return kept
    left = present & kept
    return torch.where(left.any(dim=1, keepdim=True), left, present)
