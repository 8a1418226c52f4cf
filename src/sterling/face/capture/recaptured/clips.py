"""Clips of captures: one instrument, scene and camera for all frames, which sway a little."""

from collections.abc import Sequence
from copy import deepcopy

import numpy as np
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.face.capture.head import rotation
from sterling.face.capture.recaptured.camera import Moment
from sterling.face.capture.recaptured.captures import capture
from sterling.face.capture.recaptured.instruments import KINDS
from sterling.face.capture.recaptured.material import Material, Portrait
from sterling.face.capture.recaptured.surroundings import SCALES
from sterling.face.capture.sway import Clip, sway

DISTANCE = 1.2  # from the camera, in sides of the crop: half a metre before a crop of 2.7 faces


def capture_clip(
    material: Material,
    frames: Sequence[Portrait],
    species: str,
    size: int,
    rng: np.random.Generator,
    scales: tuple[float, float] = SCALES,
) -> list[NDArray[np.uint8]]:
    """Capture a person's clip, or an instrument that replays it, as uint8 (size, size, 3) each.

    Screens show the frames in their order, prints and masks the middle one. Instruments that are
    mostly held in hands sway before a scene at rest; before all others, and people, the camera
    sways. Both sway alike, slowly (`sterling.face.capture.sway`), at 25 frames a second. Noise is
    new in every frame; all else is drawn once. One frame gives what `capture` gives.

    Args:
        material: Photographs for backgrounds, and for other people.
        frames: Frames of the clip, cut out by one window around the face of the middle one.
        species: "bona_fide", or one of `KINDS`.
        size: Side of the captures in pixels.
        rng: Source of randomness.
        scales: Range of the crop's side over the face's.

    Raises:
        InputError: The frames differ in size, face box or mask, or there is none.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> len(capture_clip(material, material.people[:1] * 13, "tablet", 128, rng))
        13
    """
    if len({(one.pixels.shape, one.box, id(one.mask)) for one in frames}) != 1:
        raise InputError("frames of a clip: give one at least, all of one size, face box and mask")
    if len(frames) == 1:
        return [capture(material, frames[0], species, size, rng, scales)]
    clip = Clip(len(frames))
    hand, *noises = rng.spawn(1 + len(frames))
    if species != "bona_fide" and not KINDS[species].screen:
        frames = [frames[clip.middle]] * len(frames)
    turns, drifts = sway(clip, hand)
    # Every frame repeats the same draws, and so has the same instrument, scene and camera.
    return [
        capture(
            material,
            shown,
            species,
            size,
            deepcopy(rng),
            scales,
            Moment(_plane(turn, drift), noise),
        )
        for shown, turn, drift, noise in zip(frames, turns, drifts, noises, strict=True)
    ]


def _plane(turn: NDArray[np.float64], drift: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map of a plane (3, 3) that turns about the crop's centre and drifts, in sides of the crop."""
    turned = np.array(rotation(*turn), dtype=np.float64)
    seen = np.eye(3)
    seen[:2, :2] = turned[:2, :2]
    seen[:2, 2] = drift / 2
    seen[2, :2] = turned[2, :2] / DISTANCE
    centre = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    return np.asarray(centre @ seen @ np.linalg.inv(centre), dtype=np.float64)
