"""Vocabularies: short phrases that may name a unit, from a file or from a language model."""

import re
from collections.abc import Iterable
from pathlib import Path

from sterling.errors import InputError
from sterling.files import open_regular
from sterling.lm import LanguageModel, Sampling

LONGEST = 4  # words
_BULLET = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s*")
QUESTION = (
    "List {count} short phrases of at most four words for what can be seen in {domain}: objects, "
    "parts, textures, colours, materials, scenes. One phrase a line, nothing else."
)
DEPICTION = "depiction"
"""Name that fits every picture: the control that a score must not prefer."""


def clean_phrases(lines: Iterable[str]) -> list[str]:
    """Phrases of at most four words: without bullets, in lower case, none twice.

    Args:
        lines: One phrase each; anything longer is left out.

    Examples:
        >>> clean_phrases(["- Red circle", "2. red  circle.", "a very long line of many words"])
        ['red circle']
    """
    found = (" ".join(_BULLET.sub("", line).strip(" .,;:\"'").lower().split()) for line in lines)
    return list(
        dict.fromkeys(
            one for one in found if one and one.isprintable() and len(one.split()) <= LONGEST
        )
    )


def read_phrases(path: str | Path) -> list[str]:
    """Read a word list: a text file in UTF-8 with one phrase a line.

    Raises:
        InputError: The file cannot be read, or holds fewer than two phrases.
    """
    with open_regular(Path(path), "word list") as file:
        content = file.read()
    try:
        phrases = clean_phrases(content.decode("utf-8-sig").splitlines())
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not text in UTF-8") from error
    if len(phrases) < 2:
        raise InputError(
            f"{path}: {len(phrases)} phrases of at most {LONGEST} words; give 2 or more"
        )
    return phrases


def ask_phrases(model: LanguageModel, domain: str, *, count: int = 100, seed: int = 0) -> list[str]:
    """Ask a language model what can be seen in a domain, such as "photographs of streets".

    Raises:
        InputError: The answer holds fewer than two phrases.
    """
    answer = model.generate(
        [QUESTION.format(count=count, domain=domain)],
        Sampling(max_new_tokens=8 * count),
        seed=seed,
        purpose="phrases",
    )
    phrases = clean_phrases(answer[0].text.splitlines())[:count]
    if len(phrases) < 2:
        raise InputError(
            f"{domain}: the model named {len(phrases)} phrases; give a word list instead"
        )
    return phrases
