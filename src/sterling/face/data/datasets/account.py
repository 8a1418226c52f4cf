"""Content of a folder against the published content of a data set."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "missing",
    "doubled",
    "misnamed",
    "misplaced",
    "incomplete",
    "empty",
    "unreadable",
    "listed_absent",
    "list_contradicts",
    "list_unreadable",
    "other_set",
]


@dataclass(frozen=True)
class Problem:
    """One kind of thing that is wrong.

    Attributes:
        kind: ``missing`` against the published names or counts; ``doubled``; ``misnamed`` in a
            folder of the set; ``misplaced`` in the folder of another split than the subject's;
            ``incomplete``: pictures of a camera are missing; ``empty`` file; ``unreadable``
            picture or video; ``listed_absent``: a list file names it, but it is not there;
            ``list_contradicts`` the name's split or label; ``list_unreadable``; ``other_set``:
            files of another data set.
        number: Number of such items.
        detail: One line for people.
        names: The first few names or paths.
    """

    kind: Kind
    number: int
    detail: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Count:
    """Number of items of one kind in a folder, beside the published number.

    Attributes:
        of: Kind of item: ``"presentations"``, ``"pictures"`` (frames of videos that were cut up),
            ``"subjects"``, or ``"protocol"`` with its name.
        split: ``"train"``, ``"dev"``, ``"test"``, or ``""`` for none or all.
        kind: ``"bona_fide"`` or ``"attack"``, or ``""`` for both.
        found: Number in the folder.
        published: Published number; None if not published.
    """

    of: str
    split: str
    kind: str
    found: int
    published: int | None


@dataclass(frozen=True)
class Account:
    """Content of a folder, seen as one data set.

    Attributes:
        dataset: Key of the set that the names fit best.
        title: Its name in print.
        folder: The folder.
        why: Number of pictures and videos that fit, one line.
        layout: The grammar of the set.
        counts: Numbers found, beside those published.
        species: Presentations by species.
        problems: Problems that names, counts and lists show.
        notes: Remarks that are no problems, one line each.
        unknown: Facts about the set that could not be established.
        opened: Whether pictures and videos were opened to see if they can be read.
    """

    dataset: str
    title: str
    folder: str
    why: str
    layout: str
    counts: tuple[Count, ...]
    species: Mapping[str, int]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    unknown: tuple[str, ...]
    opened: bool

    @property
    def complete(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems
