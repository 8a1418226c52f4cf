"""The network that attends to a logo and to what surrounds it (AAR).

"Makeup216: Logo Recognition with Adversarial Attention Representations" (arXiv 2112.06533) attends
to the subject and to its marginal background apart and combines both. Its architecture could not be
established: trunk, form of the attention and sizes are ours.
"""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.checks import Count, Level, Range, check_fields
from sterling.errors import InputError
from sterling.image.logos.stored import load_weights, save_weights

Parts = Literal["both", "subject", "whole"]
ORIENTATIONS = 8  # directions of edges
REGIONS = 6  # rows and columns of regions that features are pooled in
STRIDE = 4  # pixels of the input in one cell of the feature map
_LEAST = 1e-6  # keeps the mean over an empty map finite


@dataclass(frozen=True)
class LogoDesign:
    """Sizes of a `LogoNetwork`.

    Attributes:
        size: Side of the input, a multiple of 24.
        width: Half the channels of the feature map.
        dimension: Dimension of the embedding.
        parts: Pooled parts: "both" subject and background, the "subject" alone, or the "whole"
            feature map evenly, without attention.
        margin: Border that the box is enlarged by on each side, in sides of the box.
    """

    size: Annotated[int, Range(24)] = 48
    width: Count = 12
    dimension: Count = 128
    parts: Parts = "both"
    margin: Level = 0.2

    def __post_init__(self) -> None:
        check_fields(self)
        if self.size % (STRIDE * REGIONS):
            raise InputError(f"size {self.size}: a multiple of {STRIDE * REGIONS}")


@dataclass(frozen=True, eq=False)
class LogoFeatures:
    """Views of a batch of pictures by the network.

    Attributes:
        maps: Feature maps (N, C, h, w).
        attention: Attention to the subject, (N, 1, h, w) in (0, 1).
        subject: Mean of the features weighted by the attention, (N, C).
        background: Mean of the features weighted by what the attention leaves, (N, C).
        embedding: Joint embedding of unit length, (N, dimension).
    """

    maps: Tensor
    attention: Tensor
    subject: Tensor
    background: Tensor
    embedding: Tensor


class LogoNetwork(nn.Module):
    """A small convolutional trunk, attention over its feature map, and a joint embedding.

    Args:
        design: Sizes.
        seed: Seed of the initial weights.

    Examples:
        >>> network = LogoNetwork(LogoDesign(size=24, width=4, dimension=8))
        >>> network.embed(torch.zeros(2, 3, 24, 24, dtype=torch.uint8)).shape
        torch.Size([2, 8])
    """

    def __init__(self, design: LogoDesign | None = None, *, seed: int = 0) -> None:
        super().__init__()
        self.design = design or LogoDesign()
        width = self.design.width
        self.channels = 2 * width
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.trunk = nn.Sequential(
                nn.BatchNorm2d(ORIENTATIONS + 3),
                _block(ORIENTATIONS + 3, self.channels),
                _Context(self.channels),
                _block(self.channels, self.channels),
            )
            self.attention = nn.Sequential(
                nn.Conv2d(self.channels, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, 1, 1)
            )
            self.pooled = self.channels * REGIONS**2
            pooled = self.pooled * (2 if self.design.parts == "both" else 1)
            self.joint = nn.Linear(pooled, self.design.dimension)

    def forward(self, images: Tensor) -> LogoFeatures:
        """Features of pictures, uint8 (N, 3, size, size)."""
        maps = self.trunk(first_look(images))
        attention = torch.sigmoid(self.attention(maps))
        if self.design.parts == "whole":
            attention = torch.ones_like(attention)
        subject, background = weighted_mean(maps, attention), weighted_mean(maps, 1 - attention)
        pooled = torch.cat([subject, background], 1) if self.design.parts == "both" else subject
        return LogoFeatures(maps, attention, subject, background, F.normalize(self.joint(pooled)))

    @torch.no_grad()
    def embed(self, images: Tensor, batch: int = 256) -> Tensor:
        """Joint embeddings of unit length, (N, dimension), of pictures uint8 (N, 3, size, size).

        Raises:
            InputError: The pictures have another type or size.
        """
        shape = (3, self.design.size, self.design.size)
        if images.dtype != torch.uint8 or tuple(images.shape[1:]) != shape:
            raise InputError(
                f"pictures {tuple(images.shape)} of {images.dtype}: give uint8 (N, {shape[0]}, "
                f"{shape[1]}, {shape[2]})"
            )
        training = self.training
        self.eval()
        try:
            parts = [self(part).embedding for part in torch.split(images, batch)]
        finally:
            self.train(training)
        return torch.cat(parts) if parts else torch.zeros(0, self.design.dimension)

    def save(self, folder: Path, **card: Any) -> None:
        """Write ``network.safetensors`` and its card, ``network.json``, into a folder.

        Args:
            folder: The folder, made where it is missing.
            card: Further fields of the card, such as the data it was trained on.
        """
        save_weights(self, folder, "network", {"design": asdict(self.design), **card})

    @classmethod
    def load(cls, folder: Path) -> "LogoNetwork":
        """Read what `save` wrote; nothing is unpickled.

        Raises:
            InputError: A file is missing or does not fit.
        """
        return load_weights(folder, "network", lambda card: cls(LogoDesign(**card["design"])))


