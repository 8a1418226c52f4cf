"""Training of any architecture on labelled faces, in as many stages as it needs."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from sterling.face.data import Faces, LabelKind, label_maps
from sterling.face.pad import EpochRecord, Network, TrainConfig, TrainHistory, train
from sterling.face.pad.networks.clip_depth import ClipDepth
from sterling.face.pad.networks.deep_pixbis import DeepPixBiS, PixelWiseBinary
from sterling.face.pad.networks.fourier import FourierNet, FourierSupervised
from sterling.face.pad.networks.part_crops import PartCrops, PartSupervision
from sterling.face.pad.networks.reflection import Bipartite, BipartiteNet
from sterling.face.pad.training.objective import Objective


def fit(
    network: Network,
    faces: Faces,
    config: TrainConfig,
    *,
    label: LabelKind,
    checkpoint: Path | None = None,
    progress: Callable[[EpochRecord], None] | None = None,
) -> TrainHistory:
    """Train `network` in place.

    A multi-frame depth network is trained in two stages, as published: its single-frame network on
    all frames, then the rest with that one kept as it is. An architecture with an objective of its
    own is trained by that (see `own_objective`).

    Args:
        network: Its initial weights are the start.
        faces: Bona fide presentations and attacks, of the network's modalities and frames.
        config: Training settings of every stage.
        label: Label maps that a network with maps is taught.
        checkpoint: File that an interrupted training resumes from; each stage has its own.
        progress: Called after each epoch of each stage.

    Raises:
        InputError: As `train`.
    """
    maps = target_maps(network, faces, label)
    if isinstance(network, ClipDepth) and stages(network) == 2:
        train(
            network.single,
            faces.images.flatten(0, 1),
            maps.flatten(0, 1),
            config,
            checkpoint=None if checkpoint is None else _first(checkpoint),
            progress=progress,
        )
        network.adopt(network.single)
    return train(
        network,
        faces.images,
        maps,
        config,
        present=faces.present,
        objective=own_objective(network, config.augment),
        checkpoint=checkpoint,
        progress=progress,
    )


def own_objective(network: Network, augmented: bool) -> Objective | None:
    """Return an architecture's published objective on label maps alone; None: `OutputLoss`."""
    match network:
        case BipartiteNet():
            return Bipartite(augmented=augmented)
        case DeepPixBiS():
            return PixelWiseBinary(augmented=augmented)
        case FourierNet():
            return FourierSupervised(augmented=augmented)
        case PartCrops():
            return PartSupervision(augmented=augmented)
    return None


def stages(network: Network) -> int:
    """Number of trainings in `fit`: two for a network of clips whose trunk is not trained yet."""
    return 2 if isinstance(network, ClipDepth) and not network.frozen else 1


def target_maps(network: Network, faces: Faces, label: LabelKind) -> Tensor:
    """Label maps to train a network on: one pixel where it has no map."""
    size = faces.images.shape[-1]
    if network.has_map:
        return label_maps(faces, label, network.map_shape(size)[-1])
    return torch.from_numpy(faces.manifest.bona_fide).float()[:, None, None]


def _first(checkpoint: Path) -> Path:
    return checkpoint.with_name(f"single-{checkpoint.name}")
