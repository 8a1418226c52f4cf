"""From a manifest of pictures and videos to face crops, with an account of what gave none."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from sterling.errors import InputError, NothingMeasuredError
from sterling.face.data.align import CropSpec, crop_face
from sterling.face.data.detect import FaceDetector
from sterling.face.data.faces import Faces
from sterling.face.data.images import read_image
from sterling.face.data.manifest import Manifest
from sterling.face.data.video import VIDEO_SUFFIXES, read_numbered_frames

__all__ = ["SMALLEST_FACE", "LoadedFaces", "NonResponse", "load_faces"]

SMALLEST_FACE = 32
"""Longer side of a face box, in pixels, below which the face is too small. Our default."""

Reason = Literal["unreadable", "no_face", "too_small"]


@dataclass(frozen=True)
class NonResponse:
    """A presentation of which there is no crop.

    Attributes:
        item: Its id in the manifest.
        path: The file.
        reason: ``"unreadable"``, ``"no_face"`` or ``"too_small"``.
        detail: One line for people: what is wrong with it.
    """

    item: str
    path: str
    reason: Reason
    detail: str


@dataclass(frozen=True, eq=False)
class LoadedFaces:
    """What became of every row of a manifest.

    Attributes:
        faces: The crops, in the manifest's order.
        non_responses: The rows without a crop, in the manifest's order. With `faces` they are all
            rows; error rates over `faces` alone are to be reported beside the non-response rates.
    """

    faces: Faces
    non_responses: tuple[NonResponse, ...]


def load_faces(
    manifest: Manifest,
    spec: CropSpec,
    *,
    detector: FaceDetector | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> LoadedFaces:
    """Read every picture or frame of a manifest and cut out its largest face.

    One picture, or the wanted frames of one video, is held at a time, beside the crops.

    Args:
        manifest: The rows; ``path`` names a picture file, or a video file of which ``frame`` is
            the wanted frame. Rows of one video follow each other.
        spec: How to cut.
        detector: What finds the face; None for one with its default settings.
        progress: Called after each row with the number of rows done and the number of all.

    Raises:
        NothingMeasuredError: Not one row gave a crop.
    """
    detector = FaceDetector() if detector is None else detector
    n = len(manifest)
    crops = torch.empty((n, 3, spec.size, spec.size), dtype=torch.uint8)
    found: list[int] = []
    missing: list[NonResponse] = []
    rows = zip(manifest.column("item").tolist(), manifest.column("path").tolist(), strict=True)
    pictures = _pictures(manifest)
    for position, (item, path) in enumerate(rows):
        crop = _crop(path, next(pictures), spec, detector)
        if isinstance(crop, Tensor):
            crops[len(found)] = crop
            found.append(position)
        else:
            missing.append(NonResponse(item, path, *crop))
        if progress is not None:
            progress(position + 1, n)
    if not found:
        raise NothingMeasuredError(_nothing(manifest, missing))
    faces = Faces(manifest.select(np.array(found)), crops[: len(found)])
    return LoadedFaces(faces, tuple(missing))


def _pictures(manifest: Manifest) -> Iterator[Tensor | str]:
    """The picture of each row, or what is wrong with it; each video is decoded once."""
    paths, numbers = manifest.column("path"), manifest.column("frame")
    for path, rows in groupby(range(len(manifest)), key=lambda row: str(paths[row])):
        if not path:
            yield from ("the manifest names no file for this item" for _ in rows)
        elif Path(path).suffix.lower() in VIDEO_SUFFIXES:
            wanted = [int(numbers[row]) for row in rows]
            try:
                frames = read_numbered_frames(path, wanted)
            except InputError as error:
                yield from (str(error) for _ in wanted)
                continue
            for number in wanted:
                missing = f"{path}: has no frame {number}; correct the column 'frame'"
                yield frames.get(number, missing)
        else:
            for _ in rows:
                try:
                    yield read_image(path)
                except InputError as error:
                    yield str(error)


def _crop(
    path: str, image: Tensor | str, spec: CropSpec, detector: FaceDetector
) -> Tensor | tuple[Reason, str]:
    """The crop of the largest face, or why there is none."""
    if isinstance(image, str):
        return "unreadable", image
    faces = detector.detect(image)
    if not faces:
        return "no_face", f"{path}: no face found; show it upright, lit and not cut off"
    face = faces[0]
    if face.side < SMALLEST_FACE:
        return "too_small", (
            f"{path}: the face is {face.side:.0f} pixels large, less than {SMALLEST_FACE};"
            " take the picture nearer or at a higher resolution"
        )
    return crop_face(image, face, spec)


def _nothing(manifest: Manifest, missing: list[NonResponse]) -> str:
    if not missing:
        return f"{manifest.source}: the manifest has no rows, so there are no faces"
    counts = Counter(row.reason for row in missing)
    counted = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
    return f"{manifest.source}: no face in any of {len(missing)} ({counted}); {missing[0].detail}"
