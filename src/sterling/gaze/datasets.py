"""Readers of folders of stimuli and gaze in the layouts that public data sets have.

::

    folder = read_gaze_folder("osie")
    folder.fixations, folder.stimuli["1002.jpg"], folder.layout

Nothing is downloaded, and no data set is part of this package. Layouts:

============  ======================================================================================
name          what the folder holds
============  ======================================================================================
osie          ``fixations.json`` (OSIE's, by viewer) and ``stimuli/``
table         ``fixations.csv``, ``.tsv`` or ``.parquet`` (viewer, stimulus, x, y; see `Fixations`)
              and ``stimuli/``
spa-adv       as table, with columns video, age and gender: what is known of SPA-ADV's profiles
points        a folder of stimuli and one of pictures in which every fixated pixel is not black,
              as MIT1003's ``*_fixPts.jpg`` and many copies of SALICON have them; viewers are not
              known
============  ======================================================================================

Names of the folders for "points": ``stimuli``, ``images`` or ``ALLSTIMULI``, and ``fixations``,
``points`` or ``ALLFIXATIONMAPS``; a folder ``maps`` of blurred maps is kept as it is. That MIT1003
mixes blurred maps and points in one folder, told apart by ``_fixMap`` and ``_fixPts``, is
recalled, not read.

**SPA-ADV** (PRE-MAP, arXiv 2507.19213): 486 videos and more than 4,500 participants with age and
gender are published facts. Its file layout, licence and protocol files could not be read. The age
bins are those of a related release of the same group; the table's layout is our choice.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from sterling.errors import InputError, quoted
from sterling.files import is_hidden
from sterling.gaze.fixations import Fixations
from sterling.pictures import read_pixels

STIMULI = ("stimuli", "images", "ALLSTIMULI")
POINTS = ("fixations", "points", "ALLFIXATIONMAPS")
TABLES = ("fixations.csv", "fixations.tsv", "fixations.parquet")
AGES = ("under 20", "21-25", "26-30", "31-35", "36-40", "41-45", "46-50")
"""Age bins of the related release; "all" stands for all viewers."""
GENDERS = ("male", "female")
SPA_ADV = {"videos": 486, "participants": 4500}
"""Published sizes of SPA-ADV; "more than" 4,500 participants."""
_PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
_BLACK = 127  # JPEG leaves noise around the white dots of a picture of points


@dataclass(frozen=True, eq=False)
class GazeFolder:
    """Stimuli and fixations of a folder.

    Attributes:
        path: The folder.
        layout: Name of its layout, from the table above.
        fixations: All of them, on stimuli with a picture.
        stimuli: Picture of each stimulus with fixations.
        maps: Blurred fixation map of each stimulus, where the folder has some.
        notes: Missing or unknown parts, one line each.
    """

    path: Path
    layout: str
    fixations: Fixations
    stimuli: Mapping[str, Path]
    maps: Mapping[str, Path] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_gaze_folder(path: Path | str) -> GazeFolder:
    """Read a folder of stimuli and gaze, whichever of the known layouts it has.

    The screen is the size of the stimuli's pictures, where the fixations do not tell it.

    Args:
        path: The folder.

    Raises:
        InputError: There is no such folder, it has another layout, a fixated stimulus has no
            picture, or a file cannot be read.
        NothingMeasuredError: No fixation lies within its stimulus.

    Examples:
        >>> read_gaze_folder("osie").fixations.viewers
    """
    path = Path(path)
    if not path.is_dir():
        raise InputError(f"{path}: no such folder; give one with stimuli and fixations")
    stimuli = next((path / name for name in STIMULI if (path / name).is_dir()), None)
    table = next((path / name for name in TABLES if (path / name).is_file()), None)
    points = next((path / name for name in POINTS if (path / name).is_dir()), None)
    if stimuli is not None:
        if (path / "fixations.json").is_file():
            return _from_file(path, path / "fixations.json", stimuli, "osie")
        if table is not None:
            return _from_file(path, table, stimuli, "table")
        if points is not None:
            return _from_points(path, points, stimuli)
    raise InputError(
        f"{path}: neither fixations.json, fixations.csv nor a folder of fixation points beside a "
        f"folder of stimuli ({', '.join(STIMULI)}); see sterling.gaze.datasets for the layouts"
    )


def _from_file(path: Path, file: Path, stimuli: Path, layout: str) -> GazeFolder:
    pictures = dict(_pictures(stimuli))
    if not pictures:
        raise InputError(f"{stimuli} holds no picture ({', '.join(_PICTURES)})")
    first = next(iter(pictures.values()))
    seen = _read(file, _size(first))
    unseen = [name for name in seen.stimuli if name not in pictures]
    if unseen:
        raise InputError(
            f"{file}: stimulus {quoted(unseen[0])} has no picture of that name in {stimuli.name}/ "
            f"({len(unseen)} of {len(seen.stimuli)} have none)"
        )
    notes: tuple[str, ...] = ()
    if {"video", "age", "gender"} <= set(seen.profiles):
        layout, notes = "spa-adv", _spa_adv_notes(seen, file)
    return GazeFolder(
        path,
        layout,
        seen,
        {name: pictures[name] for name in seen.stimuli},
        _maps(path, seen.stimuli),
        notes,
    )


def _read(file: Path, screen: tuple[int, int]) -> Fixations:
    """Fixations of a file; the screen is that of the stimuli where the file has no columns."""
    try:
        return Fixations.read(file)
    except InputError as error:
        if "give the screen" not in str(error):
            raise
    return Fixations.read(file, screen=screen)


def _from_points(path: Path, points: Path, stimuli: Path) -> GazeFolder:
    pictures = {Path(name).stem: (name, file) for name, file in _pictures(stimuli)}
    columns: dict[str, list[object]] = {
        name: [] for name in ("viewer", "stimulus", "x", "y", "width", "height")
    }
    used: dict[str, Path] = {}
    for name, file in _pictures(points):
        stem = Path(name).stem
        if stem.lower().endswith("_fixmap"):
            continue
        stem = stem[: -len("_fixPts")] if stem.lower().endswith("_fixpts") else stem
        if stem not in pictures:
            raise InputError(f"{file}: no picture of that name in {stimuli.name}/")
        stimulus, picture = pictures[stem]
        width, height = _size(picture)
        marked = read_pixels(file).max(axis=0)
        if marked.shape != (height, width):
            raise InputError(
                f"{file} has {marked.shape[1]} × {marked.shape[0]} pixels, its stimulus "
                f"{width} × {height}; give both in one size"
            )
        if (marked > _BLACK).mean() > 0.1:
            raise InputError(
                f"{file}: {(marked > _BLACK).mean():.0%} of the pixels are marked; give pictures "
                "of fixation points, not of blurred maps (those belong in maps/)"
            )
        y, x = np.nonzero(marked > _BLACK)
        columns["viewer"] += ["unknown"] * len(x)
        columns["stimulus"] += [stimulus] * len(x)
        columns["x"] += (x + 0.5).tolist()
        columns["y"] += (y + 0.5).tolist()
        columns["width"] += [width] * len(x)
        columns["height"] += [height] * len(x)
        used[stimulus] = picture
    seen = Fixations.from_frame(pl.DataFrame(columns), source=str(points))
    return GazeFolder(
        path,
        "points",
        seen,
        {name: used[name] for name in seen.stimuli},
        _maps(path, seen.stimuli),
        ("viewers are not known: there is no human ceiling, and no profile",),
    )


def _spa_adv_notes(seen: Fixations, file: Path) -> tuple[str, ...]:
    """Refuse other ages and genders, and count against what was published."""
    for name, known in (("age", AGES), ("gender", GENDERS)):
        for value in seen.frame[name].unique().sort().to_list():
            if value not in known:
                raise InputError(
                    f"{file}: {name} {quoted(value)} is none of {', '.join(known)}; rename it, or "
                    "name the column otherwise"
                )
    found = {"videos": seen.frame["video"].n_unique(), "participants": len(seen.viewers)}
    counted = [
        f"{found[name]:,} of {'more than ' * (name == 'participants')}{published:,} published "
        f"{name}"
        for name, published in SPA_ADV.items()
        if found[name] < published
    ]
    return (*counted, "SPA-ADV's own files, licence and protocols were not available to us")


def _maps(path: Path, stimuli: list[str]) -> dict[str, Path]:
    by_stem = {Path(name).stem: name for name in stimuli}
    folder = path / "maps"
    files = _pictures(folder) if folder.is_dir() else iter(())
    return {by_stem[Path(name).stem]: file for name, file in files if Path(name).stem in by_stem}


def _pictures(folder: Path) -> Iterator[tuple[str, Path]]:
    """Name below the folder, and path, of each picture; sorted."""
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder)
        if file.suffix.lower() in _PICTURES and file.is_file() and not is_hidden(name):
            yield name.as_posix(), file


def _size(picture: Path) -> tuple[int, int]:
    """Width and height of a picture in pixels."""
    _, height, width = read_pixels(picture).shape
    return width, height
