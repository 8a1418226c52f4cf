"""People before a camera: poses and motion, cast and painted, lit and seen."""

from dataclasses import dataclass, replace

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
from sterling.face.capture.masks import (
    MASKS,
    make_up,
    mask_shape,
    random_pattern,
    stick_patch,
    wear_mask,
)
from sterling.face.capture.plan import stream
from sterling.face.capture.shading import (
    Illumination,
    Light,
    Surface,
    black_body,
    infrared_radiance,
    key_visibility,
    shade,
)
from sterling.face.capture.skin import Canvas, Moment, canvas, paint
from sterling.face.capture.sway import Clip, sway

# Metres between camera and face.
DISTANCES: dict[str, tuple[float, float]] = {
    "near": (0.35, 0.6),
    "middle": (0.6, 1.2),
    "far": (1.2, 2.5),
}
CROP = 1.3  # side of the crop over the side of the face box, as is usual in the field
SOURCE_CROP = 1.75  # of the photographs that attacks are made from

# Linear RGB of lips and eye shadow in obfuscating make-up.
PAINTS = ((0.30, 0.02, 0.03), (0.20, 0.02, 0.09), (0.07, 0.03, 0.15), (0.05, 0.02, 0.02))
# Centre and half sides of stickers on the mean head, metres: forehead, cheeks, nose.
PLACES = (
    (0.0, 0.040, 0.034, 0.015),
    (0.044, -0.040, 0.018, 0.018),
    (-0.044, -0.040, 0.018, 0.018),
    (0.0, -0.035, 0.024, 0.016),
)


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
    """Scene before B cameras of R × R rays, before any sensor; linear light.

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
        framed: The pose whose face box the picture is cut around, where that is another one: in a
            clip the face moves and the crop does not.
    """

    subject: str
    species: str
    view: View
    crop: float
    pulse: float
    framed: View | None = None


@dataclass(frozen=True)
class Studio:
    """The people of one seed.

    Attributes:
        seed: Seed of every draw.
        resolution: Rays along one side of a picture.
    """

    seed: int
    resolution: int

    def subject(self, name: str) -> Subject:
        """The person of that name."""
        return sample_subject(name, stream(self.seed, "subject", name))

    def view(self, subject: str, distance: str, index: int) -> View:
        """One of the few sittings of a subject."""
        return sample_view(stream(self.seed, "view", subject, distance, index), distance)


@dataclass(frozen=True, eq=False)
class Sitting:
    """One person cast and painted, to be lit as often as needed; every batch axis is 1.

    Attributes:
        buffer: The whole picture.
        points: Points that rays hit, in a row, as are `where` and `surface`.
    """

    buffer: GBuffer
    points: GBuffer
    where: Canvas
    surface: Surface
    distance: float


def sit(studio: Studio, person: Person, resolution: int) -> Sitting:
    """Cast and paint a person, or the mask of one, without what is worn on the skin."""
    subject = studio.subject(person.subject)
    buffer = cast_person(subject, person, resolution)
    points = buffer.seen()
    where = canvas(points, buffer.hit, [subject])
    moment = Moment(person.view.gaze, person.pulse, person.view.cloth)
    surface = paint(where, [subject], [moment])
    return Sitting(buffer, points, where, surface, person.view.distance)


def cast_person(subject: Subject, person: Person, resolution: int) -> GBuffer:
    """Cast one picture of a person, or of a mask of that person."""
    model, view = head_model(), person.view
    expression = dict(view.expression)
    material = MASKS.get(person.species)
    if material is None:
        vertices = shape_head(subject, expression)
    else:
        vertices = mask_shape(subject, material)
        if material.eye_holes:
            # A flexible mask follows the wearer's jaw by half.
            vertices = vertices + 0.5 * expression["jaw_open"] * model.expressions["jaw_open"]
    placed = place(vertices, view)
    triangles = model.triangles
    if material is not None or not subject.glasses:
        triangles = triangles[model.part != GLASSES]
    framed = placed if person.framed is None else place(vertices, person.framed)
    camera = face_camera(framed, view, person.crop)
    return cast(placed, triangles, _turn(view), camera, resolution)


def _turn(view: View) -> NDArray[np.float32]:
    return rotation(view.yaw, view.pitch, view.roll)


