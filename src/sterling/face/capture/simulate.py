"""Simulated captures: bona fide and attack presentations, end to end."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
import torch
from torch import Tensor

from sterling.errors import InputError
from sterling.face.capture.captures import Captures
from sterling.face.capture.flat import PLANAR, hold, see_held
from sterling.face.capture.illumination import ILLUMINATIONS
from sterling.face.capture.photos import PhotoAlbum, held_photos
from sterling.face.capture.plan import Presentation, plan, stream
from sterling.face.capture.protocols import Scale, find_protocol
from sterling.face.capture.record import Shot, store
from sterling.face.capture.shading import Light
from sterling.face.capture.studio import (
    CROP,
    DISTANCES,
    Person,
    Studio,
    motion,
    scene_light,
    see_people,
    take,
)
from sterling.face.data import Manifest

__all__ = ["simulate"]

BATCH = 16
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
    album: PhotoAlbum = {}
    shots: dict[int, list[Shot]] = {}
    groups: dict[str, list[int]] = {}
    for i, presentation in enumerate(presentations):
        groups.setdefault(presentation.species, []).append(i)
    for members in groups.values():
        # Presentations of the same pose lie side by side, so that it is painted once a batch.
        members.sort(key=lambda i: _sitting(presentations[i]))
        for start in range(0, len(members), batch):
            chunk = members[start : start + batch]
            taken = _render_batch(
                studio, album, [presentations[i] for i in chunk], size, frames, rate
            )
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
    studio: Studio,
    album: PhotoAlbum,
    batch: Sequence[Presentation],
    size: int,
    frames: int,
    rate: float,
) -> list[list[Shot]]:
    lights = [_light(studio, p.illumination, p.session, p.item) for p in batch]
    if batch[0].species in PLANAR:
        photos = held_photos(studio, album, batch, lights, frames, rate)
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
            scenes += [take(scene, torch.tensor([i])) for i in range(len(people[part]))]
        clips = [scenes[i : i + frames] for i in range(0, len(scenes), frames)]
    with ThreadPoolExecutor(2) as pool:
        return list(
            pool.map(
                lambda p, clip, light: store(
                    p, clip, light, size, stream(studio.seed, "sensor", p.item)
                ),
                batch,
                clips,
                lights,
            )
        )


def _sitting(p: Presentation) -> tuple[str, str, int]:
    return p.subject, p.distance, p.view


def _light(studio: Studio, name: str, session: str, item: str) -> Light:
    # The session places the lamp; the presentation turns within it.
    rng = stream(studio.seed, "light", name, session, item)
    return scene_light(ILLUMINATIONS[name], rng)


def _people(studio: Studio, p: Presentation, frames: int, rate: float) -> list[Person]:
    view = studio.view(p.subject, p.distance, p.view)
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
            seed=p.item,
        )
        for t, moved in enumerate(motion(view, frames, rate, living, rng))
    ]
