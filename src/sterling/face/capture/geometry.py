"""Geometry: heads and planes before a pinhole camera, cast once and shaded many times.

Camera axes: x to the right of the picture, y up, z towards the camera; the target stands at the
origin and the camera on the z axis. Since the camera faces the subject, the subject's left is on
the picture's right.
"""

from dataclasses import dataclass

import numpy as np
import torch
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Camera", "GBuffer", "cast", "rays"]


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
    """What B pictures of R × R rays hit, before any light.

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
        """Where a ray met the mesh, bool (B, R, R)."""
        return self.triangle >= 0

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
    """Cast one picture of a mesh.

    Args:
        vertices: Camera-space vertices, float32 (V, 3).
        triangles: int64 (F, 3).
        turn: Rotation (3, 3) that took the head into camera axes; kept for shading.
        camera: The camera.
        resolution: R, rays along one side.

    Returns:
        A buffer with B = 1.
    """
    origin, directions = rays(camera, resolution)
    scene = EmbreeScene()
    TriangleMesh(scene, vertices.numpy(), triangles.int().numpy())
    found = scene.run(np.tile(origin, (len(directions), 1)), directions, output=True)
    triangle = torch.from_numpy(found["primID"].astype(np.int32))
    hit = triangle >= 0
    # Directions have z = -1, so the ray parameter is the distance along the optical axis.
    depth = torch.from_numpy(found["tfar"]) * hit
    depth = torch.where(hit, depth, 0.0)
    position = torch.from_numpy(origin) + depth[:, None] * torch.from_numpy(directions)
    weight = torch.stack([torch.from_numpy(found["u"]), torch.from_numpy(found["v"])], -1)
    side = (1, resolution, resolution)
    return GBuffer(
        triangle.view(side),
        weight.view(*side, 2).contiguous(),
        depth.view(side),
        position.view(*side, 3),
        torch.from_numpy(turn)[None],
        vertices[None],
    )
