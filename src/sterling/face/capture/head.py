"""Heads: a small linear shape model, distilled from CC0 data, and the people drawn from it."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file
from scipy.sparse import csr_array
from torch import Tensor

SKIN, EYE, CAVITY, BODY, GLASSES = 0, 1, 2, 3, 4
MOUTH_Y = -0.073  # height of the mouth line of the mean head, metres


@dataclass(frozen=True, eq=False)
class HeadModel:
    """A linear model of adult heads with V vertices, F triangles, K components, D directions.

    Axes: x to the subject's left, y up, z forwards, origin midway between the eyeballs, metres.

    Attributes:
        mean: float32 (V, 3).
        components: float32 (K, V, 3), scaled so that unit normal weights give the population.
        expressions: Offsets float32 (V, 3) by name; 1 is the full expression.
        triangles: int64 (F, 3).
        part: uint8 (F,): 0 skin, 1 eyeball, 2 inside of mouth or eye socket, 3 body, 4 glasses.
            The frames of a pair of glasses are the last triangles.
        left_eye, right_eye: Vertices of the eyeballs, int64.
        sky: Unit vectors float32 (D, 3).
        visible: bool (V, D), whether a vertex of the mean head sees that direction unobstructed.
        frame_vertices: Number of last vertices that belong to glasses.
    """

    mean: Tensor
    components: Tensor
    expressions: dict[str, Tensor]
    triangles: Tensor
    part: Tensor
    left_eye: Tensor
    right_eye: Tensor
    sky: Tensor
    visible: Tensor
    frame_vertices: int


@dataclass(frozen=True, eq=False)
class Subject:
    """One simulated person: what does not change between presentations.

    Attributes:
        name: Identifier.
        shape: Weights of the shape components, float32 (K,).
        melanin: Melanin fraction in [0, 1], 0 lightest skin.
        haemoglobin: Blood fraction in [0, 1].
        texture: Seed of the skin's own pattern (blotches, freckles, pores).
        freckles, wrinkles: Strength in [0, 1].
        hair: Linear RGB of hair; `brow` of brows (both (3,)).
        hairline: Height of the hairline above the eyes in metres; above 0.12 means bald.
        hair_depth: Thickness of the hair in metres.
        stubble: Strength of facial hair in [0, 1].
        iris: Linear RGB of the iris.
        brow_height, brow_thickness: Height and thickness of the brows, relative to the standard.
        lips: Redness of the lips in [0, 1].
        flush: Redness of cheeks and nose, 0 to 1.2.
        cosmetics: Everyday make-up in [0, 1]: evens the skin and colours the lips. People who wear
            it are bona fide.
        lipstick: Its linear RGB.
        glasses: Whether the person wears glasses.
    """

    name: str
    shape: Tensor
    melanin: float
    haemoglobin: float
    texture: int
    freckles: float
    wrinkles: float
    hair: tuple[float, float, float]
    hairline: float
    hair_depth: float
    stubble: float
    iris: tuple[float, float, float]
    brow_height: float
    brow_thickness: float
    lips: float
    flush: float
    cosmetics: float
    lipstick: tuple[float, float, float]
    glasses: bool


HAIR_COLOURS = (
    (0.012, 0.010, 0.009),
    (0.022, 0.014, 0.009),
    (0.055, 0.030, 0.016),
    (0.12, 0.07, 0.035),
    (0.28, 0.19, 0.09),
    (0.16, 0.06, 0.025),
    (0.30, 0.29, 0.28),
)
IRIS_COLOURS = (
    (0.035, 0.017, 0.008),
    (0.075, 0.038, 0.016),
    (0.14, 0.085, 0.035),
    (0.10, 0.13, 0.06),
    (0.10, 0.17, 0.26),
    (0.17, 0.21, 0.24),
)

LIPSTICKS = (
    (0.42, 0.09, 0.08),
    (0.30, 0.02, 0.03),
    (0.38, 0.13, 0.15),
    (0.24, 0.04, 0.09),
    (0.26, 0.10, 0.07),
)


@cache
def head_model() -> HeadModel:
    """The head model in this package (its provenance is in ``head_model.json``)."""
    data = load_file(Path(__file__).with_name("head_model.safetensors"))
    bits = torch.arange(7, -1, -1)
    visible = ((data["visible"][:, :, None].int() >> bits) & 1).flatten(1).bool()
    frame, frame_triangles = _glasses()
    n = len(data["mean"])

    def extend(offsets: Tensor) -> Tensor:
        return F.pad(offsets.float(), (0, 0, 0, len(frame)))

    prefix = "expression."
    return HeadModel(
        mean=torch.cat([data["mean"], frame]),
        components=extend(data["components"]) * data["component_scale"][:, None, None],
        expressions={k[len(prefix) :]: extend(v) for k, v in data.items() if k.startswith(prefix)},
        triangles=torch.cat([data["triangles"].long(), frame_triangles + n]),
        part=F.pad(data["part"], (0, len(frame_triangles)), value=GLASSES),
        left_eye=data["left_eye"].long(),
        right_eye=data["right_eye"].long(),
        sky=data["sky"],
        visible=F.pad(visible, (0, 0, 0, len(frame)), value=True),
        frame_vertices=len(frame),
    )


def _glasses() -> tuple[Tensor, Tensor]:
    """Spectacle frames fitted to the mean head: vertices (V', 3) and triangles (F', 3)."""
    turn = np.linspace(0, 2 * np.pi, 33)
    rim = np.stack([0.0245 * np.cos(turn), 0.0195 * np.sin(turn), 0 * turn], 1)
    curves = []
    for side in (-1, 1):
        curves.append(rim + np.array([side * 0.0335, -0.004, 0.031]))
        curves.append(np.array([[side * x, 0.002, z] for x, z in ((0.058, 0.03), (0.079, -0.06))]))
    curves.append(np.array([[x, 0.003, 0.032] for x in (-0.0095, 0.0, 0.0095)]))
    radius, sides = 0.0016, 6
    vertices: list[NDArray[np.float64]] = []
    triangles: list[list[int]] = []
    for curve in curves:
        start = sum(map(len, vertices))
        along = np.gradient(curve, axis=0)
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        reference = np.where(np.abs(along[:, 2:]) > 0.9, [[0.0, 1.0, 0.0]], [[0.0, 0.0, 1.0]])
        across = np.cross(along, reference)
        across /= np.linalg.norm(across, axis=1, keepdims=True)
        third = np.cross(along, across)
        for k in range(sides):
            angle = 2 * np.pi * k / sides
            vertices.append(curve + radius * (np.cos(angle) * across + np.sin(angle) * third))
        n = len(curve)
        for k in range(sides):
            a, b = start + k * n, start + (k + 1) % sides * n
            for i in range(n - 1):
                triangles += [[a + i, b + i, a + i + 1], [a + i + 1, b + i, b + i + 1]]
    return (
        torch.from_numpy(np.concatenate(vertices).astype(np.float32)),
        torch.tensor(triangles, dtype=torch.int64),
    )


def hair_field(canonical: Tensor, hairline: Tensor | float) -> Tensor:
    """Signed distance-like field in metres, positive where hair grows.

    Args:
        canonical: Coordinates on the mean head (..., 3).
        hairline: Height of the front hairline, broadcastable to (...).
    """
    x, y, z = canonical.unbind(-1)
    field = y - hairline + 1.1 * (0.005 - z).clamp_min(0)
    ear = (x.abs() > 0.0735) & (y < 0.03) & (z > -0.115) & (z < -0.02)
    return torch.where(ear | (y < -0.11), -0.05, field)


def sample_subject(name: str, rng: np.random.Generator) -> Subject:
    """Draw a person: shape, skin, hair, eyes. Skin tones cover the whole range evenly."""
    shape = rng.standard_normal(len(head_model().components)).clip(-2.2, 2.2)
    melanin = float(rng.uniform(0.03, 0.95))
    dark_hair = rng.random() < 0.25 + 0.75 * melanin
    dark_hair |= melanin > 0.5 and rng.random() < 0.9
    hair = HAIR_COLOURS[rng.integers(0, 3) if dark_hair else rng.integers(2, 7)]
    iris = IRIS_COLOURS[rng.integers(0, 2) if melanin > 0.45 else rng.integers(1, 6)]
    bald = rng.random() < 0.12
    return Subject(
        name=name,
        shape=torch.from_numpy(shape.astype(np.float32)),
        melanin=melanin,
        haemoglobin=float(rng.uniform(0.3, 0.9)),
        texture=int(rng.integers(2**31)),
        freckles=float(rng.beta(0.6, 2.0)) * (1 - 0.7 * melanin),
        wrinkles=float(rng.beta(1.2, 2.0)),
        hair=hair,
        hairline=float(0.40 if bald else rng.uniform(0.046, 0.082)),
        hair_depth=float(0.0 if bald else rng.uniform(0.005, 0.028)),
        stubble=float(rng.beta(0.5, 0.8)) if rng.random() < 0.45 else 0.0,
        iris=iris,
        brow_height=float(rng.normal(0, 1)),
        brow_thickness=float(rng.uniform(0.75, 1.3)),
        lips=float(rng.uniform(0.0, 1.0)),
        flush=float(rng.uniform(0.0, 1.2)),
        cosmetics=float(rng.uniform(0.2, 1.0)) if rng.random() < 0.4 else 0.0,
        lipstick=LIPSTICKS[rng.integers(len(LIPSTICKS))],
        glasses=bool(rng.random() < 0.2),
    )


def shape_head(subject: Subject, expression: dict[str, float]) -> Tensor:
    """Vertices float32 (V, 3) of a subject with a weighted sum of named expressions."""
    model = head_model()
    vertices = model.mean + torch.einsum("k,kvc->vc", subject.shape, model.components)
    bridge = (model.mean[:, 0].abs() < 0.03) & (model.mean[:, 1].abs() < 0.025)
    bridge &= model.mean[:, 2] > 0.02
    forwards = (vertices - model.mean)[bridge, 2].mean()
    vertices[-model.frame_vertices :, 2] += forwards
    if subject.hair_depth > 0:
        field = hair_field(model.mean, subject.hairline)
        thickness = subject.hair_depth * (field / 0.02).clamp(0, 1)
        vertices = vertices + thickness[:, None] * mean_normals(vertices)
    for name, weight in expression.items():
        vertices = vertices + weight * model.expressions[name]
    return vertices


def mean_normals(vertices: Tensor) -> Tensor:
    """Area-weighted unit normals of the model's vertices, float32 (V, 3)."""
    a, b, c = vertices[head_model().triangles].unbind(1)
    across = torch.linalg.cross(b - a, c - a)
    return F.normalize(torch.from_numpy(_corners_of() @ across.numpy()), dim=1)


@cache
def _corners_of() -> csr_array:
    """Incidence of vertices and triangles, float32 (V, F); the same for every head."""
    triangles = head_model().triangles.numpy()
    pairs = (triangles.ravel(), np.repeat(np.arange(len(triangles)), 3))
    ones = np.ones(triangles.size, dtype=np.float32)
    return csr_array((ones, pairs), shape=(len(head_model().mean), len(triangles)))


def rotation(yaw: float, pitch: float, roll: float) -> NDArray[np.float32]:
    """Rotation (3, 3) from head axes to camera axes; angles in degrees, yaw about y first."""
    y, p, r = np.deg2rad([yaw, pitch, roll])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    turn: NDArray[np.float32] = (about_z @ about_x @ about_y).astype(np.float32)
    return turn
