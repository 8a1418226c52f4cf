"""Geometry: heads, planes and curled sheets before a pinhole camera.

Camera axes: x to the right of the picture, y up, z towards the camera; the target stands at the
origin and the camera on the z axis. Since the camera faces the subject, the subject's left is on
the picture's right.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sterling.face.capture.head import rotation


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that sees a square of the plane through the origin.

    Attributes:
        distance: From the pinhole to the origin, metres.
        half: Half the side of the square seen in the plane z = 0, metres.
        x, y: Centre of that square, metres.
    """

    distance: float
    half: float
    x: float = 0.0
    y: float = 0.0


@dataclass(frozen=True, eq=False)
class GBuffer:
    """Hits of the rays of B pictures, before any light.

    `cast` gives pictures of R × R rays. `seen` keeps the rays that hit something, in a row: there
    R × R is 1 × P below. Light and paint work on rows, since half of a picture is background.

    Attributes:
        triangle: int32 (B, R, R), -1 where nothing was hit.
        weight: Barycentric weights of the triangle's corners 1 and 2, float32 (B, R, R, 2).
        depth: Distance along the optical axis in metres, float32 (B, R, R), 0 where nothing.
        position: Camera-space point, float32 (B, R, R, 3).
        turn: Rotation from head axes to camera axes, float32 (B, 3, 3).
        vertices: Camera-space vertices, float32 (B, V, 3).
    """

    triangle: Tensor
    weight: Tensor
    depth: Tensor
    position: Tensor
    turn: Tensor
    vertices: Tensor

    def __len__(self) -> int:
        return len(self.triangle)

    @property
    def hit(self) -> Tensor:
        """Mask of rays that met the mesh, bool (B, R, R)."""
        return self.triangle >= 0

    def seen(self) -> "GBuffer":
        """The P points of one picture that were hit, row by row, as a picture of 1 × P."""
        hit = self.hit
        return GBuffer(
            self.triangle[hit][None, None],
            self.weight[hit][None, None],
            self.depth[hit][None, None],
            self.position[hit][None, None],
            self.turn,
            self.vertices,
        )

    def gather(self, attribute: Tensor, triangles: Tensor) -> Tensor:
        """Interpolate a vertex attribute, (V, C) or one per picture (B, V, C), to (B, R, R, C)."""
        corner = triangles[self.triangle.long().clamp_min(0)]
        w1, w2 = self.weight[..., :1], self.weight[..., 1:]
        if attribute.ndim == 2:
            a, b, c = (attribute[corner[..., i]] for i in range(3))
        else:
            picture = torch.arange(len(self))[:, None, None]
            a, b, c = (attribute[picture, corner[..., i]] for i in range(3))
        return a * (1 - w1 - w2) + b * w1 + c * w2