def weighted_mean(maps: Tensor, weights: Tensor) -> Tensor:
    """Mean of feature maps over places by weights, split into `REGIONS` × `REGIONS` regions.

    The sum over regions is the weighted mean over all places; the split keeps where things are.

    Args:
        maps: (N, C, h, w), h and w multiples of `REGIONS`.
        weights: 0 or more, (N, 1, h, w).

    Returns:
        (N, C × regions).
    """
    cells = maps.shape[2] * maps.shape[3]
    parts = F.adaptive_avg_pool2d(maps * weights, REGIONS)
    total = weights.mean((2, 3)).clamp_min(_LEAST / cells)
    return parts.flatten(1) / total


def first_look(images: Tensor) -> Tensor:
    """Edges by direction, and colour, in cells of 4 × 4 pixels; nothing is learned.

    A logo is printed in any colour, light on dark or dark on light: only the direction of an edge
    counts, not its sign, and its strength relative to the surroundings.

    Args:
        images: uint8 (N, 3, H, W).

    Returns:
        float32 (N, `ORIENTATIONS` + 3, H / 4, W / 4).
    """
    pixels = images.float() / 255
    across = F.pad(pixels, (1, 1, 1, 1), mode="replicate")
    x = (across[:, :, 1:-1, 2:] - across[:, :, 1:-1, :-2]) / 2
    y = (across[:, :, 2:, 1:-1] - across[:, :, :-2, 1:-1]) / 2
    across_x, across_y, strength = _strongest(x, y)
    # The doubled angle, so that an angle and its opposite are one; 0 where there is no edge.
    scale = strength.clamp_min(1e-12)
    cosine = (across_x.square() - across_y.square()) / scale
    sine = 2 * across_x * across_y / scale
    angles = torch.arange(ORIENTATIONS, device=images.device) * (2 * math.pi / ORIENTATIONS)
    angles = angles[:, None, None]
    near = F.relu(cosine * angles.cos() + sine * angles.sin()).square()
    strength = strength.sqrt()
    around = F.avg_pool2d(strength, (9, 1), 1, (4, 0), count_include_pad=False)
    around = F.avg_pool2d(around, (1, 9), 1, (0, 4), count_include_pad=False)
    edges = F.avg_pool2d(near * (strength / (around + 0.02)), STRIDE)
    return torch.cat([edges, F.avg_pool2d(pixels, STRIDE)], 1)


def _strongest(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gradient of the colour channel where it is largest, and its square, each (N, 1, H, W)."""
    square = x.square() + y.square()
    best = (x[:, :1], y[:, :1], square[:, :1])
    for channel in range(1, x.shape[1]):  # faster than argmax over an axis of three
        own = [one[:, channel : channel + 1] for one in (x, y, square)]
        larger = own[2] > best[2]
        first, second, third = (
            torch.where(larger, one, other) for one, other in zip(own, best, strict=True)
        )
        best = (first, second, third)
    return best


class _Context(nn.Module):
    """Adds to every cell what larger surroundings look like, so that strokes become shapes."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.MaxPool2d(2), _block(channels, channels), _block(channels, channels)
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Maps of the same shape (N, C, h, w)."""
        around = self.inner(maps)
        return maps + F.interpolate(around, size=maps.shape[2:], mode="nearest")


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )
