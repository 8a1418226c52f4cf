"""Rendered heads: pictures of many people with exact yaw, pitch, roll and landmarks.

People, skin and light are those of the capture simulator. A head is cast and painted once for each
pose and expression, and shaded once for each light.

    yaws = draw_yaws(people=100, poses=6, near_frontal=0.9, seed=0)
    heads = render_heads(yaws, lights=2, size=64, seed=0)
    heads.images, heads.person, heads.yaw, heads.landmarks
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from sterling.errors import InputError, unknown_name
from sterling.face.capture.geometry import Camera
from sterling.face.capture.head import head_model
from sterling.face.capture.plan import stream
from sterling.face.capture.record import fill_background, illuminant
from sterling.face.capture.sensor import SENSORS, develop, exposure, white_balance
from sterling.face.capture.shading import ILLUMINATIONS
from sterling.face.capture.studio import (
    Person,
    Sitting,
    Studio,
    View,
    face_camera,
    light_up,
    sample_view,
    scene_light,
    sit,
)
from sterling.face.data import Manifest
from sterling.face.recognition.alignment import AlignmentTemplate
from sterling.face.recognition.template import similarity_transform
from sterling.storage import write_atomically, write_parquet

NEAR = 30.0  # degrees of yaw up to which a pose counts as near-frontal
SENSOR = SENSORS["webcam"]
FINER = 1.5  # rays along a side over pixels along it, so that edges are smooth

# Places on the mean head, metres: subject's left, up, forwards. The first five are those of
# `TEMPLATE`, in its order: what is left in a frontal picture comes first.
LANDMARKS: dict[str, tuple[float, float, float]] = {
    "right_eye": (-0.0313, 0.0, 0.0125),
    "left_eye": (0.0313, 0.0, 0.0125),
    "nose_tip": (0.0, -0.0415, 0.047),
    "right_mouth_corner": (-0.0252, -0.0723, 0.0228),
    "left_mouth_corner": (0.0252, -0.0723, 0.0228),
    "right_brow": (-0.026, 0.0224, 0.0273),
    "left_brow": (0.026, 0.0224, 0.0273),
    "nose_bridge": (0.0, 0.0015, 0.0257),
    "upper_lip": (0.0, -0.0667, 0.036),
    "lower_lip": (0.0, -0.0827, 0.0327),
    "chin": (0.0, -0.1094, 0.022),
    "right_cheek": (-0.045, -0.04, 0.01),
    "left_cheek": (0.045, -0.04, 0.01),
    "right_jaw": (-0.055, -0.085, -0.045),
    "left_jaw": (0.055, -0.085, -0.045),
    "right_ear": (-0.074, -0.02, -0.065),
    "left_ear": (0.074, -0.02, -0.065),
}


@dataclass(frozen=True, eq=False)
class RenderedHeads:
    """N pictures of rendered people with the truth about each.

    Attributes:
        images: sRGB, uint8 (N, 3, S, S).
        person: Number of the person in each picture, int64 (N,).
        pose: Number of the pose among those of its person, int64 (N,). Pictures of one person and
            pose differ in light and noise alone.
        light: Name of the illumination, (N,).
        yaw: Degrees, float64 (N,); above 0 the face looks to the right of the picture.
        pitch: Degrees, float64 (N,); above 0 the face looks down.
        roll: Degrees, float64 (N,); above 0 the head is turned anticlockwise in the picture.
        landmarks: Projected `LANDMARKS`, hidden ones included, float64 (N, L, 2): pixels to the
            right and down from the picture's upper left corner, so that the centre of the first
            pixel is (0.5, 0.5).
        expression: Weights of expressions by name, float64 (N,) each.
        shape: Shape weights of every person, float32 (P, K), rows in the order of `people`.
    """

    images: Tensor
    person: NDArray[np.int64]
    pose: NDArray[np.int64]
    light: NDArray[np.str_]
    yaw: NDArray[np.float64]
    pitch: NDArray[np.float64]
    roll: NDArray[np.float64]
    landmarks: NDArray[np.float64]
    expression: dict[str, NDArray[np.float64]]
    shape: Tensor

    def __len__(self) -> int:
        return len(self.person)

    @property
    def people(self) -> NDArray[np.int64]:
        """Numbers of the people, sorted."""
        return np.unique(self.person)

    @property
    def five(self) -> NDArray[np.float64]:
        """Landmarks of the alignment template, float64 (N, 5, 2), with pixel centres at integers.

        OpenCV and detectors count so.
        """
        return self.landmarks[:, :5] - 0.5

    def align(self, template: AlignmentTemplate) -> "RenderedHeads":
        """Bring every picture and its landmarks to an alignment template, by the exact landmarks.

        Args:
            template: Template; render with a `crop` that shows what it shows.
        """
        images, landmarks = [], []
        for picture, five, points in zip(self.images, self.five, self.landmarks, strict=True):
            pixels = np.ascontiguousarray(picture.numpy().transpose(1, 2, 0))
            images.append(template.align(pixels, five).transpose(2, 0, 1))
            matrix = similarity_transform(five, template.points)
            landmarks.append((points - 0.5) @ matrix[:, :2].T + matrix[:, 2] + 0.5)
        return replace(
            self, images=torch.from_numpy(np.stack(images)), landmarks=np.stack(landmarks)
        )

    def table(self) -> pl.DataFrame:
        """One row for each picture: person, pose, light, angles, expressions, landmarks."""
        columns: dict[str, Any] = {
            "person": self.person,
            "pose": self.pose,
            "light": self.light,
            "yaw": self.yaw,
            "pitch": self.pitch,
            "roll": self.roll,
            **self.expression,
        }
        for number, name in enumerate(LANDMARKS):
            columns[f"{name}_x"] = self.landmarks[:, number, 0]
            columns[f"{name}_y"] = self.landmarks[:, number, 1]
        return pl.DataFrame(columns)

    def write(self, folder: Path) -> Manifest:
        """Write ``<person>/<pose>-<light>.png``, ``manifest.csv`` and ``heads.parquet``.

        The folder is one that `sterling.face.data.read_source` reads; the exact poses and
        landmarks are in ``heads.parquet``, whose rows are those of the manifest.

        Args:
            folder: New or empty folder.

        Raises:
            InputError: The folder holds something.
        """
        if folder.exists() and any(folder.iterdir()):
            raise InputError(f"{folder}: is not empty; name a new folder")
        rows = []
        for number in range(len(self)):
            subject = f"p{self.person[number]:05d}"
            name = f"{self.pose[number]:03d}-{self.light[number]}"
            path = folder / subject / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            _, code = cv2.imencode(".png", self.images[number].numpy()[::-1].transpose(1, 2, 0))
            write_atomically(path, code.tobytes())
            rows.append(
                {
                    "item": f"{subject}/{name}",
                    "path": str(path),
                    "label": "bona_fide",
                    "species": "bona_fide",
                    "subject": subject,
                    "sensor": SENSOR.name,
                    "illumination": str(self.light[number]),
                }
            )
        manifest = Manifest.from_rows(rows, str(folder / "manifest.csv"))
        manifest.write(folder / "manifest.csv")
        write_parquet(
            folder / "heads.parquet",
            self.table().insert_column(0, pl.Series("item", [row["item"] for row in rows])),
        )
        return manifest


def draw_yaws(
    people: int, poses: int, *, near_frontal: float = 0.9, largest: float = 90.0, seed: int = 0
) -> NDArray[np.float64]:
    """Draw yaws in degrees, float64 (people, poses), most of them near-frontal.

    Args:
        people: Number of people, 1 or more.
        poses: Poses of each, 1 or more.
        near_frontal: Share of poses that are uniform within ±30°; the others are uniform beyond.
        largest: Largest absolute yaw, above 30 and up to 90.
        seed: Seed of the draw.

    Raises:
        InputError: A number is out of range.

    Examples:
        >>> draw_yaws(2, 3, near_frontal=1.0).shape
        (2, 3)
    """
    if people < 1 or poses < 1 or not 0 <= near_frontal <= 1 or not NEAR < largest <= 90:
        raise InputError(
            f"people {people}, poses {poses}, near_frontal {near_frontal:g}, largest {largest:g}: "
            "1 or more, 1 or more, 0 to 1, above 30 and up to 90"
        )
    draw = stream(seed, "yaws")
    side = draw.choice([-1.0, 1.0], (people, poses))
    near = draw.random((people, poses)) < near_frontal
    size = np.where(
        near, draw.uniform(0, NEAR, near.shape), draw.uniform(NEAR, largest, near.shape)
    )
    return np.asarray(side * size)


def render_heads(
    yaws: ArrayLike,
    *,
    lights: int = 1,
    size: int = 64,
    crop: float = 1.15,
    illuminations: Sequence[str] = tuple(ILLUMINATIONS),
    first: int = 0,
    seed: int = 0,
) -> RenderedHeads:
    """Render every person at every yaw under several lights.

    Pitch and roll are normal with deviations of 6° and 3.5°; expression, gaze, clothes, distance
    and the frame's place are drawn for each pose. A person depends on seed and number alone, so
    ``first`` gives other people from the same seed.

    Args:
        yaws: Degrees, (people, poses), each within ±90.
        lights: Pictures of each pose, each under an illumination drawn without replacement.
        size: Side of the pictures in pixels, 16 or more.
        crop: Side of the picture over the side of the face's box; 2 shows neck and hair.
        illuminations: Names from `ILLUMINATIONS` to draw from.
        first: Number of the first person.
        seed: Seed of people, poses and pictures.

    Raises:
        InputError: A number is out of range, or an illumination is unknown.

    Examples:
        >>> heads = render_heads([[0.0, 60.0]], size=32)
        >>> heads.images.shape, heads.yaw.tolist()
        (torch.Size([2, 3, 32, 32]), [0.0, 60.0])
    """
    wanted = np.asarray(yaws, dtype=float)
    if wanted.ndim != 2 or not wanted.size or not (np.abs(wanted) <= 90).all():
        raise InputError(f"yaws {wanted.shape}: give degrees within ±90, (people, poses)")
    for name in illuminations:
        if name not in ILLUMINATIONS:
            raise unknown_name("illumination", name, ILLUMINATIONS)
    if size < 16 or first < 0 or not 1 <= lights <= len(illuminations) or not 0.5 <= crop <= 4:
        raise InputError(
            f"size {size}, first {first}, lights {lights}, crop {crop:g}: 16 or more, 0 or more, "
            f"1 to {len(illuminations)}, 0.5 to 4"
        )
    studio = Studio(seed, round(FINER * size))
    shots: list[_Shot] = []
    for number, of_person in enumerate(wanted.tolist(), first):
        for pose, yaw in enumerate(of_person):
            shots += _pose(studio, number, pose, yaw, lights, size, crop, tuple(illuminations))
    shapes = [studio.subject(_name(first + row)).shape for row in range(len(wanted))]
    expressions = [dict(shot.view.expression) for shot in shots]
    return RenderedHeads(
        images=torch.from_numpy(np.stack([shot.pixels for shot in shots])),
        person=np.array([shot.person for shot in shots]),
        pose=np.array([shot.pose for shot in shots]),
        light=np.array([shot.light for shot in shots]),
        yaw=np.array([shot.view.yaw for shot in shots]),
        pitch=np.array([shot.view.pitch for shot in shots]),
        roll=np.array([shot.view.roll for shot in shots]),
        landmarks=np.stack([shot.landmarks for shot in shots]),
        expression={
            name: np.array([each[name] for each in expressions]) for name in expressions[0]
        },
        shape=torch.stack(shapes),
    )


@dataclass(frozen=True, eq=False)
class _Shot:
    person: int
    pose: int
    light: str
    view: View
    landmarks: NDArray[np.float64]
    pixels: NDArray[np.uint8]


def _name(number: int) -> str:
    return f"head-{number}"


def _pose(
    studio: Studio,
    number: int,
    pose: int,
    yaw: float,
    lights: int,
    size: int,
    crop: float,
    illuminations: tuple[str, ...],
) -> list[_Shot]:
    """Cast and paint one pose of a person, and shade it under each light."""
    draw = stream(studio.seed, "pose", number, pose)
    view = replace(sample_view(draw, "middle"), yaw=yaw)
    person = Person(_name(number), "bona_fide", view, crop, 0.0)
    sitting = sit(studio, person, studio.resolution)
    vertices = sitting.buffer.vertices[0]
    landmarks = project(vertices, face_camera(vertices, view, crop), size)
    chosen = draw.choice(len(illuminations), lights, replace=False)
    return [
        _Shot(
            number,
            pose,
            illuminations[index],
            view,
            landmarks,
            _photograph(sitting, person, illuminations[index], size, draw),
        )
        for index in chosen.tolist()
    ]


def _photograph(
    sitting: Sitting, person: Person, light: str, size: int, draw: np.random.Generator
) -> NDArray[np.uint8]:
    """Light a sitting and take its picture, uint8 (3, size, size)."""
    lamp = scene_light(ILLUMINATIONS[light], draw)
    scene = light_up(sitting, person, lamp, draw)
    filled = fill_background(scene.radiance[0], scene.depth[0], lamp, draw)
    gain = exposure(filled, scene.face[0].numpy().astype(np.float32) + 0.08, draw)
    balance = white_balance(SENSOR, illuminant(lamp, "bona_fide"), draw)
    level = ILLUMINATIONS[light].level
    return develop(filled * gain, SENSOR, balance, level, size, draw).transpose(2, 0, 1).copy()


def project(vertices: Tensor, camera: Camera, size: int) -> NDArray[np.float64]:
    """Project the landmarks of a head to pixels, float64 (L, 2).

    Args:
        vertices: Camera-space vertices of the head, float32 (V, 3).
        camera: Camera that sees it.
        size: Side of the picture in pixels.
    """
    points = vertices[list(_landmark_vertices())].double().numpy()
    nearer = camera.distance / (camera.distance - points[:, 2])
    right = (points[:, 0] * nearer - camera.x) / camera.half
    down = (camera.y - points[:, 1] * nearer) / camera.half
    return np.stack([right + 1, down + 1], 1) * size / 2


@cache
def _landmark_vertices() -> tuple[int, ...]:
    """Vertex of the model nearest to each landmark; glasses are no landmark."""
    model = head_model()
    places = torch.tensor(list(LANDMARKS.values()))
    own = model.mean[: len(model.mean) - model.frame_vertices]
    return tuple(torch.cdist(places, own).argmin(1).tolist())
