"""A public data set as data: the grammar of its names, its protocols, its published counts.

Each set has a file of its own in this folder, whose first lines say which folder to give and what
the columns of the manifest mean. `scan` reads a folder as one set, `read` makes a manifest of it,
and `check` counts what the folder lacks.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sterling.errors import InputError, unknown_name
from sterling.face.data.manifest import ATTACK, BONA_FIDE, Manifest
from sterling.face.data.modality import Modality


@dataclass(frozen=True)
class Presentation:
    """One video, as its name and folder describe it.

    Attributes:
        name: Id within the set; becomes the manifest's ``video``.
        species: Attack instrument species, or ``"bona_fide"``.
        subject: Subject, as the set counts people.
        split: Published split of this subject: ``"train"``, ``"dev"``, ``"test"``, or ``""``.
        place: Split of the folder that holds it; it differs from `split` where it is misplaced.
        session, sensor, illumination: As in the manifest.
        traits: Fields of the name as the set's grammar calls them, for the protocols.
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
    """The paths of a set's presentations.

    Attributes:
        folder: Searched in the whole path of a folder; ends in ``$``. Above the folder that the
            user names it may match too, so that a part of a set can be read.
        file: Matches a whole file name. The group ``camera`` of either gives the modality; the
            group ``frame`` gives the number of a picture of a video that was cut up.
    """

    folder: re.Pattern[str]
    file: re.Pattern[str]

    @classmethod
    def of(cls, folder: str, file: str) -> "Grammar":
        """A grammar from the last parts of a folder's path and from a file name."""
        return cls(re.compile(rf"(?:^|/){folder}$"), re.compile(file))


Describe = Callable[[Mapping[str, str]], Presentation | None]
"""Function of the groups of folder and file that gives a presentation; None if they contradict."""


@dataclass(frozen=True)
class Protocol:
    """An official protocol.

    Attributes:
        rule: The split of a presentation, or ``""`` where the protocol leaves it out.
        published: Presentations per split, where they are published.
        views: Modalities that each split sees, where splits differ in modality. Each is a
            presentation of its own then, whose picture is in the manifest's ``path`` whatever the
            camera, so that a network of one picture sees it; ``sensor`` names the modality.
        note: Facts that are unknown, or that a split cannot express.
    """

    rule: Callable[[Presentation], str]
    published: Mapping[str, int] = field(default_factory=dict)
    views: Mapping[str, tuple[Modality, ...]] = field(default_factory=dict)
    note: str = ""


class Listed(NamedTuple):
    """One line of a list file.

    The name of a presentation, its split or ``""``, and where the list gives them its label and the
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
        read: Function of the lines and the groups of `path` that gives entries. Raises ValueError
            where a line is not understood.
        protocol: Function of the groups of `path` that gives the file's protocol; ``""``: the
            set's own split.
    """

    path: re.Pattern[str]
    read: Callable[[Sequence[str], Mapping[str, str]], list[Listed]]
    protocol: Callable[[Mapping[str, str]], str] = lambda _groups: ""


def listed_picture(
    grammars: Iterable[Grammar],
    describe: Describe,
    path: str,
    *,
    split: str | None = None,
    label: str = "",
) -> Listed:
    """The entry of a picture whose path a list file gives.

    Args:
        grammars: Grammars of the set.
        describe: Function of the set that turns a path's groups into a presentation.
        path: The path.
        split: The split that the list gives; None for the presentation's own.
        label: The label that the list gives.

    Raises:
        ValueError: The path is not of the set.
    """
    folder, _, file = path.rpartition("/")
    for grammar in grammars:
        outer, inner = grammar.folder.search(folder), grammar.file.fullmatch(file)
        if outer and inner:
            groups = {**outer.groupdict(""), **inner.groupdict("")}
            known = describe(groups)
            if known is not None:
                return Listed(
                    known.name, known.split if split is None else split, label, int(groups["frame"])
                )
    raise ValueError(f"{path} is not a path of the set")


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


def cross_modal(
    camera: Modality,
    cameras: Sequence[Modality],
    published: Mapping[str, int] | None = None,
    note: str = "",
) -> Protocol:
    """A protocol that trains on the pictures of one camera and tests on those of the others."""
    others = tuple(other for other in cameras if other != camera)
    views = {"train": (camera,), "dev": (camera,), "test": others}
    return Protocol(own_split, published or {}, views, note)


def videos_of_each(
    subjects: Mapping[str, int], bona_fide: int, attack: int
) -> dict[tuple[str, str], int]:
    """Presentations by split and label, where every subject has as many of each."""
    return {
        (split, label): number * videos
        for split, number in subjects.items()
        for label, videos in ((BONA_FIDE, bona_fide), (ATTACK, attack))
    }


def _nothing(_found: Iterable[Presentation]) -> Iterable[str]:
    return ()


@dataclass(frozen=True)
class Dataset:
    """Everything published of a data set that its names tell.

    Attributes:
        key: Name in code and on the command line, such as ``"oulu_npu"``.
        title: Name in print.
        layout: The grammar, for people.
        grammars: The grammar, for this program; one or more kinds of path.
        describe: Function of the groups of folder and file that gives a presentation.
        protocols: Protocols by name, such as ``"4.1"``.
        cameras: Modalities that every moment must have.
        counts: Published presentations by (split, label); either is ``""`` where it is not given.
        pictures: Published moments of videos that were cut up, likewise.
        subjects: Published subjects by split, likewise.
        expected: Names that must be present, given the presentations found: all of the set where
            the grammar gives every name, those of the subjects found where it gives the videos of
            each subject.
        lists: List files; they are compared with the names, or give the splits.
        splits_from_lists: Whether only the lists know the splits.
        companions: Searched in the paths of files that belong to the set but are none of its
            presentations.
        unknown: Facts about the set that could not be established, one clause each.
    """

    key: str
    title: str
    layout: str
    grammars: tuple[Grammar, ...]
    describe: Describe
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
        """Return a protocol by its name.

        Raises:
            InputError: There is none of that name.
        """
        if name not in self.protocols:
            if not self.protocols:
                raise InputError(f"{self.title} has no protocol; leave it out")
            raise unknown_name(f"protocol of {self.title}", name, self.protocols)
        return self.protocols[name]

    def read(
        self,
        folder: str | os.PathLike[str],
        protocol: str | None = None,
        *,
        frames: int | None = None,
    ) -> Manifest:
        """Read a folder as this data set; see `read_dataset`."""
        from sterling.face.data.datasets.read import read_dataset

        return read_dataset(self, folder, protocol, frames=frames)
