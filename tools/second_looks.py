"""Prints, screens and the camera of the second generator of captures (``second_captures.py``).

Pictures are sRGB, float32 (H, W, 3), nominally in [0, 1].
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from sterling.face.capture.sensor import Picture, jpeg

Random = np.random.Generator
GREY = 0.15  # share of grey captures


def inked(picture: Picture, rng: Random) -> Picture:
    """Colours as ink on paper has them, and the paper's grain."""
    low, high = rng.uniform(0, 0.18), rng.uniform(0.7, 1)
    toned = paled(picture, rng.uniform(0.55, 1.1)).clip(0, 1) ** rng.uniform(0.75, 1.35)
    seen = (low + (high - low) * toned) * rng.uniform(0.92, 1.06, 3)
    if rng.random() < 0.5:
        height, width = picture.shape[:2]
        grain = rng.standard_normal((height // 2, width // 2), dtype=np.float32)
        seen = seen * (1 + rng.uniform(0, 0.06) * cv2.resize(grain, (width, height)))[..., None]
    return np.asarray(seen, dtype=np.float32)


def emitted(picture: Picture, rng: Random) -> Picture:
    """Light as a screen has it: veiled, warm or cold, with waves in colour and in brightness."""
    black = rng.uniform(0, 0.12)
    seen = black + (1 - black) * picture.clip(0, 1) ** rng.uniform(0.7, 1.2)
    seen = seen * (rng.uniform(0.85, 1.02), 1, rng.uniform(1, 1.18)) * rng.uniform(0.8, 1.35)
    height, width = picture.shape[:2]
    x, y = np.arange(width) / width, np.arange(height)[:, None] / width
    if rng.random() < 0.6:
        turn, count = rng.uniform(0, np.pi), rng.uniform(4, 60)
        wave = 2 * np.pi * count * (x * np.cos(turn) + y * np.sin(turn))
        phases = np.array([0, rng.uniform(0, 2), rng.uniform(0, 4)])
        seen = seen * (1 + rng.uniform(0.01, 0.07) * np.sin(wave[..., None] + phases))
    if rng.random() < 0.3:
        bands = np.sin(2 * np.pi * rng.uniform(1, 8) * y)
        seen = seen * (1 + rng.uniform(0.02, 0.1) * bands)[..., None]
    return np.asarray(seen, dtype=np.float32)


def paled(picture: Picture, share: float) -> Picture:
    """Keep a share of a picture's colour; above 1 there is more of it."""
    grey = picture.mean(-1, keepdims=True)
    return np.asarray(grey + np.float32(share) * (picture - grey), dtype=np.float32)


def take(scene: Picture, size: int, rng: Random) -> NDArray[np.uint8]:
    """Exposure, colour cast, tone, blur, resolution, sharpening, noise, grey and JPEG."""
    scene = _unsharp(_developed(scene, rng), rng)
    seen = cv2.resize(scene, (size, size), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.35:
        seen = seen + np.float32(rng.uniform(0.2, 1.2)) * (
            seen - cv2.GaussianBlur(seen, (0, 0), 1.1)
        )
    if rng.random() < 0.6:
        channels = 1 if rng.random() < 0.4 else 3
        noise = rng.standard_normal((size, size, channels), dtype=np.float32)
        seen = seen + np.float32(rng.uniform(0.003, 0.05)) * noise
    if rng.random() < GREY:
        seen = np.repeat(seen.mean(-1, keepdims=True), 3, -1)
    pixels = np.asarray(np.rint(seen.clip(0, 1) * 255), dtype=np.uint8)
    if rng.random() < 0.6:
        pixels = jpeg(pixels, int(rng.integers(25, 96)))
    return pixels


def _developed(scene: Picture, rng: Random) -> Picture:
    seen = scene.clip(0, 1.57) * rng.uniform(0.7, 1.3) * np.exp(rng.normal(0, 0.09, 3))
    seen = seen.clip(0, 1.6)
    seen = np.where(seen > 0.9, 0.9 + 0.1 * np.tanh(3 * (seen - 0.9)), seen)
    seen = seen ** rng.uniform(0.7, 1.45)
    if rng.random() < 0.4:
        seen = seen + rng.uniform(0, 0.5) * (seen * seen * (3 - 2 * seen) - seen)
    return np.asarray(seen, dtype=np.float32)


def _unsharp(scene: Picture, rng: Random) -> Picture:
    """Out of focus, moved, or of a lower resolution."""
    kind = rng.random()
    if kind < 0.55:
        scene = cv2.GaussianBlur(scene, (0, 0), rng.uniform(0.3, 1.9))
    elif kind < 0.65:
        length = int(rng.integers(3, 8))
        path = np.zeros((length, length), np.float32)
        cv2.line(path, (0, int(rng.integers(length))), (length - 1, int(rng.integers(length))), 1.0)
        scene = cv2.filter2D(scene, -1, path / path.sum())
    if rng.random() < 0.25:
        side, small = scene.shape[0], int(rng.integers(32, 110))
        scene = cv2.resize(scene, (small, small), interpolation=cv2.INTER_AREA)
        scene = cv2.resize(scene, (side, side), interpolation=cv2.INTER_LINEAR)
    return np.asarray(scene, dtype=np.float32)
