"""Flat and curled instruments held before the camera: where each ray meets them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sterling.face.capture.geometry import Camera, rays
from sterling.face.capture.head import rotation


@dataclass(frozen=True)
class Sheet:
    """The pose of a sheet whose centre is at the origin of camera axes.

    Attributes:
        yaw, pitch, roll: In degrees.
        curl: Curvature about the sheet's vertical axis, 1/metre, 0 flat; bulges to the camera.
    """

    yaw: float
    pitch: float
    roll: float
    curl: float = 0.0


@dataclass(frozen=True, eq=False)
class SheetBuffer:
    """Where R × R rays meet a sheet that has no end.

    Attributes:
        place: Coordinates on the sheet, right and up from its centre, metres (R, R, 2).
        depth: Distance along the optical axis, metres (R, R).
        position: In camera axes (R, R, 3).
        normal: Unit normals in camera axes (R, R, 3).
    """

    place: Tensor
    depth: Tensor
    position: Tensor
    normal: Tensor


def meet_sheet(sheet: Sheet, camera: Camera, resolution: int) -> SheetBuffer:
    """Intersect rays with a plane, or with a cylinder that touches it at its centre line.

    In the sheet's axes a cylinder of curvature k is ``k (x² + z²) / 2 + z = 0``, which is the plane
    for k = 0; the nearer root is written so that it stays exact there.
    """
    turn = torch.from_numpy(rotation(sheet.yaw, sheet.pitch, sheet.roll))
    origin, directions = (torch.from_numpy(a) for a in rays(camera, resolution))
    o, d = origin @ turn, directions @ turn
    k = sheet.curl
    a = k / 2 * (d[:, 0] ** 2 + d[:, 2] ** 2)
    b = k * (o[0] * d[:, 0] + o[2] * d[:, 2]) + d[:, 2]
    c = k / 2 * (o[0] ** 2 + o[2] ** 2) + o[2]
    # Rays that pass beside the cylinder are continued along its limb.
    root = (b * b - 4 * a * c).clamp_min(0).sqrt()
    t = 2 * c / (root - b)
    point = o + t[:, None] * d
    along = torch.asin((k * point[:, 0]).clamp(-1, 1)) / k if k else point[:, 0]
    normal = torch.stack([k * point[:, 0], torch.zeros_like(along), 1 + k * point[:, 2]], 1)
    normal = torch.nn.functional.normalize(normal @ turn.T, dim=1)
    side = (resolution, resolution)
    return SheetBuffer(
        torch.stack([along, point[:, 1]], 1).view(*side, 2),
        t.view(side),
        (origin + t[:, None] * directions).view(*side, 3),
        normal.view(*side, 3),
    )


def sample_photo(photo: Tensor, place: Tensor, half: float) -> Tensor:
    """Look up a photograph (C, P, P) shown on a square of the sheet; (H, W, C), edges repeated."""
    grid = place / half * torch.tensor([1.0, -1.0])
    found = torch.nn.functional.grid_sample(
        photo[None], grid[None], align_corners=False, padding_mode="border"
    )
    return found[0].movedim(0, -1)


def beyond(place: Tensor, half: float) -> Tensor:
    """Chebyshev distance beyond the edge of a square of half side ``half``; negative inside."""
    return place.abs().amax(-1) - half


def average(fine: Tensor, factor: int) -> Tensor:
    """Box average of (factor·R, factor·R, ...) to (R, R, ...)."""
    side = fine.shape[0] // factor
    return fine.view(side, factor, side, factor, *fine.shape[2:]).mean((1, 3))
