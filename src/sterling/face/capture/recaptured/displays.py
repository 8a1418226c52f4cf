"""Pictures as paper and screens show them: ink and grain, emitted light, bands, interfaces.

All pictures are sRGB, float32 (H, W, 3), nominally in [0, 1].
"""

import cv2
import numpy as np

from sterling.face.capture.sensor import Picture, jpeg


def printed(picture: Picture, rng: np.random.Generator) -> Picture:
    """Show a picture in ink on paper: fewer colours, no black, no white, some grain."""
    grey = picture.mean(-1, keepdims=True)
    colour = 0.0 if rng.random() < 0.06 else rng.uniform(0.5, 1.1)
    seen = grey + np.float32(colour) * (picture - grey)
    low, high = rng.uniform(0.0, 0.2), rng.uniform(0.68, 1.0)
    seen = low + (high - low) * seen.clip(0, 1) ** np.float32(rng.uniform(0.75, 1.4))
    seen = seen * rng.uniform(0.92, 1.06, 3).astype(np.float32)
    if rng.random() < 0.5:
        seen = seen * grain(seen.shape[:2], rng, rng.uniform(0, 0.07), int(rng.integers(1, 4)))
    if rng.random() < 0.15:  # a printer's missed lines
        lines = waves(seen.shape[:2], rng, (8, 80), along=np.pi / 2)
        seen = seen * (1 + np.float32(rng.uniform(0.01, 0.05)) * lines)[..., None]
    return np.asarray(seen, dtype=np.float32)


def glossy(picture: Picture, rng: np.random.Generator) -> Picture:
    """Show a picture on photographic paper, which keeps almost all of it."""
    low, high = rng.uniform(0.0, 0.06), rng.uniform(0.85, 1.0)
    seen = low + (high - low) * picture.clip(0, 1) ** np.float32(rng.uniform(0.9, 1.15))
    return (seen * rng.uniform(0.96, 1.03, 3)).astype(np.float32)


def emitted(picture: Picture, rng: np.random.Generator) -> Picture:
    """Show a picture on a screen: dimmed or too bright, vivid, veiled, with moiré and bands."""
    if rng.random() < 0.4:
        picture = _compressed(picture, rng)
    grey = picture.mean(-1, keepdims=True)
    picture = grey + np.float32(rng.uniform(0.8, 1.6)) * (picture - grey)
    black = rng.uniform(0.0, 0.16)
    seen = black + (1 - black) * picture.clip(0, 1) ** np.float32(rng.uniform(0.65, 1.3))
    tint = np.array([rng.uniform(0.84, 1.03), 1.0, rng.uniform(0.98, 1.22)], np.float32)
    seen = seen * tint * np.float32(rng.uniform(0.45, 1.6))
    if rng.random() < 0.6:
        turn, count = rng.uniform(0, np.pi), np.exp(rng.uniform(np.log(4), np.log(160)))
        phases = (0.0, rng.uniform(0, 2), rng.uniform(0, 4))
        moire = [waves(seen.shape[:2], rng, (count, count), turn, phase) for phase in phases]
        seen = seen * (1 + np.float32(rng.uniform(0.01, 0.09)) * np.stack(moire, -1))
    if rng.random() < 0.3:  # the camera's shutter rolls over a backlight that flickers
        bands = waves(seen.shape[:2], rng, (1, 8), along=np.pi / 2)
        seen = seen * (1 + np.float32(rng.uniform(0.02, 0.14)) * bands)[..., None]
    if rng.random() < 0.25:  # the pixels themselves
        grid = waves(seen.shape[:2], rng, (60, 200), along=0.0) * waves(
            seen.shape[:2], rng, (60, 200), along=np.pi / 2
        )
        seen = seen * (1 + np.float32(rng.uniform(0.02, 0.1)) * grid)[..., None]
    if rng.random() < 0.35:  # a screen that outshines the room
        glow = cv2.GaussianBlur(seen, (0, 0), max(1.0, 0.04 * seen.shape[0]))
        seen = seen + np.float32(rng.uniform(0.05, 0.5)) * (glow - 0.35).clip(0)
    return seen.astype(np.float32)


