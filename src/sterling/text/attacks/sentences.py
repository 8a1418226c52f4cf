"""A text as its sentences, without losing a character."""

import re

_SENTENCE = re.compile(r"[^.!?]+[.!?]*[\"'”’)]*\s*|[.!?]+\s*")


def sentences(text: str) -> list[str]:
    """Sentences with the white space after them; joined they are the text."""
    return _SENTENCE.findall(text)
