"""Characters that readers do not see: they change what a detector reads, and nothing else."""

import re
import unicodedata
from collections import Counter

ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
DIRECTION = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u061c"
_WORD = re.compile(r"[^\W\d_]{2,}")


def hidden_characters(text: str) -> dict[str, int]:
    """Count a text's suspicious characters by kind; kinds without any are left out.

    Returns:
        Counts of "zero width" characters (soft hyphens among them), "direction" marks (right-to-
        left and overriding), other "control" characters (all but line feed, carriage return and
        tab), and words of "mixed scripts" (Latin beside Cyrillic or Greek letters).
    """
    characters = Counter(text)
    zero_width = sum(characters[one] for one in ZERO_WIDTH)
    direction = sum(characters[one] for one in DIRECTION)
    control = sum(
        count
        for one, count in characters.items()
        if unicodedata.category(one) == "Cc" and one not in "\n\r\t"
    )
    mixed = 0 if text.isascii() else sum(map(_mixed, _WORD.findall(text)))
    counts = {
        "zero width": zero_width,
        "direction": direction,
        "control": control,
        "mixed scripts": mixed,
    }
    return {kind: count for kind, count in counts.items() if count}


def _mixed(word: str) -> bool:
    if word.isascii():
        return False
    scripts = {unicodedata.name(letter, "").split(" ")[0] for letter in word}
    return len(scripts & {"LATIN", "CYRILLIC", "GREEK"}) > 1
