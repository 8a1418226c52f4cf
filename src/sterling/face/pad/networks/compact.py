"""Compact: a small network for one colour crop, made to be deployed."""

from collections.abc import Collection

import torch
from torch import Tensor, nn

from sterling.checks import Count, Share
from sterling.face.data import channels_of, require_modalities
from sterling.face.pad.layers.cdc import CentralDifferenceConv2d
from sterling.face.pad.networks.cdcn import cdc_layer
from sterling.face.pad.networks.network import Network, Output, initialise


class Compact(Network):
    """Four levels of central difference convolutions that each halve the size, and one logit.

    Our own design, of the size of the networks that are deployed on telephones (MiniFASNet: 0.4
    million parameters at 80×80). A stem with stride 2 to `width` channels; three levels of a
    convolution with stride 2, which doubles the channels, and a residual one; the mean over
    positions, and a linear head. Every convolution is a bias-free 3×3 `CentralDifferenceConv2d`
    with batch norm and ReLU, and costs as much as an ordinary one once it is folded.

    While it trains, an auxiliary head answers with a map of depth at 1/8 of the image, from the
    level of that size: `Output.features`. It is idle in evaluation mode and absent from exports.

    Args:
        width: Channels of the stem.
        theta: Share of the difference term in every 3×3 convolution, in [0, 1].
        modalities: Modalities stacked along the image's channels.
        seed: Seed of the initial weights.
    """

    name = "compact"
    shrink = 16
    has_map = False
    logit_share = 1.0

    def __init__(
        self,
        width: Count = 16,
        theta: Share = 0.7,
        modalities: Collection[str] = ("rgb",),
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.modalities = require_modalities(modalities)
        with torch.random.fork_rng(devices=[]):  # PyTorch's layers draw weights that we replace
            self.stem = _halved(channels_of(self.modalities), width, theta)
            self.low = _level(width, theta)
            self.mid = _level(2 * width, theta)
            self.high = _level(4 * width, theta)
            self.depth = nn.Conv2d(4 * width, 1, 1)
            self.head = nn.Linear(8 * width, 1)
        initialise(self, seed)

    def forward(self, images: Tensor, present: Tensor | None = None) -> Output:
        """Log odds of bona fide (N, 1) of images (N, C, H, W), and a map while training."""
        self.require(images, present)
        mid = self.mid(self.low(self.stem(images)))
        embedding = self.high(mid).mean(dim=(2, 3))
        return Output(
            logits=self.head(embedding),
            features=(self.depth(mid).squeeze(1),) if self.training else (),
            embedding=embedding,
        )


class _Residual(nn.Module):
    """A convolution whose answer is added to its input."""

    def __init__(self, channels: int, theta: float) -> None:
        super().__init__()
        self.layer = cdc_layer(channels, channels, theta)

    def forward(self, features: Tensor) -> Tensor:
        changed: Tensor = features + self.layer(features)
        return changed


def _halved(in_channels: int, out_channels: int, theta: float) -> nn.Sequential:
    return nn.Sequential(
        CentralDifferenceConv2d(in_channels, out_channels, stride=2, theta=theta),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


def _level(channels: int, theta: float) -> nn.Sequential:
    return nn.Sequential(_halved(channels, 2 * channels, theta), _Residual(2 * channels, theta))
