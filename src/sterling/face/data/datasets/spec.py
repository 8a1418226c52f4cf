"""A public data set as data: its grammar of names, its protocols, its published counts.

Each set has its own file beside this one. `dataset_tree` sees a folder as one set,
`dataset_manifest` makes a manifest of it, and `check` counts what the folder lacks.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sterling.errors import InputError, unknown_name
from sterling.face.data.manifest import ATTACK, BONA_FIDE
from sterling.face.data.modality import Modality


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
