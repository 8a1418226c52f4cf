"""Two random views of one picture for learning without labels: what stays the same is liveness."""

import torch
import torch.nn.functional as F
from torch import Tensor

from sterling.face.pad.training.augment import augment

CROP_AREA = (0.2, 1.0)  # of the picture, as EPCR releases it
PATCHES = 3
SHUFFLE_PROBABILITY = 0.5

# Our documented default: the release leaves the aspect to its library, which draws it so.
CROP_ASPECT = (3 / 4, 4 / 3)


def random_view(images: Tensor, draws: torch.Generator) -> Tensor:
    """One view of each picture: moved (see `moved_view`), then in other tones (see `tone_view`).

    The order and the numbers are those of EPCR's release; tone, flip, erasing and cutout are those
    of `augment`.

    Args:
        images: (N, 3, S, S) in 0 to 255, any dtype.
        draws: CPU generator; every draw comes from it.

    Returns:
        Float (N, 3, S, S) in [0, 255].
    """
    return tone_view(moved_view(images, draws), draws)


def moved_view(images: Tensor, draws: torch.Generator) -> Tensor:
    """One view of each picture: a random crop, patches shuffled half of the time; tones are kept.

    Args:
        images: (N, 3, S, S) in 0 to 255, any dtype.
        draws: CPU generator.

    Returns:
        Float (N, 3, S, S) in [0, 255].
    """
    cropped = random_crop(images.float(), draws)
    shuffled = shuffle_patches(cropped, draws)
    chosen = torch.rand(len(images), generator=draws) < SHUFFLE_PROBABILITY
    return torch.where(chosen.to(images.device)[:, None, None, None], shuffled, cropped)


def tone_view(images: Tensor, draws: torch.Generator) -> Tensor:
    """One view of each picture in other tones, flipped, partly hidden; nothing is moved.

    Args:
        images: (N, 3, S, S) in 0 to 255, any dtype.
        draws: CPU generator.

    Returns:
        Float (N, 3, S, S) in [0, 255].
    """
    no_labels = torch.zeros((len(images), 1, 1), device=images.device)
    return augment(images, no_labels, draws)[0]


def random_crop(images: Tensor, draws: torch.Generator) -> Tensor:
    """A random rectangle of each picture, brought back to its size bilinearly.

    Args:
        images: Float (N, C, S, S).
        draws: CPU generator.
    """
    n = len(images)
    area = CROP_AREA[0] + (CROP_AREA[1] - CROP_AREA[0]) * torch.rand(n, generator=draws)
    low, high = (torch.tensor(bound).log() for bound in CROP_ASPECT)
    aspect = torch.exp(low + (high - low) * torch.rand(n, generator=draws))
    wide, tall = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
    # In the coordinates of grid_sample the picture reaches from -1 to 1.
    left, top = ((1 - side) * (2 * torch.rand(n, generator=draws) - 1) for side in (wide, tall))
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 0, 2], theta[:, 1, 1], theta[:, 1, 2] = wide, left, tall, top
    grid = F.affine_grid(theta.to(images.device), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def shuffle_patches(images: Tensor, draws: torch.Generator) -> Tensor:
    """Cut each picture into 3×3 patches and lay them down in a random order.

    Patches are as large as the side divided by 3, rounded down; what is left over at the right and
    at the bottom stays where it is.

    Args:
        images: (N, C, S, S).
        draws: CPU generator.
    """
    side = images.shape[-1] // PATCHES
    inner = images[..., : PATCHES * side, : PATCHES * side]
    n, channels = inner.shape[:2]
    patches = inner.reshape(n, channels, PATCHES, side, PATCHES, side)
    patches = patches.permute(0, 2, 4, 1, 3, 5).reshape(n, PATCHES**2, channels, side, side)
    order = torch.rand(n, PATCHES**2, generator=draws).argsort(dim=1).to(images.device)
    moved = patches[torch.arange(n, device=images.device)[:, None], order]
    moved = moved.view(n, PATCHES, PATCHES, channels, side, side).permute(0, 3, 1, 4, 2, 5)
    shuffled = images.clone()
    shuffled[..., : PATCHES * side, : PATCHES * side] = moved.reshape(inner.shape)
    return shuffled
