"""The check of descriptions: none may open with "Of", "What", "Whose" or the like."""

from pathlib import Path
from textwrap import dedent

import pytest
from tools.check_prose import dangling

ROOT = Path(__file__).resolve().parents[1]
DANGLES = '''
    """What a module is for."""

    # Of the year.
    SEED = 3
    """Of the bootstrap."""

    class Config:
        """How it is set.

        Attributes:
            seed, other: Of the bootstrap.
            ``rate``: Whose rate.
        """

    def found(seed: int) -> int:
        """Return a number.

        - Which one.

        Args:
            seed (int): That of the bootstrap.

        Returns:
            Where it is.
        """
        return Option(seed, help="Of the " + "bootstrap.", description=f"By {seed} draws.")
    '''
NAMES = '''
    """Purpose of a module, and what it is for."""

    # Births of the year.
    # Of all of them.
    SEED = 3
    """Seed of the bootstrap."""

    class Config:
        """Whether it is set.

        Attributes:
            seed, other: Seed of the bootstrap.
            ``rate``: What if it is not given? Then it is 1.
        """

    def found(seed: int) -> int:
        """Return a number.

        - Number of the year.

        Args:
            seed (int): Whatever seed.

        Returns:
            Bytes of the year.
        """
        return Option(seed, "Of the bootstrap.", help="Seed " + "of it", caption=f"{seed} of it")
    '''


def test_every_kind_of_description_that_dangles_is_found(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(dedent(DANGLES), encoding="utf-8")
    lines = path.read_text(encoding="utf-8").splitlines()
    found = dangling(path)
    assert [text for _, text in found] == [
        "What a module is for.",
        "Of the year.",
        "Of the bootstrap.",
        "How it is set.",
        "Of the bootstrap.",
        "Whose rate.",
        "Which one.",
        "That of the bootstrap.",
        "Where it is.",
        "By ",
        "Of the ",
    ]
    assert all(text in lines[number - 1] for number, text in found)


def test_a_description_that_names_its_noun_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(dedent(NAMES), encoding="utf-8")
    assert dangling(path) == []


@pytest.mark.parametrize("folder", ["src", "tests", "benchmarks", "tools"])
def test_every_description_of_the_project_names_its_noun(folder: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line, text in dangling(path)
    ]
    assert found == []
