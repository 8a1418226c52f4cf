"""Photographs that captures are made of: people with their masks, and other pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sterling.errors import InputError

LISTING = "material.json"


@dataclass(frozen=True, eq=False)
class Portrait:
    """A photograph of a person.

    Attributes:
        pixels: uint8 (H, W, 3), RGB.
        box: Left, top, right, bottom of the face, in pixels.
        mask: Share of each pixel that shows the person, uint8 (H, W), 255 for all of it; None where
            unknown: the background then stays.
        source: Origin of the photograph.
    """

    pixels: NDArray[np.uint8]
    box: tuple[float, float, float, float]
    mask: NDArray[np.uint8] | None = None
    source: str = ""

    @property
    def side(self) -> float:
        """Longer side of the face box, in pixels."""
        left, top, right, bottom = self.box
        return max(right - left, bottom - top)

    @property
    def centre(self) -> tuple[float, float]:
        """Centre of the face box, (x, y) in pixels."""
        left, top, right, bottom = self.box
        return (left + right) / 2, (top + bottom) / 2


@dataclass(frozen=True, eq=False)
class Material:
    """Photographs to make captures of.

    Attributes:
        people: Photographs of people, one at least.
        others: Photographs without a face, for backgrounds: uint8 (H, W, 3), RGB.

    Raises:
        InputError: There is no person.
    """

    people: tuple[Portrait, ...]
    others: tuple[NDArray[np.uint8], ...] = ()

    def __post_init__(self) -> None:
        if not self.people:
            raise InputError("material: there is no photograph of a person; give one at least")

    def parts(self, shares: Sequence[float], seed: int) -> list[Material]:
        """Deal people and other photographs into parts that share none.

        Args:
            shares: Share of each part; together 1.
            seed: Seed of the order.
        """
        rng = np.random.default_rng(seed)
        ends = np.cumsum(shares)[:-1]
        dealt = [
            np.split(rng.permutation(count), np.rint(ends * count).astype(int))
            for count in (len(self.people), len(self.others))
        ]
        return [
            Material(tuple(self.people[i] for i in people), tuple(self.others[i] for i in others))
            for people, others in zip(*dealt, strict=True)
        ]


REACH = 2.6  # kept to each side of the face's centre, over the longer side of its box
LONGEST = 720  # pixels to which what is kept is shrunk


def portrait_of(
    pixels: NDArray[np.uint8], box: tuple[float, float, float, float], source: str = ""
) -> Portrait:
    """Cut a person out of a picture, with all that a wide crop may show; without a mask.

    Args:
        pixels: uint8 (H, W, 3), RGB.
        box: Left, top, right, bottom of the face, in pixels.
        source: Origin of the picture.

    Raises:
        InputError: The box is empty.

    Examples:
        >>> portrait_of(np.zeros((480, 640, 3), np.uint8), (300, 200, 400, 320)).pixels.shape
        (480, 624, 3)
    """
    if not (box[0] < box[2] and box[1] < box[3]):
        raise InputError(f"face box {box} is empty: it is left, top, right, bottom in pixels")
    left, top, right, bottom = box
    x, y, reach = (left + right) / 2, (top + bottom) / 2, REACH * max(right - left, bottom - top)
    height, width = pixels.shape[:2]
    x0, y0 = max(0, round(x - reach)), max(0, round(y - reach))
    cut = pixels[y0 : min(height, round(y + reach)), x0 : min(width, round(x + reach))]
    factor = min(1.0, LONGEST / max(cut.shape[:2]))
    if factor < 1:
        size = (round(cut.shape[1] * factor), round(cut.shape[0] * factor))
        cut = np.asarray(cv2.resize(cut, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    left, top, right, bottom = ((np.array(box) - (x0, y0, x0, y0)) * factor).tolist()
    return Portrait(np.ascontiguousarray(cut), (left, top, right, bottom), source=source)


def read_material(folder: Path | str) -> Material:
    """Read a folder of photographs: ``material.json``, ``people/*.png`` and ``others/*.jpg``.

    ``material.json`` holds two lists, "people" (file, box, source) and "others" (file, source);
    the alpha channel of a person's picture is the mask.

    Raises:
        InputError: The listing or a picture is missing or malformed.

    Examples:
        >>> material = read_material("photographs")
        >>> train, dev = material.parts((0.8, 0.2), seed=0)
    """
    folder = Path(folder)
    path = folder / LISTING
    try:
        listed = json.loads(path.read_text("utf-8"))
        people = tuple(_portrait(folder, row) for row in listed["people"])
        others = tuple(_pixels(folder / row["file"])[0] for row in listed["others"])
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: not a listing of photographs ({error}); gather them again"
        ) from error
    return Material(people, others)


def _portrait(folder: Path, row: dict[str, Any]) -> Portrait:
    pixels, mask = _pixels(folder / row["file"])
    left, top, right, bottom = map(float, row["box"])
    return Portrait(pixels, (left, top, right, bottom), mask, str(row["source"]))


def _pixels(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if stored is None or stored.dtype != np.uint8:
        raise InputError(f"{path}: missing, or not a picture; gather the photographs again")
    content = np.asarray(stored, dtype=np.uint8)
    if content.ndim == 2:
        content = np.repeat(content[..., None], 3, axis=-1)
    mask = np.ascontiguousarray(content[..., 3]) if content.shape[-1] == 4 else None
    return np.ascontiguousarray(content[..., 2::-1]), mask
