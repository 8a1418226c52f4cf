"""Formatting that readers do not see: MGTEVAL's attack 9."""

import re
from itertools import pairwise

import numpy as np

from sterling.text.attacks.word_edits import Edited, share_of_words

ZERO_WIDTH_SPACE = "\u200b"
VERTICAL_TABS = "\u000b\u000b"
_WORD = re.compile(r"\S{2,}")
_SENTENCE_END = re.compile(r"[.!?]+(?=\s|$)")


def zero_width(text: str, share: float, rng: np.random.Generator) -> Edited:
    """A zero-width space inside some words of two characters or more."""
    words = list(_WORD.finditer(text))
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
    """Two vertical tabs after some sentences."""
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
