"""Ray casting and sheets against closed forms; the head model's own facts."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from sterling.face.capture import head
from sterling.face.capture.geometry import Camera, Sheet, cast, meet_sheet, rays

UPRIGHT = np.eye(3, dtype=np.float32)


def sphere(radius: float, steps: int = 160) -> tuple[torch.Tensor, torch.Tensor]:
    polar = np.linspace(0, np.pi, steps)
    turn = np.linspace(0, 2 * np.pi, 2 * steps)
    p, t = np.meshgrid(polar, turn, indexing="ij")
    points = radius * np.stack([np.sin(p) * np.cos(t), np.cos(p), np.sin(p) * np.sin(t)], -1)
    index = np.arange(p.size).reshape(p.shape)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[:-1, 1:], index[1:, 1:]
    triangles = np.concatenate([np.stack(q, -1).reshape(-1, 3) for q in ((a, b, c), (c, b, d))])
    return torch.from_numpy(points.reshape(-1, 3)).float(), torch.from_numpy(triangles)


def test_depth_of_a_sphere_is_the_closed_form() -> None:
    camera = Camera(distance=0.8, half=0.15, x=0.01, y=-0.02)
    found = cast(*sphere(0.1), UPRIGHT, camera, 64)
    origin, directions = rays(camera, 64)
    d = directions.astype(np.float64)
    a, b, c = (d * d).sum(1), (d @ origin), float(origin @ origin) - 0.1**2
    inside = b * b - a * c
    want = np.where(inside > 0, (-b - np.sqrt(inside.clip(0))) / a, 0).reshape(64, 64)
    got = found.depth[0].numpy()
    rim = np.abs(inside.reshape(64, 64)) < 2e-3  # facets cut the silhouette
    assert np.array_equal(got[~rim] > 0, want[~rim] > 0)
    assert np.abs(got - want)[~rim].max() < 3e-4
    assert (want > 0).mean() > 0.2


def test_heads_are_hit_where_an_independent_ray_caster_hits_them() -> None:
    from embreex.mesh_construction import TriangleMesh
    from embreex.rtcore_scene import EmbreeScene

    model, rng = head.head_model(), np.random.default_rng(2)
    camera = Camera(distance=0.45, half=0.11, x=0.004, y=-0.03)
    for name in ("a", "b", "c"):
        turn = head.rotation(*rng.normal(0, 12, 3))
        vertices = head.shape_head(head.sample_subject(name, rng), {"smile": 0.7})
        placed = vertices @ torch.from_numpy(turn).T
        found = cast(placed, model.triangles, turn, camera, 128)
        scene = EmbreeScene()
        TriangleMesh(scene, placed.numpy(), model.triangles.int().numpy())
        origin, directions = rays(camera, 128)
        want = scene.run(np.tile(origin, (len(directions), 1)), directions, output=True)
        triangle = found.triangle.flatten().numpy()
        same = triangle == want["primID"].astype(np.int32)
        assert same.mean() > 0.999  # a ray through an edge may take either side
        both = same & (triangle >= 0)
        assert both.mean() > 0.3
        depth, weight = found.depth.flatten().numpy(), found.weight.view(-1, 2).numpy()
        assert np.abs(depth - want["tfar"])[both].max() < 5e-6
        barycentric = np.stack([want["u"], want["v"]], -1)
        assert np.quantile(np.abs(weight - barycentric)[both], 0.999) < 1e-3


def test_what_reaches_behind_the_camera_is_left_out_and_the_nearest_wins() -> None:
    plane = torch.tensor([[-9.0, -9.0, 0.0], [9.0, -9.0, 0.0], [0.0, 9.0, 0.0]])
    near, behind = plane + torch.tensor([0, 0, 0.4]), plane * torch.tensor([1, 1, 0.0]) + 2.0
    triangles = torch.arange(9).view(3, 3)
    found = cast(torch.cat([plane, behind, near]), triangles, UPRIGHT, Camera(1.0, 0.5), 16)
    assert (found.triangle == 2).all()
    assert torch.allclose(found.depth, torch.full((1, 16, 16), 0.6))


def test_attributes_interpolate_linearly_inside_a_triangle() -> None:
    vertices = torch.tensor([[-1.0, -1.0, 0.0], [1.0, -1.0, 0.0], [0.0, 1.5, 0.0]])
    triangles = torch.tensor([[0, 1, 2]])
    found = cast(vertices, triangles, UPRIGHT, Camera(1.0, 0.4), 32)
    assert torch.allclose(found.gather(vertices, triangles), found.position, atol=1e-5)
    per_picture = 2 * vertices[None]
    assert torch.allclose(found.gather(per_picture, triangles), 2 * found.position, atol=1e-5)


@pytest.mark.parametrize("curl", [0.0, 1e-6, 0.8, 3.0])
def test_sheet_points_lie_on_the_sheet_and_on_the_ray(curl: float) -> None:
    sheet, camera = Sheet(12.0, -7.0, 4.0, curl), Camera(0.5, 0.08, 0.004, 0.002)
    found = meet_sheet(sheet, camera, 48)
    origin, directions = rays(camera, 48)
    on_ray = origin + found.depth.reshape(-1, 1).numpy() * directions
    assert np.allclose(found.position.reshape(-1, 3), on_ray, atol=1e-5)
    turn = head.rotation(sheet.yaw, sheet.pitch, sheet.roll)
    local = found.position.reshape(-1, 3).numpy().astype(np.float64) @ turn
    residual = curl / 2 * (local[:, 0] ** 2 + local[:, 2] ** 2) + local[:, 2]
    assert np.abs(residual).max() < 2e-6
    # Unrolling a cylinder keeps lengths: x = sin(k u) / k.
    u = found.place[..., 0].reshape(-1).double().numpy()
    assert np.allclose(np.sin(curl * u) / curl if curl > 1e-3 else u, local[:, 0], atol=1e-5)
    assert np.allclose(np.linalg.norm(found.normal, axis=-1), 1, atol=1e-5)


def test_head_model_is_the_file_its_provenance_describes() -> None:
    folder = Path(head.__file__).parent
    provenance = json.loads((folder / "head_model.json").read_text())
    data = (folder / "head_model.safetensors").read_bytes()
    assert hashlib.sha256(data).hexdigest() == provenance["sha256"]
    assert provenance["licence"] == "CC0-1.0"
    assert len(data) < 3_000_000
    model = head.head_model()
    assert model.triangles.max() == len(model.mean) - 1
    assert provenance["explained_variance"] > 0.98


def test_subjects_differ_and_blinks_close_the_eyes() -> None:
    rng = np.random.default_rng(0)
    one, other = (head.sample_subject(name, rng) for name in ("a", "b"))
    still = head.shape_head(one, {})
    assert (still - head.shape_head(other, {})).norm(dim=1).mean() > 1e-3
    model = head.head_model()

    def visible_eye(vertices: torch.Tensor) -> int:
        bare = model.triangles[model.part != head.GLASSES]
        found = cast(vertices, bare, UPRIGHT, Camera(0.6, 0.06), 96)
        part = model.part[found.triangle.clamp_min(0).long()]
        return int(((part == head.EYE) & found.hit).sum())

    closed = visible_eye(head.shape_head(one, {"blink": 1.0}))
    assert closed < 0.2 * visible_eye(still)
