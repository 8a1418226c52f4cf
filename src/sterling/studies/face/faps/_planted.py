"""Faces whose identity is planted in a known place, so that the right template is known."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sterling.face.recognition import CanvasFaces
from sterling.face.recognition.template import SIDE
from sterling.runs import derive_seed

STRENGTH = 0.7  # share of the planted pattern where it is
PATTERNS = 6  # patterns that the invented people of one repetition mix


@dataclass(frozen=True)
class Region:
    """A place for identity, in pixels of the base template.

    Attributes:
        left, top, right, bottom: Edges of a rectangle.
        hole: Half side of a square around the template's middle that is left free.
        cell: Side of the pattern's cells.
        crop: Direction in which the crop should move from 112, -1, 0 or 1; 0 is not tested.
        shift: Direction in which the shift should move from 0.
    """

    left: float
    top: float
    right: float
    bottom: float
    hole: float
    cell: float
    crop: int
    shift: int


REGIONS: Mapping[str, Region] = {
    "outer ring": Region(-28, -28, 140, 140, hole=66, cell=12, crop=1, shift=0),
    "around the eyes": Region(20, 40, 92, 64, hole=0, cell=5, crop=-1, shift=0),
    "below the chin": Region(-4, 128, 116, 160, hole=0, cell=12, crop=0, shift=1),
    "above the brows": Region(-4, -48, 116, -16, hole=0, cell=12, crop=0, shift=-1),
}


def plant(
    faces: CanvasFaces, region: Region, *, people: int, pictures: int, first: int, seed: int
) -> CanvasFaces:
    """Canvases of invented people whose identity is a pattern in one place, and nothing else.

    Every picture is a random one of `faces`, whoever is in it, with the pattern of its invented
    person mixed in.

    Args:
        faces: Pictures to plant in.
        region: Place of the pattern.
        people: Number of invented people.
        pictures: Pictures of each.
        first: Number of the first person.
        seed: Seed of patterns and pictures.
    """
    draw = torch.Generator().manual_seed(derive_seed(seed, "plant", first) % 2**63)
    own = faces.canvas.template
    place = (torch.arange(own.size) - own.size / 2) * own.crop / own.size + SIDE / 2
    down, across = torch.meshgrid(place, place, indexing="ij")
    middle = SIDE / 2
    inside = (across >= region.left) & (across <= region.right)
    inside &= (down >= region.top) & (down <= region.bottom)
    inside &= torch.maximum((across - middle).abs(), (down - middle).abs()) >= region.hole
    cells = round(own.crop / region.cell)
    shared = torch.Generator().manual_seed(derive_seed(seed, "patterns") % 2**63)
    basis = F.interpolate(
        torch.randn(PATTERNS, 3, cells, cells, generator=shared), own.size, mode="bicubic"
    )
    weights = torch.randn(people, PATTERNS, generator=draw) / PATTERNS**0.5
    patterns = torch.einsum("np,pchw->nchw", weights, basis)
    person = torch.arange(people).repeat_interleave(pictures)
    chosen = torch.randint(len(faces.images), (len(person),), generator=draw)
    strength = STRENGTH * (0.7 + 0.6 * torch.rand(len(person), 1, 1, 1, generator=draw))
    pictured = _mixed(faces.images[chosen], patterns[person], inside, strength)
    return CanvasFaces(faces.canvas, pictured, person.numpy() + first)


def _mixed(images: Tensor, patterns: Tensor, inside: Tensor, strength: Tensor) -> Tensor:
    share = strength * inside
    mixed = (1 - share) * images.float() + share * (127.5 + 60 * patterns)
    return mixed.clamp(0, 255).round().to(torch.uint8)
