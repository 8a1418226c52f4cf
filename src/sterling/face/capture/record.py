"""Recording a scene: every channel's sensor, and the labels, at the size that is stored."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sterling.face.capture.plan import Presentation
from sterling.face.capture.sensor import (
    LUMINANCE,
    SENSORS,
    Picture,
    develop,
    exposure,
    white_balance,
)
from sterling.face.capture.shading import ILLUMINATIONS, Light
from sterling.face.capture.studio import Scene


@dataclass(frozen=True, eq=False)
class Shot:
    """One stored frame of all channels, (S, S, ...)."""

    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    nir: NDArray[np.uint8]
    true_depth: NDArray[np.float32]
    mask: NDArray[np.bool_]


def illuminant(light: Light, species: str) -> NDArray[np.float32]:
    """White point of the camera, linear RGB of luminance 1 (3,).

    Before a lit screen that is the screen more than the room.
    """
    total: NDArray[np.float32] = (0.6 * light.key[0] + light.ambient[0]).numpy()
    room: NDArray[np.float32] = total / np.float32(total @ LUMINANCE)
    share = np.float32(0.3 if species == "replay" else 1.0)
    return share * room + (1 - share)


def fill_background(
    radiance: Tensor, depth: Tensor, light: Light, rng: np.random.Generator
) -> Picture:
    """Put a room behind a scene: a coloured wall with soft shapes, (R, R, 3)."""
    side = radiance.shape[0]
    wall = rng.uniform(0.05, 0.75) * np.exp(rng.normal(0, 0.18, 3))
    shapes = rng.normal(0, 0.45, (int(rng.integers(2, 6)),) * 2 + (1,))
    shapes = shapes + rng.normal(0, 0.12, (*shapes.shape[:2], 3))
    soft = cv2.resize(shapes.astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
    colour = (wall * np.exp(soft)).clip(0.01, 0.95).astype(np.float32)
    lit = colour * (0.55 * light.ambient[0] + 0.35 * light.key[0]).numpy()
    hit = (depth > 0).numpy()[..., None]
    return np.asarray(np.where(hit, radiance.numpy(), lit), dtype=np.float32)


def store(
    p: Presentation, clip: Sequence[Scene], light: Light, size: int, rng: np.random.Generator
) -> list[Shot]:
    """Sensors of all channels over the frames of one presentation."""
    level = ILLUMINATIONS[p.illumination].level
    sensor = SENSORS[p.sensor]
    # Cameras adapt their tone to the scene, and stray light veils it more or less.
    sensor = replace(
        sensor,
        contrast=sensor.contrast * float(rng.uniform(0.4, 1.6)),
        saturation=sensor.saturation * float(rng.uniform(0.75, 1.25)),
    )
    veil = np.float32(rng.uniform(0, 0.08))
    balance = white_balance(sensor, illuminant(light, p.species), rng)
    behind = float(rng.uniform(0.5, 2.0))
    wall = float(clip[0].depth[0].max()) + behind
    room = int(rng.integers(2**31))
    gain: np.float32 | None = None
    shots = []
    for scene in clip:
        filled = fill_background(
            scene.radiance[0], scene.depth[0], light, np.random.default_rng(room)
        )
        face = scene.face[0].numpy()
        if gain is None:
            gain = exposure(filled, face.astype(np.float32) + 0.08, rng)
        filled = filled + veil * (filled.mean((0, 1)) - filled)
        step = filled.shape[0] // size
        centre = (slice(step // 2, None, step),) * 2
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


def _relief(scene: Scene, size: int) -> Picture:
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
