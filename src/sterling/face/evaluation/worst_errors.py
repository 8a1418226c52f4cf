"""The worst errors of an evaluation, to be looked at: which, and thumbnails of them."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sterling.errors import InputError
from sterling.face.data.images import call_picture
from sterling.face.evaluation.presentations import Presentations
from sterling.measure import Threshold
from sterling.sandbox import sandbox
from sterling.storage import write_atomically

MOST = 12
"""Number of errors shown. Our choice."""

SIDE = 160
"""Longer side of a thumbnail in pixels. Our choice."""


@dataclass(frozen=True)
class WorstError:
    """One presentation that was judged wrongly.

    Attributes:
        species: Its species, or ``"bona_fide"``.
        score: Its score, in the scores' own scale.
        path: Its picture or video; ``""`` where unknown.
        item: Its id.
        thumbnail: File of its thumbnail, relative to the folder; None where it is no picture that
            can be read.
    """

    species: str
    score: float
    path: str
    item: str
    thumbnail: str | None = None


def worst_errors(presentations: Presentations, threshold: Threshold) -> NDArray[np.intp]:
    """Return the rows of the worst errors, the farthest beyond the threshold first.

    At most `MOST`, half of them attacks and half bona fides where both have so many.
    """
    scores = presentations.scores
    wrong = np.flatnonzero(threshold.accept(scores) != scores.label)
    far = wrong[np.argsort(-np.abs(scores.values[wrong] - threshold.value), kind="stable")]
    attacks, live = far[~scores.label[far]], far[scores.label[far]]
    half = MOST // 2
    chosen = [*attacks[: max(half, MOST - len(live))], *live[: max(half, MOST - len(attacks))]]
    return far[np.isin(far, chosen)]


def write_worst_errors(
    presentations: Presentations, threshold: Threshold, folder: Path
) -> list[WorstError]:
    """Find the worst errors and write their thumbnails into ``errors/`` of a folder.

    Pictures are decoded in a child process; one that cannot be read has no thumbnail.
    """
    rows = worst_errors(presentations, threshold).tolist()
    scores = presentations.scores
    found = []
    paths = [str(presentations.path[row]) for row in rows]
    for number, (row, path, thumbnail) in enumerate(
        zip(rows, paths, _thumbnails(paths), strict=True)
    ):
        name = None if thumbnail is None else f"errors/{number:02}.png"
        if name is not None and thumbnail is not None:
            write_atomically(folder / name, thumbnail)
        species, item = str(scores.group[row]), str(scores.item[row])
        found.append(WorstError(species, float(scores.values[row]), path, item, name))
    return found


def _thumbnails(paths: list[str]) -> list[bytes | None]:
    """PNG files of the pictures at some paths; None for what is none."""
    there = [path for path in paths if path and Path(path).is_file()]
    pictures: dict[str, bytes] = {}
    with sandbox() as box:
        for path, answer in zip(there, box.map(map(call_picture, there)), strict=True):
            if not isinstance(answer, InputError):
                pictures[path] = _png(answer[0].transpose(1, 2, 0))
    return [pictures.get(path) for path in paths]


def _png(pixels: NDArray[np.uint8]) -> bytes:
    image = Image.fromarray(pixels)
    image.thumbnail((SIDE, SIDE))
    written = io.BytesIO()
    image.save(written, format="PNG")
    return written.getvalue()
