"""Entries of the study registry: what a list shows of a study, without loading the study itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from sterling.errors import InputError, unknown_name

if TYPE_CHECKING:
    from sterling.study.grammar import Study

Preset = Literal["smoke", "quick", "paper"]
PRESETS: tuple[Preset, ...] = ("smoke", "quick", "paper")


@dataclass(frozen=True)
class Paper:
    """A publication.

    Attributes:
        key: Its key in ``papers.bib``, or in its own BibTeX entry.
        title: Its title.
        bibtex: Its BibTeX entry.
    """

    key: str
    title: str
    bibtex: str


@cache
def papers() -> dict[str, Paper]:
    """Read the publications of ``papers.bib`` by key."""
    from bibtexparser.entrypoint import parse_string

    text = files("sterling.study").joinpath("papers.bib").read_text(encoding="utf-8")
    return {
        entry.key: Paper(entry.key, entry.fields_dict["title"].value, str(entry.raw))
        for entry in parse_string(text).entries
    }


@dataclass(frozen=True)
class StudyEntry:
    """Name, summary and paper of a study, and the module that holds it.

    Attributes:
        name: Name as the field uses it; the study's file has the same name.
        summary: One sentence.
        domain: Domain room that it belongs to.
        cite: Key of the paper in ``papers.bib``, or a `Paper` that is not in it.
        module: Module whose ``STUDY`` is the study; imported when the study is run.
        presets: Names of its presets.
        extras: Extras that its presets need beside ``train`` and ``report``.
        minutes: Minutes that the recorded run of the preset ``quick`` took; None without one.

    Examples:
        >>> entry = StudyEntry("coin", "Is a coin fair?", "chance", "yu2020searching", "coin_study")
        >>> entry.paper.title.startswith("Searching Central Difference")
        True
    """

    name: str
    summary: str
    domain: str
    cite: str | Paper
    module: str
    presets: tuple[Preset, ...] = PRESETS
    extras: tuple[str, ...] = ()
    minutes: int | None = None

    @property
    def paper(self) -> Paper:
        """The publication that the study reproduces.

        Raises:
            InputError: ``papers.bib`` has no such key.
        """
        if isinstance(self.cite, Paper):
            return self.cite
        if self.cite not in papers():
            raise unknown_name("paper", self.cite, papers())
        return papers()[self.cite]

    def load(self) -> "Study[Any]":
        """Import the study.

        Raises:
            InputError: The module holds no ``STUDY`` of this entry.
        """
        from sterling.study.grammar import Study

        study = getattr(import_module(self.module), "STUDY", None)
        if not isinstance(study, Study) or study.entry != self:
            raise InputError(
                f"study {self.name!r}: {self.module} holds no STUDY made with this entry; write "
                "STUDY = Study(ENTRY, ...)"
            )
        return study


T = TypeVar("T")


def find_study(name: str, studies: Mapping[str, T]) -> T:
    """Return the study of that name, or its entry.

    Args:
        name: Name that the user wrote.
        studies: Studies or entries by name.

    Raises:
        InputError: There is none; the message has the nearest names.
    """
    if name not in studies:
        raise unknown_name("study", name, studies)
    return studies[name]
