"""DepthNet: the depth-map network of ordinary or spatial-gradient convolutions."""

from collections.abc import Collection
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.checks import Count
from sterling.face.data import channels_of, require_modalities
from sterling.face.pad.layers.spatio_temporal import SpatialGradientBlock
from sterling.face.pad.networks.network import Network, Output, initialise

Gradient = Literal["none", "sobel_then_conv", "conv_then_sobel"]


class Levels(NamedTuple):
    """Outputs of a DepthNet's three blocks before pooling: 2·width channels at 1, 1/2 and 1/4."""

    low: Tensor
    mid: Tensor
    high: Tensor


class DepthNet(Network):
    """The depth-map network that multi-frame detectors build on, and a single-frame baseline.

    Stem, three blocks (low, mid, high) of three 3×3 convolutions and a 2×2 max pooling each, the
    three pooled outputs brought to 1/8 of the image and concatenated, three convolutions to one
    map. Every convolution is bias-free with batch norm and ReLU, the last one has ReLU alone. (Wang
    et al., 2018 and CVPR 2020; channels from the latter's release: 64, then 128, 192, 128.)

    With a `gradient`, residual spatial gradient blocks stand for all convolutions but the last:
    the single-frame network of SGTD.

    `width` scales the published channels in proportion (width, 2·width, 3·width): our own rule for
    networks that train on a small machine.

    The map is 0 or more. Trained on a face's depth (nearest point 1, attacks 0), a higher mean of
    the map means bona fide. The papers take the mean within the face's mask, which is a label; here
    it is over the map, as nothing but pixels is known at test.

    Args:
        width: Channels of the stem.
        gradient: "none" for ordinary convolutions; otherwise the order within residual spatial
            gradient blocks (see `SpatialGradientBlock`), which take their place.
        root: Whether to take the root of the gradient's magnitude.
        modalities: Modalities stacked along the image's channels: one, or several that are
            fused at the input.
        frames: Frames of a clip, each judged by itself: the score is their mean. 1 takes single
            pictures.
        seed: Seed of the initial weights: PyTorch's default distribution for convolutions; in the
            last one their absolute values, scaled down, so that the map begins above 0 (ours).
    """

    name = "depth_net"

    def __init__(
        self,
        width: Count = 64,
        gradient: Gradient = "none",
        root: bool = True,
        modalities: Collection[str] = ("rgb",),
        frames: Count = 1,
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.modalities = require_modalities(modalities)
        self.gradient, self.root, self.width, self.frames = gradient, root, width, frames
        with torch.random.fork_rng(devices=[]):  # PyTorch's layers draw weights that we replace
            self.stem = self._layer(channels_of(self.modalities), width)
            self.low = self._block(width)
            self.mid = self._block(2 * width)
            self.high = self._block(2 * width)
            last = nn.Conv2d(width, 1, 3, padding=1, bias=False)
            self.head = nn.Sequential(
                self._layer(6 * width, 2 * width), self._layer(2 * width, width), last, nn.ReLU()
            )
        initialise(self, seed)
        with torch.no_grad():
            # No gradient passes a closed ReLU, and weights of either sign close the last one on
            # whole maps for many seeds. So the map begins near 0.2 everywhere, whatever the width.
            last.weight.abs_().div_(last.weight[0].numel() ** 0.5)

    def forward(self, images: Tensor, present: Tensor | None = None) -> Output:
        """Predict depth maps (N, [T,] H/8, W/8), 0 or more, of images (N, [T,] C, H, W)."""
        self.require(images, present)
        if self.frames == 1:
            return Output(maps=self.depth(self.levels(images)))
        maps = self.depth(self.levels(images.flatten(0, 1)))
        return Output(maps=maps.view(-1, self.frames, *maps.shape[1:]))

    def levels(self, images: Tensor) -> Levels:
        """Features of images (N, C, H, W) at three sizes."""
        images = images.contiguous(memory_format=torch.channels_last)
        low = self.low(self.stem(images))
        mid = self.mid(F.max_pool2d(low, 2))
        return Levels(low, mid, self.high(F.max_pool2d(mid, 2)))

    def depth(self, levels: Levels) -> Tensor:
        """Depth maps (N, H/8, W/8), 0 or more, from `levels`."""
        depth: Tensor = self.head(self.pyramid(levels))
        return depth.squeeze(1)

    @staticmethod
    def pyramid(levels: Levels) -> Tensor:
        """All levels at 1/8 of the image, (N, 6·width, H/8, W/8)."""
        low, mid, high = (F.max_pool2d(level, 2) for level in levels)
        resized = [
            F.interpolate(level, size=high.shape[-2:], mode="bilinear", align_corners=False)
            for level in (low, mid)
        ]
        return torch.cat([*resized, high], dim=1)

    def _layer(self, in_channels: int, out_channels: int) -> nn.Module:
        if self.gradient != "none":
            return SpatialGradientBlock(
                in_channels, out_channels, order=self.gradient, root=self.root
            )
        return nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
        )

    def _block(self, in_channels: int) -> nn.Sequential:
        width = self.width
        return nn.Sequential(
            self._layer(in_channels, 2 * width),
            self._layer(2 * width, 3 * width),
            self._layer(3 * width, 2 * width),
        )