def rays(camera: Camera, resolution: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pinhole (3,) and directions (R·R, 3) with z component -1, through pixel centres."""
    step = (np.arange(resolution, dtype=np.float32) + 0.5) / resolution * 2 - 1
    x, y = np.meshgrid(camera.x + camera.half * step, camera.y - camera.half * step)
    directions = np.stack([x, y, np.full_like(x, -camera.distance)], -1).reshape(-1, 3)
    origin = np.array([0, 0, camera.distance], dtype=np.float32)
    return origin, (directions / np.float32(camera.distance)).astype(np.float32)


def cast(
    vertices: Tensor, triangles: Tensor, turn: NDArray[np.float32], camera: Camera, resolution: int
) -> GBuffer:
    """Cast one picture of a mesh: for every ray the nearest triangle, seen from either side.

    The triangles are projected and each tests the pixel centres in its bounding box, all at once;
    the nearest answer wins. For meshes of small triangles this needs neither a hierarchy nor
    building one.

    Args:
        vertices: Camera-space vertices, float32 (V, 3).
        triangles: int64 (F, 3). Those that reach behind the camera are left out.
        turn: Rotation (3, 3) that took the head into camera axes; kept for shading.
        camera: The camera.
        resolution: R, rays along one side.

    Returns:
        A buffer with B = 1.
    """
    corners = np.ascontiguousarray(triangles.numpy().T)
    away = np.float32(camera.distance) - vertices.numpy()[:, 2]
    ahead = np.flatnonzero(np.logical_and.reduce(away[corners] > 0))
    corners = corners[:, ahead]
    x, y = (at[corners] for at in _project(vertices.numpy(), away, camera, resolution))
    face, column, row = _candidates(x, y, resolution)
    inside, w1, w2 = _barycentric(x, y, face, column, row)
    face, pixel = face[inside], row[inside] * resolution + column[inside]

    # Weights on the screen become weights on the triangle: 1/distance is what is linear in pixels.
    near = (1 / away)[corners[:, face]]
    nearness = near[0] * (1 - w1 - w2) + near[1] * w1 + near[2] * w2
    nearest = np.zeros(resolution * resolution, dtype=np.float32)
    np.maximum.at(nearest, pixel, nearness)
    won = np.flatnonzero(nearness == nearest[pixel])
    hit = pixel[won]

    triangle = np.full(len(nearest), -1, dtype=np.int32)
    weight = np.zeros((len(nearest), 2), dtype=np.float32)
    triangle[hit] = ahead[face[won]]
    weight[hit, 0] = w1[won] * near[1, won] / nearness[won]
    weight[hit, 1] = w2[won] * near[2, won] / nearness[won]
    depth = np.divide(1, nearest, out=np.zeros_like(nearest), where=nearest > 0)
    origin, directions = rays(camera, resolution)
    # Directions have z = -1, so the ray parameter is the distance along the optical axis.
    position = origin + depth[:, None] * directions
    side = (1, resolution, resolution)
    return GBuffer(
        torch.from_numpy(triangle).view(side),
        torch.from_numpy(weight).view(*side, 2),
        torch.from_numpy(depth).view(side),
        torch.from_numpy(position).view(*side, 3),
        torch.from_numpy(turn)[None],
        vertices[None],
    )


def _project(
    vertices: NDArray[np.float32], away: NDArray[np.float32], camera: Camera, resolution: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pixel coordinates (V,), x to the right and y down; the first pixel's centre is 0.5."""
    single = np.float32
    magnified = np.divide(camera.distance, np.maximum(away, 1e-6), dtype=single)
    scale, middle = single(resolution / 2 / camera.half), single(resolution / 2)
    x = (vertices[:, 0] * magnified - single(camera.x)) * scale + middle
    y = (single(camera.y) - vertices[:, 1] * magnified) * scale + middle
    return x, y


def _candidates(
    x: NDArray[np.float32], y: NDArray[np.float32], resolution: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """All pairs of a triangle (3, F) and a pixel centre in its bounding box: face, column, row."""

    def span(at: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        first = np.ceil(np.minimum.reduce(at) - 0.5).clip(0, resolution).astype(np.int64)
        last = np.floor(np.maximum.reduce(at) - 0.5).clip(-1, resolution - 1).astype(np.int64)
        return first, (last - first + 1).clip(0)

    left, wide = span(x)
    top, tall = span(y)
    count = wide * tall
    face = np.repeat(np.arange(len(count)), count)
    place = np.arange(len(face)) - np.repeat(np.cumsum(count) - count, count)
    row, column = np.divmod(place, wide[face])
    return face, column + left[face], row + top[face]


def _barycentric(
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    face: NDArray[np.int64],
    column: NDArray[np.int64],
    row: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """Mark pairs with the pixel's centre in the triangle; give weights of corners 1 and 2."""
    x1, y1, x2, y2 = (at[i] - at[0] for i in (1, 2) for at in (x, y))
    area = x1 * y2 - x2 * y1
    inverse = np.divide(1, area, out=np.full_like(area, np.nan), where=area != 0)
    dx = column.astype(np.float32) + np.float32(0.5) - x[0, face]
    dy = row.astype(np.float32) + np.float32(0.5) - y[0, face]
    w1 = dx * (y2 * inverse)[face] - dy * (x2 * inverse)[face]
    w2 = dy * (x1 * inverse)[face] - dx * (y1 * inverse)[face]
    # A centre on a shared edge may round to just outside both triangles.
    slack = np.float32(1e-6)
    inside = np.flatnonzero((w1 >= -slack) & (w2 >= -slack) & (w1 + w2 <= 1 + slack))
    return inside, w1[inside], w2[inside]


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
    """Hits of R × R rays on an endless sheet.

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
