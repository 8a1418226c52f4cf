"""CDCN: a depth-map network of central difference convolutions."""

from collections.abc import Collection
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.face.data import Modality, channels_of, require_modalities
from sterling.face.pad.cdc import CentralDifferenceConv2d
from sterling.face.pad.network import Network, Output, initialise

__all__ = ["CDCN", "CDCNConfig"]


@dataclass(frozen=True)
class CDCNConfig:
    """What is needed to build a `CDCN` again.

    Attributes:
        width: Channels of the stem, 1 or more. 64 is the published network.
        theta: Share of the difference term in every convolution, in [0, 1]; 0 is the same network
            with ordinary convolutions.
        modalities: What is stacked along the image's channels (fusion at the input).
    """

    width: int = 64
    theta: float = 0.7
    modalities: tuple[Modality, ...] = ("rgb",)

    def __post_init__(self) -> None:
        if type(self.width) is not int or self.width < 1:
            raise InputError(f"width is {self.width!r}: an integer of 1 or more")
        if not 0.0 <= self.theta <= 1.0:
            raise InputError(f"theta is {self.theta}: the share of the difference lies in [0, 1]")


class CDCN(Network):
    """The depth-map network of Yu et al., CVPR 2020, section 3.2 and the authors' release.

    Stem, three blocks (low, mid, high) that each halve the size, the three block outputs brought to
    1/8 of the image and concatenated, three convolutions to one map. Every convolution is a
    bias-free 3×3 `CentralDifferenceConv2d` followed by batch norm and ReLU, the last one by ReLU
    alone. The published network has width 64: 2,245,016 trainable parameters, a 256×256 image gives
    a 32×32 map.

    `width` scales the published channels 64, 128 and 196 in proportion (width, 2·width,
    round(196/64·width)): our own rule for networks that train on a small machine.

    The map is 0 or more. Trained on a face's depth (nearest point 1, attacks 0), a higher mean of
    the map means bona fide.

    Args:
        width: Channels of the stem.
        theta: Share of the difference term, in [0, 1].
        modalities: What is stacked along the image's channels: one modality, or several that are
            fused at the input.
        seed: Seed of the initial weights (PyTorch's default distribution for convolutions).

    Raises:
        InputError: An argument is outside its range.
    """

    name = "cdcn"

    def __init__(
        self,
        width: int = 64,
        theta: float = 0.7,
        modalities: Collection[str] = ("rgb",),
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.modalities = require_modalities(modalities)
        self.config = CDCNConfig(width, theta, self.modalities)
        base, expanded = 2 * width, round(196 / 64 * width)
        with torch.random.fork_rng(devices=[]):  # PyTorch's layers draw weights that we replace
            self.stem = _layer(channels_of(self.modalities), width, theta)
            self.low = _block(width, base, expanded, theta)
            self.mid = _block(base, base, expanded, theta)
            self.high = _block(base, base, expanded, theta)
            self.head = nn.Sequential(
                _layer(3 * base, base, theta),
                _layer(base, width, theta),
                nn.Sequential(CentralDifferenceConv2d(width, 1, theta=theta), nn.ReLU()),
            )
        initialise(self, seed)

    def forward(self, images: Tensor, present: Tensor | None = None) -> Output:
        """Predict depth maps (N, H/8, W/8), 0 or more, of images (N, C, H, W): see `Network`."""
        self.require(images, present)
        low = self.low(self.stem(images))
        mid = self.mid(low)
        high = self.high(mid)
        size = (images.shape[-2] // self.shrink, images.shape[-1] // self.shrink)
        levels = [
            F.interpolate(level, size=size, mode="bilinear", align_corners=False)
            for level in (low, mid)
        ]
        depth: Tensor = self.head(torch.cat([*levels, high], dim=1))
        return Output(maps=depth.squeeze(1))


def _layer(in_channels: int, out_channels: int, theta: float) -> nn.Sequential:
    return nn.Sequential(
        CentralDifferenceConv2d(in_channels, out_channels, theta=theta),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


def _block(in_channels: int, base: int, expanded: int, theta: float) -> nn.Sequential:
    return nn.Sequential(
        _layer(in_channels, base, theta),
        _layer(base, expanded, theta),
        _layer(expanded, base, theta),
        nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
    )
