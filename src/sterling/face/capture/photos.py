"""The photographs that planar attacks show: taken of the victim elsewhere, by another sensor."""

import copy
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from sterling.face.capture.flat import Photo
from sterling.face.capture.geometry import GBuffer
from sterling.face.capture.head import head_model
from sterling.face.capture.plan import VIEWS, stream
from sterling.face.capture.record import fill_background, illuminant
from sterling.face.capture.sensor import SENSORS, develop, exposure, to_linear, white_balance
from sterling.face.capture.shading import ILLUMINATIONS, Light
from sterling.face.capture.studio import (
    SOURCE_CROP,
    Person,
    Studio,
    light_up,
    motion,
    pulse,
    scene_light,
    sit,
)
from sterling.face.capture.sway import STILL, Clip

PHOTOS = 4  # photographs that attackers have of each subject
SOURCE_SENSORS = ("reflex", "phone", "terminal")
SOURCE_LIGHT = ("office", "window", "overcast", "lamp")


def take_photo(studio: Studio, subject: str, index: int) -> Photo:
    """One of the few photographs that attackers have of a subject."""
    return film(studio, subject, index, STILL)[0]


def film(studio: Studio, subject: str, index: int, clip: Clip) -> list[Photo]:
    """Film the subject of a photograph, moving and blinking, for a replay.

    Args:
        studio: The people.
        subject: Subject of the film.
        index: Index of the photograph that is its middle frame.
        clip: Settings of the film.
    """
    rng = stream(studio.seed, "photo", subject, index)
    room = ILLUMINATIONS[str(rng.choice(SOURCE_LIGHT))]
    sensor = SENSORS[str(rng.choice(SOURCE_SENSORS))]
    light = scene_light(room, rng)
    person = _sitter(studio, subject, index)
    resolution = _resolution(studio)
    chance = stream(studio.seed, "film", subject, index)
    moved = motion(person.view, clip, True, chance)
    # The film holds the heartbeat of whom it shows.
    beats = pulse(clip, stream(studio.seed, "film pulse", subject, index))
    people = [
        replace(person, view=view, framed=person.view, pulse=beat)
        for view, beat in zip(moved, beats, strict=True)
    ]
    sittings = [sit(studio, each, resolution) for each in people]
    scenes = [light_up(sitting, person, light, rng) for sitting in sittings]
    # One wall, one exposure and one white balance for the whole film.
    wall = copy.deepcopy(rng)
    pictures = [
        fill_background(
            scene.radiance[0], scene.depth[0], light, rng if t == 0 else copy.deepcopy(wall)
        )
        for t, scene in enumerate(scenes)
    ]
    middle = clip.middle
    gain = exposure(pictures[middle], scenes[middle].face[0].float().numpy() + 0.08, rng)
    balance = white_balance(sensor, illuminant(light, "bona_fide"), rng)
    photos = []
    for sitting, scene, picture in zip(sittings, scenes, pictures, strict=True):
        pixels = develop(picture * gain, sensor, balance, room.level, resolution, rng)
        linear = torch.from_numpy(to_linear(pixels.astype(np.float32) / 255)).movedim(-1, 0)
        face = scene.face[0].float()[None]
        photos.append(Photo(linear, SOURCE_CROP, face, _eye_holes(sitting.buffer)))
    return photos


def wearer_behind(
    studio: Studio,
    subject: str,
    index: int,
    light: Light,
    clip: Clip,
    rng: np.random.Generator,
) -> Tensor:
    """The wearer behind cut-out eyes, in the light of the scene, blinking; (T, 3, P, P)."""
    person = _sitter(studio, subject, index)
    moved = motion(person.view, clip, True, rng)
    seen = []
    for view in moved:
        now = replace(person, view=replace(person.view, expression=view.expression))
        sitting = sit(studio, now, _resolution(studio))
        seen.append(light_up(sitting, now, light, rng).radiance[0].movedim(-1, 0))
    return torch.stack(seen)


def _resolution(studio: Studio) -> int:
    return studio.resolution * 5 // 4


def _sitter(studio: Studio, subject: str, index: int) -> Person:
    rng = stream(studio.seed, "sitter", subject, index)
    view = studio.view(subject, "middle", VIEWS + int(rng.integers(VIEWS)))
    # Nobody attacks with a photograph of closed eyes.
    awake = tuple({**dict(view.expression), "blink": 0.0}.items())
    return Person(subject, "bona_fide", replace(view, expression=awake), SOURCE_CROP, 0.0)


def _eye_holes(buffer: GBuffer) -> Tensor:
    """Mark the cut of an attacker: an oval about each eye, (1, P, P) in [0, 1]."""
    model = head_model()
    at = buffer.gather(model.mean, model.triangles)[0]
    oval = ((at[..., 0].abs() - 0.0327) / 0.0165) ** 2 + ((at[..., 1] + 0.0015) / 0.0085) ** 2
    front = buffer.hit[0] & (at[..., 2] > -0.01)
    return ((1.15 - oval) / 0.3).clamp(0, 1)[None] * front
