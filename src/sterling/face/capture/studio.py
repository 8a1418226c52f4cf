"""People before a camera: poses and motion, cast and painted, lit and seen."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from sterling.face.capture.geometry import Camera, GBuffer, cast
from sterling.face.capture.head import (
    GLASSES,
    SKIN,
    Subject,
    head_model,
    rotation,
    sample_subject,
    shape_head,
)
from sterling.face.capture.illumination import Illumination, black_body
from sterling.face.capture.masks import MASKS, mask_shape, wear_mask
from sterling.face.capture.plan import stream
from sterling.face.capture.shading import Light, infrared_radiance, key_visibility, shade
from sterling.face.capture.skin import Canvas, Moment, canvas, paint
from sterling.face.capture.surface import Surface
from sterling.face.capture.worn import make_up, random_pattern, stick_patch

__all__ = [
    "CROP",
    "DISTANCES",
    "SOURCE_CROP",
    "Person",
    "Scene",
    "Studio",
    "View",
    "motion",
    "sample_view",
    "scene_light",
    "see_people",
    "take",
]

Batch = TypeVar("Batch", bound="GBuffer | Canvas | Surface | Scene")

# Metres between camera and face.
DISTANCES: dict[str, tuple[float, float]] = {
    "near": (0.35, 0.6),
    "middle": (0.6, 1.2),
    "far": (1.2, 2.5),
}
KEPT = 256  # casts held in memory at once
CROP = 1.3  # side of the crop over the side of the face box, as is usual in the field
SOURCE_CROP = 1.75  # of the photographs that attacks are made from


@dataclass(frozen=True)
class View:
    """A sitting before the camera: pose, expression and clothes.

    Angles in degrees, lengths in metres, shifts as shares of the crop, `cloth` in linear RGB.
    """

    yaw: float
    pitch: float
    roll: float
    distance: float
    scale: float
    shift: tuple[float, float]
    gaze: tuple[float, float]
    expression: tuple[tuple[str, float], ...]
    cloth: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Scene:
    """What B cameras of R × R rays see before any sensor; linear light.

    Attributes:
        radiance: RGB (B, R, R, 3).
        infrared: Return of a lamp beside the lens, 1 for a white wall at the face (B, R, R).
        depth: Metres, 0 where nothing was hit (B, R, R).
        grazing: Cosine between surface and line of sight (B, R, R).
        face: The face, bool (B, R, R).
    """

    radiance: Tensor
    infrared: Tensor
    depth: Tensor
    grazing: Tensor
    face: Tensor


@dataclass(frozen=True)
class Person:
    """One picture to take of one subject.

    Attributes:
        species: ``"bona_fide"``, a mask, or another instrument worn on the living face.
        crop: Side of the picture over the side of the face box.
        pulse: See `Moment`.
        seed: Key of the random numbers of what is worn.
    """

    subject: str
    species: str
    view: View
    crop: float
    pulse: float
    seed: str


@dataclass(frozen=True)
class Studio:
    """The subjects of one seed, and geometry that was already cast.

    Attributes:
        seed: Of everything.
        resolution: Rays along one side of a picture.
    """

    seed: int
    resolution: int
    _subjects: dict[str, Subject] = field(default_factory=dict)
    _shapes: dict[tuple[str, str], Tensor] = field(default_factory=dict)
    _casts: dict[tuple[object, ...], GBuffer] = field(default_factory=dict)

    def subject(self, name: str) -> Subject:
        """The person of that name."""
        if name not in self._subjects:
            self._subjects[name] = sample_subject(name, stream(self.seed, "subject", name))
        return self._subjects[name]

    def view(self, subject: str, distance: str, index: int) -> View:
        """One of the few sittings of a subject."""
        return sample_view(stream(self.seed, "view", subject, distance, index), distance)

    def buffer(self, person: Person, resolution: int) -> GBuffer:
        """Cast a picture of a person, or return the one cast before."""
        mask = person.species if person.species in MASKS else ""
        key = (person.subject, mask, person.view, person.crop, resolution)
        if key not in self._casts:
            if len(self._casts) >= KEPT:
                del self._casts[next(iter(self._casts))]
            self._casts[key] = self._cast(person, mask, resolution)
        return self._casts[key]

    def _cast(self, person: Person, mask: str, resolution: int) -> GBuffer:
        model, view = head_model(), person.view
        subject = self.subject(person.subject)
        if mask:
            if (person.subject, mask) not in self._shapes:
                self._shapes[person.subject, mask] = mask_shape(subject, MASKS[mask])
            vertices = self._shapes[person.subject, mask]
            moving = {k: 0.5 * v for k, v in view.expression if k == "jaw_open"}
            if MASKS[mask].eye_holes:
                vertices = vertices + sum(
                    (v * model.expressions[k] for k, v in moving.items()),
                    torch.zeros_like(vertices),
                )
        else:
            vertices = shape_head(subject, dict(view.expression))
        turn = rotation(view.yaw, view.pitch, view.roll)
        pivot = torch.tensor([0.0, -0.06, -0.07])
        placed = (vertices - pivot) @ torch.from_numpy(turn).T + pivot
        camera = face_camera(placed, view, person.crop)
        triangles = model.triangles
        if not subject.glasses or mask:
            triangles = triangles[model.part != GLASSES]
        return cast(placed, triangles, turn, camera, resolution)


def face_camera(vertices: Tensor, view: View, crop: float) -> Camera:
    """A camera whose picture is the face's box times ``crop``, give or take the view's jitter."""
    model = head_model()
    y, z = model.mean[:, 1], model.mean[:, 2]
    face = torch.zeros(len(vertices), dtype=torch.bool)
    face[model.triangles[model.part == SKIN].flatten()] = True
    face &= (y > -0.112) & (y < 0.062) & (z > -0.035)
    low, high = vertices[face, :2].amin(0), vertices[face, :2].amax(0)
    half = float((high - low).max()) / 2 * crop * view.scale
    x, y = ((low + high) / 2).tolist()
    return Camera(view.distance, half, x + view.shift[0] * half, y + view.shift[1] * half)


def sample_view(rng: np.random.Generator, distance: str) -> View:
    """A pose of someone who looks roughly at the camera."""
    expression = {
        "smile": float(rng.beta(0.6, 1.8)),
        "jaw_open": float(min(rng.beta(0.5, 9.0), 0.3)),
        "brow_up": float(rng.beta(0.7, 3.0)),
        "frown": float(rng.beta(0.5, 6.0)),
        "blink": float(rng.uniform(0.5, 1.0)) if rng.random() < 0.06 else 0.0,
    }
    grey = rng.uniform(0.03, 0.5)
    r, g, b = (grey * np.exp(rng.normal(0, 0.3, 3))).clip(0.02, 0.7).tolist()
    return View(
        yaw=float(rng.normal(0, 11)),
        pitch=float(rng.normal(0, 6)),
        roll=float(rng.normal(0, 3.5)),
        distance=float(rng.uniform(*DISTANCES[distance])),
        scale=float(rng.uniform(0.94, 1.10)),
        shift=(float(rng.normal(0, 0.045)), float(rng.normal(0, 0.045))),
        gaze=(float(rng.normal(0, 7)), float(rng.normal(0, 4))),
        expression=tuple(expression.items()),
        cloth=(r, g, b),
    )


def motion(
    view: View, frames: int, rate: float, living: bool, rng: np.random.Generator
) -> list[View]:
    """A view over the frames of a clip: sway of the head, gaze, and blinks where there is life.

    Args:
        view: The first pose.
        frames: How many; a single frame is the view itself.
        rate: Frames per second.
        living: Whether eyelids move. The blinks of a clip are about four seconds apart.
        rng: Source of the sway and of the times of blinks.
    """
    if frames == 1:
        return [view]
    time = np.arange(frames) / rate
    sway = [
        a * np.sin(2 * np.pi * f * time + p) - a * np.sin(p)
        for a, f, p in zip(
            (4.0, 2.5, 1.5), rng.uniform(0.15, 0.5, 3), rng.uniform(0, 6.28, 3), strict=True
        )
    ]
    closed = np.zeros(frames)
    if living:
        first = rng.uniform(0.0, 2.0)
        for blink in np.arange(first, time[-1] + 0.2, rng.uniform(2.5, 5.0)):
            closed = np.maximum(closed, np.exp(-(((time - blink) / 0.09) ** 2)))
    still = dict(view.expression)
    return [
        replace(
            view,
            yaw=view.yaw + float(sway[0][i]),
            pitch=view.pitch + float(sway[1][i]),
            roll=view.roll + float(sway[2][i]),
            expression=tuple(
                {**still, "blink": float(max(closed[i], 0.0)) if living else 0.0}.items()
            ),
        )
        for i in range(frames)
    ]


def scene_light(light: Illumination, rng: np.random.Generator) -> Light:
    """One session's version of an illumination: the lamp stands a little elsewhere."""
    azimuth = np.deg2rad(light.azimuth + rng.normal(0, 9))
    elevation = np.deg2rad(light.elevation + rng.normal(0, 6))
    direction = [
        np.sin(azimuth) * np.cos(elevation),
        np.sin(elevation),
        np.cos(azimuth) * np.cos(elevation),
    ]
    key = black_body(light.key_kelvin * float(rng.uniform(0.93, 1.08))) * light.key
    sky = black_body(light.ambient_kelvin * float(rng.uniform(0.93, 1.08))) * light.ambient
    return Light(
        torch.tensor([direction], dtype=torch.float32),
        torch.from_numpy(key * np.float32(rng.uniform(0.8, 1.25)))[None],
        torch.from_numpy(sky)[None],
        torch.tensor([light.softness]),
    )


