"""Replay on a screen: emitted light through a subpixel grid, glass before it, bezel around it."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sterling.face.capture.geometry import beyond, sample_photo


@dataclass(frozen=True)
class Screen:
    """One screen that shows a face photograph.

    Attributes:
        half: Half the side of the shown photograph, metres.
        margin: Photograph's side over the face box's.
        pitch: Pitch of the pixels, metres.
        contrast: Depth of the subpixel grid in [0, 1].
        black: Light of a black pixel relative to white.
        tint: Linear RGB of white.
        white: Radiance of white relative to a white wall in office light.
        flicker: Depth of the bands that a rolling shutter makes of a dimmed backlight, and
            `bands` how many cross the picture.
        glare: Share of the ambient light that the glass reflects.
        bezel: Width of the bezel, metres; its reflectance is `bezel_tone`.
    """

    half: float
    margin: float
    pitch: float
    contrast: float
    black: float
    tint: tuple[float, float, float]
    white: float
    flicker: float
    bands: float
    glare: float
    bezel: float
    bezel_tone: float


def sample_screen(rng: np.random.Generator) -> Screen:
    """Draw a phone, tablet or monitor."""
    half, pitch = (
        ((0.032, 0.045), (0.000055, 0.00009)),
        ((0.06, 0.095), (0.00009, 0.00014)),
        ((0.09, 0.15), (0.00018, 0.00029)),
    )[int(rng.integers(3))]
    return Screen(
        half=float(rng.uniform(*half)),
        margin=float(rng.uniform(1.3, 1.75)),
        pitch=float(rng.uniform(*pitch)),
        contrast=float(rng.uniform(0.6, 1.0)),
        black=float(rng.uniform(0.003, 0.03)),
        tint=tuple((np.array([0.97, 1.0, 1.06]) * (1 + rng.normal(0, 0.03, 3))).tolist()),
        white=float(rng.uniform(0.7, 2.0)),
        flicker=float(rng.uniform(0.02, 0.16)),
        bands=float(rng.uniform(2.0, 9.0)),
        glare=float(rng.uniform(0.02, 0.09)),
        bezel=float(rng.uniform(0.004, 0.02)),
        bezel_tone=float(rng.choice([0.015, 0.03, 0.5])),
    )


def screen_radiance(
    screen: Screen, photo: Tensor, place: Tensor, native: int
) -> tuple[Tensor, Tensor]:
    """Emitted light as the pixels of a sensor sample it; moiré is what that sampling aliases.

    Red, green and blue stripes lie side by side in a pixel, rows are parted by dark lines. At the
    centres of the sensor's pixels a wave of the grid is the same as that wave less a whole number
    of cycles a pixel, and the pixels' apertures weaken it by a sinc. This folded wave is what
    remains when the sensor's picture is reduced to R × R.

    Args:
        screen: The screen.
        photo: The photograph, linear RGB in [0, 1] (3, P, P).
        place: Coordinates on the screen, metres (R, R, 2).
        native: Pixels of the sensor across the picture.

    Returns:
        Linear RGB (R, R, 3) relative to the screen's white, and whether each pixel is on the
        lit area (R, R).
    """
    picture = sample_photo(photo, place, screen.half)
    shift = torch.tensor([-1.0, 0.0, 1.0]) / 3
    cycles = place / screen.pitch
    columns = 1 + screen.contrast * (
        1.1 * _folded(cycles[..., :1] - shift, native)
        + 0.35 * _folded(2 * (cycles[..., :1] - shift), native)
    )
    rows = 1 + 0.5 * screen.contrast * _folded(cycles[..., 1:], native)
    side = place.shape[0]
    down = (torch.arange(side) + 0.5) / side
    rows = rows * (1 + screen.flicker * torch.sin(2 * np.pi * screen.bands * down))[:, None, None]
    lit = torch.tensor(screen.tint) * (screen.black + (1 - screen.black) * picture)
    inside = beyond(place, screen.half) < 0
    return (lit * columns * rows).clamp_min(0) * inside[..., None], inside


def _folded(cycles: Tensor, native: int) -> Tensor:
    """cos(2π cycles) on (R, R, C), as a sensor of ``native`` pixels a side leaves it at R × R."""
    side = cycles.shape[0]
    step = (torch.arange(side) + 0.5) / side
    grid = (step[None, :, None], -step[:, None, None])
    slopes = [
        float(cycles[:, -1].mean() - cycles[:, 0].mean()) * side / (side - 1),
        float(cycles[0].mean() - cycles[-1].mean()) * side / (side - 1),
    ]
    kept, left = 1.0, []
    for along, slope in zip(grid, slopes, strict=True):
        whole = round(slope / native)
        cycles = cycles - whole * native * along
        kept *= float(np.sinc(0.8 * slope / native))
        left.append(slope - whole * native)
    return (
        kept
        * float(np.sinc(float(np.hypot(left[0], left[1])) / side))
        * torch.cos(2 * np.pi * cycles)
    )
