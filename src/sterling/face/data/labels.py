"""Pixel-wise labels: the map that a depth-supervised detector is taught to answer with."""

from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from sterling.errors import InputError, unknown_name
from sterling.face.data.faces import Faces

LabelKind = Literal["depth", "ellipsoid", "mask", "constant"]

# Half-axes of the ellipsoid in crop sides: it touches the sides of the average face box (0.78 times
# as wide as high, by the shipped detector) in a crop of 1.3 times that box.
_HALF_WIDTH, _HALF_HEIGHT = 0.78 / 2 / 1.3, 1 / 2 / 1.3


def label_maps(faces: Faces, kind: LabelKind, size: int) -> Tensor:
    """Make the target maps; attacks are flat, so theirs are zeros everywhere.

    Args:
        faces: N crops.
        kind: Label of bona fide faces. ``"depth"``: `faces.depth`, averaged over areas.
            ``"ellipsoid"``: the same half ellipsoid for every face, standing out towards the
            camera, 1 at the centre of the crop. It is our stand-in where no depth is known, meant
            for crops of 1.3 times the face box; it is not the depth that the papers fit to each
            face. ``"mask"``: `faces.mask`, averaged over areas. ``"constant"``: ones everywhere.
        size: Side of the maps; for ``"depth"`` and ``"mask"`` no more than the side given.

    Returns:
        float32 (N, size, size) in [0, 1]; (N, T, size, size) for clips.

    Raises:
        InputError: The kind is unknown, the faces lack what it needs, or `size` is out of range.
    """
    if size < 1:
        raise InputError(f"size is {size}: label maps have at least 1 pixel a side")
    match kind:
        case "depth":
            maps = _averaged(faces.depth, kind, size)
        case "mask":
            maps = _averaged(faces.mask, kind, size)
        case "ellipsoid":
            maps = _ellipsoid(size).expand(*faces.images.shape[:-3], size, size)
        case "constant":
            maps = torch.ones(*faces.images.shape[:-3], size, size)
        case _:
            raise unknown_name("kind of label map", kind, get_args(LabelKind))
    bona_fide = torch.from_numpy(faces.manifest.bona_fide).to(maps.device)
    return maps * bona_fide.view(-1, *[1] * (maps.ndim - 1))


def _averaged(given: Tensor | None, kind: str, size: int) -> Tensor:
    if given is None:
        raise InputError(f"these faces have no {kind}; use label maps of kind 'ellipsoid'")
    if size > min(given.shape[-2:]):
        raise InputError(
            f"size is {size}: the {kind} given is {tuple(given.shape[-2:])}, and is only averaged"
        )
    return adaptive_avg_pool2d(given.float(), size)


def _ellipsoid(size: int) -> Tensor:
    """Height of a half ellipsoid over each pixel centre, (size, size)."""
    place = (2 * torch.arange(size) + 1 - size) / (2 * size)
    inside = 1 - (place / _HALF_WIDTH) ** 2 - (place[:, None] / _HALF_HEIGHT) ** 2
    return inside.clamp(min=0).sqrt()
