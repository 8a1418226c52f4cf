"""The one camera that takes bona fides and attacks alike, so that its traces tell nothing."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sterling.face.capture.sensor import Picture, jpeg

GREY = 1 / 3  # share of captures without colour


@dataclass(frozen=True, eq=False)
class Moment:
    """A frame's own part in a clip, of which all else is drawn once.

    Attributes:
        sway: Map (3, 3) from where things are at rest to where they are seen, in sides of the crop.
        noise: Source of the frame's noise.
    """

    sway: NDArray[np.float64]
    noise: np.random.Generator

    def pixels(self, side: int) -> NDArray[np.float64]:
        """The sway in pixels of a scene of this side, (3, 3)."""
        scale = np.diag([side, side, 1.0])
        return np.asarray(scale @ self.sway @ np.linalg.inv(scale), dtype=np.float64)

    def swayed(self, scene: Picture) -> Picture:
        """A whole scene (S, S, 3) as a camera sees it that sways."""
        side = scene.shape[0]
        # Lanczos, as a softer filter would blur all frames but the one at rest.
        return np.asarray(
            cv2.warpPerspective(
                scene,
                self.pixels(side),
                (side, side),
                flags=cv2.INTER_LANCZOS4,
                borderMode=cv2.BORDER_REFLECT_101,
            ),
            dtype=np.float32,
        )


def take(
    scene: Picture,
    size: int,
    rng: np.random.Generator,
    fresh: np.random.Generator | None = None,
) -> NDArray[np.uint8]:
    """Take a picture: exposure, colour cast, tone, focus, resolution, noise, JPEG, maybe grey.

    Every range is our choice, and the same for every presentation.

    Args:
        scene: sRGB, float32 (S, S, 3), nominally in [0, 1].
        size: Side of the stored picture in pixels.
        rng: Source of randomness.
        fresh: Source of the noise, where a clip shares all other randomness.

    Returns:
        uint8 (size, size, 3).
    """
    seen = _developed(scene, rng)
    seen = _focused(seen, rng)
    if rng.random() < 0.25:
        side = int(rng.integers(size // 4, size))
        small = cv2.resize(seen, (side, side), interpolation=cv2.INTER_AREA)
        seen = cv2.resize(small, seen.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    seen = cv2.resize(seen, (size, size), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.35:
        soft = cv2.GaussianBlur(seen, (0, 0), 1.1)
        seen = seen + np.float32(rng.uniform(0.2, 1.2)) * (seen - soft)
    if rng.random() < 0.6:
        channels = 1 if rng.random() < 0.4 else 3
        noise = rng.standard_normal((size, size, channels), dtype=np.float32)
        if fresh is not None:  # drawn from both, so that what `rng` gives next stays the same
            noise = fresh.standard_normal(noise.shape, dtype=np.float32)
        seen = seen + np.float32(rng.uniform(0.003, 0.05)) * noise
    if rng.random() < GREY:
        seen = np.repeat(seen.mean(-1, keepdims=True), 3, -1)
    pixels = np.asarray(np.rint(seen.clip(0, 1) * 255), dtype=np.uint8)
    if rng.random() < 0.65:
        pixels = jpeg(pixels, int(rng.integers(20, 96)))
    return pixels


def padded(scene: Picture, rng: np.random.Generator) -> Picture:
    """Turn, shrink and pad a scene, as programs do to pictures."""
    side = scene.shape[0]
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), rng.normal(0, 7), rng.uniform(0.88, 1.0))
    tone = 0.0 if rng.random() < 0.75 else float(rng.uniform(0, 1))
    return np.asarray(
        cv2.warpAffine(
            scene, turn, (side, side), borderMode=cv2.BORDER_CONSTANT, borderValue=(tone,) * 3
        ),
        dtype=np.float32,
    )


def _developed(scene: Picture, rng: np.random.Generator) -> Picture:
    """Exposure, stray light, white balance, saturation and tone."""
    metered = (0.42 / (float(scene.mean()) + 0.02)) ** rng.uniform(0.3, 1.0)  # more or less
    seen = scene.clip(0, 2.5) * np.float32(metered * np.exp(rng.normal(0, 0.25)))
    seen = seen * np.exp(rng.normal(0, 0.09, 3)).astype(np.float32)
    seen = np.where(seen > 0.9, 0.9 + 0.1 * np.tanh((seen - 0.9) * 3), seen)
    if rng.random() < 0.6:
        seen = _flared(seen, rng)
    grey = seen.mean(-1, keepdims=True)
    seen = grey + np.float32(rng.uniform(0.5, 1.25)) * (seen - grey)
    seen = seen.clip(0, 1) ** np.float32(rng.uniform(0.65, 1.6))
    if rng.random() < 0.4:
        curve = seen * seen * (3 - 2 * seen)
        seen = seen + np.float32(rng.uniform(0, 0.5)) * (curve - seen)
    return np.asarray(seen, dtype=np.float32)


def _flared(seen: Picture, rng: np.random.Generator) -> Picture:
    """Light of a lamp or a window that strays in the lens: a veil, stronger to one side."""
    height, width = seen.shape[:2]
    turn = rng.uniform(0, 2 * np.pi)
    x = np.linspace(-1, 1, width, dtype=np.float32) * np.float32(np.cos(turn))
    y = np.linspace(-1, 1, height, dtype=np.float32) * np.float32(np.sin(turn))
    veil = np.float32(rng.uniform(0.02, 0.3)) * (1 + rng.uniform(0, 1) * (x + y[:, None]) / 1.5)
    veil = veil.clip(0, 0.6)[..., None].astype(np.float32)
    return np.asarray(veil + (1 - veil) * seen, dtype=np.float32)


def _focused(seen: Picture, rng: np.random.Generator) -> Picture:
    """Focus and motion."""
    side, kind = seen.shape[0], rng.random()
    if kind < 0.55:
        return cv2.GaussianBlur(seen, (0, 0), float(rng.uniform(0.3, 2.0)) * side / 176)
    if kind < 0.65:
        length = int(rng.integers(3, max(4, side // 20)))
        path = np.zeros((length, length), np.float32)
        ends = (0, int(rng.integers(length))), (length - 1, int(rng.integers(length)))
        cv2.line(path, ends[0], ends[1], 1.0, 1)
        return np.asarray(cv2.filter2D(seen, -1, path / path.sum()), dtype=np.float32)
    return seen
