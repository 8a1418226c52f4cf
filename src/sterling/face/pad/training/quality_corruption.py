"""Random losses of quality for training, and how much was lost."""

import torch
from torch import Tensor

from sterling.face.data import Degradation, degrade

WORST: dict[Degradation, float] = {"blur": 1.0, "low_resolution": 3.0, "noise": 12.0, "jpeg": 70.0}
"""Strength of each degradation at amount 1, in the order in which they happen. Our defaults."""


def lower_quality(images: Tensor, draws: torch.Generator) -> tuple[Tensor, Tensor]:
    """Degrade each picture by a random amount, as a poor camera far away does.

    Args:
        images: uint8 (N, 3, S, S), on any device.
        draws: CPU generator.

    Returns:
        uint8 (N, 3, S, S), and the amounts (N,), float, drawn evenly: 0 is the picture itself, 1
        as bad as `WORST`.
    """
    amounts = torch.rand(len(images), generator=draws)
    seed = int(torch.randint(2**31, (), generator=draws))
    worse = images.clone()
    for row, amount in enumerate(amounts.tolist()):
        for kind, most in WORST.items():
            worse[row] = degrade(worse[row, None], kind, most * amount, seed=seed + row)[0]
    return worse, amounts.to(images.device)
