"""Text of unknown origin, such as a file's name, made fit for one line of a terminal."""

import unicodedata

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # controls, directions, half pairs, line ends
_JOINERS = "\u200c\u200d"  # letters of several scripts, and emoji, are written with them


def shown(text: str) -> str:
    r"""Escape what moves the cursor, ends the line or turns the direction of writing.

    Blanks and every visible letter stay as they are, so that a name can be copied.

    Examples:
        >>> shown("a  b.jpg\nb.jpg: bona fide")
        'a  b.jpg\\nb.jpg: bona fide'
    """
    return "".join(map(_escaped, text))


def _escaped(letter: str) -> str:
    if unicodedata.category(letter) in _UNSEEN and letter not in _JOINERS:
        return letter.encode("unicode_escape").decode()
    return letter
