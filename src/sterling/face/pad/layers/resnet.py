"""Residual networks' stages, and squeeze and excitation."""

from typing import Annotated

from torch import Tensor, nn

from sterling.checks import OneOf

BLOCKS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
"""Basic blocks of res2 to res5 by the network's depth. 10 is ours, for small machines."""

Depth = Annotated[int, OneOf(tuple(BLOCKS))]
"""Depth of a residual network."""


class SqueezeExcitation(nn.Module):
    """Re-weigh channels by a gate in (0, 1) computed from their means.

        z = GAP(F);  g = σ(W2 φ(W1 z));  F' = g ⊙ F

    Args:
        channels: Channels of the features.
        reduction: The bottleneck has channels / reduction units, at least 1.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.squeeze = nn.Linear(channels, hidden)
        self.excite = nn.Linear(hidden, channels)

    def gates(self, features: Tensor) -> Tensor:
        """(N, C, H, W) to the gates (N, C, 1, 1)."""
        means = features.mean(dim=(2, 3))
        gates: Tensor = self.excite(self.squeeze(means).relu()).sigmoid()
        return gates[:, :, None, None]

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        return self.gates(features) * features


class _BasicBlock(nn.Module):
    """Two 3×3 convolutions beside a shortcut (He et al., CVPR 2016)."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.shortcut = (
            nn.Identity()
            if stride == 1 and in_channels == channels
            else nn.Sequential(
                _EveryNth(stride),
                nn.Conv2d(in_channels, channels, 1, bias=False),
                nn.BatchNorm2d(channels),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self.residual(x) + self.shortcut(x)
        return total.relu()


class _EveryNth(nn.Module):
    """Keep every n-th row and column: what the stride of a 1×1 convolution does.

    PyTorch 2.13's own strided 1×1 convolution corrupts memory on CPUs, for channels-last pictures
    of 2 to 6 channels.
    """

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def forward(self, x: Tensor) -> Tensor:
        return x[..., :: self.n, :: self.n]


def residual_stem(in_channels: int, width: int) -> nn.Sequential:
    """(N, C, H, W) to (N, width, H/4, W/4)."""
    return nn.Sequential(
        nn.Conv2d(in_channels, width, 7, 2, 3, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
    )


def residual_stage(in_channels: int, channels: int, blocks: int, stride: int) -> nn.Sequential:
    """Basic blocks of one size; the first one has the stride."""
    first = _BasicBlock(in_channels, channels, stride)
    return nn.Sequential(first, *(_BasicBlock(channels, channels, 1) for _ in range(blocks - 1)))


def residual_layers(in_channels: int, width: int, depth: int) -> list[nn.Sequential]:
    """The stem and the stages res2 to res5: (N, C, H, W) to (N, 8·width, H/32, W/32).

    Args:
        in_channels: Channels of the pictures.
        width: Channels of res2.
        depth: Depth of the network, a key of `BLOCKS`.
    """
    channels = [width, width, 2 * width, 4 * width, 8 * width]
    stages = [
        residual_stage(before, after, blocks, 1 if before == after else 2)
        for before, after, blocks in zip(channels, channels[1:], BLOCKS[depth], strict=False)
    ]
    return [residual_stem(in_channels, width), *stages]
