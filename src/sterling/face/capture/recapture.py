"""Planar attacks made from real photographs: a user's bona fide crops, shown and captured again."""

import numpy as np
import torch
from torch import Tensor

from sterling.errors import InputError, unknown_name
from sterling.face.capture.flat import Photo, hold, see_held
from sterling.face.capture.plan import stream
from sterling.face.capture.printing import PRINTS
from sterling.face.capture.record import fill_background, illuminant
from sterling.face.capture.sensor import SENSORS, develop, exposure, to_linear, white_balance
from sterling.face.capture.shading import ILLUMINATIONS
from sterling.face.capture.simulate import spread
from sterling.face.capture.studio import CROP, scene_light

# Cut-out eyes need living eyes behind them, which a photograph does not have.
RECAPTURED = (*(name for name, kind in PRINTS.items() if not kind.eyes_cut), "replay")


def recapture(
    images: Tensor,
    species: str,
    *,
    seed: int = 0,
    sensor: str | None = None,
    illumination: str | None = None,
) -> Tensor:
    """Simulate planar presentation attacks with given photographs.

    Each photograph is put on its own instrument, lit, and captured by a second sensor.

    Args:
        images: Face crops, uint8 (N, 3, S, S), sRGB, 32 or more pixels a side.
        species: ``"print"``, ``"poster"``, ``"portrait"`` or ``"replay"``.
        seed: Seed of instruments, poses, light and noise; not negative. The same photograph at the
            same place in `images` gives the same bits.
        sensor: One of :data:`SENSORS`; drawn for each photograph when None.
        illumination: One of :data:`ILLUMINATIONS`; drawn for each photograph when None.

    Returns:
        uint8 (N, 3, S, S).

    Raises:
        InputError: On other images, or an unknown species, sensor or illumination.
    """
    shape = tuple(images.shape)
    if images.dtype != torch.uint8 or len(shape) != 4 or shape[1] != 3 or shape[2] != shape[3]:
        raise InputError(f"images: {images.dtype} {shape}; expected uint8 (N, 3, S, S)")
    if shape[2] < 32:
        raise InputError(f"images: {shape[2]} pixels a side; use at least 32")
    for kind, name, known in (
        ("species", species, RECAPTURED),
        ("sensor", sensor, tuple(SENSORS)),
        ("illumination", illumination, tuple(ILLUMINATIONS)),
    ):
        if name is not None and name not in known:
            raise unknown_name(kind, name, known)

    def one(i: int) -> Tensor:
        rng = stream(seed, "recapture", species, i)
        return _recapture_one(images[i], species, rng, sensor, illumination)

    found = spread(one, range(len(images)))
    return torch.stack(found) if found else images.clone()


def _recapture_one(
    image: Tensor,
    species: str,
    rng: np.random.Generator,
    sensor: str | None,
    illumination: str | None,
) -> Tensor:
    size = image.shape[-1]
    resolution = size * -(-128 // size)
    pixels = to_linear(image.numpy().astype(np.float32) / 255)
    step = (np.arange(size) + 0.5) / size * 2 - 1
    # Metering looks at the middle of a crop, where the face is.
    oval = ((step[None] / 0.6) ** 2 + (step[:, None] / 0.75) ** 2 < 1).astype(np.float32)
    nothing = torch.zeros(1, size, size)
    photo = Photo(torch.from_numpy(pixels), CROP, torch.from_numpy(oval)[None], nothing)
    room = ILLUMINATIONS[illumination or str(rng.choice(list(ILLUMINATIONS)))]
    camera = SENSORS[sensor or str(rng.choice(list(SENSORS)))]
    light = scene_light(room, rng)
    # The instrument is held at three to nine times half the field of view.
    scene = see_held(hold(species, float(rng.uniform(3, 9)), rng), 0, photo, light, resolution)
    filled = fill_background(scene.radiance[0], scene.depth[0], light, rng)
    gain = exposure(filled, scene.face[0].float().numpy() + 0.08, rng)
    balance = white_balance(camera, illuminant(light, species), rng)
    stored = develop(filled * gain, camera, balance, room.level, size, rng)
    return torch.from_numpy(stored).movedim(-1, 0)
