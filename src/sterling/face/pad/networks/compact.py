"""Compact: a small network for one colour crop, made to be deployed."""

from collections.abc import Collection
from typing import Annotated

import torch
from torch import Tensor, nn

from sterling.checks import Range
from sterling.face.data import channels_of, require_modalities
from sterling.face.pad.networks.network import Network, Output, initialise

STAGES = (  # side of the kernel, stride, expansion, channels, blocks
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
_STEM = 32


class Compact(Network):
    """The trunk of EfficientNet-Lite0, the mean over positions, and log odds of bona fide.

    Inverted residual blocks without squeeze-and-excitation, ReLU6 throughout (Tan and Le,
    "EfficientNet", ICML 2019; the Lite variant of the TensorFlow authors), so that 8-bit integers
    do almost as well. Convolutions pad both sides alike, where the release pads the far side only.
    The score is the log odds themselves: any number, above 0 where bona fide is the likelier.

    Args:
        stages: Stages of the trunk that are kept, 1 to 7: five of them halve the picture four
            times, all of them five times.
        modalities: Modalities stacked along the image's channels.
        seed: Seed of the initial weights.

    Examples:
        >>> network = Compact(stages=5).eval()
        >>> network(torch.zeros(2, 3, 96, 96)).logits.shape
        torch.Size([2, 1])
    """

    name = "compact"
    shrink = 16
    has_map = False
    logit_share = 1.0

    def __init__(
        self,
        stages: Annotated[int, Range(1, len(STAGES))] = len(STAGES),
        modalities: Collection[str] = ("rgb",),
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.modalities = require_modalities(modalities)
        with torch.random.fork_rng(devices=[]):  # PyTorch's layers draw weights that we replace
            self.stem = _convolution(channels_of(self.modalities), _STEM, 3, stride=2)
            blocks, channels = [], _STEM
            for kernel, stride, expansion, out, count in STAGES[:stages]:
                for index in range(count):
                    first = stride if index == 0 else 1
                    blocks.append(_InvertedResidual(channels, out, kernel, first, expansion))
                    channels = out
            self.blocks = nn.Sequential(*blocks)
            self.head = nn.Linear(channels, 1)
        initialise(self, seed)

    def features(self, images: Tensor) -> Tensor:
        """Mean features (N, F) of normalised images (N, C, H, W)."""
        pooled: Tensor = self.blocks(self.stem(images)).mean(dim=(2, 3))
        return pooled

    def forward(self, images: Tensor, present: Tensor | None = None) -> Output:
        """Log odds of bona fide (N, 1) of images (N, C, H, W)."""
        self.require(images, present)
        embedding = self.features(images)
        return Output(logits=self.head(embedding), embedding=embedding)

    def liveness(self, output: Output) -> Tensor:
        """Return the log odds (N,) of an output; higher means bona fide."""
        if output.logits is None:
            raise AssertionError
        return output.logits[:, -1]


class _InvertedResidual(nn.Module):
    """Widen, filter each channel, narrow; added to the input where the shape stays."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = expansion * channels
        self.expand = _convolution(channels, wide, 1) if expansion > 1 else nn.Identity()
        self.depthwise = _convolution(wide, wide, kernel, stride=stride, groups=wide)
        self.project = _convolution(wide, out, 1, active=False)
        self.skips = stride == 1 and channels == out

    def forward(self, features: Tensor) -> Tensor:
        changed: Tensor = self.project(self.depthwise(self.expand(features)))
        return features + changed if self.skips else changed


def _convolution(
    channels: int, out: int, kernel: int, *, stride: int = 1, groups: int = 1, active: bool = True
) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(channels, out, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out, eps=1e-3),
    ]
    return nn.Sequential(*layers, nn.ReLU6()) if active else nn.Sequential(*layers)
