"""Printed instruments: halftone prints, cut-out eyes, posters, photographic portraits."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from sterling.face.capture.geometry import average, beyond, sample_photo
from sterling.face.capture.noise import fractal


@dataclass(frozen=True)
class PrintKind:
    """Ranges from which a printed instrument is drawn.

    Attributes:
        half: Half the side of the printed face photograph, metres.
        margin: Photograph's side over the face box's; below 1.3 the edge is always in frame.
        lines: Lines of the halftone screen per metre; (0, 0) for continuous tone.
        ink: Reflectance of full ink.
        gamut: Saturation that the inks keep.
        gloss: Strength of the highlight.
        curl: Largest curvature, 1/metre.
        border: White margin around the photograph, metres.
        eyes_cut: Holes where the eyes are.
    """

    half: tuple[float, float]
    margin: tuple[float, float]
    lines: tuple[float, float]
    ink: tuple[float, float]
    gamut: tuple[float, float]
    gloss: tuple[float, float]
    curl: tuple[float, float]
    border: float
    eyes_cut: bool = False


@dataclass(frozen=True)
class Print:
    """One printed instrument; see :class:`PrintKind` for units.

    Attributes:
        angle: Angle of the halftone's black screen, degrees.
        tint: Linear RGB of the paper.
        seed: Seed of the paper's fibres.
    """

    half: float
    margin: float
    lines: float
    ink: float
    gamut: float
    gloss: float
    curl: float
    border: float
    eyes_cut: bool
    angle: float
    tint: tuple[float, float, float]
    seed: int


PRINTS: dict[str, PrintKind] = {
    "print": PrintKind(
        (0.055, 0.12), (1.35, 1.75), (2200, 4200), (0.045, 0.08), (0.72, 0.92), (0.0, 0.02),
        (0.0, 3.5), 0.008,
    ),
    "print_cut_eyes": PrintKind(
        (0.09, 0.14), (1.35, 1.75), (2200, 4000), (0.045, 0.08), (0.72, 0.92), (0.0, 0.02),
        (1.0, 4.5), 0.008, True,
    ),
    "poster": PrintKind(
        (0.16, 0.40), (1.55, 1.75), (700, 1500), (0.03, 0.07), (0.80, 1.0), (0.0, 0.06),
        (0.0, 0.4), 0.0,
    ),
    "portrait": PrintKind(
        (0.040, 0.09), (1.3, 1.7), (0, 0), (0.012, 0.03), (0.92, 1.05), (0.03, 0.12),
        (0.0, 1.2), 0.004,
    ),
}  # fmt: skip


def sample_print(kind: PrintKind, rng: np.random.Generator) -> Print:
    """Draw one instrument of a kind."""
    r, g, b = (0.80 * (1 + rng.normal(0, 0.02, 3))).tolist()
    return Print(
        half=float(rng.uniform(*kind.half)),
        margin=float(rng.uniform(*kind.margin)),
        lines=float(rng.uniform(*kind.lines)),
        ink=float(rng.uniform(*kind.ink)),
        gamut=float(rng.uniform(*kind.gamut)),
        gloss=float(rng.uniform(*kind.gloss)),
        curl=float(rng.uniform(*kind.curl)),
        border=kind.border,
        eyes_cut=kind.eyes_cut,
        angle=float(rng.uniform(0, 90)),
        tint=(r, g, b),
        seed=int(rng.integers(2**31)),
    )


def halftone(tone: Tensor, place: Tensor, lines: float, angle: float, softness: float) -> Tensor:
    """Cover of ink under an amplitude-modulated screen of clustered dots.

    The spot function (cos a + cos b) / 2 is made uniform by its own distribution, so that the mean
    cover equals the tone.

    Args:
        tone: Wanted ink cover in [0, 1], any shape (H, W).
        place: Coordinates on the sheet, metres (H, W, 2).
        lines: Lines per metre.
        angle: Angle of the screen, degrees.
        softness: Width of a dot's edge as a share of the cell's threshold range (dot gain aside).

    Returns:
        Cover in [0, 1], (H, W).
    """
    turn = np.deg2rad(angle)
    along = place @ torch.tensor([np.cos(turn), np.sin(turn)], dtype=torch.float32)
    across = place @ torch.tensor([-np.sin(turn), np.cos(turn)], dtype=torch.float32)
    spot = (torch.cos(2 * np.pi * lines * along) + torch.cos(2 * np.pi * lines * across)) / 2
    threshold = _spot_distribution(spot)
    return ((tone - threshold) / softness + 0.5).clamp(0, 1)


def _spot_distribution(spot: Tensor) -> Tensor:
    """P(S <= s) for S = (cos A + cos B) / 2 with independent uniform phases."""
    levels, cumulative = _spot_table()
    position = (spot + 1) / 2 * (len(levels) - 1)
    low = position.floor().clamp(0, len(levels) - 2).long()
    return torch.lerp(cumulative[low], cumulative[low + 1], (position - low).clamp(0, 1))


@cache
def _spot_table() -> tuple[Tensor, Tensor]:
    phase = (np.arange(1024) + 0.5) / 1024 * np.pi
    values = np.sort(((np.cos(phase)[:, None] + np.cos(phase)[None]) / 2).ravel())
    levels = np.linspace(-1, 1, 257)
    cumulative = np.searchsorted(values, levels) / values.size
    return torch.from_numpy(levels).float(), torch.from_numpy(cumulative).float()


def print_reflectance(
    instrument: Print, photo: Tensor, place: Tensor, factor: int, aperture: float
) -> tuple[Tensor, Tensor]:
    """Reflectance of a print, seen through a grid of ``factor`` × ``factor`` samples a pixel.

    Args:
        instrument: The print.
        photo: The photograph, linear RGB in [0, 1] (3, P, P).
        place: Coordinates on the sheet, metres (factor·R, factor·R, 2).
        factor: Samples a pixel along each axis.
        aperture: Side of the area on the sheet over which a sample's light is gathered, metres.

    Returns:
        Linear RGB (R, R, 3), and reflectance at 850 nm (R, R): dyes hardly absorb there, so the
        picture all but vanishes.
    """
    colour = sample_photo(photo, place, instrument.half)
    grey = colour.mean(-1, keepdim=True)
    colour = (grey + instrument.gamut * (colour - grey)).clamp(0, 1)
    # Murray-Davies: the cover whose mixture of ink and paper has the wanted reflectance. Black
    # comes out as the ink's own reflectance, since no more than all can be covered.
    cover = (1 - colour) / (1 - instrument.ink)
    cover = torch.where(beyond(place, instrument.half)[..., None] > 0, 0.0, cover.clamp(0, 1))
    depth = torch.zeros_like(place[..., :1]) + instrument.seed % 997
    sheet = torch.cat([place, depth], -1)[None]
    offset = torch.zeros(1, 3)
    if instrument.lines:
        # The usual spread of screen angles keeps cyan, magenta and yellow from beating.
        turns = (instrument.angle + 15, instrument.angle + 75, instrument.angle)
        dots = torch.stack(
            [halftone(cover[..., i], place, instrument.lines, turns[i], 0.22) for i in range(3)],
            -1,
        )
        # Dots finer than the aperture blend into the tone that they stand for.
        cover = torch.lerp(cover, dots, abs(float(np.sinc(instrument.lines * aperture))))
        mottle = 1 + 0.05 * fractal(sheet, (0.004, 0.0011), offset)[0]
        cover = (cover * mottle[..., None]).clamp(0, 1)
        fibre = 1 + 0.025 * fractal(sheet + 0.5, (0.0025, 0.0008), offset)[0]
    else:
        fibre = torch.ones_like(cover[..., 0])
    paper = torch.tensor(instrument.tint) * fibre[..., None]
    reflectance = paper * (1 - cover * (1 - instrument.ink))
    infrared = 0.82 * fibre * (1 - 0.10 * cover.mean(-1))
    return average(reflectance, factor), average(infrared, factor)
