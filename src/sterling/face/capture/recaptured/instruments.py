"""Flat attack instruments: prints, photographs, cut-outs, phones, tablets, monitors, televisions.

An instrument is a sheet with a picture on it, RGBA, and the place of the face on that sheet. It is
made flat here, and held before a scene in `captures`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sterling.face.capture.recaptured.displays import emitted, glossy, interface, printed
from sterling.face.capture.recaptured.material import Material, Portrait
from sterling.face.capture.recaptured.surroundings import fillable, room, see
from sterling.face.capture.sensor import Picture


@dataclass(frozen=True)
class Kind:
    """Ranges from which an instrument is drawn; all of them are our choice.

    Attributes:
        face: Side of the face over the shorter side of the picture area.
        aspect: Longer side of the picture area over the shorter.
        upright: Chance that the longer side is the vertical one.
        rim: Width of the rim over the shorter side: of the paper's margin, or of the bezel.
        screen: Whether the picture is emitted.
        hands: Chance that fingers hold it.
        curved: Chance that the sheet is bent.
    """

    face: tuple[float, float]
    aspect: tuple[float, float]
    upright: float
    rim: tuple[float, float]
    screen: bool = False
    hands: float = 0.6
    curved: float = 0.0


KINDS: Mapping[str, Kind] = {
    "print": Kind((0.35, 0.9), (1.0, 1.5), 0.75, (0.0, 0.12), curved=0.4),
    "photograph": Kind((0.35, 0.9), (1.0, 1.5), 0.75, (0.0, 0.06), curved=0.25),
    "cut_print": Kind((0.3, 0.8), (1.0, 1.4), 0.8, (0.0, 0.0), curved=0.3),
    "paper_mask": Kind((0.8, 1.0), (1.0, 1.3), 1.0, (0.0, 0.0), hands=0.1, curved=0.9),
    "phone": Kind((0.3, 0.95), (1.6, 2.2), 0.75, (0.02, 0.1), screen=True, hands=0.8),
    "tablet": Kind((0.25, 0.85), (1.3, 1.6), 0.6, (0.04, 0.12), screen=True, hands=0.7),
    "monitor": Kind((0.2, 0.8), (1.3, 1.8), 0.05, (0.01, 0.07), screen=True, hands=0.04),
    "television": Kind((0.2, 0.9), (1.7, 1.8), 0.0, (0.005, 0.05), screen=True, hands=0.02),
}
"""Attack instrument species that are made of photographs."""

FACE_PIXELS = 150.0  # side of the face on a sheet, at most
LARGEST = 640  # longer side of a sheet's picture area, in pixels


@dataclass(frozen=True, eq=False)
class Sheet:
    """A flat instrument.

    Attributes:
        pixels: sRGB, float32 (H, W, 3).
        alpha: Cover of the sheet, in [0, 1], float32 (H, W).
        face: Centre of the face (x, y) and its side, in pixels of the sheet.
        screen: Whether it emits light.
    """

    pixels: Picture
    alpha: Picture
    face: tuple[float, float, float]
    screen: bool


def make_sheet(
    species: str, portrait: Portrait, material: Material, rng: np.random.Generator
) -> Sheet:
    """Put a person's picture on an instrument.

    Args:
        species: One of `KINDS`.
        portrait: The photograph that is shown.
        material: Backgrounds.
        rng: Source of randomness.
    """
    kind = KINDS[species]
    shown, person, face = _picture(kind, portrait, material, rng)
    if rng.random() < 0.5:
        shown, person = shown[:, ::-1], person[:, ::-1]
        face = (shown.shape[1] - face[0], face[1], face[2])
    if kind.screen:
        if rng.random() < 0.35:
            shown = interface(shown, rng)
        shown = emitted(shown, rng)
    elif species == "photograph":
        shown = glossy(shown, rng)
    else:
        shown = printed(shown, rng)
    sheet = _rimmed(species, np.ascontiguousarray(shown), face, rng)
    if species in ("cut_print", "paper_mask"):
        sheet = _cut_out(species, sheet, np.ascontiguousarray(person), rng)
    return _bent(sheet, rng) if rng.random() < kind.curved else sheet


def _picture(
    kind: Kind, portrait: Portrait, material: Material, rng: np.random.Generator
) -> tuple[Picture, Picture, tuple[float, float, float]]:
    """The picture area, the person's mask in it, and the face's place in its pixels."""
    aspect = rng.uniform(*kind.aspect)
    upright = rng.random() < kind.upright
    for _ in range(8):
        short = portrait.side / rng.uniform(*kind.face)
        wide, high = (short, short * aspect) if upright else (short * aspect, short)
        x, y = portrait.centre
        left = x - wide * float(np.clip(rng.normal(0.5, 0.1), 0.2, 0.8))
        top = y - high * float(np.clip(rng.normal(0.45, 0.09), 0.2, 0.7))
        bottom = portrait.pixels.shape[0]
        if top + high > bottom:  # people end at the lower edge of what shows them
            top = bottom - high
        if fillable(portrait, left, top, left + wide, top + high):
            break
    else:  # bars beside a picture that does not fill the screen, or a smaller print
        left, top, wide, high = _clipped(portrait, left, top, wide, high)
    scale = min(FACE_PIXELS / portrait.side, LARGEST / max(wide, high), 1.5)
    size = (max(8, round(wide * scale)), max(8, round(high * scale)))
    to_area = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]])
    whole = left >= 0 and top >= 0 and left + wide <= portrait.pixels.shape[1]
    behind = None
    if portrait.mask is not None and not (whole and rng.random() < 0.4):
        behind = (
            np.full((*size[::-1], 3), rng.uniform(0.35, 1.0, 3), np.float32)
            if rng.random() < 0.3
            else room(material, rng, size)
        )
    shown, person = see(portrait, to_area, size, behind, rng)
    x, y = portrait.centre
    face = ((x - left) * scale, (y - top) * scale, portrait.side * scale)
    if kind.screen and not upright and rng.random() < 0.3:
        return _pillars(shown, person, face, rng)
    return shown, person, face


def _clipped(
    portrait: Portrait, left: float, top: float, wide: float, high: float
) -> tuple[float, float, float, float]:
    """The part of a rectangle that lies in the photograph: left, top, width, height."""
    height, width = portrait.pixels.shape[:2]
    x0, y0 = max(0.0, left), max(0.0, top)
    x1, y1 = min(float(width), left + wide), min(float(height), top + high)
    return x0, y0, x1 - x0, y1 - y0


def _pillars(
    shown: Picture, person: Picture, face: tuple[float, float, float], rng: np.random.Generator
) -> tuple[Picture, Picture, tuple[float, float, float]]:
    """Black bars to both sides, as a clip that was filmed upright has on a wide screen."""
    height, width = shown.shape[:2]
    keep = min(width, max(int(height * rng.uniform(0.55, 0.8)), int(1.3 * face[2])))
    start = int(np.clip(face[0] - keep / 2, 0, width - keep))
    bar = np.zeros_like(shown)
    bar[:, start : start + keep] = shown[:, start : start + keep]
    seen = np.zeros_like(person)
    seen[:, start : start + keep] = person[:, start : start + keep]
    return bar, seen, face


def _rimmed(
    species: str, shown: Picture, face: tuple[float, float, float], rng: np.random.Generator
) -> Sheet:
    """Add the paper's margin, or a bezel, which is wider at two ends of a phone."""
    kind = KINDS[species]
    height, width = shown.shape[:2]
    short = min(height, width)
    rims = np.full(4, rng.uniform(*kind.rim) * short)  # left, top, right, bottom
    if kind.screen:
        ends = (1, 3) if height > width or species in ("monitor", "television") else (0, 2)
        rims[list(ends)] *= rng.uniform(1, 2.5, 2)
        dark = rng.random() < 0.8
        tone = np.full(3, rng.uniform(0.01, 0.16) if dark else rng.uniform(0.6, 1.0))
    else:
        rims = rims * (rng.random() < 0.55)
        tone = rng.uniform(0.7, 1.0) * rng.uniform(0.93, 1.04, 3)
    left, top, right, bottom = (int(rim) for rim in np.rint(rims))
    if left + top + right + bottom:
        shown = cv2.copyMakeBorder(
            shown, top, bottom, left, right, cv2.BORDER_CONSTANT, value=tone.tolist()
        )
    alpha = np.ones(shown.shape[:2], np.float32)
    if species in ("phone", "tablet"):
        alpha = _rounded(alpha, int(short * rng.uniform(0.0, 0.12)))
    if species == "monitor" and rng.random() < 0.4:
        shown, alpha = _stand(shown, alpha, rng)
    return Sheet(shown, alpha, (face[0] + left, face[1] + top, face[2]), kind.screen)


