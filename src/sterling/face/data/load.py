"""Cut face crops from a manifest of pictures and videos, and report the rows without one."""

from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sterling.errors import InputError, NothingMeasuredError
from sterling.face.data.align import CropSpec, crop_face, resize_crop
from sterling.face.data.detect import Face, FaceDetector
from sterling.face.data.faces import Faces
from sterling.face.data.images import call_picture
from sterling.face.data.manifest import Manifest
from sterling.face.data.modality import CHANNELS, Modality, channels_of, require_modalities
from sterling.face.data.quality import SIZE_ONLY, Cut, Limits, QualityReason, check_cut
from sterling.face.data.video import call_numbered, is_video
from sterling.sandbox import Arrays, Call, sandbox

Reason = Literal["unreadable", "no_face", "too_short", "unfamiliar"] | QualityReason

_COLUMN: dict[Modality, str] = {"rgb": "path", "depth": "depth_path", "ir": "ir_path"}


@dataclass(eq=False)
class NoCropError(Exception):
    """Why a presentation gave no crop."""

    reason: Reason
    detail: str


@dataclass(frozen=True)
class NonResponse:
    """A presentation of which there is no crop.

    Attributes:
        item: Its id in the manifest.
        path: The file.
        reason: ``"unreadable"``, ``"no_face"``, for clips ``"too_short"``, a reason of `Limits`,
            or ``"unfamiliar"``, which a detector with a reference answers.
        detail: One line for people: what is wrong with it.
    """

    item: str
    path: str
    reason: Reason
    detail: str


@dataclass(frozen=True, eq=False)
class LoadedFaces:
    """Crops of a manifest's rows, and the rows without one.

    Attributes:
        faces: The crops, in the manifest's order.
        non_responses: The rows without a crop, in the manifest's order. With `faces` they are all
            rows; error rates over `faces` alone are to be reported beside the non-response rates.
    """

    faces: Faces
    non_responses: tuple[NonResponse, ...]


