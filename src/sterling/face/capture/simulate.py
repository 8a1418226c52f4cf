"""Simulated captures: bona fide and attack presentations, end to end."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from sterling.errors import InputError
from sterling.face.capture.captures import Captures
from sterling.face.capture.flat import PLANAR, Photo, hold, see_held
from sterling.face.capture.illumination import ILLUMINATIONS
from sterling.face.capture.plan import VIEWS, Presentation, plan, stream
from sterling.face.capture.protocols import Scale, find_protocol
from sterling.face.capture.sensor import (
    LUMINANCE,
    SENSORS,
    develop,
    exposure,
    to_linear,
    white_balance,
)
from sterling.face.capture.shading import Light
from sterling.face.capture.studio import (
    CROP,
    DISTANCES,
    SOURCE_CROP,
    Person,
    Scene,
    Studio,
    View,
    motion,
    sample_view,
    scene_light,
    see_people,
)
from sterling.face.data import Manifest

__all__ = ["simulate"]

BATCH = 8
CAST = 128  # fewest rays along one side; smaller pictures are averaged from these
SMALLEST = 32


def simulate(
    protocol: str = "default",
    *,
    seed: int = 0,
    size: int = 128,
    frames: int = 1,
    rate: float = 25.0,
    scale: Scale | None = None,
) -> Captures:
    """Simulate the captures of a protocol.

    Every presentation has random numbers of its own, derived from the seed and its place in the
    protocol; the same seed gives the same bits.

    Args:
        protocol: One of :data:`PROTOCOLS`, or ``leave_one_species_out:<species>``.
        seed: Of subjects, sessions and presentations; not negative.
        size: Side of the pictures, S, at least 32.
        frames: Frames a presentation; more than one gives clips.
        rate: Frames per second of clips.
        scale: Numbers of subjects and captures; the protocol's own when None.

    Returns:
        The captures, in the order train, dev, test.

    Raises:
        InputError: On an unknown protocol or species, a size below 32, a negative seed, or no
            frames.
    """
    rule = find_protocol(protocol)
    if size < SMALLEST:
        raise InputError(f"size {size}: too small for a face; use at least {SMALLEST}")
    if frames < 1:
        raise InputError(f"frames {frames}: use at least 1")
    if seed < 0:
        raise InputError(f"seed {seed}: use 0 or more")
    presentations = plan(rule, scale or rule.scale, seed)
    return render(presentations, seed=seed, size=size, frames=frames, rate=rate)


@dataclass(frozen=True, eq=False)
class Shot:
    """One stored frame of all channels, (S, S, ...)."""

    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    nir: NDArray[np.uint8]
    true_depth: NDArray[np.float32]
    mask: NDArray[np.bool_]


def render(
    presentations: Sequence[Presentation],
    *,
    seed: int,
    size: int,
    frames: int = 1,
    rate: float = 25.0,
    batch: int = BATCH,
    studio: Studio | None = None,
) -> Captures:
    """Render presentations in batches of one species; how they are batched changes nothing."""
    if studio is None:
        studio = Studio(seed, size * -(-CAST // size))
    shots: dict[int, list[Shot]] = {}
    groups: dict[str, list[int]] = {}
    for i, presentation in enumerate(presentations):
        groups.setdefault(presentation.species, []).append(i)
    for members in groups.values():
        for start in range(0, len(members), batch):
            chunk = members[start : start + batch]
            taken = _render_batch(studio, [presentations[i] for i in chunk], size, frames, rate)
            shots.update(zip(chunk, taken, strict=True))
    ordered = [shots[i] for i in range(len(presentations))]

    def channel(name: str) -> Tensor:
        stacked = np.stack([np.stack([getattr(s, name) for s in clip]) for clip in ordered])
        found = torch.from_numpy(stacked if frames > 1 else stacked[:, 0])
        return found.movedim(-1, -3).contiguous() if name == "rgb" else found

    names = ("item", "species", "subject", "session", "sensor", "illumination", "distance", "split")
    table = pl.DataFrame({n: [getattr(p, n) for p in presentations] for n in names}).with_columns(
        label=pl.Series(["bona_fide" if p.bona_fide else "attack" for p in presentations])
    )
    manifest = Manifest(table, "simulated captures")
    return Captures(manifest, *(channel(n) for n in ("rgb", "depth", "nir", "true_depth", "mask")))


def _render_batch(
    studio: Studio, batch: Sequence[Presentation], size: int, frames: int, rate: float
) -> list[list[Shot]]:
    lights = [_light(studio, p.illumination, p.session, p.item) for p in batch]
    if batch[0].species in PLANAR:
        photos = _source_photos(studio, batch, lights)
        clips = []
        for presentation, light, photo in zip(batch, lights, photos, strict=True):
            rng = stream(studio.seed, "held", presentation.item)
            low, high = DISTANCES[presentation.distance]
            # A face's crop is about 0.23 m across; a smaller instrument is held nearer.
            ratio = float(rng.uniform(low, high)) / 0.115
            held = hold(presentation.species, ratio, frames, rng)
            clips.append(
                [see_held(held, t, photo, light, studio.resolution) for t in range(frames)]
            )
    else:
        people = [person for p in batch for person in _people(studio, p, frames, rate)]
        spread = [light for light in lights for _ in range(frames)]
        scenes = []
        for start in range(0, len(people), BATCH):
            part = slice(start, start + BATCH)
            scene = see_people(studio, people[part], spread[part], studio.resolution)
            scenes += [_single(scene, i) for i in range(len(people[part]))]
        clips = [scenes[i : i + frames] for i in range(0, len(scenes), frames)]
    with ThreadPoolExecutor(2) as pool:
        return list(
            pool.map(lambda job: _store(studio, *job, size), zip(batch, clips, lights, strict=True))
        )


def _single(scene: Scene, i: int) -> Scene:
    one = slice(i, i + 1)
    return Scene(
        scene.radiance[one], scene.infrared[one], scene.depth[one], scene.grazing[one],
        scene.face[one],
    )  # fmt: skip


def _view(studio: Studio, subject: str, distance: str, index: int) -> View:
    return sample_view(stream(studio.seed, "view", subject, distance, index), distance)


def _cloth(studio: Studio, subject: str, session: str) -> tuple[float, float, float]:
    rng = stream(studio.seed, "cloth", subject, session)
    grey = rng.uniform(0.03, 0.5)
    r, g, b = (grey * np.exp(rng.normal(0, 0.3, 3))).clip(0.02, 0.7).tolist()
    return r, g, b


def _light(studio: Studio, name: str, session: str, item: str) -> Light:
    # The session places the lamp; the presentation turns within it.
    rng = stream(studio.seed, "light", name, session, item)
    return scene_light(ILLUMINATIONS[name], rng)


def _people(studio: Studio, p: Presentation, frames: int, rate: float) -> list[Person]:
    view = _view(studio, p.subject, p.distance, p.view)
    living = p.species in ("bona_fide", "makeup", "adversarial_patch")
    rng = stream(studio.seed, "motion", p.item)
    beat, phase = rng.uniform(0.8, 2.2), rng.uniform(0, 2 * np.pi)
    return [
        Person(
            subject=p.subject,
            species=p.species,
            view=moved,
            crop=CROP,
            pulse=float(np.sin(2 * np.pi * beat * t / rate + phase)) if living else 0.0,
            cloth=_cloth(studio, p.subject, p.session),
            seed=p.item,
        )
        for t, moved in enumerate(motion(view, frames, rate, living, rng))
    ]


def _source_photos(
    studio: Studio, batch: Sequence[Presentation], lights: Sequence[Light]
) -> list[Photo]:
    """Photographs of the attacked subjects from another session, light and sensor."""
    resolution = studio.resolution * 3 // 2
    people, source_lights, streams, levels = [], [], [], []
    for p in batch:
        rng = stream(studio.seed, "source", p.item)
        name = str(rng.choice(["office", "window", "overcast", "lamp"]))
        view = _view(studio, p.subject, "middle", int(rng.integers(VIEWS)))
        people.append(
            Person(
                p.subject, "bona_fide", view, SOURCE_CROP, 0.0,
                _cloth(studio, p.subject, "source"), p.item,
            )
        )  # fmt: skip
        source_lights.append(_light(studio, name, "source", p.item))
        levels.append(ILLUMINATIONS[name].level)
        streams.append(rng)
    scene = see_people(studio, people, source_lights, resolution)
    cut = batch[0].species == "print_cut_eyes"
    behind = see_people(studio, people, lights, resolution).radiance if cut else None
    photos = []
    for i, rng in enumerate(streams):
        sensor = SENSORS[str(rng.choice(["reflex", "phone", "terminal"]))]
        filled = _fill_background(scene.radiance[i], scene.depth[i], source_lights[i], rng)
        face = scene.face[i]
        gain = exposure(filled, face.float().numpy() + 0.02, rng)
        balance = white_balance(sensor, _illuminant(source_lights[i]), rng)
        pixels = develop(filled * gain, sensor, balance, levels[i], resolution, rng)
        linear = to_linear(pixels.astype(np.float32) / 255)
        photos.append(
            Photo(
                torch.from_numpy(linear).movedim(-1, 0),
                SOURCE_CROP,
                face.float()[None],
                _eye_holes(studio, people[i], resolution),
                None if behind is None else behind[i].movedim(-1, 0),
            )
        )
    return photos


def _eye_holes(studio: Studio, person: Person, resolution: int) -> Tensor:
    """Where an attacker cuts: an oval about each eye, (1, P, P) in [0, 1]."""
    from sterling.face.capture.head import head_model

    buffer = studio.buffer(person, resolution)
    at = buffer.gather(head_model().mean, head_model().triangles)[0]
    oval = ((at[..., 0].abs() - 0.0327) / 0.0165) ** 2 + ((at[..., 1] + 0.0015) / 0.0085) ** 2
    front = buffer.hit[0] & (at[..., 2] > -0.01)
    return ((1.15 - oval) / 0.3).clamp(0, 1)[None] * front


def _illuminant(light: Light) -> NDArray[np.float32]:
    total: NDArray[np.float32] = (0.6 * light.key[0] + light.ambient[0]).numpy()
    return total / (total @ LUMINANCE)


def _fill_background(
    radiance: Tensor, depth: Tensor, light: Light, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Put a room behind a scene: a coloured wall with soft shapes, (R, R, 3)."""
    side = radiance.shape[0]
    wall = rng.uniform(0.05, 0.75) * np.exp(rng.normal(0, 0.18, 3))
    shapes = rng.normal(0, 0.45, (int(rng.integers(2, 6)),) * 2 + (1,))
    shapes = shapes + rng.normal(0, 0.12, (*shapes.shape[:2], 3))
    soft = cv2.resize(shapes.astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
    colour = (wall * np.exp(soft)).clip(0.01, 0.95).astype(np.float32)
    lit = colour * (0.55 * light.ambient[0] + 0.35 * light.key[0]).numpy()
    filled: NDArray[np.float32] = np.where((depth > 0).numpy()[..., None], radiance.numpy(), lit)
    return filled.astype(np.float32)


def _store(
    studio: Studio, p: Presentation, clip: Sequence[Scene], light: Light, size: int
) -> list[Shot]:
    """Sensors of all channels over the frames of one presentation."""
    sensor, level = SENSORS[p.sensor], ILLUMINATIONS[p.illumination].level
    rng = stream(studio.seed, "sensor", p.item)
    balance = white_balance(sensor, _illuminant(light), rng)
    behind = float(rng.uniform(0.5, 2.0))
    first = clip[0]
    room = int(rng.integers(2**31))
    gain: np.float32 | None = None
    shots = []
    for scene in clip:
        filled = _fill_background(
            scene.radiance[0], scene.depth[0], light, np.random.default_rng(room)
        )
        face = scene.face[0].numpy()
        if gain is None:
            gain = exposure(filled, face.astype(np.float32) + 0.02, rng)
        step = filled.shape[0] // size
        centre = (slice(step // 2, None, step),) * 2
        wall = float(first.depth[0].max()) + behind
        shots.append(
            Shot(
                rgb=develop(filled * gain, sensor, balance, level, size, rng),
                depth=_measure_depth(scene, wall, centre, rng),
                nir=_store_infrared(scene, size, rng),
                true_depth=_relief(scene, size) if p.bona_fide else np.zeros((size, size), "f4"),
                mask=face[centre],
            )
        )
    return shots


def _relief(scene: Scene, size: int) -> NDArray[np.float32]:
    """The depth label: 1 at the nearest point of the face, 0.1 at its farthest, 0 elsewhere."""
    depth, face = scene.depth[0].numpy(), scene.face[0].numpy()
    near, far = depth[face].min(), depth[face].max()
    relief = np.where(face, 1 - 0.9 * (depth - near) / (far - near + 1e-6), 0)
    small = cv2.resize(relief.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
    return small.clip(0, 1)


def _measure_depth(
    scene: Scene, wall: float, centre: tuple[slice, slice], rng: np.random.Generator
) -> NDArray[np.float32]:
    """A depth camera: noise grows with the square of distance; grazing or dark points are lost."""
    depth = scene.depth[0].numpy()[centre]
    lost = (scene.grazing[0].numpy()[centre] < 0.12) & (depth > 0)
    lost |= (scene.infrared[0].numpy()[centre] < 0.02) & (depth > 0)
    lost |= rng.random(depth.shape) < 0.01
    filled = np.where(depth > 0, depth, wall)
    noise = rng.standard_normal(depth.shape, dtype=np.float32)
    measured = filled + (0.0008 + 0.0019 * filled**2) * noise
    return np.where(lost, 0, measured).astype(np.float32)


def _store_infrared(scene: Scene, size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The infrared camera: fixed exposure, optical blur, noise."""
    seen = cv2.GaussianBlur(scene.infrared[0].numpy(), (0, 0), 0.7)
    seen = cv2.resize(seen, (size, size), interpolation=cv2.INTER_AREA)
    seen = 1.1 * 2 ** rng.normal(0, 0.15) * seen
    noise = rng.standard_normal(seen.shape, dtype=np.float32)
    seen = seen + np.sqrt(seen.clip(0) / 2500 + 4e-5) * noise
    coded = seen.clip(0, 1) ** (1 / 2.2)
    return np.rint(coded * 255).astype(np.uint8)
