"""CDCN: a depth-map network of central difference convolutions."""

from collections.abc import Collection, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.checks import Count, Share
from sterling.face.data import channels_of, require_modalities
from sterling.face.pad.layers.cdc import CentralDifferenceConv2d
from sterling.face.pad.networks.network import Network, Output, initialise

SHRINK = 8  # a trunk halves the size three times


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
        theta: Share of the difference term in every convolution, in [0, 1]; 0 is the same network
            with ordinary convolutions.
        modalities: Modalities stacked along the image's channels: one, or several that are
            fused at the input.
        seed: Seed of the initial weights (PyTorch's default distribution for convolutions).
    """

    name = "cdcn"

    def __init__(
        self,
        width: Count = 64,
        theta: Share = 0.7,
        modalities: Collection[str] = ("rgb",),
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.modalities = require_modalities(modalities)
        base = 2 * width
        with torch.random.fork_rng(devices=[]):  # PyTorch's layers draw weights that we replace
            self.trunk = CdcTrunk(channels_of(self.modalities), width, cdcn_level(width), theta)
            self.head = nn.Sequential(
                cdc_layer(3 * base, base, theta),
                cdc_layer(base, width, theta),
                map_layer(width, theta),
            )
        initialise(self, seed)

    def forward(self, images: Tensor, present: Tensor | None = None) -> Output:
        """Predict depth maps (N, H/8, W/8), 0 or more, of images (N, C, H, W): see `Network`."""
        self.require(images, present)
        depth: Tensor = self.head(self.trunk(images))
        return Output(maps=depth.squeeze(1))


class CdcTrunk(nn.Module):
    """Stem and three levels, brought to 1/8 of the image and concatenated.

    Args:
        in_channels: Channels of the image.
        width: Channels of the stem; every level ends with 2·width.
        levels: Output channels of each level's convolutions, of which the last is 2·width.
        theta: Share of the difference term.
        attention: Kernel sizes of a spatial attention before the resizing, one per level (the
            multiscale attention fusion module of CDCN++); None without.
        pooled: Whether the stem ends with a pooling to half the side, so that levels are at 1/4,
            1/8 and 1/16 (EPCR's release) instead of 1/2, 1/4 and 1/8.
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        levels: Sequence[Sequence[int]],
        theta: float,
        attention: Sequence[int] | None = None,
        *,
        pooled: bool = False,
    ) -> None:
        super().__init__()
        stem = cdc_layer(in_channels, width, theta)
        self.stem = nn.Sequential(*stem, nn.MaxPool2d(3, 2, 1)) if pooled else stem
        ends = [width, *(level[-1] for level in levels)]
        self.low, self.mid, self.high = (
            _level(start, level, theta) for start, level in zip(ends, levels, strict=False)
        )
        self.attention = (
            None if attention is None else nn.ModuleList(SpatialAttention(k) for k in attention)
        )

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) to (N, 6·width, H/8, W/8)."""
        low = self.low(self.stem(images))
        mid = self.mid(low)
        levels = [low, mid, self.high(mid)]
        if self.attention is not None:
            levels = [attend(x) for attend, x in zip(self.attention, levels, strict=True)]
        size = (images.shape[-2] // SHRINK, images.shape[-1] // SHRINK)
        alike = [
            level
            if level.shape[-2:] == size
            else F.interpolate(level, size=size, mode="bilinear", align_corners=False)
            for level in levels
        ]
        return torch.cat(alike, dim=1)


class SpatialAttention(nn.Module):
    """Weigh positions by a vanilla convolution over the channels' mean and maximum, bias-free.

    Args:
        kernel_size: Odd side of the window.
    """

    def __init__(self, kernel_size: int) -> None:
        super().__init__()
        self.weigh = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape, each position times a weight in (0, 1)."""
        summary = torch.cat(
            [features.mean(dim=1, keepdim=True), features.amax(dim=1, keepdim=True)], dim=1
        )
        weighed: Tensor = features * self.weigh(summary).sigmoid()
        return weighed


def scaled(channels: int, width: int) -> int:
    """Channels of the published network (width 64) at another width: in proportion, rounded."""
    return round(channels / 64 * width)


def cdcn_level(width: int) -> list[list[int]]:
    """Channels of CDCN's three equal levels: 128, 196, 128 at width 64."""
    return [[2 * width, scaled(196, width), 2 * width]] * 3


def cdc_layer(in_channels: int, out_channels: int, theta: float) -> nn.Sequential:
    """A 3×3 central difference convolution, batch norm and ReLU."""
    return nn.Sequential(
        CentralDifferenceConv2d(in_channels, out_channels, theta=theta),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


def map_layer(in_channels: int, theta: float) -> nn.Sequential:
    """The last layer: to one map of values of 0 or more, without batch norm."""
    return nn.Sequential(CentralDifferenceConv2d(in_channels, 1, theta=theta), nn.ReLU())


def _level(start: int, channels: Sequence[int], theta: float) -> nn.Sequential:
    layers = [
        cdc_layer(before, after, theta)
        for before, after in zip([start, *channels], channels, strict=False)
    ]
    return nn.Sequential(*layers, nn.MaxPool2d(kernel_size=3, stride=2, padding=1))