def see_people(
    studio: Studio, people: Sequence[Person], lights: Sequence[Light], resolution: int
) -> Scene:
    """Cast, paint and light people of one species, without background (radiance 0 there)."""
    species = people[0].species
    # Pictures that differ in light only share their paint.
    keys = [(p.subject, p.view, p.crop, p.pulse) for p in people]
    unique = dict(zip(keys, people, strict=True))
    order = {key: i for i, key in enumerate(unique)}
    painted = [studio.subject(p.subject) for p in unique.values()]
    cast_once = GBuffer.stack([studio.buffer(p, resolution) for p in unique.values()])
    where_once = canvas(cast_once, painted)
    moments = [Moment(p.view.gaze, p.pulse, p.view.cloth) for p in unique.values()]
    surface_once = paint(where_once, painted, moments)
    rows = torch.tensor([order[key] for key in keys])
    buffer, where, surface = take(cast_once, rows), take(where_once, rows), take(surface_once, rows)
    light = Light.stack(lights)
    streams = [stream(studio.seed, "worn", p.seed) for p in people]
    if species in MASKS:
        tint = np.stack([np.exp(rng.normal(0, 0.08, 3)) for rng in streams]).astype(np.float32)
        vivid = torch.tensor([float(rng.uniform(0.7, 1.7)) for rng in streams])
        surface = wear_mask(surface, where, MASKS[species], torch.from_numpy(tint), vivid)
    elif species == "makeup":
        strength = torch.tensor([float(rng.uniform(0.75, 1.0)) for rng in streams])
        colour = torch.tensor([_lipstick(rng) for rng in streams], dtype=torch.float32)
        surface = make_up(surface, where, strength, colour)
    elif species == "adversarial_patch":
        pattern = torch.stack([random_pattern(rng) for rng in streams])
        surface = stick_patch(surface, where, pattern, _places(streams))
    distance = torch.tensor([p.view.distance for p in people])[:, None, None]
    eye = torch.zeros(len(people), 1, 1, 3)
    eye[..., 2] = distance
    view = F.normalize(eye - buffer.position, dim=-1)
    key_seen, sky_seen = key_visibility(buffer, light)
    hit = buffer.hit
    radiance = shade(surface, view, light, key_seen, sky_seen) * hit[..., None]
    infrared = infrared_radiance(surface, view, buffer.depth) * distance**2 * hit
    grazing = (where.normal * view).sum(-1)
    return Scene(radiance, infrared, buffer.depth, grazing, where.face & hit)


def take(batch: Batch, rows: Tensor) -> Batch:
    """The given pictures of a batch."""
    return type(batch)(**{f.name: getattr(batch, f.name)[rows] for f in fields(batch)})


def _lipstick(rng: np.random.Generator) -> tuple[float, float, float]:
    colours = ((0.30, 0.02, 0.03), (0.20, 0.02, 0.09), (0.07, 0.03, 0.15), (0.05, 0.02, 0.02))
    return colours[int(rng.integers(len(colours)))]


def _places(streams: Sequence[np.random.Generator]) -> Tensor:
    """Where stickers go: forehead, cheek, over the nose, or across the eyes as glasses do."""
    spots: NDArray[np.float64] = np.array(
        [
            [0.0, 0.040, 0.034, 0.015],
            [0.044, -0.040, 0.018, 0.018],
            [-0.044, -0.040, 0.018, 0.018],
            [0.0, -0.035, 0.024, 0.016],
        ]
    )
    return torch.stack(
        [
            torch.from_numpy(spots[rng.integers(4)] * rng.uniform(0.9, 1.15)).float()
            for rng in streams
        ]
    )
