"""A folder seen as one public data set: which file is which presentation, and what is amiss."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sterling.errors import InputError
from sterling.face.data.datasets.spec import (
    Dataset,
    Grammar,
    Listed,
    ListFile,
    Presentation,
    Protocol,
)
from sterling.face.data.images import IMAGE_SUFFIXES
from sterling.face.data.modality import Modality
from sterling.face.data.video import VIDEO_SUFFIXES

_MEDIA_SUFFIXES = IMAGE_SUFFIXES | VIDEO_SUFFIXES | {".hdf5"}

_CAMERAS: dict[str, Modality] = {
    "": "rgb",
    "color": "rgb",
    "profile": "rgb",
    "depth": "depth",
    "ir": "ir",
}

Listing = Sequence[tuple[str, Sequence[str]]]
"""Every folder below one, and the names of the files in it; both sorted, hidden ones left out."""


@dataclass(frozen=True, eq=False)
class Found:
    """A presentation and its files: path by number of the frame, by modality."""

    presentation: Presentation
    files: dict[Modality, dict[int, str]]


@dataclass(frozen=True)
class Tree:
    """Content of a folder, seen as one data set.

    Attributes:
        dataset: The set.
        folder: The folder.
        found: Presentations by name.
        doubled: Files that say the same as an earlier one, with that one.
        misnamed: Pictures and videos in folders of the set whose names are not of the set.
        elsewhere: Pictures and videos in other folders.
        companions: Number of files that belong to the set beside the presentations.
        lists: Paths of list files, with the kind and the groups of the path.
    """

    dataset: Dataset
    folder: str
    found: Mapping[str, Found]
    doubled: tuple[tuple[str, str], ...]
    misnamed: tuple[str, ...]
    elsewhere: tuple[str, ...]
    companions: int
    lists: tuple[tuple[str, ListFile, Mapping[str, str]], ...]

    @property
    def presentations(self) -> list[Presentation]:
        """The presentations, in the order of the paths."""
        return [found.presentation for found in self.found.values()]


def list_folder(folder: str | os.PathLike[str]) -> Listing:
    """Every folder below this one, and itself, with its files. Links are followed, once.

    Raises:
        InputError: There is no such folder, or one below cannot be read.
    """
    top = os.path.abspath(folder)  # noqa: PTH100 - resolve() would follow links
    if not Path(top).is_dir():
        raise InputError(f"{top}: no such folder; give the one that holds the data set")

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror}); check it")

    listing = []
    seen = set()
    for place, folders, files in os.walk(top, onerror=refuse, followlinks=True):
        status = os.stat(place)  # noqa: PTH116
        folders[:] = sorted(name for name in folders if not _hidden(name))
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        listing.append(
            (place.replace(os.sep, "/"), sorted(name for name in files if not _hidden(name)))
        )
    return listing


def _hidden(name: str) -> bool:
    return name.startswith((".", "__MACOSX"))


def number_of_media(listing: Listing) -> int:
    """Count pictures, videos and recordings, by their suffix."""
    return sum(_is_media(name) for _, names in listing for name in names)


def _is_media(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in _MEDIA_SUFFIXES  # noqa: PTH122 - 5 × as fast


def number_matching(dataset: Dataset, listing: Listing) -> int:
    """Count the files that are named as this data set names its presentations."""
    return sum(
        any(grammar.file.fullmatch(name) for grammar, _ in grammars)
        for place, names in listing
        if (grammars := _grammars(dataset, place))
        for name in names
    )


def scan(dataset: Dataset, listing: Listing) -> Tree:
    """See a listed folder as one data set.

    Where only list files know the splits, they are read.

    Raises:
        InputError: Such a list file cannot be read.
    """
    found: dict[str, Found] = {}
    doubled: list[tuple[str, str]] = []
    misnamed: list[str] = []
    elsewhere: list[str] = []
    lists: list[tuple[str, ListFile, Mapping[str, str]]] = []
    companions = 0
    for place, names in listing:
        grammars = _grammars(dataset, place)
        described: dict[tuple[str, ...], Presentation | None] = {}
        for name in names:
            path = f"{place}/{name}"
            groups = _groups(grammars, name)
            if groups is not None:
                camera, frame = groups.pop("camera", ""), groups.pop("frame", "0")
                key = tuple(groups.values())
                if key not in described:
                    described[key] = dataset.describe(groups)
                presentation = described[key]
                if presentation is None:
                    misnamed.append(path)
                    continue
                known = found.setdefault(presentation.name, Found(presentation, {}))
                modality, number = _CAMERAS[camera], int(frame)
                if number in known.files.get(modality, ()):
                    doubled.append((path, known.files[modality][number]))
                elif known.presentation != presentation:
                    misnamed.append(path)  # one video, but its pictures say different things
                else:
                    known.files.setdefault(modality, {})[number] = path
            elif (listed := _list_file(dataset, path)) is not None:
                lists.append((path, *listed))
            elif dataset.companions is not None and dataset.companions.search(path):
                companions += 1
            elif _is_media(name):
                (misnamed if grammars else elsewhere).append(path)
    tree = Tree(
        dataset,
        listing[0][0],
        found,
        tuple(doubled),
        tuple(misnamed),
        tuple(elsewhere),
        companions,
        tuple(lists),
    )
    return _with_listed_splits(tree) if dataset.splits_from_lists else tree


def _grammars(dataset: Dataset, place: str) -> list[tuple[Grammar, dict[str, str]]]:
    """The grammars whose folder this is, with what it says."""
    matches = ((grammar, grammar.folder.search(place)) for grammar in dataset.grammars)
    return [(grammar, match.groupdict("")) for grammar, match in matches if match]


def _groups(grammars: Iterable[tuple[Grammar, dict[str, str]]], name: str) -> dict[str, str] | None:
    for grammar, outer in grammars:
        match = grammar.file.fullmatch(name)
        if match:
            return {**outer, **match.groupdict("")}
    return None


def _list_file(dataset: Dataset, path: str) -> tuple[ListFile, Mapping[str, str]] | None:
    for kind in dataset.lists:
        match = kind.path.search(path)
        if match:
            return kind, match.groupdict("")
    return None


def read_list(path: str, kind: ListFile, groups: Mapping[str, str]) -> list[Listed]:
    """Read the entries of a list file.

    Raises:
        InputError: It cannot be read, or a line is not understood.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").split("\n")
        return kind.read([line.strip() for line in lines if line.strip()], groups)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: not a list of this data set ({error}); copy it again") from error


