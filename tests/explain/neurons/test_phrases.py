"""Vocabularies: filtered phrases of files and of language models."""

from pathlib import Path

import pytest

from sterling.errors import InputError
from sterling.explain.neurons.phrases import ask_phrases, clean_phrases, read_phrases
from sterling.lm import Generation, Sampling


def test_phrases_are_short_plain_and_different() -> None:
    lines = [
        "1. Red circle",
        "- red  circle.",
        "* a wheel",
        "",
        "five words are too many",
        "\x07bell",
    ]
    assert clean_phrases(lines) == ["red circle", "a wheel"]


def test_word_lists_are_read(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes("\ufefffur\nwheel\nFur\n".encode())
    assert read_phrases(path) == ["fur", "wheel"]
    path.write_bytes(b"fur\n")
    with pytest.raises(InputError, match="1 phrases of at most 4 words"):
        read_phrases(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not text in UTF-8"):
        read_phrases(path)


class Talker:
    """A language model that always says the same."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.asked = ""

    def generate(self, prompts: list[str], *_: Sampling, **__: object) -> list[Generation]:
        self.asked = prompts[0]
        return [Generation(self.text, (), 1, finished=True)]


def test_language_models_are_asked() -> None:
    talker = Talker("- Street lamp\n- zebra crossing\n- bus\n")
    found = ask_phrases(talker, "photographs of streets", count=2)  # type: ignore[arg-type]
    assert found == ["street lamp", "zebra crossing"]
    assert "photographs of streets" in talker.asked
    with pytest.raises(InputError, match="give a word list instead"):
        ask_phrases(Talker("I cannot do that as a language model."), "x")  # type: ignore[arg-type]
