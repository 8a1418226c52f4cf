"""Flat attacks made from a user's own bona fide photographs and clips, as a folder to train on."""

import errno
import io
import itertools
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sterling.errors import InputError, NothingMeasuredError, unknown_name
from sterling.face.capture.plan import stream
from sterling.face.capture.recaptured import (
    KINDS,
    Material,
    Portrait,
    capture_clip,
    portrait_of,
)
from sterling.face.capture.simulate import spread
from sterling.face.data import Face, Manifest, NonResponse, visit_clips, visit_faces
from sterling.face.evaluation.evaluate import count_reasons
from sterling.storage import write_atomically

CLIP_FRAMES = 13
"""Successive frames of a clip: a network of five frames takes every third. Our choice."""


@dataclass(frozen=True)
class AttackFolder:
    """Attack presentations that were made.

    Attributes:
        manifest: Rows of the crops that were written, bona fide and attacks, with their paths.
        non_responses: Photographs and clips without a usable face.
    """

    manifest: Manifest
    non_responses: tuple[NonResponse, ...]


def make_attacks(
    photographs: Manifest,
    species: Sequence[str],
    out: Path,
    *,
    size: int = 256,
    crop_scale: float = 2.7,
    seed: int = 0,
    progress: Callable[[], None] = lambda: None,
) -> AttackFolder:
    """Capture everybody bona fide and on every instrument, by one camera, and write it all down.

    Writes ``live/<subject>/<item>.png``, ``spoof/<species>/<subject>/<item>.png`` and
    ``manifest.csv`` into `out`; of a video, ``<video>/<frame>.png`` instead of ``<item>.png``.
    Rows with a video are clips: `CLIP_FRAMES` successive frames from the video's middle, or all of
    a shorter one. Screens replay them, prints show the middle frame (see `capture_clip`). All
    frames are cut by one window around the face of the middle frame.

    Instruments are held before other photographs, with hands. Bona fides pass the same camera as
    attacks, so that sharpness, noise and tone tell nothing. The attacks are simulated (see
    `sterling.face.capture.recaptured`): they start a detector and test it, and do not replace
    attacks on the real camera.

    Args:
        photographs: Only bona fide rows are used.
        species: Instruments, of `KINDS`.
        out: A new or empty folder.
        size: Side of the written crops in pixels, 32 or more.
        crop_scale: Side of the crops over that of the face, 1.1 or more; it is smaller where a
            photograph shows less.
        seed: Seed of instruments, scenes and camera.
        progress: Called once per bona fide photograph, twice per clip, and once per species.

    Raises:
        InputError: No bona fide photograph, an unknown or repeated species, a size or crop scale
            out of range, or a folder that is not empty or cannot be written.
        NothingMeasuredError: No face in any photograph or clip.

    Examples:
        >>> made = make_attacks(read_source("photos"), ["print", "phone"], Path("attacks"))
    """
    live = photographs.select(photographs.bona_fide)
    if len(live) == 0:
        raise InputError(f"{photographs.source}: no bona fide photograph; put some into live/")
    _check(species, size, crop_scale, out)
    photos, clips = live.where(video=""), live.select(live.column("video") != "")
    people: list[Portrait] = []

    def keep(picture: NDArray[np.uint8], face: Face) -> None:
        people.append(portrait_of(picture.transpose(1, 2, 0), face.box))

    rows, missing = visit_faces(photos, keep, progress=lambda _done, _total: progress())
    # People are backgrounds of each other, so that all are read before the first capture. Of clips
    # one frame is kept, as all are too many to hold; they are read again when they are captured.
    lacking = visit_clips(
        clips,
        CLIP_FRAMES,
        lambda _row, frames, face: keep(frames[len(frames) // 2], face),
        progress=progress,
    )
    if not people:
        none = (*missing, *lacking)
        raise NothingMeasuredError(
            f"{live.source}: no face in any of {len(none)} ({count_reasons(none)}); "
            f"{none[0].detail}"
        )
    studio = _Studio(
        Material(tuple(people)),
        ("bona_fide", *species),
        size,
        (max(1.1, 0.85 * crop_scale), crop_scale),
        seed,
    )
    # Written beside its place and moved there whole: a full disk leaves no half folder.
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as folder:
            whole = Path(folder) / "whole"
            written = _write_photographs(studio, rows, whole, progress)
            filmed, lacking = _write_clips(studio, clips, len(rows), whole, progress)
            manifest = Manifest.from_rows(written + filmed, str(whole / "manifest.csv"))
            manifest.write(whole / "manifest.csv")
            if out.exists():
                out.rmdir()  # it is empty
            whole.rename(out)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise InputError(
            f"cannot write {out}: {error.strerror}; choose another place for the attacks"
        ) from error
    return AttackFolder(Manifest.read(out / "manifest.csv"), (*missing, *lacking))


def _check(species: Sequence[str], size: int, crop_scale: float, out: Path) -> None:
    if len(set(species)) != len(species) or not species:
        raise InputError(f"species {', '.join(species)!r}: name each attack instrument once")
    for name in species:
        if name not in KINDS:
            raise unknown_name("species", name, tuple(KINDS))
    if size < 32:
        raise InputError(f"size: {size} pixels a side; use at least 32")
    if not 1.1 <= crop_scale < inf:
        raise InputError(f"crop scale is {crop_scale:g}: give 1.1 or more times the face")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: not an empty folder; choose a new one for the attacks")


@dataclass(frozen=True, eq=False)
class _Studio:
    """Settings with which everybody is captured, on every one of `species` and bona fide."""

    material: Material
    species: tuple[str, ...]
    size: int
    scales: tuple[float, float]
    seed: int

    def capture(self, name: str, index: int, frames: Sequence[Portrait]) -> list[NDArray[np.uint8]]:
        """The captures of the presentation with this number, one per frame."""
        rng = stream(self.seed, "attack", name, index)
        return capture_clip(self.material, frames, name, self.size, rng, self.scales)


Rows = list[dict[str, str | int]]


def _write_photographs(
    studio: _Studio, rows: Manifest, folder: Path, progress: Callable[[], None]
) -> Rows:
    """Capture the first people of the material, and return the rows of what was written."""
    people = studio.material.people[: len(rows)]
    items, subjects = rows.column("item").tolist(), rows.column("subject").tolist()
    written: Rows = []
    for number, name in enumerate(studio.species):

        def one(index: int, name: str = name) -> NDArray[np.uint8]:
            return studio.capture(name, index, [people[index]])[0]

        images = spread(one, range(len(people)))
        for image, item, subject in zip(images, items, subjects, strict=True):
            path = _place(folder, name, subject) / f"{item}.png"
            written.append(_stored(image, path, name, _id(item, name), subject))
        if number:
            progress()
    return written


def _write_clips(
    studio: _Studio, clips: Manifest, first: int, folder: Path, progress: Callable[[], None]
) -> tuple[Rows, tuple[NonResponse, ...]]:
    """Capture clips, numbered from `first`; return the rows that were written, and lack a face."""
    videos, subjects = clips.column("video").tolist(), clips.column("subject").tolist()
    written: Rows = []
    numbers = itertools.count(first)

    def film(row: int, frames: Sequence[NDArray[np.uint8]], face: Face) -> None:
        shown = [portrait_of(frame.transpose(1, 2, 0), face.box) for frame in frames]
        index = next(numbers)
        filmed = spread(lambda name: studio.capture(name, index, shown), studio.species)
        for name, images in zip(studio.species, filmed, strict=True):
            video, place = _id(videos[row], name), _place(folder, name, subjects[row])
            for number, image in enumerate(images):
                path = place / videos[row] / f"{number:03}.png"
                stored = _stored(image, path, name, f"{video}#{number}", subjects[row])
                written.append(stored | {"video": video, "frame": number})

    missing = visit_clips(clips, CLIP_FRAMES, film, progress=progress)
    return written, missing


def _id(of: str, name: str) -> str:
    return of if name == "bona_fide" else f"{of}-{name}"


def _place(folder: Path, name: str, subject: str) -> Path:
    kind = "live" if name == "bona_fide" else f"spoof/{name}"
    return folder / kind / (subject or "unknown")


def _stored(
    image: NDArray[np.uint8], path: Path, name: str, item: str, subject: str
) -> dict[str, str | int]:
    """Write a capture, and return its row."""
    write_atomically(path, _png(image))
    return {
        "item": item,
        "path": str(path.absolute()),
        "label": "bona_fide" if name == "bona_fide" else "attack",
        "species": name,
        "subject": subject,
        "video": "",
        "frame": 0,
    }


def _png(image: NDArray[np.uint8]) -> bytes:
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG")
    return content.getvalue()
