"""Networks whose units are explained: a CNN with planted detectors, and a transformer."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.studies.explain.neuron_explanation._scenes import (
    COLOURS,
    SIDE,
    TEXTURES,
    draw_scenes,
)

PLANTED = (*COLOURS, *TEXTURES)
LEARNED = 16  # channels of the last convolution
CLASSES = len(COLOURS) * len(TEXTURES)
BATCH = 64


class Detectors(nn.Module):
    """Eight detectors of known words, computed from pixels, at a quarter of the resolution.

    A pixel belongs to the shape where its colours differ. Its hue says the colour; how much
    brightness changes along each axis says the texture: not at all, along columns, along both.
    """

    def forward(self, pictures: Tensor) -> Tensor:
        """Maps (N, 8, H/4, W/4) of pictures (N, 3, H, W) in [0, 1]."""
        vivid = pictures.amax(1) - pictures.amin(1)
        inside = (vivid > 0.12).float()
        shape = F.avg_pool2d(F.max_pool2d(inside[:, None], 3, 1, 1), 4)
        unit = F.normalize(pictures, dim=1)
        hues = F.normalize(torch.tensor(list(COLOURS.values())), dim=1)
        nearest = torch.einsum("nchw,kc->nkhw", unit, hues).argmax(1)
        # A dark stripe is too dim to have a hue: the shape has that of most of its pixels.
        votes = torch.stack(
            [((nearest == k) & (vivid > 0.35)).float().sum((1, 2)) for k in range(len(COLOURS))], 1
        )
        colour = F.one_hot(votes.argmax(1), len(COLOURS)).float()
        along, across = (_change(pictures, inside, axis) for axis in (2, 3))
        striped = (along > 0.1) & (across < 0.6 * along)
        dotted = (along > 0.05) & ~striped
        texture = torch.stack([~(striped | dotted), striped, dotted], 1).float()
        return torch.cat([colour, texture], 1)[:, :, None, None] * shape


def _change(pictures: Tensor, inside: Tensor, axis: int) -> Tensor:
    """Mean change of brightness along an axis between neighbours inside the shape, (N,)."""
    bright = pictures.amax(1)
    one, other = (
        values.narrow(axis - 1, start, SIDE - 1)
        for start in (0, 1)
        for values in (torch.stack([bright, inside], -1),)
    )
    both = one[..., 1] * other[..., 1]
    moved = (one[..., 0] - other[..., 0]).abs() * both
    return moved.sum((1, 2)) / both.sum((1, 2)).clamp(min=1)


class SceneNetwork(nn.Module):
    """Four convolutions, with the planted detectors appended to the last one's channels.

    Args:
        learned: Whether the head sees the learned channels; without, it has the detectors alone.
    """

    def __init__(self, *, learned: bool = True) -> None:
        super().__init__()
        self.share = float(learned)
        channels = (3, 12, 16, 16, LEARNED)
        layers: list[nn.Module] = []
        for index, (before, after) in enumerate(pairwise(channels)):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
            if index in (0, 2):
                layers.append(nn.MaxPool2d(2))
        self.learned = nn.Sequential(*layers)
        self.planted = Detectors()
        self.units = nn.Identity()
        self.head = nn.Linear(LEARNED + len(PLANTED), CLASSES)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits (N, 15)."""
        learned = self.share * self.learned(2 * pictures - 1)
        both = torch.cat([learned, self.planted(pictures)], 1)
        logits: Tensor = self.head(self.units(both).amax((2, 3)))
        return logits


class SceneTransformer(nn.Module):
    """A vision transformer of two blocks on patches of 8×8 pixels."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, width, 8, stride=8)
        self.place = nn.Parameter(0.02 * torch.randn(1, (SIDE // 8) ** 2, width))
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 4, 2 * width, 0.0, batch_first=True, norm_first=True)
            for _ in range(2)
        )
        self.head = nn.Linear(width, CLASSES)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits (N, 15)."""
        tokens = self.patch(2 * pictures - 1).flatten(2).transpose(1, 2) + self.place
        for block in self.blocks:
            tokens = block(tokens)
        logits: Tensor = self.head(tokens.mean(1))
        return logits


def train_network(make: Callable[[], nn.Module], steps: int, seed: int) -> nn.Module:
    """Train a network to tell colour and texture; it sees new scenes in every step."""
    rng = np.random.default_rng([seed, 8])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # torch draws initial weights from the global state
        network = make()
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(steps):
        scenes = draw_scenes(BATCH, rng)
        loss = F.cross_entropy(network(scenes.pictures), scenes.labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return network.eval()