def place(vertices: Tensor, view: View) -> Tensor:
    """Turn a head about its neck, from head axes to camera axes."""
    pivot = torch.tensor([0.0, -0.06, -0.07])
    return (vertices - pivot) @ torch.from_numpy(_turn(view)).T + pivot


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


def motion(view: View, clip: Clip, living: bool, rng: np.random.Generator) -> list[View]:
    """A view over the frames of a clip: sway of the head, and blinks where there is life.

    Args:
        view: The pose in the middle frame.
        clip: Settings of the film; a single frame is the view itself.
        living: Whether eyelids move. The blinks of a clip are about four seconds apart.
        rng: Source of the sway and of the times of blinks.
    """
    if clip.frames == 1:
        return [view]
    time = np.arange(clip.frames) / clip.rate
    turns, drifts = sway(clip, rng)
    closed = np.zeros(clip.frames)
    if living:
        first = rng.uniform(0.0, 2.0)
        for blink in np.arange(first, time[-1] + 0.2, rng.uniform(2.5, 5.0)):
            closed = np.maximum(closed, np.exp(-(((time - blink) / 0.09) ** 2)))
    still = dict(view.expression)
    return [
        replace(
            view,
            yaw=view.yaw + float(turns[i, 0]),
            pitch=view.pitch + float(turns[i, 1]),
            roll=view.roll + float(turns[i, 2]),
            # As the head drifts to one side, the picture's centre is on its other side.
            shift=(view.shift[0] - float(drifts[i, 0]), view.shift[1] - float(drifts[i, 1])),
            expression=tuple(
                {**still, "blink": float(max(closed[i], 0.0)) if living else 0.0}.items()
            ),
        )
        for i in range(clip.frames)
    ]


def pulse(clip: Clip, rng: np.random.Generator) -> list[float]:
    """A heartbeat over the frames of a clip, -1 to 1, at 48 to 132 beats a minute; see `Moment`.

    A still shows none, and without it sittings can be shared.
    """
    beat, phase = rng.uniform(0.8, 2.2), rng.uniform(0, 2 * np.pi)
    if clip.frames == 1:
        return [0.0]
    return [float(np.sin(2 * np.pi * beat * t / clip.rate + phase)) for t in range(clip.frames)]


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


def light_up(sitting: Sitting, person: Person, light: Light, rng: np.random.Generator) -> Scene:
    """Put on what the attack wears, and light the sitting; radiance 0 where there is nobody.

    Args:
        sitting: Sitting of that person.
        person: Person; the species says what is worn.
        light: Light on the scene.
        rng: Source of pigments, colours and stickers.
    """
    buffer, where, surface = sitting.buffer, sitting.where, sitting.surface
    if person.species in MASKS:
        tint = torch.from_numpy(np.exp(rng.normal(0, 0.08, (1, 3))).astype(np.float32))
        vivid = torch.tensor([float(rng.uniform(0.7, 1.7))])
        surface = wear_mask(surface, where, MASKS[person.species], tint, vivid)
    elif person.species == "makeup":
        strength = torch.tensor([float(rng.uniform(0.8, 1.0))])
        colour = torch.tensor([PAINTS[int(rng.integers(len(PAINTS)))]])
        surface = make_up(surface, where, strength, colour)
    elif person.species == "adversarial_patch":
        place = np.array(PLACES[int(rng.integers(len(PLACES)))]) * rng.uniform(0.9, 1.15)
        pattern = random_pattern(rng)[None]
        surface = stick_patch(surface, where, pattern, torch.from_numpy(place).float()[None])
    points = sitting.points
    view = F.normalize(torch.tensor([0.0, 0.0, sitting.distance]) - points.position, dim=-1)
    key_seen, sky_seen = key_visibility(points, light)

    def picture(values: Tensor) -> Tensor:
        whole = values.new_zeros((*buffer.hit.shape, *values.shape[3:]))
        whole[buffer.hit] = values[0, 0]
        return whole

    return Scene(
        radiance=picture(shade(surface, view, light, key_seen, sky_seen)),
        infrared=picture(infrared_radiance(surface, view, points.depth) * sitting.distance**2),
        depth=buffer.depth,
        grazing=picture((where.normal * view).sum(-1)),
        face=picture(where.face),
    )
