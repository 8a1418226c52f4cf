"""Faces drawn from a vector of identity, in four domains that only their photometry tells apart.

Nobody's face: eyes, brows, nose, mouth, outline, hair and a skin pattern are soft shapes whose
places and sizes are the identity; pose, expression, light and noise change from picture to picture.
The domains follow what recognition meets in practice (another band of light, a poor lens, another
camera curve, a noisy and covered view). All of it is ours.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sterling.errors import InputError
from sterling.face.recognition.identities import Identities
from sterling.runs import derive_seed

TRAITS = 16
PATTERNS = 6  # smooth patterns of skin that an identity mixes
EDGE = 14.0  # how sharp the shapes are, per unit of the picture's half side

Photometry = Callable[[Tensor, torch.Generator], Tensor]


def draw_faces(identities: int, pictures: int, *, size: int = 32, seed: int = 0) -> Tensor:
    """Draw several pictures of each of some invented people.

    Args:
        identities: People, 1 or more.
        pictures: Pictures of each, 1 or more.
        size: Side in pixels, 16 or more.
        seed: Seed of people and pictures.

    Returns:
        float32 (identities · pictures, 1, size, size) in [0, 1], person after person.

    Raises:
        InputError: A size is out of range.
    """
    if identities < 1 or pictures < 1 or size < 16:
        raise InputError(
            f"identities {identities}, pictures {pictures}, size {size}: 1 or more, 1 or more, 16 "
            "pixels or more"
        )
    draw = torch.Generator().manual_seed(derive_seed(seed, "faces") % 2**63)
    traits = torch.randn(identities, TRAITS + PATTERNS, generator=draw).clamp(-2, 2)
    patterns = F.interpolate(
        torch.randn(PATTERNS, 1, 5, 5, generator=torch.Generator().manual_seed(0)),
        size=(size, size),
        mode="bicubic",
        align_corners=True,
    )[:, 0]
    people = traits.repeat_interleave(pictures, dim=0)
    taken = torch.randn(len(people), 9, generator=draw).clamp(-2, 2)
    noise = torch.randn(len(people), size, size, generator=draw)
    return _faces(people, taken, patterns, size).add(0.03 * noise).clamp(0, 1)[:, None]


def _faces(people: Tensor, taken: Tensor, patterns: Tensor, size: int) -> Tensor:
    """Pictures (N, size, size) of people (N, traits) as taken (N, 9)."""
    line = torch.linspace(-1, 1, size)
    down, across = torch.meshgrid(line, line, indexing="ij")
    trait = [column[:, None, None] for column in people.T]
    shot = [column[:, None, None] for column in taken.T]
    turn, zoom = 0.08 * shot[2], 1 + 0.05 * shot[3]
    x0, y0 = across - 0.06 * shot[0], down - 0.06 * shot[1]
    x = (x0 * turn.cos() + y0 * turn.sin()) * zoom
    y = (y0 * turn.cos() - x0 * turn.sin()) * zoom
    yaw = 0.05 * shot[4]  # what stands out moves more

    def blob(dx: Tensor, dy: Tensor, wide: Tensor, high: Tensor) -> Tensor:
        return (EDGE * (1 - (dx / wide).square() - (dy / high).square()) * wide.sqrt()).sigmoid()

    skin = 0.62 + 0.1 * trait[0]
    skin = skin + 0.06 * torch.einsum("np,pij->nij", people[:, TRAITS:], patterns)
    outline = blob(x / (1 + 0.12 * trait[3] * y), y, 0.66 + 0.05 * trait[1], 0.86 + 0.04 * trait[2])
    picture = torch.where(outline > 0.5, skin, 0.35 + 0.08 * shot[5]) * outline.maximum(
        torch.tensor(0.5)
    )
    apart, level = 0.27 + 0.035 * trait[4], -0.16 + 0.05 * trait[5]
    eye, brow = 0.11 + 0.018 * trait[6], 0.17 + 0.025 * trait[7]
    features = torch.zeros_like(picture)
    for side in (-1, 1):
        dx = x - side * apart - yaw
        features = features.maximum(blob(dx, y - level, eye, 0.6 * eye))
        slant = 0.12 * trait[8] * side * dx
        features = features.maximum(0.8 * blob(dx, y - level + brow + slant, 1.4 * eye, eye * 0.3))
    tip = 0.18 + 0.05 * trait[9]
    nose = blob(x - 1.8 * yaw, y - tip, 0.1 + 0.02 * trait[10], torch.full_like(tip, 0.06))
    features = features.maximum(0.6 * nose)
    opened = 0.05 + 0.012 * trait[13] + 0.02 * shot[6].abs()
    mouth = blob(x - yaw, y - 0.5 - 0.04 * trait[11], 0.24 + 0.04 * trait[12], opened)
    features = features.maximum(0.8 * mouth)
    hair = (EDGE * (-0.58 + 0.08 * trait[14] - y + 0.1 * x.square())).sigmoid() * outline
    picture = picture * (1 - 0.75 * features) * (1 - (0.5 + 0.15 * trait[15]) * hair)
    lit: Tensor = picture * (1 + 0.12 * shot[7] * across + 0.08 * shot[8] * down)
    return lit


def _inverted(images: Tensor, _draw: torch.Generator) -> Tensor:
    return 1 - images


def _blurred(images: Tensor, _draw: torch.Generator) -> Tensor:
    side = images.shape[-1]
    small = F.interpolate(images, scale_factor=0.4, mode="area")
    return F.interpolate(small, size=(side, side), mode="bilinear", align_corners=False)


def _dark(images: Tensor, _draw: torch.Generator) -> Tensor:
    return images**2.5


def _noisy(images: Tensor, draw: torch.Generator) -> Tensor:
    """Noise, and a bar of grey over a fifth of the picture somewhere."""
    count, _, side, _ = images.shape
    noisy = images + 0.12 * torch.randn(images.shape, generator=draw)
    start = torch.randint(0, side - side // 5, (count, 1, 1, 1), generator=draw)
    row = torch.arange(side)[None, None, :, None]
    covered = (row >= start) & (row < start + side // 5)
    return torch.where(covered, 0.5, noisy).clamp(0, 1)


DOMAINS: Mapping[str, Photometry] = {
    "inverted": _inverted,
    "blurred": _blurred,
    "dark": _dark,
    "noisy": _noisy,
}
"""Transformation of pictures in [0, 1], by the name of the domain."""


def procedural_domains(
    identities: int, pictures: int, *, size: int = 32, seed: int = 0
) -> dict[str, Identities]:
    """The four domains, each of people of its own, by name.

    Arguments and errors as of `draw_faces`; pictures are scaled to [-1, 1].
    """
    found = {}
    for name, photometry in DOMAINS.items():
        own = derive_seed(seed, name)
        plain = draw_faces(identities, pictures, size=size, seed=own)
        images = photometry(plain, torch.Generator().manual_seed(own))
        found[name] = Identities(name, 2 * images - 1, np.repeat(np.arange(identities), pictures))
    return found
