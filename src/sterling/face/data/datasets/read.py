"""Manifests of public data sets, by an official protocol or by list files."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from sterling.errors import InputError
from sterling.face.data.datasets.scan import (
    Found,
    Tree,
    first_file,
    incomplete,
    list_folder,
    misplaced,
    placed,
    read_list,
    scan,
)
from sterling.face.data.datasets.spec import Dataset
from sterling.face.data.folder import listed_frames
from sterling.face.data.manifest import Manifest
from sterling.face.data.video import VIDEO_SUFFIXES, spread


def read_dataset(
    dataset: Dataset,
    folder: str | os.PathLike[str],
    protocol: str | None = None,
    *,
    frames: int | None = None,
) -> Manifest:
    """Read a folder as one data set.

    Args:
        dataset: Data set that the folder holds.
        folder: Folder of the set, or of a part of it. `check_dataset` finds missing files.
        protocol: Name of an official protocol; presentations outside it are left out. None: all
            presentations, in the published splits of their subjects.
        frames: Number of frames of each video, evenly spread, fewer where it has fewer. None: one
            row per file: every picture, and frame 0 of a video that is not opened.

    Raises:
        InputError: The folder is missing or holds nothing of the set; the protocol is unknown; a
            file is there twice, is not named as the set names them, lies in the folder of another
            split than its subject's, or lacks a camera; `frames` is below 1. The message names the
            first.
    """
    return read_tree(scan(dataset, list_folder(folder)), protocol, frames=frames)


def read_tree(tree: Tree, protocol: str | None = None, *, frames: int | None = None) -> Manifest:
    """As `read_dataset`, of a folder that is scanned already.

    Raises:
        InputError: As `read_dataset`.
    """
    if frames is not None and frames < 1:
        raise InputError(f"frames is {frames}: at least 1 frame of each video is read, or None")
    dataset = tree.dataset
    chosen = dataset.protocol(protocol) if protocol is not None else None
    _require_sound(tree)
    parts = (
        placed(tree, chosen)
        if chosen is not None
        else ((found.presentation.split, found) for found in tree.found.values())
    )
    rows = [row for split, found in parts for row in _rows(found, split, frames)]
    if not rows:
        raise InputError(
            f"{tree.folder}: protocol {protocol} of {dataset.title} has nothing of what is there; "
            "the splits or their list files are missing"
        )
    return Manifest.from_rows(rows, tree.folder)


def read_lists(
    dataset: Dataset,
    folder: str | os.PathLike[str],
    lists: Mapping[str, str | os.PathLike[str]],
) -> Manifest:
    """Read a folder with the splits that named list files say, as some protocols alone tell them.

    Args:
        dataset: Data set; its kind of list file says how lines are read.
        folder: Folder of the set.
        lists: List file by split.

    Returns:
        One row per picture that a list names, or per file of a presentation where it names no
        pictures.

    Raises:
        InputError: The set has no list files, a list names what is not there or what another list
            has, gives another label than the name, or puts one person into two splits.
    """
    tree = scan(dataset, list_folder(folder))
    _require_sound(tree)
    if not dataset.lists:
        raise InputError(f"{dataset.title}: comes without list files; read it by a protocol")
    taken: dict[tuple[str, int | None], str] = {}
    rows = []
    for split, file in lists.items():
        for entry in read_list(os.fspath(file), dataset.lists[0], {"split": split}):
            where = f"{file}: {entry.name}" + ("" if entry.frame is None else f" #{entry.frame}")
            found = tree.found.get(entry.name)
            if found is None:
                raise InputError(f"{where} is not in {tree.folder}; complete the copy")
            if entry.label not in ("", found.presentation.label):
                raise InputError(f"{where} is listed as {entry.label}, and its name says otherwise")
            if (entry.name, entry.frame) in taken:
                other = taken[entry.name, entry.frame]
                raise InputError(f"{where} is listed twice, the first time as {other}")
            taken[entry.name, entry.frame] = split
            named = [
                row
                for row in _rows(found, split, None)
                if entry.frame is None or row["frame"] == entry.frame
            ]
            if not named:
                raise InputError(f"{where} is not in {tree.folder}; complete the copy")
            rows += named
    if not rows:
        raise InputError(f"{', '.join(map(str, lists.values()))}: name nothing")
    return Manifest.from_rows(rows, tree.folder)


def _require_sound(tree: Tree) -> None:
    """Raise on what would make a manifest wrong; the first of each kind in turn."""
    remedy = "see sterling face data check"
    if not tree.found:
        raise InputError(
            f"{tree.folder}: holds nothing of {tree.dataset.title}; the layout is "
            f"{tree.dataset.layout}"
        )
    if tree.misnamed:
        raise InputError(
            f"{tree.misnamed[0]}: not a name of {tree.dataset.title}; the layout is "
            f"{tree.dataset.layout} ({len(tree.misnamed)} such; {remedy})"
        )
    if tree.doubled:
        path, first = tree.doubled[0]
        raise InputError(
            f"{path}: the same presentation as {first}; remove one of them "
            f"({len(tree.doubled)} such; {remedy})"
        )
    for found in tree.found.values():
        if misplaced(found.presentation):
            known = found.presentation
            raise InputError(
                f"{first_file(found)}: lies in split {known.place!r}, but its subject "
                f"{known.subject} is of {known.split!r}; move it ({remedy})"
            )
        for lacking in incomplete(found, tree.dataset.cameras):
            raise InputError(f"{lacking}; copy the video again ({remedy})")


def _rows(found: Found, split: str, frames: int | None) -> Iterator[dict[str, str | int]]:
    known = found.presentation
    shared: dict[str, str | int] = {
        "label": known.label,
        "species": known.species,
        "subject": known.subject,
        "session": known.session,
        "sensor": known.sensor,
        "illumination": known.illumination,
        "video": known.name,
        "split": split,
    }
    colour, depth, infrared = (found.files.get(name, {}) for name in ("rgb", "depth", "ir"))
    video = next(iter(colour.values()), "")
    if os.path.splitext(video)[1].lower() in VIDEO_SUFFIXES:  # noqa: PTH122
        for number in (0,) if frames is None else listed_frames(Path(video), frames):
            yield {
                "item": known.name if frames is None else f"{known.name}#{number}",
                "path": video,
                "depth_path": "",
                "ir_path": "",
                "frame": number,
                **shared,
            }
        return
    numbers = sorted({*colour, *depth, *infrared})
    chosen = spread(len(numbers), min(frames or len(numbers), len(numbers)))
    for number in (numbers[place] for place in chosen):
        yield {
            "item": f"{known.name}#{number}",
            "path": colour.get(number, ""),
            "depth_path": depth.get(number, ""),
            "ir_path": infrared.get(number, ""),
            "frame": number,
            **shared,
        }
