"""Cut clips of face crops from a manifest of videos."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sterling.errors import InputError, NothingMeasuredError
from sterling.face.data.align import CropSpec
from sterling.face.data.detect import Face, FaceDetector
from sterling.face.data.faces import Faces
from sterling.face.data.images import call_picture
from sterling.face.data.load import (
    LoadedFaces,
    NoCropError,
    NonResponse,
    Reason,
    crop_each,
    cutter,
    usable_face,
)
from sterling.face.data.manifest import Manifest
from sterling.face.data.modality import require_modalities
from sterling.face.data.quality import Limits
from sterling.face.data.video import call_count, call_numbered, is_video
from sterling.sandbox import Call, sandbox

INTERVAL = 3
"""Every how many-th frame a clip takes: as the multi-frame depth networks were trained."""


def load_clips(
    manifest: Manifest,
    spec: CropSpec,
    *,
    frames: int,
    modalities: Collection[str] = ("rgb",),
    cropped: bool = False,
    detector: FaceDetector | None = None,
    limits: Limits | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> LoadedFaces:
    """Read one clip of every video of a manifest; its first row stands for it.

    The clip lies in the middle of a video file; for a video cut up into pictures, rows are taken in
    the order of ``frame``, also in the middle, every `INTERVAL`-th where there are enough and every
    one otherwise. The face is found in the clip's middle frame and cut out of all frames at the
    same place, so that what moves in the crop is the face and not the crop.

    Args:
        manifest: Rows with a video; other rows are pictures, of which there is no clip.
        spec: Settings of the crop.
        frames: Frames of a clip, 2 or more.
        modalities: Only colour: depth and infrared videos have no reader.
        cropped: The frames are face crops already: only their size is changed.
        detector: Face detector; None for one with its default settings.
        limits: Limits beyond which the middle frame's crop is refused, see `load_faces`.
        progress: Called after each video with the number done and the number of all.

    Raises:
        InputError: There is no row with a video, or modalities other than colour are asked for.
        NothingMeasuredError: Not one video gave a clip.
    """
    if require_modalities(modalities) != ("rgb",):
        raise InputError(
            f"clips of {', '.join(modalities)}: only colour videos can be read; choose a network "
            "of colour clips"
        )
    videos = {int(rows[0]): rows for rows in _videos(manifest)}
    if not videos:
        raise InputError(
            f"{manifest.source}: has no videos, and this network judges clips of {frames} frames; "
            "give videos, or choose a network of single pictures"
        )
    finder = None if cropped else (detector or FaceDetector())
    paths = manifest.column("path").tolist()
    clips: list[Tensor] = []

    def crop(row: int, _place: int) -> None:
        pictures = _frames([paths[place] for place in videos[row]], frames, _at_interval)
        clips.append(_cut(paths[row], pictures, spec, finder, limits))

    found, missing = crop_each(manifest, paths, list(videos), crop, progress)
    if not clips:
        raise NothingMeasuredError(
            f"{manifest.source}: no clip of any of {len(missing)} videos; {missing[0].detail}"
        )
    return LoadedFaces(Faces(manifest.select(np.array(found)), torch.stack(clips)), missing)


def visit_clips(
    manifest: Manifest,
    frames: int,
    visit: Callable[[int, list[NDArray[np.uint8]], Face], None],
    *,
    progress: Callable[[], None] = lambda: None,
) -> tuple[NonResponse, ...]:
    """Read successive frames of every video and hand them on with the middle one's largest face.

    Args:
        manifest: Rows with a video, as in `load_clips`; other rows are left out.
        frames: Frames from the middle of each video; all of a shorter one.
        visit: Called with the first row of each video, its frames, uint8 (3, H, W), and the face.
        progress: Called after each video.

    Returns:
        The videos without a face, or that cannot be read.

    Examples:
        >>> sides = []
        >>> visit_clips(manifest, 13, lambda row, pictures, face: sides.append(face.side))
    """
    videos = {int(rows[0]): rows for rows in _videos(manifest)}
    paths, finder = manifest.column("path").tolist(), FaceDetector()

    def look(row: int, _place: int) -> None:
        pictures = _frames([paths[place] for place in videos[row]], frames, _successive)
        middle = pictures[len(pictures) // 2]
        if any(picture.shape != middle.shape for picture in pictures):
            raise NoCropError("unreadable", f"{paths[row]}: its video's frames differ in size")
        face = usable_face(paths[row], middle, finder)
        visit(row, [picture.numpy() for picture in pictures], face)

    return crop_each(manifest, paths, list(videos), look, lambda *_: progress())[1]


def clip_of_video(
    path: str | Path,
    spec: CropSpec,
    frames: int,
    *,
    detector: FaceDetector | None,
    limits: Limits | None = None,
) -> Tensor | tuple[Reason, str]:
    """The clip of one video file, uint8 (T, 3, size, size), or why there is none.

    Args:
        path: The video.
        spec: Settings of the crop.
        frames: Frames of the clip.
        detector: Face detector; None if the frames are face crops already.
        limits: Limits beyond which the middle frame's crop is refused, see `load_faces`.

    Raises:
        InputError: The file is missing or no video.
    """
    try:
        return _cut(str(path), _of_file(str(path), frames, _at_interval), spec, detector, limits)
    except NoCropError as problem:
        return problem.reason, problem.detail


def _videos(manifest: Manifest) -> Iterator[np.ndarray]:
    """The rows of each video, in the order of their frames."""
    names, numbers = manifest.column("video"), manifest.column("frame")
    for name in dict.fromkeys(names.tolist()):
        if name:
            rows = np.flatnonzero(names == name)
            yield rows[np.argsort(numbers[rows], kind="stable")]


def _frames(
    paths: Sequence[str], frames: int, places: Callable[[int, int, str], list[int]]
) -> list[Tensor]:
    """The frames of a video at the places that are chosen of those available."""
    try:
        if is_video(paths[0]):
            return _of_file(paths[0], frames, places)
        chosen = places(len(paths), frames, paths[0])
        return [arrays[0] for arrays in _decoded(call_picture(paths[place]) for place in chosen)]
    except InputError as error:
        raise NoCropError("unreadable", str(error)) from error


def _of_file(path: str, frames: int, places: Callable[[int, int, str], list[int]]) -> list[Tensor]:
    ((available,),) = _decoded([call_count(path)])
    return next(_decoded([call_numbered(path, places(int(available), frames, path))]))[1:]


def _decoded(calls: Iterable[Call]) -> Iterator[list[Tensor]]:
    """Answers of a child process.

    Raises:
        InputError: A file cannot be read.
    """
    with sandbox() as box:
        for answer in box.map(calls):
            if isinstance(answer, InputError):
                raise answer
            yield [torch.from_numpy(array) for array in answer]


def _at_interval(available: int, frames: int, path: str) -> list[int]:
    """Every `INTERVAL`-th frame where there are enough, every one otherwise."""
    step = INTERVAL if available > (frames - 1) * INTERVAL else 1
    return _middle(available, frames, step, path)


def _successive(available: int, frames: int, path: str) -> list[int]:
    """Every frame, and no more than there are."""
    return _middle(available, min(frames, available), 1, path)


def _middle(available: int, frames: int, step: int, path: str) -> list[int]:
    """Places of `frames` frames, every `step`-th, in the middle of those available."""
    span = (frames - 1) * step + 1
    if available < span:
        raise NoCropError(
            "too_short", f"{path}: {available} frames, but a clip has {frames}; film for longer"
        )
    start = (available - span) // 2
    return list(range(start, start + span, step))


def _cut(
    path: str,
    pictures: list[Tensor],
    spec: CropSpec,
    finder: FaceDetector | None,
    limits: Limits | None,
) -> Tensor:
    cut = cutter(path, pictures[len(pictures) // 2], (spec,), finder, limits)
    return torch.cat([cut(picture) for picture in pictures])
