"""Planar attacks made from a user's own bona fide photographs, as a folder to train on."""

import errno
import io
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from sterling.errors import InputError, unknown_name
from sterling.face.capture import RECAPTURED, recapture
from sterling.face.data import CropSpec, Manifest, NonResponse, load_faces
from sterling.storage import write_atomically

CROP_SCALE = 1.3  # the crop that instruments show is the one that detectors see


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
    seed: int = 0,
    progress: Callable[[], None] = lambda: None,
) -> AttackFolder:
    """Show every bona fide face on every instrument before a second camera, and write it all down.

    Writes ``live/<subject>/<item>.png``, ``spoof/<species>/<subject>/<item>.png`` and
    ``manifest.csv`` into `out`. The attacks are simulated (see `recapture`): they start a detector
    and test it, and do not replace attacks on the real camera.

    Args:
        photographs: Only bona fide rows are used.
        species: Planar instruments, of `RECAPTURED`.
        out: A new or empty folder.
        size: Side of the written crops in pixels, 32 or more.
        seed: Seed of instruments, light and cameras.
        progress: Called once per bona fide photograph that was read, and once per species.

    Raises:
        InputError: No bona fide photograph, an unknown or repeated species, or a folder that is
            not empty or cannot be written.
        NothingMeasuredError: No face in any photograph.
    """
    live = photographs.select(photographs.bona_fide)
    if len(live) == 0:
        raise InputError(f"{photographs.source}: no bona fide photograph; put some into live/")
    if len(set(species)) != len(species) or not species:
        raise InputError(f"species {', '.join(species)!r}: name each attack instrument once")
    for name in species:
        if name not in RECAPTURED:
            raise unknown_name("species", name, RECAPTURED)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: not an empty folder; choose a new one for the attacks")
    spec = CropSpec(size=size, scale=CROP_SCALE)
    loaded = load_faces(live, spec, progress=lambda _done, _total: progress())
    crops, rows = loaded.faces.images, loaded.faces.manifest
    attacks = {}
    for name in species:
        attacks[name] = recapture(crops, name, seed=seed)
        progress()

    # Written beside its place and moved there whole: a full disk leaves no half folder.
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as folder:
            whole = Path(folder) / "whole"
            _write({"bona_fide": crops, **attacks}, rows, whole)
            if out.exists():
                out.rmdir()  # it is empty
            whole.rename(out)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise InputError(
            f"cannot write {out}: {error.strerror}; choose another place for the attacks"
        ) from error
    return AttackFolder(Manifest.read(out / "manifest.csv"), loaded.non_responses)


def _write(pictures: Mapping[str, Tensor], rows: Manifest, folder: Path) -> None:
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


def _png(image: Tensor) -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image.permute(1, 2, 0).numpy())).save(content, "PNG")
    return content.getvalue()
