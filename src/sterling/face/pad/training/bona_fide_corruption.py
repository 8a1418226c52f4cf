"""Corrupted bona fide pictures as further attacks, so that bona fide means a whole face.

"Make trash" in the first place of the 3D High-Fidelity Mask challenge (ICCV 2021), with probability
0.1. How it corrupts a picture is not known; the three ways here are ours.
"""

import torch
from torch import Tensor

from sterling.face.pad.training.views import shuffle_patches

CORRUPTION_SHARE = 0.1
MOSAIC = 8  # pixels of a tile's side
CORRUPTIONS = 3


def corrupt_bona_fides(
    images: Tensor, live: Tensor, share: float, draws: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Corrupt some bona fide pictures and label them attacks; attacks stay as they are.

    Args:
        images: Float (N, C, S, S).
        live: bool (N,), which are bona fide.
        share: Probability for each bona fide picture, in [0, 1].
        draws: CPU generator; every draw comes from it.

    Returns:
        Pictures and labels, of the shapes given. A corrupted picture has its nine patches shuffled,
        is a mosaic of large tiles, or has its lower half from another picture of the batch.
    """
    n = len(images)
    chosen = (torch.rand(n, generator=draws) < share).to(live.device) & live
    way = torch.randint(CORRUPTIONS, (n,), generator=draws).to(live.device)
    other = torch.randperm(n, generator=draws).to(live.device)
    half = images.shape[-2] // 2
    corrupted = (
        shuffle_patches(images, draws),
        _mosaic(images),
        torch.cat([images[..., :half, :], images[other][..., half:, :]], dim=-2),
    )
    for number, pictures in enumerate(corrupted):
        taken = chosen & (way == number)
        images = torch.where(taken[:, None, None, None], pictures, images)
    return images, live & ~chosen


def _mosaic(images: Tensor) -> Tensor:
    """Tiles of one colour, the mean of what was there; a rest at the edges stays as it was."""
    tall, wide = (side // MOSAIC * MOSAIC for side in images.shape[-2:])
    inner = images[..., :tall, :wide]
    tiles = torch.nn.functional.avg_pool2d(inner, MOSAIC)
    mosaic = images.clone()
    mosaic[..., :tall, :wide] = tiles.repeat_interleave(MOSAIC, -2).repeat_interleave(MOSAIC, -1)
    return mosaic