def load_faces(
    manifest: Manifest,
    spec: CropSpec | Sequence[CropSpec],
    *,
    modalities: Collection[str] = ("rgb",),
    cropped: bool = False,
    detector: FaceDetector | None = None,
    limits: Limits | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> LoadedFaces:
    """Read every picture or frame of a manifest and cut out its largest face.

    The face is found in the colour picture and cut out of all modalities alike. One picture, or the
    wanted frames of one video, is held at a time, beside the crops.

    Args:
        manifest: The rows; ``path`` names a picture file, or a video file of which ``frame`` is
            the wanted frame; ``depth_path`` and ``ir_path`` name picture files, or nothing where
            that modality is absent. Rows of one video follow each other.
        spec: Settings of the crop; or of several crops of the same face, all of one size, which
            come behind each other along the channels.
        modalities: Modalities to read, in the order of the channels.
        cropped: The pictures are face crops already: only their size is changed.
        detector: Face detector, asked for the largest face; None for one with its default settings.
        limits: Limits beyond which the colour picture's crop is refused, with a reason; None:
            only faces below `SMALLEST_FACE` are.
        progress: Called after each row with the number of rows done and the number of all.

    Raises:
        InputError: The manifest names no picture of a modality, those of a row differ in size, or
            crops of different sizes are asked for.
        NothingMeasuredError: Not one row gave a crop.
    """
    wanted = require_modalities(modalities)
    specs = (spec,) if isinstance(spec, CropSpec) else tuple(spec)
    size = _one_size(specs)
    files = {name: manifest.column(_COLUMN[name]).tolist() for name in wanted}
    _require_files(files, manifest.source)
    finder = None if cropped else (detector or FaceDetector())
    n = len(manifest)
    crops = torch.zeros((n, len(specs) * channels_of(wanted), size, size), dtype=torch.uint8)
    present = torch.zeros((n, len(wanted)), dtype=torch.bool)
    paths = _anchors(manifest, files, cropped=cropped)

    def crop(row: int, place: int) -> None:
        there = {name: column[row] for name, column in files.items() if column[row]}
        # A depth or infrared picture that stands in for the colour one has no such limits.
        known = limits if paths[row] == there.get("rgb") else None
        cut = _crop(paths[row], next(pictures), there, specs, finder, known)
        crops[place] = _stacked(cut, wanted, len(specs), size)
        present[place] = torch.tensor([name in cut for name in wanted])

    # Closed here, and not whenever a traceback that holds it is collected: it owns a process.
    with closing(_pictures(manifest, paths, files)) as pictures:
        found, missing = crop_each(manifest, paths, range(n), crop, progress)
    if not found:
        raise NothingMeasuredError(_nothing(manifest, missing))
    shown = present[: len(found)]
    faces = Faces(
        manifest.select(np.array(found)),
        crops[: len(found)],
        modalities=wanted,
        present=None if bool(shown.all()) else shown,
        crops=len(specs),
    )
    return LoadedFaces(faces, missing)


def _one_size(specs: Sequence[CropSpec]) -> int:
    sizes = sorted({spec.size for spec in specs})
    if len(sizes) != 1:
        raise InputError(f"crops of sizes {sizes}: crops that go together have one size")
    return sizes[0]


def visit_faces(
    manifest: Manifest,
    visit: Callable[[NDArray[np.uint8], Face], None],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Manifest, tuple[NonResponse, ...]]:
    """Read every colour picture of a manifest and hand it on with its largest face.

    Args:
        manifest: The rows, as in `load_faces`.
        visit: Called with each picture, uint8 (3, H, W), and the face, in the manifest's order.
        progress: As in `load_faces`.

    Returns:
        The rows with a face, and the others.

    Examples:
        >>> sides = []
        >>> visit_faces(manifest, lambda picture, face: sides.append(face.side))
    """
    files: dict[Modality, list[str]] = {"rgb": manifest.column("path").tolist()}
    paths, finder = files["rgb"], FaceDetector()
    with closing(_pictures(manifest, paths, files)) as pictures:

        def look(row: int, _place: int) -> None:
            picture = _whole(next(pictures)[paths[row]])
            visit(picture.numpy(), usable_face(paths[row], picture, finder))

        found, missing = crop_each(manifest, paths, range(len(manifest)), look, progress)
    return manifest.select(np.array(found)), missing


def crop_each(
    manifest: Manifest,
    paths: Sequence[str],
    rows: Sequence[int],
    crop: Callable[[int, int], None],
    progress: Callable[[int, int], None] | None,
) -> tuple[list[int], tuple[NonResponse, ...]]:
    """Call `crop` with each row and its place among the crops; it raises `NoCropError` at some.

    Returns:
        The rows with a crop, and the others.
    """
    items = manifest.column("item").tolist()
    found: list[int] = []
    missing: list[NonResponse] = []
    for done, row in enumerate(rows, start=1):
        try:
            crop(row, len(found))
            found.append(row)
        except NoCropError as problem:
            missing.append(NonResponse(items[row], paths[row], problem.reason, problem.detail))
        if progress is not None:
            progress(done, len(rows))
    return found, tuple(missing)


def _require_files(files: Mapping[Modality, Sequence[str]], source: str) -> None:
    for name, column in files.items():
        if name != "rgb" and column and not any(column):
            raise InputError(
                f"{source}: names no {name} picture; fill in the column {_COLUMN[name]!r}, or "
                "choose a network of other modalities"
            )


def _anchors(
    manifest: Manifest, files: Mapping[Modality, Sequence[str]], *, cropped: bool
) -> list[str]:
    """The file in which each row's face is found: the colour picture, or any one of a crop."""
    colour: list[str] = manifest.column("path").tolist()
    if not cropped:
        return colour
    return [next((path for path in row if path), "") for row in zip(*files.values(), strict=True)]


def _pictures(
    manifest: Manifest, paths: Sequence[str], files: Mapping[Modality, Sequence[str]]
) -> Generator[dict[str, Tensor | str]]:
    """The pictures of each row by path, or what is wrong with one.

    Each video is decoded once; all files are decoded in a child process.
    """
    numbers = manifest.column("frame").tolist()
    runs = [list(rows) for _, rows in groupby(range(len(manifest)), key=lambda row: paths[row])]
    with sandbox() as box:
        answers = box.map(call for rows in runs for call in _calls(rows, paths, files, numbers))
        for rows in runs:
            path = paths[rows[0]]
            frames = next(answers) if path and is_video(path) else None
            for row in rows:
                found: dict[str, Tensor | str] = {"": "the manifest names no file for this item"}
                if frames is not None:
                    found[path] = _frame(frames, path, numbers[row])
                for file in _stills(row, path, files):
                    found[file] = _still(next(answers))
                yield found


def _calls(
    rows: Sequence[int],
    paths: Sequence[str],
    files: Mapping[Modality, Sequence[str]],
    numbers: Sequence[int],
) -> Iterator[Call]:
    """Yield the calls that decode some rows of one file, in the order of `_pictures`."""
    path = paths[rows[0]]
    if path and is_video(path):
        yield call_numbered(path, [numbers[row] for row in rows])
    for row in rows:
        yield from (call_picture(file) for file in _stills(row, path, files))


def _stills(row: int, path: str, files: Mapping[Modality, Sequence[str]]) -> list[str]:
    """The still pictures of a row, each once; the one in which the face is found comes first."""
    named = dict.fromkeys((path, *(column[row] for column in files.values())))
    return [file for file in named if file and not (file == path and is_video(path))]


def _still(answer: Arrays | InputError) -> Tensor | str:
    return str(answer) if isinstance(answer, InputError) else torch.from_numpy(answer[0])


def _frame(frames: Arrays | InputError, path: str, number: int) -> Tensor | str:
    if isinstance(frames, InputError):
        return str(frames)
    there = dict(zip(frames[0].tolist(), frames[1:], strict=False))
    if number not in there:
        return f"{path}: has no frame {number}; correct the column 'frame'"
    return torch.from_numpy(there[number])


def _crop(
    path: str,
    pictures: Mapping[str, Tensor | str],
    files: Mapping[Modality, str],
    specs: Sequence[CropSpec],
    finder: FaceDetector | None,
    limits: Limits | None,
) -> dict[Modality, Tensor]:
    """The crops of the largest face from all files there are, (crops, 3, S, S) each.

    Raises:
        NoCropError: There is none.
        InputError: The pictures differ in size.
    """
    picture = _whole(pictures[path])
    cut = cutter(path, picture, specs, finder, limits)
    crops: dict[Modality, Tensor] = {}
    for name, file in files.items():
        image = _whole(pictures[file])
        if image.shape != picture.shape:
            height, width = image.shape[1:]
            raise InputError(
                f"{file}: {width}×{height} pixels, but {path} has {picture.shape[2]}×"
                f"{picture.shape[1]}; register the cameras' pictures to one size first"
            )
        crops[name] = cut(image if CHANNELS[name] == 3 else _grey(image))
    return crops


def _whole(picture: Tensor | str) -> Tensor:
    if isinstance(picture, str):
        raise NoCropError("unreadable", picture)
    return picture


def cutter(
    path: str,
    picture: Tensor,
    specs: Sequence[CropSpec],
    finder: FaceDetector | None,
    limits: Limits | None,
) -> Callable[[Tensor], Tensor]:
    """Find the face in a picture; return what cuts it out of pictures of the same scene.

    It takes uint8 (3, H, W) and returns uint8 (crops, 3, S, S).

    Args:
        path: Named in reasons.
        picture: uint8 (3, H, W), in which the face is found.
        specs: Settings of each crop.
        finder: Face detector; None if the picture is a face crop already.
        limits: Limits beyond which the crop is refused; None: faces below `SMALLEST_FACE` are.

    Raises:
        NoCropError: There is no face, or its crop lies beyond a limit.
    """
    face = None if finder is None else _largest_face(path, picture, finder)
    _require_quality(path, Cut(picture.numpy(), face, specs[0]), limits or SIZE_ONLY)
    if face is None:
        return lambda image: torch.stack([resize_crop(image, spec.size) for spec in specs])
    return lambda image: torch.stack([crop_face(image, face, spec) for spec in specs])


def usable_face(path: str, picture: Tensor, finder: FaceDetector) -> Face:
    """The largest face of a picture, uint8 (3, H, W).

    Raises:
        NoCropError: There is no face, or it is too small.
    """
    face = _largest_face(path, picture, finder)
    _require_quality(path, Cut(picture.numpy(), face, CropSpec(1)), SIZE_ONLY)
    return face


def _largest_face(path: str, picture: Tensor, finder: FaceDetector) -> Face:
    face = finder.largest(picture)
    if face is None:
        searched = finder.shrinking(picture)
        advice = f"show it upright, lit and not cut off{searched and f' ({searched})'}"
        raise NoCropError("no_face", f"{path}: no face found; {advice}")
    return face


def _require_quality(path: str, cut: Cut, limits: Limits) -> None:
    refusal = check_cut(cut, limits)
    if refusal is not None:
        raise NoCropError(refusal.reason, f"{path}: {refusal.detail}")


def _grey(image: Tensor) -> Tensor:
    """The mean of the three channels, in each of them."""
    return image.float().mean(dim=0, keepdim=True).round().to(torch.uint8).expand(3, -1, -1)


def _stacked(
    crops: Mapping[Modality, Tensor], modalities: Sequence[Modality], count: int, size: int
) -> Tensor:
    """The crops of one row behind each other; zeros where there is none."""
    empty = torch.zeros((count, 3, size, size), dtype=torch.uint8)
    parts = [crops.get(name, empty)[:, : CHANNELS[name]] for name in modalities]
    return torch.cat(parts, dim=1).flatten(0, 1)


def _nothing(manifest: Manifest, missing: Sequence[NonResponse]) -> str:
    if not missing:
        return f"{manifest.source}: the manifest has no rows, so there are no faces"
    counts = Counter(row.reason for row in missing)
    counted = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
    return f"{manifest.source}: no face in any of {len(missing)} ({counted}); {missing[0].detail}"
