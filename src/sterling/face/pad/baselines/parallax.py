"""The trivial baseline for clips: how much of what moves is relief, by least squares.

A plane that moves before a camera moves, to first order, by an affine field; what stands out of
the plane moves further, in proportion to its relief, all of it in one direction. ("Plane plus
parallax": Kumar, Anandan & Hanna, "Direct recovery of shape from multiple views", ICPR 1994; fitted
to the pixels themselves, without matched points: Lucas & Kanade, 1981.) Ten numbers are fitted to a
clip, and nothing is learned but a mean face. Where it does well, motion tells the label, and a
network that does not do as well has not found it.
"""

from typing import Any

import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from sterling.errors import InputError

WINDOW = (0.30, 0.36)  # half axes of the ellipse that holds a face, as shares of the side
STEPS = 5
RIDGE = 1e-3  # of the mean diagonal: where there is no texture nothing is seen to move


def score_parallax(clips: Tensor, relief: Tensor) -> NDArray[Any]:
    """Parallax between the first and the last frame of clips; higher means bona fide.

    Within a central ellipse, the last frame at x + d(x) is fitted to the first one at x times a
    gain plus an offset. The displacement d is an affine field plus, times an unknown vector, the
    part of `relief` that no affine field holds.

    Args:
        clips: uint8 (N, T, C, S, S), T >= 2; the mean over C is used.
        relief: (h, w), what stands out of a face: the mean of bona fide label maps.

    Returns:
        (N,), 0 or more: the displacement by relief, root mean square over the ellipse, as a share
        of the picture's side.

    Raises:
        InputError: A shape does not fit, or the relief is affine.
    """
    if clips.ndim != 5 or clips.shape[1] < 2 or relief.ndim != 2:
        raise InputError(
            f"clips have shape {tuple(clips.shape)} and relief {tuple(relief.shape)}: "
            "(N, T, C, S, S) with T >= 2 and (h, w) are needed"
        )
    side = clips.shape[-1]
    place = _places(side)
    inside = ((place / (2 * torch.tensor(WINDOW))).square().sum(-1) < 1).flatten()
    basis = _basis(place, relief, inside)
    spread = torch.zeros(side * side, 4, dtype=torch.float64)
    spread[inside] = basis
    grey = F.avg_pool2d(clips[:, [0, -1]].double().mean(2) / 255, 3, 1, 1)
    first, last = grey.unbind(1)
    known = first.flatten(1)[:, inside]
    found = torch.zeros(len(clips), 4, 2, dtype=torch.float64)  # part of the basis × axis
    for _ in range(STEPS):
        # Shares of the side are half of what grid_sample counts in.
        moved = place + 2 * (spread @ found).view(-1, side, side, 2)
        # Linear: PyTorch's cubic (a = -0.75) moves even a ramp, by up to a twentieth of a pixel.
        seen = F.grid_sample(last[:, None], moved, padding_mode="border", align_corners=False)[:, 0]
        # The slope of both pictures' mean takes fewer steps than that of one.
        slopes = torch.gradient((seen + first) / 2, spacing=1 / side, dim=(2, 1))
        columns = [basis * slope.flatten(1)[:, inside, None] for slope in slopes]
        tone = torch.stack([-known, -torch.ones_like(known)], -1)
        design = torch.cat([*columns, tone], dim=-1)
        normal = design.mT @ design
        size = normal.diagonal(dim1=1, dim2=2)[:, :8].mean(1)
        normal[:, range(8), range(8)] += RIDGE * size[:, None] + 1e-12
        # A picture of one tone leaves gain and offset undetermined too.
        normal[:, [8, 9], [8, 9]] += 1e-9
        step = torch.linalg.solve(normal, design.mT @ -seen.flatten(1)[:, inside, None])
        found = found + step[:, :8, 0].view(-1, 2, 4).mT
    lengths: NDArray[Any] = found[:, 3].norm(dim=1).numpy()
    return lengths


def _places(side: int) -> Tensor:
    """Pixel centres, right and down from the picture's centre, from -1 to 1, (side, side, 2)."""
    step = (torch.arange(side, dtype=torch.float64) + 0.5) / side * 2 - 1
    return torch.stack(torch.meshgrid(step, step, indexing="xy"), -1)


def _basis(place: Tensor, relief: Tensor, inside: Tensor) -> Tensor:
    """Basis of a displacement: 1, x, y and relief, orthonormal in the ellipse, (P, 4)."""
    side = len(place)
    stretched = F.interpolate(
        relief[None, None].double(), size=(side, side), mode="bilinear", align_corners=False
    )
    flat = (torch.ones(side * side, 1), place.view(-1, 2), stretched.view(-1, 1))
    directions, lengths = torch.linalg.qr(torch.cat(flat, dim=1)[inside])
    if float(lengths[3, 3].abs()) < 1e-6 * float(lengths[0, 0].abs()):
        raise InputError("relief is affine: take the mean label map of bona fide faces")
    basis: Tensor = directions * len(directions) ** 0.5
    return basis
