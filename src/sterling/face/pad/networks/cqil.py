"""CQIL: the same face at another quality is as alive as it was.

Fang et al., "Surveillance Face Anti-Spoofing" (IEEE TIFS 2024): contrastive quality-invariance
learning. Its three parts are known, their insides are not; what is built here, and every weight, is
our documented default.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.checks import Count, Natural, Weight
from sterling.face.data import Degradation, degrade
from sterling.face.pad.detector.preprocessing import normalise
from sterling.face.pad.layers.resnet import Depth, residual_layers
from sterling.face.pad.networks.network import Network, Output, initialise
from sterling.face.pad.training.augment import tone_view
from sterling.face.pad.training.losses import bona_fide_of, label_loss
from sterling.face.pad.training.objective import Batch, Objective

HALF = 2  # the restoring network works at half the picture's side


class CQIL(Network):
    """A restoring network, an encoder, and two branches: liveness, and quality apart from it.

    Args:
        depth: 10, 18 or 34.
        width: Channels of the encoder's first stage.
        restoring: Residual blocks of the restoring network; 0 leaves it out.
        separate: Whether quality has a branch of its own.
        seed: Seed of the initial weights.
    """

    name = "cqil"
    shrink = 32
    has_map = False
    logit_share = 1.0

    def __init__(
        self,
        depth: Depth = 18,
        width: Count = 64,
        restoring: Natural = 4,
        separate: bool = True,
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        encoded, branch = 8 * width, 4 * width
        with torch.random.fork_rng(devices=[]):  # PyTorch's layers draw weights that we replace
            self.restorer = Restorer(width, restoring) if restoring else None
            self.encoder = nn.Sequential(
                *residual_layers(3, width, depth),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
            )
            self.liveness_branch = nn.Linear(encoded, branch)
            self.classify = nn.Linear(branch, 1)
            self.predictor = nn.Sequential(
                nn.Linear(branch, branch),
                nn.BatchNorm1d(branch),
                nn.ReLU(),
                nn.Linear(branch, branch),
            )
            self.quality_branch = nn.Linear(encoded, branch) if separate else None
            self.grade = nn.Linear(branch, 1) if separate else None
        initialise(self, seed)

    def forward(self, images: Tensor, present: Tensor | None = None) -> Output:
        """Log odds (N, 1) of bona fide for images (N, 3, H, W): see `Network`.

        While training, `Output.features` are the liveness features, their predictions, the quality
        features (all (N, 4·width)), the predicted amounts of lost quality (N,) and the restored
        pictures; the third and fourth are empty without a branch of quality.
        """
        self.require(images, present)
        restored = self.restore(images)
        encoded = self.encoder(restored)
        live = self.liveness_branch(encoded)
        logits = self.classify(live.relu())
        if not self.training:
            return Output(logits=logits)
        if self.quality_branch is None or self.grade is None:
            quality = amount = live.new_zeros(0)
        else:
            quality = self.quality_branch(encoded)
            amount = self.grade(quality.relu()).squeeze(1)
        return Output(
            logits=logits, features=(live, self.predictor(live), quality, amount, restored)
        )

    def restore(self, images: Tensor) -> Tensor:
        """The pictures as the encoder sees them, (N, 3, H, W), normalised."""
        if self.restorer is None:
            return images
        restored: Tensor = self.restorer(images)
        return restored

    def liveness_features(self, images: Tensor) -> Tensor:
        """Features (N, 4·width) that liveness is read from."""
        features: Tensor = self.liveness_branch(self.encoder(self.restore(images)))
        return features


class Restorer(nn.Module):
    """Add to a picture the detail that it lost (image quality variable module).

    Residual blocks at half the side between a strided convolution and a pixel shuffle.

    Args:
        width: Channels of the blocks.
        blocks: Number of blocks.
    """

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, width, 3, HALF, 1)
        self.body = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, width, 3, 1, 1), nn.ReLU(), nn.Conv2d(width, width, 3, 1, 1)
            )
            for _ in range(blocks)
        )
        self.tail = nn.Sequential(nn.Conv2d(width, 3 * HALF**2, 3, 1, 1), nn.PixelShuffle(HALF))

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) to the same shape."""
        features = self.head(images)
        for block in self.body:
            features = features + block(features)
        detail: Tensor = self.tail(features)
        return images + detail


WORST: dict[Degradation, float] = {"blur": 1.0, "low_resolution": 3.0, "noise": 12.0, "jpeg": 70.0}
"""Strength of each degradation at amount 1, in the order in which they happen. Our defaults."""


def lower_quality(images: Tensor, draws: torch.Generator) -> tuple[Tensor, Tensor]:
    """Degrade each picture by a random amount, as a poor camera far away does.

    Args:
        images: uint8 (N, 3, S, S), on any device.
        draws: CPU generator.

    Returns:
        uint8 (N, 3, S, S), and the amounts (N,), float, drawn evenly: 0 is the picture itself, 1
        as bad as `WORST`.
    """
    amounts = torch.rand(len(images), generator=draws)
    seed = int(torch.randint(2**31, (), generator=draws))
    worse = images.clone()
    for row, amount in enumerate(amounts.tolist()):
        for kind, most in WORST.items():
            worse[row] = degrade(worse[row, None], kind, most * amount, seed=seed + row)[0]
    return worse, amounts.to(images.device)


@dataclass(frozen=True, eq=False)
class QualityInvariance(Objective):
    """L = L_BCE + contrast_weight L_con + restore_weight L_SR + separate_weight L_SQN.

    Each picture comes with a copy of lower quality (`lower_quality`). L_BCE classifies both. L_con
    is minus the cosine between the prediction of one's liveness features and those of the other,
    which are held fixed, both ways round. L_SR is the mean absolute error of the restored copy
    against the picture, in units of normalised pixels. L_SQN is the squared error of the predicted
    amount of lost quality plus the absolute cosine between liveness and quality features.

    Attributes:
        contrast_weight: 1.
        restore_weight: 1; without effect on a network that does not restore.
        separate_weight: 0.1; without effect on a network without a branch of quality.
    """

    contrast_weight: Weight = 1.0
    restore_weight: Weight = 1.0
    separate_weight: Weight = 0.1

    def __call__(
        self, network: nn.Module, model: Network, batch: Batch, draws: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """See `Objective`; `model` is a `CQIL`."""
        toned = tone_view(batch.images, draws).round().to(torch.uint8)
        worse, amounts = lower_quality(toned, draws)
        n = len(toned)
        output: Output = network(normalise(torch.cat([toned, worse])))
        live, predicted, quality, amount, restored = output.features
        loss = label_loss(output, bona_fide_of(batch.maps).repeat(2))
        fixed = live.detach()
        one_way = F.cosine_similarity(predicted[:n], fixed[n:], dim=1)
        other_way = F.cosine_similarity(predicted[n:], fixed[:n], dim=1)
        loss = loss - self.contrast_weight * (one_way + other_way).mean() / 2
        loss = loss + self.restore_weight * (restored[n:] - normalise(toned)).abs().mean()
        if len(quality):
            lost = torch.cat([torch.zeros_like(amounts), amounts])
            apart = F.cosine_similarity(live, quality, dim=1).abs().mean()
            loss = loss + self.separate_weight * (F.mse_loss(amount, lost) + apart)
        return loss, model.liveness(output)[:n]
