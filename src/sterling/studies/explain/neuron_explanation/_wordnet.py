"""Right names of ImageNet's classes by WordNet: their synonyms, and what they are kinds of."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from sterling.errors import InputError

NOUNS = Path("/usr/share/wordnet/data.noun")
STEPS = 3  # from a class to what it is a kind of: tabby, domestic cat, cat, feline

Nouns = dict[int, tuple[tuple[str, ...], tuple[int, ...]]]
"""Lemmas of each sense, and the places of what it is a kind of, by the place of the sense."""


@cache
def read_nouns(path: Path = NOUNS) -> Nouns:
    """Read WordNet's nouns from its own file.

    Raises:
        InputError: The file is missing.
    """
    if not path.is_file():
        raise InputError(f"{path}: not there; install WordNet 3.0 (Debian: wordnet-base)")
    found = {}
    for line in path.read_text("utf-8").splitlines():
        if line.startswith(" "):  # the licence comes first
            continue
        fields = line.split(" | ")[0].split()
        count = int(fields[3], 16)
        lemmas = tuple(one.replace("_", " ").lower() for one in fields[4 : 4 + 2 * count : 2])
        pointers = fields[5 + 2 * count :]
        above = tuple(
            int(place)
            for kind, place in zip(pointers[::4], pointers[1::4], strict=True)
            if kind == "@"
        )
        found[int(fields[0])] = (lemmas, above)
    return found


def kinds(synset: str, nouns: Nouns, steps: int = STEPS) -> list[int]:
    """Places of a sense and of what it is a kind of, up to `steps` up, the sense itself first.

    Args:
        synset: ImageNet's name of the sense: ``n`` and its place in WordNet 3.0.
        nouns: WordNet's nouns, from `read_nouns`.
        steps: Steps up.

    Raises:
        InputError: WordNet has no such sense; its version is another.
    """
    place = int(synset[1:])
    if place not in nouns:
        raise InputError(f"{synset}: not a noun of this WordNet; install version 3.0")
    found, level = [place], [place]
    for _ in range(steps):
        level = [above for one in level for above in nouns[one][1]]
        found += level
    return list(dict.fromkeys(found))


def accepted_names(synsets: Sequence[str], nouns: Nouns) -> list[frozenset[str]]:
    """Right names of each class: all lemmas of its sense and of what it is a kind of."""
    return [
        frozenset(name for place in kinds(one, nouns) for name in nouns[place][0])
        for one in synsets
    ]


def vocabulary(synsets: Sequence[str], nouns: Nouns) -> list[str]:
    """Phrases that may name a class: the first lemma of every class and of all it is a kind of."""
    places = dict.fromkeys(place for one in synsets for place in kinds(one, nouns))
    return list(dict.fromkeys(nouns[place][0][0] for place in places))
