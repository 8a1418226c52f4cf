"""A public data set as data: its grammar of names, its protocols, its published counts.

`scan` sees a folder as one data set, `read_dataset` makes a manifest of it. Each set has its own
file beside this one; `sterling.face.data.check` counts what a folder lacks.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from sterling.errors import InputError, unknown_name
from sterling.face.data.folder import listed_frames
from sterling.face.data.images import IMAGE_SUFFIXES
from sterling.face.data.manifest import ATTACK, BONA_FIDE, Manifest
from sterling.face.data.modality import Modality
from sterling.face.data.video import VIDEO_SUFFIXES, spread

__all__ = [
    "Dataset",
    "Found",
    "Grammar",
    "ListFile",
    "Listed",
    "Listing",
    "Presentation",
    "Protocol",
    "Tree",
    "first_file",
    "incomplete",
    "list_folder",
    "misplaced",
    "number_matching",
    "number_of_media",
    "own_split",
    "placed",
    "read_dataset",
    "read_list",
    "read_lists",
    "read_tree",
    "scan",
    "unseen",
]

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


@dataclass(frozen=True)
class Presentation:
    """What the name and the folder of one video say of it.

    Attributes:
        name: Its id within the set; becomes the manifest's ``video``.
        species: The attack instrument, or ``"bona_fide"``.
        subject: Whose presentation it is, as the set counts people.
        split: The published split of this subject: ``"train"``, ``"dev"``, ``"test"``, or ``""``.
        place: The split of the folder it lies in; it differs from `split` where it lies wrongly.
        session, sensor, illumination: As in the manifest.
        traits: The fields of the name as the set's grammar calls them, for the protocols.
    """

    name: str
    species: str
    subject: str
    split: str = ""
    place: str = ""
    session: str = ""
    sensor: str = ""
    illumination: str = ""
    traits: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """``"bona_fide"`` or ``"attack"``."""
        return BONA_FIDE if self.species == BONA_FIDE else ATTACK


@dataclass(frozen=True)
class Grammar:
    """How the paths of a set's presentations are written.

    Attributes:
        folder: Searched in the whole path of a folder; ends in ``$``. Above the folder that the
            user names it may match too, so that a part of a set can be read.
        file: Matches a whole file name. The group ``camera`` of either tells the modality; the
            group ``frame`` tells the number of a picture of a video that was cut up.
    """

    folder: re.Pattern[str]
    file: re.Pattern[str]


@dataclass(frozen=True)
class Protocol:
    """An official protocol.

    Attributes:
        rule: The split of a presentation, or ``""`` where the protocol leaves it out.
        published: Presentations per split, where they are published.
        views: Where splits differ in modality: which ones a split sees. Each is a presentation of
            its own then, whose picture stands in the manifest's ``path`` whatever took it, so that
            a network of one picture sees it; ``sensor`` names the modality.
        note: What of it is unknown, or cannot be said by a split.
    """

    rule: Callable[[Presentation], str]
    published: Mapping[str, int] = field(default_factory=dict)
    views: Mapping[str, tuple[Modality, ...]] = field(default_factory=dict)
    note: str = ""


class Listed(NamedTuple):
    """What one line of a list file says.

    The name of a presentation, its split or ``""``, and where the list tells them its label and the
    number of a picture.
    """

    name: str
    split: str
    label: str = ""
    frame: int | None = None


@dataclass(frozen=True)
class ListFile:
    """A kind of list file that comes with a set.

    Attributes:
        path: Searched in the whole path; ends in ``$``.
        read: The lines of the file, and the groups of `path`, to what they say.
            Raises ValueError where a line is not understood.
        protocol: From the groups of `path`: the protocol that the file belongs to; ``""``: the
            set's own split.
    """

    path: re.Pattern[str]
    read: Callable[[Sequence[str], Mapping[str, str]], list[Listed]]
    protocol: Callable[[Mapping[str, str]], str] = lambda _groups: ""


def _nothing(_found: Iterable[Presentation]) -> Iterable[str]:
    return ()


def own_split(presentation: Presentation) -> str:
    """The rule of a protocol that takes everything in its published split."""
    return presentation.split


def unseen(species: str, published: Mapping[str, int] | None = None) -> Protocol:
    """A protocol that trains and chooses without one species, and tests it and bona fides alone."""

    def rule(presentation: Presentation) -> str:
        testing = presentation.split == "test"
        if presentation.species == BONA_FIDE or (presentation.species == species) == testing:
            return presentation.split
        return ""

    return Protocol(rule, published or {})


@dataclass(frozen=True)
class Dataset:
    """Everything published of a data set that can be told from names.

    Attributes:
        key: Its name in code and on the command line, such as ``"oulu_npu"``.
        title: Its name in print.
        layout: The grammar, for people.
        grammars: The grammar, for this program; one or more kinds of path.
        describe: From the groups of folder and file to a presentation; None where they contradict.
        protocols: By name, such as ``"4.1"``.
        cameras: The modalities that every moment must have.
        counts: Published presentations by (split, label); either is ``""`` where it is not told.
        pictures: Published moments of videos that were cut up, likewise.
        subjects: Published subjects by split, likewise.
        expected: The names that must be there, given what is: all of the set where the grammar
            tells every name, those of the subjects seen where it tells what each subject has.
        lists: List files; they are checked against the names, or tell the splits.
        splits_from_lists: Whether only the lists know the splits.
        companions: Searched in the paths of files that belong to the set but are none of its
            presentations.
        unknown: What could not be established of the set, one clause each.
    """

    key: str
    title: str
    layout: str
    grammars: tuple[Grammar, ...]
    describe: Callable[[Mapping[str, str]], Presentation | None]
    protocols: Mapping[str, Protocol] = field(default_factory=dict)
    cameras: tuple[Modality, ...] = ("rgb",)
    counts: Mapping[tuple[str, str], int] = field(default_factory=dict)
    pictures: Mapping[tuple[str, str], int] = field(default_factory=dict)
    subjects: Mapping[str, int] = field(default_factory=dict)
    expected: Callable[[Iterable[Presentation]], Iterable[str]] = _nothing
    lists: tuple[ListFile, ...] = ()
    splits_from_lists: bool = False
    companions: re.Pattern[str] | None = None
    unknown: tuple[str, ...] = ()

    def protocol(self, name: str) -> Protocol:
        """One of the protocols.

        Raises:
            InputError: There is none of that name.
        """
        if name not in self.protocols:
            if not self.protocols:
                raise InputError(f"{self.title} has no protocol that names can tell; leave it out")
            raise unknown_name(f"protocol of {self.title}", name, self.protocols)
        return self.protocols[name]


@dataclass(frozen=True, eq=False)
class Found:
    """A presentation and its files: path by number of the frame, by modality."""

    presentation: Presentation
    files: dict[Modality, dict[int, str]]


@dataclass(frozen=True)
class Tree:
    """What lies in a folder, seen as one data set.

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
    """How many files are pictures, videos or recordings, by their suffix."""
    return sum(_is_media(name) for _, names in listing for name in names)


