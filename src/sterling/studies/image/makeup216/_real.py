"""Photographs of ``--data``: folders of brands, with one example each or with drawn logos.

Two layouts: ``<brand>/<picture>``, where the first picture of each brand is its example; and
LogoHunter's, where the folder ``test_brands`` holds clean logos (``test_<brand>1.png``) and the
other folders photographs of the brand that they are named after. Boxes come from the localiser that
ships, and a photograph counts as the brand of its most similar box.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sterling.errors import InputError
from sterling.files import is_hidden
from sterling.image.logos import LogoDesign, LogoLocaliser, crop_boxes, logo_box
from sterling.image.logos.gallery import WEIGHTS
from sterling.image.logos.reading import logo_pixels, photograph_pixels
from sterling.pictures import SUFFIXES

EXAMPLES = "test_brands"
BOXES = 12  # of a photograph, and one around all of it


@dataclass(frozen=True, eq=False)
class RealLogos:
    """Crops of photographs, and of one or more examples of each brand.

    Attributes:
        examples: uint8 (E, 3, size, size).
        example_brands: Brand of each example, (E,).
        photographs: Crops of the boxes of each photograph.
        brands: Brand of each photograph, (P,).
    """

    examples: Tensor
    example_brands: NDArray[np.int64]
    photographs: tuple[Tensor, ...]
    brands: NDArray[np.int64]

    def recall(self, embed: Callable[[Tensor], Any]) -> float:
        """Share of the photographs whose most similar box and example are of its brand."""
        examples = embed(self.examples)
        right = []
        for crops, brand in zip(self.photographs, self.brands.tolist(), strict=True):
            best = (embed(crops) @ examples.T).max(axis=0).argmax()
            right.append(self.example_brands[best] == brand)
        return float(np.mean(right))


def read_real(folder: Path, size: int, margin: float) -> RealLogos:
    """Read a folder in either layout.

    Raises:
        InputError: It has no brand with an example and a photograph, or a file cannot be read.
    """
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in SUFFIXES and not is_hidden(path.relative_to(folder))
    ]
    by_folder: dict[str, list[Path]] = {}
    for path in files:
        by_folder.setdefault(path.parent.name, []).append(path)
    if EXAMPLES in by_folder:
        examples = [(_plain(one.stem), one) for one in by_folder.pop(EXAMPLES)]
        known = {name for name, _ in examples}
        shown = [
            (_plain(name), one)
            for name, some in by_folder.items()
            for one in some
            if _plain(name) in known
        ]
    else:
        examples = [(name, some[0]) for name, some in by_folder.items() if len(some) > 1]
        shown = [(name, one) for name, some in by_folder.items() for one in some[1:]]
    names = sorted({name for name, _ in examples})
    shown = [(name, one) for name, one in shown if name in names]
    if len(names) < 2 or not shown:
        raise InputError(
            f"{folder}: {len(names)} brand(s) with an example and {len(shown)} photographs; the "
            f"layout is <brand>/<picture>, or {EXAMPLES}/<logo> beside <brand>/<photograph>"
        )
    design, localiser = LogoDesign(size=size, margin=margin), LogoLocaliser.load(WEIGHTS)
    return RealLogos(
        _crops_of_examples([one for _, one in examples], design),
        np.array([names.index(name) for name, _ in examples]),
        tuple(_crops_of(one, localiser, design) for _, one in shown),
        np.array([names.index(name) for name, _ in shown]),
    )


def _plain(name: str) -> str:
    """A name without ``test_``, underscores and a number at its end."""
    return re.sub(r"\d+$", "", name.removeprefix("test_")).replace("_", "").casefold()


def _crops_of_examples(paths: list[Path], design: LogoDesign) -> Tensor:
    crops = []
    for path in paths:
        picture = logo_pixels(str(path))
        crops.append(crop_boxes(picture, logo_box(picture, str(path))[None], design))
    return torch.cat(crops)


def _crops_of(path: Path, localiser: LogoLocaliser, design: LogoDesign) -> Tensor:
    picture, _ = photograph_pixels(str(path))
    height, width = picture.shape[:2]
    found = localiser.find(picture, least=0.05, most=BOXES)
    whole = np.array([[0.0, 0.0, width, height]])
    return crop_boxes(picture, np.concatenate([found.boxes, whole]), design)