def _rounded(alpha: Picture, radius: int) -> Picture:
    """Round the corners of a sheet that is all there."""
    height, width = alpha.shape
    x, y = (
        np.abs(np.arange(side, dtype=np.float32) - (side - 1) / 2) - (side / 2 - radius)
        for side in (width, height)
    )
    beyond = np.hypot(x.clip(0), y.clip(0)[:, None])
    return np.asarray((radius + 0.5 - beyond).clip(0, 1), dtype=np.float32)


def _stand(shown: Picture, alpha: Picture, rng: np.random.Generator) -> tuple[Picture, Picture]:
    """A foot below a monitor."""
    height, width = alpha.shape
    high, wide = int(height * rng.uniform(0.08, 0.25)), int(width * rng.uniform(0.1, 0.35))
    tone = [float(rng.uniform(0.02, 0.7))] * 3
    shown = cv2.copyMakeBorder(shown, 0, high, 0, 0, cv2.BORDER_CONSTANT, value=tone)
    alpha = cv2.copyMakeBorder(alpha, 0, high, 0, 0, cv2.BORDER_CONSTANT, value=0.0)
    alpha[height:, (width - wide) // 2 : (width + wide) // 2] = 1
    return shown, alpha


def _cut_out(species: str, sheet: Sheet, person: Picture, rng: np.random.Generator) -> Sheet:
    """Cut along the person, or around the face, with scissors: the edge is white and smooth."""
    x, y, side = sheet.face
    if species == "cut_print" and person.max() > 0.5 and rng.random() < 0.7:
        margin = side * rng.uniform(0.02, 0.14)
        kept = cv2.GaussianBlur(person, (0, 0), max(1.0, 0.03 * side))
        distance = cv2.distanceTransform((kept < 0.4).astype(np.uint8), cv2.DIST_L2, 3)
        alpha = (margin + 1 - distance).clip(0, 1)
        paper = (distance > 0.5)[..., None]
        tone = np.full(3, rng.uniform(0.75, 1.0), np.float32)
        keep_background = rng.random() < 0.25
        pixels = sheet.pixels if keep_background else np.where(paper, tone, sheet.pixels)
    else:
        wide, high = side * rng.uniform(0.42, 0.62), side * rng.uniform(0.52, 0.75)
        alpha = np.zeros_like(sheet.alpha)
        middle, axes = (round(x), round(y)), (round(wide), round(high))
        cv2.ellipse(alpha, middle, axes, rng.uniform(-6, 6), 0, 360, 1.0, -1, cv2.LINE_AA)
        pixels = sheet.pixels
    if species == "paper_mask" and rng.random() < 0.6:  # holes to see through
        for dx in (-0.19, 0.19):
            hole = (round(x + dx * side), round(y - 0.1 * side))
            axes = (max(1, round(0.09 * side)), max(1, round(rng.uniform(0.03, 0.06) * side)))
            cv2.ellipse(alpha, hole, axes, 0, 0, 360, 0.0, -1, cv2.LINE_AA)
    return Sheet(pixels.astype(np.float32), alpha, sheet.face, False)


def _bent(sheet: Sheet, rng: np.random.Generator) -> Sheet:
    """Bend a sheet about a vertical or horizontal axis: it narrows, and is shaded, to its sides."""
    height, width = sheet.alpha.shape
    upright = rng.random() < 0.7
    length = width if upright else height
    angle = rng.uniform(0.4, 1.3)  # half of the arc that the sheet covers, radians
    t = np.linspace(-1, 1, length, dtype=np.float32)
    arc = np.arcsin((t * np.sin(angle)).clip(-1, 1)) / angle  # where on the sheet it shows
    source = ((arc + 1) / 2 * (length - 1)).astype(np.float32)
    sag = (rng.uniform(-0.06, 0.06) * length * (1 - t**2)).astype(np.float32)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    if upright:
        x, y = np.broadcast_to(source, x.shape), y + sag
    else:
        x, y = x + sag[:, None], np.broadcast_to(source[:, None], y.shape)
    maps = np.ascontiguousarray(x, np.float32), np.ascontiguousarray(y, np.float32)
    pixels = cv2.remap(sheet.pixels, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.remap(sheet.alpha, *maps, cv2.INTER_LINEAR)
    fall = 1 + rng.uniform(-0.45, 0.45) * t - rng.uniform(0, 0.3) * t**2
    light = fall[None, :, None] if upright else fall[:, None, None]
    face = np.array(sheet.face)
    at = face[0] if upright else face[1]
    moved = float(np.interp(at, source, np.arange(length)))
    place = (moved, face[1], face[2]) if upright else (face[0], moved, face[2])
    return Sheet((pixels * light).astype(np.float32), alpha, place, sheet.screen)


def outline(sheet: Sheet) -> NDArray[np.float64]:
    """Corners of a sheet in its own pixels, clockwise from the upper left, (4, 2)."""
    height, width = sheet.alpha.shape
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float64)
