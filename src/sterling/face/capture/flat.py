"""Planar presentation attacks: a photograph on an instrument, lit and seen by a camera."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sterling.face.capture.geometry import (
    Camera,
    Sheet,
    SheetBuffer,
    beyond,
    meet_sheet,
    sample_photo,
)
from sterling.face.capture.printing import PRINTS, Print, print_reflectance, sample_print
from sterling.face.capture.screen import Screen, sample_screen, screen_radiance
from sterling.face.capture.shading import Light
from sterling.face.capture.studio import CROP, Scene
from sterling.face.capture.sway import STILL, Clip, sway

PLANAR = (*PRINTS, "replay")
FACTOR = 2  # samples along each axis of a cast pixel, fine enough for dots of ink
NATIVE = (220, 640)  # pixels of a sensor across a face crop before it is reduced


@dataclass(frozen=True)
class Held:
    """An instrument in someone's hand before the camera, over the frames of a clip.

    Attributes:
        cameras: One per frame: as the instrument drifts, the camera looks elsewhere on it.
        poses: One per frame.
        native: Pixels of the sensor across the picture, before it is reduced.
    """

    instrument: Print | Screen
    cameras: list[Camera]
    poses: list[Sheet]
    native: int


@dataclass(frozen=True, eq=False)
class Photo:
    """The photograph on an instrument.

    Attributes:
        pixels: Linear RGB in [0, 1] (3, P, P).
        crop: Its side over the side of the face box.
        face: Mask of the face, in [0, 1] (1, P, P).
        eyes: Mask of the eyes, in [0, 1] (1, P, P), for holes.
        living: Scene radiance of the wearer in the same picture (T, 3, P, P) over the frames of a
            clip, seen through holes; None where the instrument has none.
    """

    pixels: Tensor
    crop: float
    face: Tensor
    eyes: Tensor
    living: Tensor | None = None


def hold(species: str, ratio: float, rng: np.random.Generator, clip: Clip = STILL) -> Held:
    """Draw an instrument and how it is held; ``ratio`` is distance over half the field of view."""
    instrument = sample_screen(rng) if species == "replay" else sample_print(PRINTS[species], rng)
    half = instrument.half * CROP / instrument.margin * float(rng.uniform(0.94, 1.10))
    x, y = rng.normal(0, 0.045 * half, 2).tolist()
    curl = 0.0 if isinstance(instrument, Screen) else instrument.curl
    yaw, pitch, roll = rng.normal(0, (9, 7, 3)).tolist()
    turns, drifts = sway(clip, rng)
    poses = [Sheet(yaw + a, pitch + b, roll + c, curl) for a, b, c in turns.tolist()]
    cameras = [
        Camera(ratio * half, half, x - right * half, y - up * half) for right, up in drifts.tolist()
    ]
    return Held(instrument, cameras, poses, int(rng.integers(*NATIVE)))


def see_held(held: Held, frame: int, photo: Photo, light: Light, resolution: int) -> Scene:
    """One frame of an instrument, as a scene with B = 1 and nothing around it."""
    camera, instrument = held.cameras[frame], held.instrument
    coarse = meet_sheet(held.poses[frame], camera, resolution)
    shown = _trim(photo, instrument.margin)
    position = torch.tensor([0.0, 0.0, camera.distance])
    view = F.normalize(position - coarse.position, dim=-1)
    facing = (coarse.normal * view).sum(-1)
    irradiance, highlight = _light_on(coarse, view, light, camera)
    face = sample_photo(shown.face, coarse.place, instrument.half)[..., 0]
    if isinstance(instrument, Screen):
        lit, on = screen_radiance(instrument, shown.pixels, coarse.place, held.native)
        sky = light.ambient[0] * instrument.glare
        radiance = instrument.white * lit + sky + 1.2 * highlight * instrument.glare
        edge = beyond(coarse.place, instrument.half)
        present = edge < instrument.bezel
        rim = torch.full_like(radiance, instrument.bezel_tone) * irradiance
        radiance = torch.where(on[..., None], radiance, rim + 0.1 * highlight)
        infrared = torch.where(edge < 0, 0.035, 0.10 + 0.5 * instrument.bezel_tone) * facing
        infrared = infrared + 0.5 * instrument.glare * facing.clamp_min(0) ** 400 * 30
    else:
        fine = meet_sheet(held.poses[frame], camera, FACTOR * resolution)
        aperture = 1.3 * camera.half / resolution
        reflectance, near = print_reflectance(
            instrument, shown.pixels, fine.place, FACTOR, aperture
        )
        radiance = reflectance * irradiance + instrument.gloss * highlight
        infrared = near * facing + instrument.gloss * facing.clamp_min(0) ** 80 * 2
        present = beyond(coarse.place, instrument.half) < instrument.border
    depth = coarse.depth
    if shown.living is not None:
        hole = sample_photo(shown.eyes, coarse.place, instrument.half)[..., 0]
        behind = sample_photo(shown.living[frame], coarse.place, instrument.half)
        rim = (1 - 0.8 * 4 * hole * (1 - hole))[..., None]
        radiance = torch.lerp(radiance, 0.75 * behind, hole[..., None]) * rim
        depth = depth + 0.018 * (hole > 0.5)
    return Scene(
        (radiance * present[..., None])[None],
        (infrared * present)[None],
        (depth * present)[None],
        facing[None],
        ((face > 0.5) & present)[None],
    )


def _trim(photo: Photo, margin: float) -> Photo:
    """Cut the middle out of a photograph, so that its side is ``margin`` face boxes."""
    side = photo.pixels.shape[-1]
    cut = round(side * (1 - min(margin / photo.crop, 1)) / 2)
    inner = slice(cut, side - cut)
    return Photo(
        photo.pixels[:, inner, inner],
        margin,
        photo.face[:, inner, inner],
        photo.eyes[:, inner, inner],
        None if photo.living is None else photo.living[..., inner, inner],
    )


def _light_on(
    sheet: SheetBuffer, view: Tensor, light: Light, camera: Camera
) -> tuple[Tensor, Tensor]:
    """Irradiance of a sheet and the light it mirrors, linear RGB (R, R, 3) each."""
    toward = light.direction[0]
    # Lamps stand about six fields of view away, so one side of the sheet is a little nearer.
    falloff = 1 + (sheet.position @ toward)[..., None] / (6 * camera.half)
    facing = (sheet.normal @ toward).clamp_min(0)[..., None]
    sky = 0.65 + 0.35 * sheet.normal[..., 1:2]
    half = F.normalize(toward + view, dim=-1)
    gloss = 40 + 200 * (1 - light.softness[0])
    lobe = (sheet.normal * half).sum(-1).clamp_min(0) ** gloss
    mirrored = light.key[0] * (lobe * (gloss + 8) / 25)[..., None] + 0.5 * light.ambient[0]
    return light.key[0] * facing * falloff + light.ambient[0] * sky, mirrored
