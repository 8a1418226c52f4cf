"""The notebooks of the documentation run without a warning, and show what they put out."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
from tools import notebooks

REPOSITORY = Path(__file__).resolve().parents[1]
LARGEST = 200_000
"""Bytes of a notebook's file."""
NUMBER = re.compile(r"-?\d[\d.,]*(?:e-?\d+)?")


def cells(notebook: Any, kind: str) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == kind]


def comparable(notebook: Any) -> list[list[str]]:
    """Text outputs by cell; without numbers where a cell's tag says that machines differ."""
    varies = ["varies" in cell.metadata.get("tags", []) for cell in cells(notebook, "code")]
    return [
        [NUMBER.sub("#", text) if vary else text for text in shown]
        for shown, vary in zip(notebooks.texts(notebook), varies, strict=True)
    ]


@pytest.mark.parametrize("path", notebooks.NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_its_stored_outputs_are_those_of_a_run(path: Path) -> None:
    stored = notebooks.read(path)
    run = copy.deepcopy(stored)
    notebooks.execute(run)
    again = "run python -m tools.notebooks"
    assert comparable(run) == comparable(stored), again
    for new, old in zip(cells(run, "code"), cells(stored, "code"), strict=True):
        assert pictures(new) == pictures(old), again


def pictures(cell: Any) -> int:
    return sum("image/png" in output.get("data", {}) for output in cell.outputs)


@pytest.mark.parametrize("path", notebooks.NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_a_short_story_on_the_site(path: Path) -> None:
    notebook = notebooks.read(path)
    assert path.stat().st_size < LARGEST
    assert 6 <= len(notebook.cells) <= 12
    assert re.fullmatch(r"# \w.*\?", notebook.cells[0].source.splitlines()[0])  # one question
    assert any(pictures(cell) for cell in notebook.cells if cell.cell_type == "code")
    assert str(REPOSITORY) not in path.read_text("utf-8")
    assert f"notebooks/{path.stem}.md" in (REPOSITORY / "mkdocs.yml").read_text("utf-8")


def test_a_notebook_becomes_a_page_with_its_pictures() -> None:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import File, Files
    from tools.site_hooks import on_files

    config = MkDocsConfig()
    config.load_dict({"site_name": "s", "docs_dir": str(REPOSITORY / "docs")})
    config.validate()
    config.plugins._current_plugin = "hook"  # as while mkdocs calls hooks
    path = "notebooks/face_scores.ipynb"
    source = File(path, config.docs_dir, config.site_dir, use_directory_urls=True)
    files = on_files(Files([source]), config=config)
    page = files.src_uris["notebooks/face_scores.md"].content_string
    assert page.startswith("# What error rates does my face detector have?")
    (picture,) = re.findall(r"!\[png\]\((.*)\)", page)
    assert files.src_uris[f"notebooks/{picture}"].content_bytes.startswith(b"\x89PNG")


def test_there_are_notebooks() -> None:
    assert len(notebooks.NOTEBOOKS) == 6


def test_a_warning_ends_a_notebook() -> None:
    notebook = copy.deepcopy(notebooks.read(notebooks.NOTEBOOKS[0]))
    cell = cells(notebook, "code")[0]
    cell.source = "import warnings; warnings.warn('too few items')"
    notebook.cells = [cell]
    with pytest.raises(Exception, match="too few items"):
        notebooks.execute(notebook)
