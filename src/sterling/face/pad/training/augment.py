"""Training augmentation of face crops, a batch at a time.

The list and its ranges are those of the authors' CDCN release; sizes given there in pixels of a
256×256 crop are scaled to the crop at hand. The release also draws the scale of a face's crop from
1.2, 1.3 and 1.4 of its box; here crops are cut once, at 1.3.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from sterling.face.data import CHANNELS, Modality

COLOUR_SHIFT = 40  # per channel, in units of 0 to 255
GAMMA = (0.5, 1.5)
FLIP_PROBABILITY = 0.5
ERASE_PROBABILITY = 0.5
ERASE_AREA = (0.01, 0.05)  # of the crop; one rectangle, or two with even odds
ERASE_ASPECT = (0.5, 2.0)  # height / width
ERASE_VALUE = 0.0  # black; our default, which the release's description leaves open
CUTOUT_SIDES = 49  # the square's side is 1 to this many pixels of CUTOUT_OF
CUTOUT_OF = 256
CUTOUT_VALUE = 0.0  # black, as the release cuts out before it normalises


def augment(
    images: Tensor,
    maps: Tensor,
    generator: torch.Generator,
    modalities: Sequence[Modality] = ("rgb",),
) -> tuple[Tensor, Tensor]:
    """Return one random variant of each presentation, and of its map where the geometry changes.

    Additive colour and gamma change the picture's tone, each modality's apart; a horizontal flip
    turns picture and map, a random erasing and a cutout hide parts of all modalities but not of the
    map. All frames of a clip are changed alike.

    Args:
        images: (N, [T,] C, H, W) in 0 to 255, any dtype.
        maps: (N, [T,] h, w) label maps.
        generator: CPU generator; every draw comes from it, whatever device the images are on.
        modalities: Modalities stacked along C.

    Returns:
        Float images of the same shape in [0, 255], not rounded, and maps of the same shape.
    """
    count, channels, height, width = len(images), *images.shape[-3:]
    device = images.device

    def draw(*shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return (low + (high - low) * torch.rand(shape, generator=generator)).to(device)

    clips = images.view(count, -1, channels, height, width)
    shift = draw(count, 1, channels, 1, 1, low=-COLOUR_SHIFT, high=COLOUR_SHIFT)
    gamma = draw(count, 1, len(modalities), 1, 1, low=GAMMA[0], high=GAMMA[1])
    repeats = torch.tensor([CHANNELS[name] for name in modalities], device=device)
    gamma = gamma.repeat_interleave(repeats, dim=2)
    toned = ((clips.float() + shift) / 255).clamp(0, 1).pow(gamma) * 255

    flip = draw(count) < FLIP_PROBABILITY
    toned = torch.where(flip.view(-1, 1, 1, 1, 1), toned.flip(-1), toned)
    maps = torch.where(flip.view(-1, *[1] * (maps.ndim - 1)), maps.flip(-1), maps)

    # Two erasing rectangles: the first happens with ERASE_PROBABILITY, the second half as often.
    happens = draw(count, 1) < ERASE_PROBABILITY
    happens = torch.cat([happens, happens & (draw(count, 1) < 0.5)], dim=1)
    area = draw(count, 2, low=ERASE_AREA[0], high=ERASE_AREA[1]) * happens
    aspect = draw(count, 2, low=ERASE_ASPECT[0], high=ERASE_ASPECT[1])
    tall, wide = (area * aspect).sqrt(), (area / aspect).sqrt()
    top, left = draw(count, 2) * (1 - tall), draw(count, 2) * (1 - wide)
    erased = _boxes(top, left, tall, wide, height, width)
    toned = toned.masked_fill(erased[:, None, None], ERASE_VALUE)

    # The centre lies anywhere, so that a square at the border is clipped.
    side = (1 + (draw(count, 1) * CUTOUT_SIDES).floor()) / CUTOUT_OF
    top, left = draw(count, 1) - side / 2, draw(count, 1) - side / 2
    hidden = _boxes(top, left, side, side, height, width)
    return toned.masked_fill(hidden[:, None, None], CUTOUT_VALUE).view(images.shape), maps


def _boxes(
    top: Tensor, left: Tensor, tall: Tensor, wide: Tensor, height: int, width: int
) -> Tensor:
    """Bool (N, height, width), true inside any of the B boxes per image.

    All of `top`, `left`, `tall`, `wide` are (N, B) shares of the picture's sides.
    """
    rows = (torch.arange(height, device=top.device) + 0.5) / height
    columns = (torch.arange(width, device=top.device) + 0.5) / width
    in_rows = (rows >= top.unsqueeze(-1)) & (rows < (top + tall).unsqueeze(-1))
    in_columns = (columns >= left.unsqueeze(-1)) & (columns < (left + wide).unsqueeze(-1))
    return (in_rows.unsqueeze(-1) & in_columns.unsqueeze(-2)).any(dim=1)


CROP_AREA = (0.2, 1.0)  # of the picture, as EPCR releases it
PATCHES = 3
SHUFFLE_PROBABILITY = 0.5
CROP_ASPECT = (3 / 4, 4 / 3)  # uniform, and turned (height for width) half of the time


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
    aspect = CROP_ASPECT[0] + (CROP_ASPECT[1] - CROP_ASPECT[0]) * torch.rand(n, generator=draws)
    aspect = torch.where(torch.rand(n, generator=draws) < 0.5, 1 / aspect, aspect)
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
