"""Attacks that edit one letter of some words at a known edit distance, or add hidden formatting.

MGTEVAL (ACL 2026), attacks 3 to 9. Words are separated by white space; a word can be attacked when
it holds two letters or more. Share and operations are the platform's; the table of homoglyphs is
ours (the platform's are VIPER's).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sterling.checks import check_numbers

WordEdit = Callable[[str, np.random.Generator], str]

ALPHABET = "abcdefghijklmnopqrstuvwxyz"
# Operations of "typo" with their probabilities, as the platform mixes them.
TYPO = {"subs": 0.556, "dele": 0.23, "inse": 0.203, "tran": 0.011}
# Letters of other scripts that look like Latin ones.
HOMOGLYPHS = dict(zip("aceijopsxyhABCEHIJKMOPSTX", "асеіјорѕхуһАВСЕНІЈКМОРЅТХ", strict=True))
ZERO_WIDTH_SPACE = "\u200b"
VERTICAL_TABS = "\u000b\u000b"
_WORD = re.compile(r"\S+")
_TWO_CHARACTERS = re.compile(r"\S{2,}")
_SENTENCE_END = re.compile(r"[.!?]+(?=\s|$)")


@dataclass(frozen=True)
class Edited:
    """A text after an attack, with the number of its words (or sentences) that were changed."""

    text: str
    changed: int


def share_of_words(share: float, words: int) -> int:
    """Return the number of words an attack takes: ``max(1, round(share * words))`` of all."""
    check_numbers(at_least=0, at_most=1, share=share)
    return min(words, max(1, round(share * words)))


def edit_words(text: str, share: float, rng: np.random.Generator, attack: str) -> Edited:
    """Change one letter (with "tran" two neighbours) of some words.

    Args:
        text: Any text; white space is kept as it is.
        share: Share of all words, in [0, 1]; at least one is attacked.
        rng: Chooses words, places and letters.
        attack: A key of `WORD_EDITS`.

    Returns:
        The text. Without a word that the attack can change it is unchanged, and ``changed`` is 0.
    """
    spans = [match.span() for match in _WORD.finditer(text)]
    can = [span for span in spans if _ELIGIBLE[attack](text[slice(*span)])]
    wanted = min(share_of_words(share, len(spans)), len(can))
    chosen = {can[row] for row in rng.choice(len(can), size=wanted, replace=False)} if can else ()
    parts, last = [], 0
    for start, end in sorted(chosen):
        parts += [text[last:start], WORD_EDITS[attack](text[start:end], rng)]
        last = end
    return Edited("".join(parts) + text[last:], wanted)


def _letters(word: str) -> list[int]:
    return [place for place, letter in enumerate(word) if letter.isalpha()]


def _pairs(word: str) -> list[int]:
    """Return places whose letter differs from the next one, which is a letter too."""
    return [
        place
        for place in _letters(word)
        if place + 1 < len(word)
        and word[place + 1].isalpha()
        and word[place].lower() != word[place + 1].lower()
    ]


def _pick(places: list[int], rng: np.random.Generator) -> int:
    return places[int(rng.integers(len(places)))]


def _other_letter(letter: str, rng: np.random.Generator) -> str:
    choice = [one for one in ALPHABET if one != letter.lower()]
    drawn = choice[int(rng.integers(len(choice)))]
    return drawn.upper() if letter.isupper() else drawn


def insert(word: str, rng: np.random.Generator) -> str:
    """Insert a random lower-case letter before or after one of the word's letters."""
    place = _pick(_letters(word), rng) + int(rng.integers(2))
    return word[:place] + ALPHABET[int(rng.integers(len(ALPHABET)))] + word[place:]


def delete(word: str, rng: np.random.Generator) -> str:
    """Leave out one letter."""
    place = _pick(_letters(word), rng)
    return word[:place] + word[place + 1 :]


def substitute(word: str, rng: np.random.Generator) -> str:
    """Replace one letter by another of the same case."""
    place = _pick(_letters(word), rng)
    return word[:place] + _other_letter(word[place], rng) + word[place + 1 :]


def transpose(word: str, rng: np.random.Generator) -> str:
    """Exchange two unlike neighbours: a Levenshtein distance of two."""
    place = _pick(_pairs(word), rng)
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


def look_alike(word: str, rng: np.random.Generator) -> str:
    """Replace one letter by one of another script that looks like it."""
    place = _pick([at for at, letter in enumerate(word) if letter in HOMOGLYPHS], rng)
    return word[:place] + HOMOGLYPHS[word[place]] + word[place + 1 :]


def mistype(word: str, rng: np.random.Generator) -> str:
    """Apply one of the four operations; a substitution where no neighbours can be exchanged."""
    name = str(rng.choice(list(TYPO), p=list(TYPO.values())))
    return WORD_EDITS[name if name != "tran" or _pairs(word) else "subs"](word, rng)


WORD_EDITS: dict[str, WordEdit] = {
    "typo": mistype,
    "inse": insert,
    "dele": delete,
    "subs": substitute,
    "tran": transpose,
    "homo": look_alike,
}


def _two_letters(word: str) -> bool:
    return len(_letters(word)) >= 2


_ELIGIBLE: dict[str, Callable[[str], bool]] = {
    **dict.fromkeys(("typo", "inse", "dele", "subs"), _two_letters),
    "tran": lambda word: bool(_pairs(word)),
    "homo": lambda word: _two_letters(word) and any(letter in HOMOGLYPHS for letter in word),
}


def zero_width(text: str, share: float, rng: np.random.Generator) -> Edited:
    """Put a zero-width space inside some words of two characters or more."""
    words = list(_TWO_CHARACTERS.finditer(text))
    if not words:
        return Edited(text, 0)
    wanted = share_of_words(share, len(words))
    chosen = {int(row) for row in rng.choice(len(words), size=wanted, replace=False)}
    places = [
        int(rng.integers(word.start() + 1, word.end()))
        for row, word in enumerate(words)
        if row in chosen
    ]
    return Edited(_inserted(text, places, ZERO_WIDTH_SPACE), wanted)


def shift_up(text: str, share: float, rng: np.random.Generator) -> Edited:
    """Put two vertical tabs after some sentences."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    if not ends:
        return Edited(text, 0)
    wanted = share_of_words(share, len(ends))
    places = sorted(ends[row] for row in rng.choice(len(ends), size=wanted, replace=False))
    return Edited(_inserted(text, places, VERTICAL_TABS), wanted)


def _inserted(text: str, places: list[int], what: str) -> str:
    bounds = [0, *places, len(text)]
    pieces = [text[start:end] for start, end in pairwise(bounds)]
    return what.join(pieces)
