"""Simulated captures: bona fide and attack presentations, end to end."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

import cv2
import numpy as np
import polars as pl
import torch
from torch import Tensor

from sterling.errors import InputError
from sterling.face.capture.flat import PLANAR, Photo, hold, see_held
from sterling.face.capture.masks import MASKS
from sterling.face.capture.photos import PHOTOS, film, take_photo, wearer_behind
from sterling.face.capture.plan import Presentation, plan, stream
from sterling.face.capture.printing import PRINTS
from sterling.face.capture.protocols import Scale, find_protocol
from sterling.face.capture.record import Shot, store
from sterling.face.capture.shading import ILLUMINATIONS, Light
from sterling.face.capture.studio import (
    CROP,
    DISTANCES,
    Person,
    Scene,
    Sitting,
    Studio,
    View,
    light_up,
    motion,
    pulse,
    scene_light,
    sit,
)
from sterling.face.capture.sway import STILL, Clip
from sterling.face.data import Faces, Manifest, Modality, depth_picture, require_modalities, stack


@dataclass(frozen=True, eq=False)
class Captures:
    """N simulated presentations. With clips, every tensor has an axis of T frames after N.

    Attributes:
        manifest: N rows.
        rgb: uint8 (N, 3, S, S), sRGB.
        depth: The depth sensor's metres, float32 (N, S, S); 0 where it had no return.
        nir: The near-infrared camera's picture at 850 nm, uint8 (N, S, S).
        true_depth: The field's label: relief of bona fide faces in [0, 1], 1 nearest to the
            camera, 0 on background and on every attack; float32 (N, S, S).
        mask: The face, or the face pictured on an instrument, bool (N, S, S).
    """

    manifest: Manifest
    rgb: Tensor
    depth: Tensor
    nir: Tensor
    true_depth: Tensor
    mask: Tensor

    def __len__(self) -> int:
        return len(self.manifest)

    def faces(self, modalities: Sequence[Modality] = ("rgb",)) -> Faces:
        """The pictures of the wanted modalities with their labels, as detectors take them.

        Raises:
            InputError: A modality is unknown or named twice.
        """
        modalities = require_modalities(modalities)
        pictures = {name: self._picture(name) for name in modalities}
        return Faces(self.manifest, stack(pictures), self.true_depth, self.mask, modalities)

    def _picture(self, modality: Modality) -> Tensor:
        match modality:
            case "rgb":
                return self.rgb
            case "depth":
                return depth_picture(self.depth)
            case "ir":
                return self.nir.unsqueeze(-3)


Task = TypeVar("Task")
Result = TypeVar("Result")


def spread(work: Callable[[Task], Result], tasks: Sequence[Task]) -> list[Result]:
    """``[work(task) for task in tasks]`` on all cores, with torch and OpenCV on one thread inside.

    Torch splits small tensors among its own threads at a loss, and where it splits them changes
    the last bit; with one thread, results do not depend on the machine's number of cores. The
    caller's settings are restored.
    """
    before, pixels_before = torch.get_num_threads(), cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with ThreadPoolExecutor(
            os.cpu_count(), initializer=torch.set_num_threads, initargs=(1,)
        ) as pool:
            return list(pool.map(work, tasks))
    finally:
        torch.set_num_threads(before)
        cv2.setNumThreads(pixels_before)


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
        seed: Seed of subjects, sessions and presentations; not negative.
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
    return render(presentations, seed=seed, size=size, clip=Clip(frames, rate, rule.sway))


def render(
    presentations: Sequence[Presentation],
    *,
    seed: int,
    size: int,
    clip: Clip = STILL,
) -> Captures:
    """Render presentations; which others are rendered beside one changes nothing of it.

    Presentations that share geometry make up one task, so that it is cast and painted once.
    """
    studio = Studio(seed, size * -(-CAST // size))
    tasks: dict[tuple[str | int, ...], list[int]] = {}
    for i, p in enumerate(presentations):
        tasks.setdefault(_shared_geometry(studio, p), []).append(i)

    def run(members: list[int]) -> list[list[Shot]]:
        chosen = [presentations[i] for i in members]
        return list(_render_task(studio, chosen, size, clip))

    shots: dict[int, list[Shot]] = {}
    for members, taken in zip(tasks.values(), spread(run, list(tasks.values())), strict=True):
        shots.update(zip(members, taken, strict=True))
    ordered = [shots[i] for i in range(len(presentations))]

    def channel(name: str) -> Tensor:
        stacked = np.stack([np.stack([getattr(s, name) for s in taken]) for taken in ordered])
        found = torch.from_numpy(stacked if clip.frames > 1 else stacked[:, 0])
        return found.movedim(-1, -3).contiguous() if name == "rgb" else found

    names = ("item", "species", "subject", "session", "sensor", "illumination", "distance", "split")
    table = pl.DataFrame({n: [getattr(p, n) for p in presentations] for n in names}).with_columns(
        label=pl.Series(["bona_fide" if p.bona_fide else "attack" for p in presentations])
    )
    manifest = Manifest(table, "simulated captures")
    return Captures(manifest, *(channel(n) for n in ("rgb", "depth", "nir", "true_depth", "mask")))


def _shared_geometry(studio: Studio, p: Presentation) -> tuple[str | int, ...]:
    if p.species in PLANAR:
        return p.subject, "photo", _photo_index(studio, p)
    return p.subject, p.distance, p.view


def _photo_index(studio: Studio, p: Presentation) -> int:
    return int(stream(studio.seed, "source", p.item).integers(PHOTOS))


def _render_task(
    studio: Studio, task: Sequence[Presentation], size: int, clip: Clip
) -> Iterator[list[Shot]]:
    photos: dict[int, Photo] = {}
    sittings: dict[tuple[str, View, float], Sitting] = {}
    for p in task:
        light = _light(studio, p)
        if p.species in PLANAR:
            index = _photo_index(studio, p)
            if index not in photos:
                photos[index] = take_photo(studio, p.subject, index)
            scenes = _hold_up(studio, p, photos[index], light, clip)
        else:
            scenes = []
            for person in _people(studio, p, clip):
                shape = p.species if p.species in MASKS else ""
                key = (shape, person.view, person.pulse)
                if key not in sittings:
                    if clip.frames > 1:
                        sittings.clear()
                    sittings[key] = sit(studio, person, studio.resolution)
                rng = stream(studio.seed, "worn", p.item)
                scenes.append(light_up(sittings[key], person, light, rng))
        yield store(p, scenes, light, size, stream(studio.seed, "sensor", p.item))


def _hold_up(
    studio: Studio, p: Presentation, photo: Photo, light: Light, clip: Clip
) -> list[Scene]:
    rng = stream(studio.seed, "held", p.item)
    low, high = DISTANCES[p.distance]
    # A face's crop is about 0.23 m across; a smaller instrument is held nearer.
    held = hold(p.species, float(rng.uniform(low, high)) / 0.115, rng, clip)
    if p.species in PRINTS and PRINTS[p.species].eyes_cut:
        index = _photo_index(studio, p)
        behind = wearer_behind(studio, p.subject, index, light, clip, rng)
        photo = replace(photo, living=behind)
    shown = [photo] * clip.frames
    if p.species == "replay" and clip.frames > 1:
        shown = film(studio, p.subject, _photo_index(studio, p), clip)
    return [see_held(held, t, shown[t], light, studio.resolution) for t in range(clip.frames)]


def _light(studio: Studio, p: Presentation) -> Light:
    rng = stream(studio.seed, "light", p.illumination, p.session, p.item)
    return scene_light(ILLUMINATIONS[p.illumination], rng)


def _people(studio: Studio, p: Presentation, clip: Clip) -> list[Person]:
    view = studio.view(p.subject, p.distance, p.view)
    living = p.species in ("bona_fide", "makeup", "adversarial_patch")
    rng = stream(studio.seed, "motion", p.item)
    beat = pulse(clip, rng)
    return [
        Person(
            subject=p.subject,
            species=p.species,
            view=moved,
            crop=CROP,
            framed=view,
            pulse=beat[t] if living else 0.0,
        )
        for t, moved in enumerate(motion(view, clip, living, rng))
    ]
