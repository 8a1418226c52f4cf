"""Flat attacks made from a user's own bona fide photographs, as a folder to train on."""

import errno
import io
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sterling.errors import InputError, unknown_name
from sterling.face.capture.plan import stream
from sterling.face.capture.recaptured import KINDS, Material, Portrait, capture, portrait_of
from sterling.face.capture.simulate import spread
from sterling.face.data import Face, Manifest, NonResponse, visit_faces
from sterling.storage import write_atomically


@dataclass(frozen=True)
class AttackFolder:
    """Attack presentations that were made.

    Attributes:
        manifest: Rows of the crops that were written, bona fide and attacks, with their paths.
        non_responses: Photographs without a usable face.
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
    ``manifest.csv`` into `out`. Instruments are held before other photographs, with hands. Bona
    fides pass the same camera as attacks, so that sharpness, noise and tone tell nothing. The
    attacks are simulated (see `sterling.face.capture.recaptured`): they start a detector and test
    it, and do not replace attacks on the real camera.

    Args:
        photographs: Only bona fide rows are used.
        species: Instruments, of `KINDS`.
        out: A new or empty folder.
        size: Side of the written crops in pixels, 32 or more.
        crop_scale: Side of the crops over that of the face, 1.1 or more; it is smaller where a
            photograph shows less.
        seed: Seed of instruments, scenes and camera.
        progress: Called once per bona fide photograph that was read, and once per species.

    Raises:
        InputError: No bona fide photograph, an unknown or repeated species, a size or crop scale
            out of range, or a folder that is not empty or cannot be written.
        NothingMeasuredError: No face in any photograph.

    Examples:
        >>> made = make_attacks(read_source("photos"), ["print", "phone"], Path("attacks"))
    """
    live = photographs.select(photographs.bona_fide)
    if len(live) == 0:
        raise InputError(f"{photographs.source}: no bona fide photograph; put some into live/")
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
    people: list[Portrait] = []

    def keep(picture: NDArray[np.uint8], face: Face) -> None:
        people.append(portrait_of(picture.transpose(1, 2, 0), face.box))

    rows, missing = visit_faces(live, keep, progress=lambda _done, _total: progress())
    material = Material(tuple(people))
    scales = (max(1.1, 0.85 * crop_scale), crop_scale)

    def captured(name: str) -> list[NDArray[np.uint8]]:
        def one(index: int) -> NDArray[np.uint8]:
            rng = stream(seed, "attack", name, index)
            return capture(material, people[index], name, size, rng, scales)

        return spread(one, range(len(people)))

    crops = {"bona_fide": captured("bona_fide")}
    for name in species:
        crops[name] = captured(name)
        progress()

    # Written beside its place and moved there whole: a full disk leaves no half folder.
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as folder:
            whole = Path(folder) / "whole"
            _write(crops, rows, whole)
            if out.exists():
                out.rmdir()  # it is empty
            whole.rename(out)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise InputError(
            f"cannot write {out}: {error.strerror}; choose another place for the attacks"
        ) from error
    return AttackFolder(Manifest.read(out / "manifest.csv"), missing)


def _write(
    pictures: Mapping[str, Sequence[NDArray[np.uint8]]], rows: Manifest, folder: Path
) -> None:
    """All crops by species, and the manifest."""
    columns: dict[str, list[str]] = {"item": [], "path": [], "label": [], "species": []}
    columns |= {"subject": []}
    for name, images in pictures.items():
        kind = "live" if name == "bona_fide" else f"spoof/{name}"
        items = zip(rows.column("item").tolist(), rows.column("subject").tolist(), strict=True)
        for image, (item, subject) in zip(images, items, strict=True):
            path = folder / kind / (subject or "unknown") / f"{item}.png"
            write_atomically(path, _png(image))
            columns["item"].append(item if kind == "live" else f"{item}-{name}")
            columns["path"].append(str(path.absolute()))
            columns["label"].append("bona_fide" if kind == "live" else "attack")
            columns["species"].append(name)
            columns["subject"].append(subject)
    manifest = Manifest.from_columns(columns, str(folder / "manifest.csv"))
    manifest.write(folder / "manifest.csv")


def _png(image: NDArray[np.uint8]) -> bytes:
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG")
    return content.getvalue()
