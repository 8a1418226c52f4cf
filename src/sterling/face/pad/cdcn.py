"""CDCN: a depth-map network of central difference convolutions."""

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.face.pad.cdc import CentralDifferenceConv2d

__all__ = ["CDCN", "CDCNConfig"]

SHRINK = 8  # the map's sides are the image's divided by this


@dataclass(frozen=True)
class CDCNConfig:
    """What is needed to build a `CDCN` again.

    Attributes:
        width: Channels of the stem, 1 or more. 64 is the published network.
        theta: Share of the difference term in every convolution, in [0, 1]; 0 is the same network
            with ordinary convolutions.
        in_channels: Channels of the image, 1 or more.
    """

    width: int = 64
    theta: float = 0.7
    in_channels: int = 3

    def __post_init__(self) -> None:
        for name in ("width", "in_channels"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)!r}: an integer of 1 or more")
        if not 0.0 <= self.theta <= 1.0:
            raise InputError(f"theta is {self.theta}: the share of the difference lies in [0, 1]")


class CDCN(nn.Module):
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
        in_channels: Channels of the image.
        seed: Seed of the initial weights (PyTorch's default distribution for convolutions).

    Raises:
        InputError: An argument is outside its range.
    """

    def __init__(
        self, width: int = 64, theta: float = 0.7, in_channels: int = 3, *, seed: int = 0
    ) -> None:
        super().__init__()
        self.config = CDCNConfig(width, theta, in_channels)
        base, expanded = 2 * width, round(196 / 64 * width)
        with torch.random.fork_rng(devices=[]):  # PyTorch's layers draw weights that we replace
            self.stem = _layer(in_channels, width, theta)
            self.low = _block(width, base, expanded, theta)
            self.mid = _block(base, base, expanded, theta)
            self.high = _block(base, base, expanded, theta)
            self.head = nn.Sequential(
                _layer(3 * base, base, theta),
                _layer(base, width, theta),
                nn.Sequential(CentralDifferenceConv2d(width, 1, theta=theta), nn.ReLU()),
            )
        generator = torch.Generator().manual_seed(seed)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, a=5**0.5, generator=generator)

    def forward(self, images: Tensor) -> Tensor:
        """Predict depth maps.

        Args:
            images: (N, in_channels, H, W) float, normalised (see `Preprocessing`), H and W
                divisible by 8.

        Returns:
            (N, H/8, W/8), 0 or more.

        Raises:
            InputError: The shape does not fit.
        """
        _require_images(images, self.config.in_channels)
        low = self.low(self.stem(images))
        mid = self.mid(low)
        high = self.high(mid)
        size = (images.shape[-2] // SHRINK, images.shape[-1] // SHRINK)
        levels = [
            F.interpolate(level, size=size, mode="bilinear", align_corners=False)
            for level in (low, mid)
        ]
        depth: Tensor = self.head(torch.cat([*levels, high], dim=1))
        return depth.squeeze(1)

    def to_dict(self) -> dict[str, int | float]:
        """Return the arguments that build this network again, without its weights."""
        return asdict(self.config)


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


def _require_images(images: Tensor, channels: int) -> None:
    if images.ndim != 4 or images.shape[1] != channels:
        raise InputError(f"images have shape {tuple(images.shape)}: expected (N, {channels}, H, W)")
    height, width = images.shape[-2:]
    if height % SHRINK or width % SHRINK or not height or not width:
        raise InputError(
            f"image size is {height}×{width}: the network needs sides divisible by {SHRINK}"
        )
