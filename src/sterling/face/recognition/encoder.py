"""A small encoder of faces whose answer to a picture depends on that picture alone."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from sterling.errors import InputError


class FaceEncoder(nn.Module):
    """Three 3 × 3 convolutions with group norm, ReLU and maximum, then a linear layer. Ours.

    Statistics of a batch would mix domains in training and answers at test; groups of one picture's
    channels do not.

    Args:
        channels: Channels of the pictures.
        size: Their side, a multiple of 8.
        width: Channels of the first layer, a multiple of 4; the others have twice as many.
        dimension: Dimension of the vectors, which are not normalised.
        seed: Seed of the initial weights.

    Raises:
        InputError: A size is out of range.
    """

    def __init__(
        self,
        channels: int = 1,
        size: int = 32,
        width: int = 16,
        dimension: int = 64,
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if size < 8 or size % 8 or width < 4 or width % 4 or dimension < 1:
            raise InputError(
                f"size {size}, width {width}, dimension {dimension}: multiples of 8 and of 4, and "
                "1 or more"
            )
        widths = (channels, width, 2 * width, 2 * width)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            layers: list[nn.Module] = []
            for inputs, outputs in pairwise(widths):
                layers += [
                    nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
                    nn.GroupNorm(4, outputs),
                    nn.ReLU(),
                    nn.MaxPool2d(2),
                ]
            self.layers = nn.Sequential(*layers)
            self.head = nn.Linear(2 * width * (size // 8) ** 2, dimension)

    def forward(self, images: Tensor) -> Tensor:
        """Vectors (N, dimension) of pictures (N, channels, size, size) in [-1, 1]."""
        vectors: Tensor = self.head(self.layers(images).flatten(1))
        return vectors