def _is_media(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in _MEDIA_SUFFIXES  # noqa: PTH122 - 5 × as fast


def number_matching(dataset: Dataset, listing: Listing) -> int:
    """How many files are named as this data set names its presentations."""
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
    """What a list file says.

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


def read_dataset(
    dataset: Dataset,
    folder: str | os.PathLike[str],
    protocol: str | None = None,
    *,
    frames: int | None = None,
) -> Manifest:
    """Read a folder as one data set.

    Args:
        dataset: Which.
        folder: It, or a part of it. What is missing is not noticed here but by `check_dataset`.
        protocol: Which official protocol; presentations that it leaves out are left out. None: all
            there are, in the published splits of their subjects.
        frames: How many frames of each video, evenly spread, fewer where it has fewer. None: one
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
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return Manifest.from_columns(columns, tree.folder)


def read_lists(
    dataset: Dataset,
    folder: str | os.PathLike[str],
    lists: Mapping[str, str | os.PathLike[str]],
) -> Manifest:
    """Read a folder with the splits that named list files say, as some protocols alone tell them.

    Args:
        dataset: Which; its own kind of list file says how lines are read.
        folder: It.
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
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return Manifest.from_columns(columns, tree.folder)


def placed(tree: Tree, protocol: Protocol) -> Iterator[tuple[str, Found]]:
    """What a protocol uses of a tree, each with its split."""
    for found in tree.found.values():
        split = protocol.rule(found.presentation)
        if split and not protocol.views:
            yield split, found
        for modality in protocol.views.get(split, ()):
            known = found.presentation
            view = replace(known, name=f"{known.name}:{modality}", sensor=modality)
            yield split, Found(view, {"rgb": found.files.get(modality, {})})


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


def misplaced(presentation: Presentation) -> bool:
    """Whether it lies in the folder of another split than its subject's."""
    return bool(
        presentation.place and presentation.split and presentation.place != presentation.split
    )


def first_file(found: Found) -> str:
    """The path of the first file of a presentation."""
    return next(path for files in found.files.values() for path in files.values())


def incomplete(found: Found, cameras: Sequence[Modality]) -> Iterator[str]:
    """What a presentation lacks: a camera, or pictures of one that others have."""
    numbers = set().union(*found.files.values())
    for camera in dict.fromkeys((*cameras, *found.files)):
        files = found.files.get(camera, {})
        if not files:
            yield f"{first_file(found)}: its video has no {camera} pictures"
            continue
        for number in sorted(numbers - files.keys()):
            yield f"{next(iter(files.values()))}: its video has no {camera} picture {number}"


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
