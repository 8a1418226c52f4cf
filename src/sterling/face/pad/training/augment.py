"""Training augmentation of face crops, a batch at a time.

The list is that of the authors' CDCN release; sizes given there in pixels of a 256×256 crop are
scaled to the crop at hand.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from sterling.face.data import CHANNELS, Modality

COLOUR_SHIFT = 40  # per channel, in units of 0 to 255
GAMMA = (0.5, 1.5)
FLIP_PROBABILITY = 0.5
ERASE_PROBABILITY = 0.5
ERASE_AREA = (0.01, 0.05)  # of the crop; one rectangle, or two with even odds
CUTOUT_SIDE = 50 / 256  # largest side of the square, of the crop's side

# Our documented defaults, which the release's description leaves open.
ERASE_ASPECT = (0.3, 3.3)  # height / width
ERASE_VALUE = 0.0  # black
CUTOUT_VALUE = 127.5  # 0 after normalisation


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
        modalities: What is stacked along C.

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
    aspect = (
        torch.exp(draw(count, 2) * math.log(ERASE_ASPECT[1] / ERASE_ASPECT[0])) * ERASE_ASPECT[0]
    )
    tall, wide = (area * aspect).sqrt(), (area / aspect).sqrt()
    erased = _boxes(draw(count, 2), draw(count, 2), tall, wide, height, width)
    toned = toned.masked_fill(erased[:, None, None], ERASE_VALUE)

    side = draw(count, 1) * CUTOUT_SIDE
    hidden = _boxes(draw(count, 1), draw(count, 1), side, side, height, width)
    return toned.masked_fill(hidden[:, None, None], CUTOUT_VALUE).view(images.shape), maps


def _boxes(
    top: Tensor, left: Tensor, tall: Tensor, wide: Tensor, height: int, width: int
) -> Tensor:
    """Bool (N, height, width), true inside any of the B boxes per image.

    All of `top`, `left`, `tall`, `wide` are (N, B) shares: of the free room for the first two, of
    the picture's sides for the last two.
    """
    top, left = top * (1 - tall), left * (1 - wide)
    rows = (torch.arange(height, device=top.device) + 0.5) / height
    columns = (torch.arange(width, device=top.device) + 0.5) / width
    in_rows = (rows >= top.unsqueeze(-1)) & (rows < (top + tall).unsqueeze(-1))
    in_columns = (columns >= left.unsqueeze(-1)) & (columns < (left + wide).unsqueeze(-1))
    return (in_rows.unsqueeze(-1) & in_columns.unsqueeze(-2)).any(dim=1)
