"""Objectives: the loss that a training step minimises, with its augmentation."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor, nn

from sterling.checks import check_fields
from sterling.face.pad.detector.preprocessing import normalise
from sterling.face.pad.detector.weights import digest
from sterling.face.pad.networks.network import Network, Output
from sterling.face.pad.training.augment import augment
from sterling.face.pad.training.losses import OutputLoss


@dataclass(frozen=True, eq=False)
class Batch:
    """Training items of one step, on the device of the network.

    Attributes:
        images: uint8 (N, [T,] C, S, S); float once they are augmented.
        maps: Label maps, float.
        present: bool (N, M), which modalities there are; None: all.
        rows: Rows of the items among all training items, int64 (N,), on the CPU.
    """

    images: Tensor
    maps: Tensor
    present: Tensor | None
    rows: Tensor


@dataclass(frozen=True, eq=False)
class Objective(ABC):
    """Base of all objectives: the loss of a batch, and its augmentation.

    A subclass is a dataclass whose annotations say what its fields may be (see `sterling.checks`).

    Raises:
        InputError: A field is not allowed.
    """

    def __post_init__(self) -> None:
        check_fields(self)

    @abstractmethod
    def __call__(
        self, network: nn.Module, model: Network, batch: Batch, draws: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return the scalar loss and the scores (N,) of a batch.

        Args:
            network: The network to call: `model` as accelerate has wrapped it.
            model: The network's attributes and `liveness`.
            batch: The items.
            draws: CPU generator of everything random.
        """

    def to_dict(self) -> Mapping[str, Any]:
        """Settings that must match when training resumes, as JSON; of tensors, their digest."""
        return {field.name: _stored(getattr(self, field.name)) for field in fields(self)}


def _stored(value: Any) -> Any:
    if isinstance(value, Tensor):
        return digest(value)
    return digest(*value.state_dict().values()) if isinstance(value, nn.Module) else value


@dataclass(frozen=True, eq=False)
class OneView(Objective):
    """An objective that looks at each presentation once; a subclass states the `loss`.

    Attributes:
        augmented: Whether to augment (see `augment`).
    """

    augmented: bool = field(default=True, kw_only=True)

    def __call__(
        self, network: nn.Module, model: Network, batch: Batch, draws: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """See `Objective`."""
        shown = self.view(model, batch, draws)
        output: Output = network(normalise(shown.images), shown.present)
        return self.loss(output, model, shown), model.liveness(output)

    def view(self, model: Network, batch: Batch, draws: torch.Generator) -> Batch:
        """Return the batch as the network sees it."""
        if not self.augmented:
            return batch
        images, maps = augment(batch.images, batch.maps, draws, model.modalities)
        return replace(batch, images=images, maps=maps)

    @abstractmethod
    def loss(self, output: Output, model: Network, batch: Batch) -> Tensor:
        """Return the scalar loss of an output, given the batch as the network saw it."""


@dataclass(frozen=True, eq=False)
class Supervised(OneView):
    """Label maps (or their classes) by `OutputLoss`; the objective of `TrainConfig`.

    Attributes:
        output_loss: Loss of an output and label maps.
        drop_modality: Probability with which each modality but the first drops out.
    """

    output_loss: OutputLoss
    drop_modality: float = 0.0

    def view(self, model: Network, batch: Batch, draws: torch.Generator) -> Batch:
        """Augment, and drop modalities."""
        shown = super().view(model, batch, draws)
        if not self.drop_modality:
            return shown
        there = None if batch.present is None else batch.present.cpu()
        shape = (len(batch.images), len(model.modalities))
        present = _drop(there, shape, self.drop_modality, draws).to(batch.images.device)
        return replace(shown, present=present)

    def loss(self, output: Output, model: Network, batch: Batch) -> Tensor:  # noqa: ARG002
        """See `OneView`."""
        loss: Tensor = self.output_loss(output, batch.maps)
        return loss

    def to_dict(self) -> Mapping[str, Any]:
        """Return nothing: `TrainConfig` has it all."""
        return {}


def _drop(
    present: Tensor | None, shape: tuple[int, int], share: float, draws: torch.Generator
) -> Tensor:
    """Drop each modality but the first with probability `share`: bool (items, modalities).

    An item that would lose all its modalities keeps them.
    """
    kept = torch.rand(shape, generator=draws) >= share
    kept[:, 0] = True
    if present is None:
        return kept
    left = present & kept
    return torch.where(left.any(dim=1, keepdim=True), left, present)
