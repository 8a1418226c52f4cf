"""EPCR: two views of a picture, labelled or not, shall give the same embeddings and predictions.

Wang et al., "Consistency Regularization for Deep Face Anti-Spoofing" (IEEE TIFS 2023), and the
authors' release. Both views go through the same weights; no averaged teacher is kept, although the
release's class is named after one.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.checks import Count, Share, Weight
from sterling.errors import InputError
from sterling.face.pad.detector.preprocessing import normalise
from sterling.face.pad.networks.cdcn import CdcTrunk, cdc_layer, cdcn_level
from sterling.face.pad.networks.network import Network, Output, initialise
from sterling.face.pad.training.augment import moved_view, random_view
from sterling.face.pad.training.losses import bona_fide_of
from sterling.face.pad.training.objective import Batch, Objective


class EPCR(Network):
    """CDCN's encoder with a projector, a predictor and a classifier of every position.

    The encoder is CDCN up to its map of `width` channels at 1/8 of the picture, with a pooling
    after the stem, so that its levels are at 1/4, 1/8 and 1/16. No convolution has a bias. The
    classifier, a bias-free 1×1 convolution of the projected embeddings, answers 1 for an attack and
    0 for a bona fide presentation, as published; `Output.maps` is 1 minus that, 0 at least, so that
    higher is bona fide here as everywhere. The predictor is used while training only.

    Args:
        width: Channels of the stem and of the embeddings; 64 is the published network.
        theta: Share of the difference term in every convolution of the encoder, in [0, 1].
        seed: Seed of the initial weights.
    """

    name = "epcr"

    def __init__(self, width: Count = 64, theta: Share = 0.7, *, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):  # PyTorch's layers draw weights that we replace
            self.encoder = nn.Sequential(
                CdcTrunk(3, width, cdcn_level(width), theta, pooled=True),
                cdc_layer(6 * width, 2 * width, theta),
                cdc_layer(2 * width, width, theta),
            )
            self.projector = nn.Sequential(
                nn.Conv2d(width, width, 1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.Conv2d(width, width, 1, bias=False),
                nn.BatchNorm2d(width),
            )
            self.predictor = nn.Sequential(
                nn.Conv2d(width, width, 1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.Conv2d(width, width, 1, bias=False),
            )
            self.classifier = nn.Conv2d(width, 1, 1, bias=False)
        initialise(self, seed)

    def forward(self, images: Tensor, present: Tensor | None = None) -> Output:
        """Liveness maps (N, H/8, W/8) of images (N, 3, H, W): see `Network`.

        While training, `Output.features` are the embeddings z and the predictions q, both
        (N, width, H/8, W/8), and the classifier's answers on each, both (N, H/8, W/8).
        """
        self.require(images, present)
        embedded = self.embed(images)
        attack = self.classifier(embedded).squeeze(1)
        maps = (1 - attack).clamp(min=0)
        if not self.training:
            return Output(maps=maps)
        predicted = self.predictor(embedded)
        answered = self.classifier(predicted).squeeze(1)
        return Output(maps=maps, features=(embedded, predicted, attack, answered))

    def embed(self, images: Tensor) -> Tensor:
        """Projected embeddings (N, width, H/8, W/8) of images (N, 3, H, W)."""
        embedded: Tensor = self.projector(self.encoder(images))
        return embedded


def all_to_all(predicted: Tensor, embedded: Tensor) -> Tensor:
    """Minus the mean cosine between every position of one map and every one of the other.

    EPCR's dense loss, −(1/n²) Σ_i Σ_j cos(q_i, sg(z_j)) over n = H·W positions: it asks for no
    correspondence, as two views that were cropped differently have none. Computed as minus the
    inner product of the mean unit vectors, which is the same in O(n·C) instead of O(n²·C).

    Args:
        predicted: (N, C, H, W); gradients flow into it.
        embedded: (N, C, H', W'); a constant (stop-gradient).

    Returns:
        (N,), in [-1, 1]; -1 when all positions of both maps are parallel.

    Raises:
        InputError: The numbers of items or channels differ.
    """
    _require_channels(predicted, embedded)
    means = (_unit(one).flatten(2).mean(dim=2) for one in (predicted, embedded.detach()))
    first, second = means
    return -(first * second).sum(dim=1)


def position_to_position(predicted: Tensor, embedded: Tensor) -> Tensor:
    """Minus the mean cosine between equal positions of two maps of one size.

    The variant that views of different geometry do not suit. The released code sums over the
    width where the channels belong; this is the cosine.

    Args:
        predicted: (N, C, H, W); gradients flow into it.
        embedded: (N, C, H, W); a constant (stop-gradient).

    Returns:
        (N,), in [-1, 1].

    Raises:
        InputError: The shapes differ.
    """
    _require_channels(predicted, embedded)
    if predicted.shape != embedded.shape:
        raise InputError(
            f"maps have shapes {tuple(predicted.shape)} and {tuple(embedded.shape)}: equal "
            "positions need one size"
        )
    return -(_unit(predicted) * _unit(embedded.detach())).sum(dim=1).flatten(1).mean(dim=1)


def _unit(features: Tensor) -> Tensor:
    return F.normalize(features, dim=1, eps=1e-12)


def _require_channels(predicted: Tensor, embedded: Tensor) -> None:
    if predicted.ndim != 4 or embedded.ndim != 4 or predicted.shape[:2] != embedded.shape[:2]:
        raise InputError(
            f"maps have shapes {tuple(predicted.shape)} and {tuple(embedded.shape)}: (N, C, H, W) "
            "of as many items and channels is needed"
        )


@dataclass(frozen=True, eq=False)
class Consistency(Objective):
    """EPCR's objective: L = embed_weight · L_embed + predict_weight · L_pred + L_sup.

    L_embed compares the prediction of each view with the embedding of the other (`all_to_all`),
    L_pred the classifier's answers on them (mean squared error, gradients on both sides), L_sup the
    classifier's answers on the embeddings with the label, of labelled items only, over their number
    plus one. The release averages over the batch. The views go through the network one after the
    other, as released, so that batch norm sees one view at a time.

    Attributes:
        labelled: bool (N,), which training items' labels may be used; the others train through the
            two consistencies alone.
        embed_weight: 1 in the release.
        predict_weight: 0.1 in the release.
        dense: Positions that are compared.
        augmented: Whether the views differ in tone and in what is hidden, too, as released;
            otherwise they are cropped and shuffled alone.

    Raises:
        InputError: Nothing is labelled, or a weight is negative.
    """

    labelled: Tensor
    embed_weight: Weight = 1.0
    predict_weight: Weight = 0.1
    dense: Literal["all_to_all", "position_to_position"] = "all_to_all"
    augmented: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.labelled.dtype != torch.bool or not bool(self.labelled.any()):
            raise InputError("labelled: bool, true for one training item at least")

    def __call__(
        self, network: nn.Module, model: Network, batch: Batch, draws: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """See `Objective`; `model` is an `EPCR`."""
        view = random_view if self.augmented else moved_view
        outputs: list[Output] = [network(normalise(view(batch.images, draws))) for _ in range(2)]
        z, q, on_z, on_q = zip(*(output.features for output in outputs), strict=True)
        compare = all_to_all if self.dense == "all_to_all" else position_to_position
        embed = (compare(q[0], z[1]) + compare(q[1], z[0])).mean() / 2
        predict = ((on_q[0] - on_z[1]).square() + (on_q[1] - on_z[0]).square()).mean() / 2
        attack = (~bona_fide_of(batch.maps)).to(on_z[0].dtype)[:, None, None]
        use = self.labelled[batch.rows].to(attack.device, attack.dtype)
        errors = sum((one - attack).square().flatten(1).mean(dim=1) for one in on_z) / 2
        supervised = (use * errors).sum() / (use.sum() + 1)
        loss = self.embed_weight * embed + self.predict_weight * predict + supervised
        return loss, torch.stack([model.liveness(output) for output in outputs]).mean(dim=0)
