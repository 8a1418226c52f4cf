"""Replay on a screen: emitted light through a subpixel grid, glass before it, bezel around it."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sterling.face.capture.planar import average, beyond, sample_photo

__all__ = ["Screen", "sample_screen", "screen_radiance"]


@dataclass(frozen=True)
class Screen:
    """One screen that shows a face photograph.

    Attributes:
        half: Half the side of the shown photograph, metres.
        margin: Photograph's side over the face box's.
        pitch: Of the pixels, metres.
        contrast: Depth of the subpixel grid in [0, 1].
        black: Light of a black pixel relative to white.
        tint: Linear RGB of white.
        white: Radiance of white relative to a white wall in office light.
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
        margin=float(rng.uniform(1.3, 1.8)),
        pitch=float(rng.uniform(*pitch)),
        contrast=float(rng.uniform(0.45, 0.9)),
        black=float(rng.uniform(0.003, 0.03)),
        tint=tuple((np.array([0.97, 1.0, 1.06]) * (1 + rng.normal(0, 0.03, 3))).tolist()),
        white=float(rng.uniform(0.7, 2.0)),
        glare=float(rng.uniform(0.01, 0.06)),
        bezel=float(rng.uniform(0.004, 0.02)),
        bezel_tone=float(rng.choice([0.015, 0.03, 0.5])),
    )


def screen_radiance(
    screen: Screen, photo: Tensor, place: Tensor, factor: int, aperture: float
) -> tuple[Tensor, Tensor]:
    """Emitted light, sampled by the sensor's own pixels; moiré is what that sampling aliases.

    Red, green and blue stripes lie side by side in a pixel, rows are parted by dark lines. The
    grid is evaluated at each native sample, softened only by the sample's aperture.

    Args:
        screen: The screen.
        photo: The photograph, linear RGB in [0, 1] (3, P, P).
        place: Coordinates on the screen at the native samples, metres (factor·R, factor·R, 2).
        factor: Native samples a stored pixel along each axis.
        aperture: Side of a native sample's light-sensitive area on the screen, metres.

    Returns:
        Linear RGB (R, R, 3) relative to the screen's white, and whether each pixel is on the
        lit area (R, R).
    """
    picture = sample_photo(photo, place, screen.half)
    phase = 2 * np.pi * place / screen.pitch
    shift = torch.tensor([-1.0, 0.0, 1.0]) * 2 * np.pi / 3
    # A box aperture multiplies each harmonic by a sinc.
    first = float(np.sinc(aperture / screen.pitch))
    second = float(np.sinc(2 * aperture / screen.pitch))
    stripe = phase[..., :1] - shift
    columns = 1 + screen.contrast * (
        1.1 * first * torch.cos(stripe) + 0.35 * second * torch.cos(2 * stripe)
    )
    row = phase[..., 1:]
    rows = 1 + 0.5 * screen.contrast * first * torch.cos(row)
    lit = torch.tensor(screen.tint) * (screen.black + (1 - screen.black) * picture)
    emitted = (lit * columns * rows).clamp_min(0)
    inside = (beyond(place, screen.half) < 0).float()
    return average(emitted * inside[..., None], factor), average(inside, factor)
