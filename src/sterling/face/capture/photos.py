"""The photographs that planar attacks show: taken of the victim elsewhere, by another sensor."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from sterling.face.capture.flat import Photo
from sterling.face.capture.head import head_model
from sterling.face.capture.illumination import ILLUMINATIONS
from sterling.face.capture.plan import VIEWS, Presentation, stream
from sterling.face.capture.printing import PRINTS
from sterling.face.capture.record import fill_background, illuminant
from sterling.face.capture.sensor import SENSORS, develop, exposure, to_linear, white_balance
from sterling.face.capture.shading import Light
from sterling.face.capture.studio import (
    SOURCE_CROP,
    Person,
    Studio,
    motion,
    scene_light,
    see_people,
)

__all__ = ["PhotoAlbum", "held_photos"]

PHOTOS = 4  # photographs that attackers have of each subject
SOURCE_SENSORS = ("reflex", "phone", "terminal")
SOURCE_LIGHT = ("office", "window", "overcast", "lamp")

PhotoAlbum = dict[tuple[str, int], Photo]


def held_photos(
    studio: Studio,
    album: PhotoAlbum,
    batch: Sequence[Presentation],
    lights: Sequence[Light],
    frames: int,
    rate: float,
) -> list[Photo]:
    """The photograph of each planar attack; those not in the album yet are taken and added.

    Behind cut-out eyes there is the wearer, who blinks over the frames of a clip.
    """
    wanted = [
        (p.subject, int(stream(studio.seed, "source", p.item).integers(PHOTOS))) for p in batch
    ]
    missing = [key for key in dict.fromkeys(wanted) if key not in album]
    if missing:
        album.update(zip(missing, _take_photos(studio, missing), strict=True))
    photos = [album[key] for key in wanted]
    species = batch[0].species
    if species in PRINTS and PRINTS[species].eyes_cut:
        # The living eyes behind the holes are in the light of the scene, not of the photograph.
        for i, (key, p) in enumerate(zip(wanted, batch, strict=True)):
            wearer = _sitter(studio, *key)
            rng = stream(studio.seed, "wearer", p.item)
            people = [
                replace(wearer, view=replace(wearer.view, expression=moved.expression))
                for moved in motion(wearer.view, frames, rate, True, rng)
            ]
            seen = [
                see_people(studio, [person], [lights[i]], _resolution(studio)).radiance[0]
                for person in people
            ]
            photos[i] = replace(photos[i], living=torch.stack(seen).movedim(-1, 1))
    return photos


def _resolution(studio: Studio) -> int:
    return studio.resolution * 5 // 4


def _sitter(studio: Studio, subject: str, index: int) -> Person:
    rng = stream(studio.seed, "sitter", subject, index)
    view = studio.view(subject, "middle", VIEWS + int(rng.integers(VIEWS)))
    # Nobody attacks with a photograph of closed eyes.
    awake = tuple({**dict(view.expression), "blink": 0.0}.items())
    return Person(subject, "bona_fide", replace(view, expression=awake), SOURCE_CROP, 0.0, "")


def _take_photos(studio: Studio, keys: Sequence[tuple[str, int]]) -> list[Photo]:
    resolution = _resolution(studio)
    people = [_sitter(studio, *key) for key in keys]
    streams = [stream(studio.seed, "photo", *key) for key in keys]
    rooms = [ILLUMINATIONS[str(rng.choice(SOURCE_LIGHT))] for rng in streams]
    lights = [scene_light(room, rng) for room, rng in zip(rooms, streams, strict=True)]
    scene = see_people(studio, people, lights, resolution)
    photos = []
    for i, (rng, light) in enumerate(zip(streams, lights, strict=True)):
        sensor = SENSORS[str(rng.choice(SOURCE_SENSORS))]
        filled = fill_background(scene.radiance[i], scene.depth[i], light, rng)
        face = scene.face[i].float()
        gain = exposure(filled, face.numpy() + 0.08, rng)
        balance = white_balance(sensor, illuminant(light, "bona_fide"), rng)
        pixels = develop(filled * gain, sensor, balance, rooms[i].level, resolution, rng)
        linear = torch.from_numpy(to_linear(pixels.astype(np.float32) / 255))
        eyes = _eye_holes(studio, people[i], resolution)
        photos.append(Photo(linear.movedim(-1, 0), SOURCE_CROP, face[None], eyes))
    return photos


def _eye_holes(studio: Studio, person: Person, resolution: int) -> Tensor:
    """Where an attacker cuts: an oval about each eye, (1, P, P) in [0, 1]."""
    model = head_model()
    buffer = studio.buffer(person, resolution)
    at = buffer.gather(model.mean, model.triangles)[0]
    oval = ((at[..., 0].abs() - 0.0327) / 0.0165) ** 2 + ((at[..., 1] + 0.0015) / 0.0085) ** 2
    front = buffer.hit[0] & (at[..., 2] > -0.01)
    return ((1.15 - oval) / 0.3).clamp(0, 1)[None] * front
