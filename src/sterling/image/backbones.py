"""Networks of the few-shot literature: Conv-4 and ResNet-12.

Networks that adapt are normalised by the batch alone; networks that are trained once and then
frozen by torch's own normalisation, so that a picture's features do not depend on its batch.

Parts are named ``block1`` to ``block4`` and ``head``, and inside a block ``conv…`` and ``norm…``,
so that layers are easily named.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.adapt import BatchStatistics
from sterling.errors import InputError

BLOCKS = 4
Norm = Callable[[int], nn.Module]


class ConvBlock(nn.Module):
    """3 × 3 convolution with bias, normalisation, ReLU, 2 × 2 maximum: halves height and width.

    Args:
        inputs: Channels in.
        width: Channels out.
        norm: Maps channels to a normalisation.
    """

    def __init__(self, inputs: int, width: int, norm: Norm = BatchStatistics) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, width, 3, padding=1)
        self.norm = norm(width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, width, ⌊H/2⌋, ⌊W/2⌋)."""
        # ReLU after the maximum: the same either way, on a quarter of the numbers.
        return F.relu(F.max_pool2d(self.norm(self.conv(x)), 2))


class ResidualBlock(nn.Module):
    """Three 3 × 3 convolutions beside a 1 × 1 shortcut; halves height and width.

    As LWAU's (IEEE SPL 2020): the third convolution is normalised after the shortcut is added.

    Args:
        inputs: Channels in.
        width: Channels out.
        norm: Maps channels to a normalisation.
    """

    def __init__(self, inputs: int, width: int, norm: Norm = BatchStatistics) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, padding=1)
        self.norm1 = norm(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.norm2 = norm(width)
        self.conv3 = nn.Conv2d(width, width, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, width, 1)
        self.norm3 = norm(width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, width, ⌊H/2⌋, ⌊W/2⌋)."""
        inner = F.relu(self.norm1(self.conv1(x)))
        inner = F.relu(self.norm2(self.conv2(inner)))
        return F.relu(F.max_pool2d(self.norm3(self.conv3(inner) + self.shortcut(x)), 2))


def conv4(
    outputs: int | None,
    *,
    channels: int = 1,
    size: int = 28,
    width: int = 32,
    norm: Norm = BatchStatistics,
    seed: int = 0,
) -> nn.Sequential:
    """Return four `ConvBlock` and a linear head on the flattened map.

    Args:
        outputs: Classes of the head; None leaves it out and gives maps
            (N, width, ⌊size/16⌋, ⌊size/16⌋).
        channels: Channels of the pictures.
        size: Side of the pictures, 16 pixels or more.
        width: Channels of every block; 32 is usual on mini-ImageNet, 64 on Omniglot.
        norm: Maps channels to a normalisation; ``nn.BatchNorm2d`` for networks to freeze.
        seed: Seed of the initial weights.

    Raises:
        InputError: The pictures are too small to be halved four times.
    """
    side = _side_after_blocks(size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        for block in range(BLOCKS):
            parts[f"block{block + 1}"] = ConvBlock(width if block else channels, width, norm)
        if outputs is not None:
            parts["flatten"] = nn.Flatten()
            parts["head"] = nn.Linear(width * side**2, outputs)
        return nn.Sequential(parts)


def resnet12(
    outputs: int | None,
    *,
    channels: int = 3,
    size: int = 84,
    width: int = 64,
    norm: Norm = BatchStatistics,
    seed: int = 0,
) -> nn.Sequential:
    """Return four `ResidualBlock` of width, 2, 4 and 8 times it, mean over places, linear head.

    Args:
        outputs: Classes of the head; None leaves mean and head out and gives maps
            (N, 8 · width, ⌊size/16⌋, ⌊size/16⌋).
        channels: Channels of the pictures.
        size: Side of the pictures, 16 pixels or more.
        width: Channels of the first block.
        norm: Maps channels to a normalisation; ``nn.BatchNorm2d`` for networks to freeze.
        seed: Seed of the initial weights.

    Raises:
        InputError: The pictures are too small to be halved four times.
    """
    _side_after_blocks(size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        widths = [channels, *(width * 2**block for block in range(BLOCKS))]
        for block in range(BLOCKS):
            parts[f"block{block + 1}"] = ResidualBlock(widths[block], widths[block + 1], norm)
        if outputs is not None:
            parts["pool"] = nn.AdaptiveAvgPool2d(1)
            parts["flatten"] = nn.Flatten()
            parts["head"] = nn.Linear(widths[-1], outputs)
        return nn.Sequential(parts)


def _side_after_blocks(size: int) -> int:
    side = size >> BLOCKS
    if side < 1:
        raise InputError(f"size {size}: four blocks halve it four times; give 16 pixels or more")
    return side


Backbone = Literal["conv4", "resnet12"]
BACKBONES: Mapping[Backbone, Callable[..., nn.Sequential]] = {"conv4": conv4, "resnet12": resnet12}