def _with_listed_splits(tree: Tree) -> Tree:
    splits = {
        entry.name: entry.split
        for path, kind, groups in tree.lists
        if kind.protocol(groups) == ""
        for entry in read_list(path, kind, groups)
    }
    found = {
        name: replace(one, presentation=replace(one.presentation, split=splits.get(name, "")))
        for name, one in tree.found.items()
    }
    return replace(tree, found=found)


def placed(tree: Tree, protocol: Protocol) -> Iterator[tuple[str, Found]]:
    """Yield the presentations that a protocol uses, each with its split."""
    for found in tree.found.values():
        split = protocol.rule(found.presentation)
        if split and not protocol.views:
            yield split, found
        for modality in protocol.views.get(split, ()):
            known = found.presentation
            view = replace(known, name=f"{known.name}:{modality}", sensor=modality)
            yield split, Found(view, {"rgb": found.files.get(modality, {})})


def misplaced(presentation: Presentation) -> bool:
    """Whether a presentation lies in the folder of another split than its subject's."""
    return bool(
        presentation.place and presentation.split and presentation.place != presentation.split
    )


def first_file(found: Found) -> str:
    """The path of the first file of a presentation."""
    return next(path for files in found.files.values() for path in files.values())


def incomplete(found: Found, cameras: Sequence[Modality]) -> Iterator[str]:
    """Yield what a presentation lacks: a camera, or pictures of one that others have."""
    numbers = set().union(*found.files.values())
    for camera in dict.fromkeys((*cameras, *found.files)):
        files = found.files.get(camera, {})
        if not files:
            yield f"{first_file(found)}: its video has no {camera} pictures"
            continue
        for number in sorted(numbers - files.keys()):
            yield f"{next(iter(files.values()))}: its video has no {camera} picture {number}"