def _compressed(picture: Picture, rng: np.random.Generator) -> Picture:
    """JPEG artefacts, as a compressed video has them."""
    pixels = np.asarray(np.rint(picture.clip(0, 1) * 255), dtype=np.uint8)
    return jpeg(pixels, int(rng.integers(12, 70))).astype(np.float32) / np.float32(255)


def waves(
    shape: tuple[int, ...],
    rng: np.random.Generator,
    counts: tuple[float, float],
    along: float,
    phase: float | None = None,
) -> Picture:
    """A sine over a picture (H, W), in [-1, 1].

    Args:
        shape: Height and width.
        rng: Source of the count and of a phase that is not given.
        counts: Range of the number of waves across the longer side.
        along: Direction in which it varies, radians from the x axis.
        phase: Radians.
    """
    height, width = shape
    pitch = 2 * np.pi * rng.uniform(*counts) / max(shape)
    x = np.arange(width, dtype=np.float32) * np.float32(pitch * np.cos(along))
    y = np.arange(height, dtype=np.float32) * np.float32(pitch * np.sin(along))
    return np.sin(x + y[:, None] + np.float32(rng.uniform(0, 6.3) if phase is None else phase))


def grain(shape: tuple[int, ...], rng: np.random.Generator, depth: float, size: int) -> Picture:
    """Random factors about 1, (H, W, 1), in grains of `size` pixels."""
    height, width = shape
    drawn = rng.standard_normal((-(-height // size), -(-width // size)), dtype=np.float32)
    whole = cv2.resize(drawn, (width, height), interpolation=cv2.INTER_LINEAR)
    return 1 + np.float32(depth) * whole[..., None]


def interface(picture: Picture, rng: np.random.Generator) -> Picture:
    """Draw the controls of a player over a video: bars, a progress line, buttons, text."""
    seen = np.ascontiguousarray(picture)
    height, width = seen.shape[:2]
    if rng.random() < 0.5:
        bar = int(height * rng.uniform(0.03, 0.14))
        where = slice(0, bar) if rng.random() < 0.4 else slice(height - bar, height)
        seen[where] = seen[where] * np.float32(rng.uniform(0, 0.6)) + np.float32(
            rng.choice([0.0, 0.0, 0.9]) * rng.uniform(0.3, 1)
        )
    if rng.random() < 0.5:
        y = int(height * rng.uniform(0.85, 0.98))
        ends = int(width * rng.uniform(0.02, 0.12)), int(width * rng.uniform(0.88, 0.98))
        thick = max(1, height // 120)
        cv2.line(seen, (ends[0], y), (ends[1], y), (0.6, 0.6, 0.6), thick)
        done = int(ends[0] + (ends[1] - ends[0]) * rng.random())
        cv2.line(seen, (ends[0], y), (done, y), (0.9, 0.1, 0.1), thick)
    for _ in range(int(rng.integers(0, 5))):
        at = (int(width * rng.uniform(0.03, 0.97)), int(height * rng.choice([0.04, 0.08, 0.92])))
        tone = float(rng.choice([0.05, 0.95]))
        if rng.random() < 0.5:
            cv2.circle(seen, at, max(1, height // 40), (tone,) * 3, -1, cv2.LINE_AA)
        else:
            text = "".join(rng.choice(list("abcdefghiklmnoprstuvw0123456789 "), 8))
            drawn = np.zeros((height, width), np.uint8)  # text is drawn in bytes alone
            cv2.putText(
                drawn, text, at, cv2.FONT_HERSHEY_SIMPLEX, height / 600, 255, 1, cv2.LINE_AA
            )
            seen += (drawn[..., None] / np.float32(255)) * (np.float32(tone) - seen)
    return seen
