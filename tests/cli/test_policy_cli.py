"""`sterling policy diagnose` from a log to a report."""

import json
from functools import partial
from pathlib import Path

import pytest
from tests.cli import command

told = partial(command.told, "policy", "diagnose")
refused = partial(command.refused, "policy", "diagnose")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Four steps of two groups of four, all of them solved in the end."""
    path = tmp_path / "log.jsonl"
    rows = [
        {"step": step, "prompt": prompt, "exact": float(step > 1 or place == 0), "place": None}
        for step in range(4)
        for prompt in ("a", "b")
        for place in range(4)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.smoke
def test_causes_are_printed_with_advice_and_drawn(log: Path, tmp_path: Path) -> None:
    shown = told(log, "--out", tmp_path / "run")
    assert "columns: group prompt, rewards exact, step step, advantage -" in shown
    assert "32 completions in 8 groups of 4 to 4" in shown
    assert "FOUND: dead groups: 4 of 8 groups (50%)" in shown
    assert "do: Prompts are solved" in shown
    assert "fine: single groups" in shown
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Dead groups over time" in page
    assert "Prompts are solved" in page


def test_json_is_one_document(log: Path, tmp_path: Path) -> None:
    found = json.loads(told(log, "--out", tmp_path / "run", "--json"))
    assert found["columns"]["rewards"] == ["exact"]
    assert found["completions"] == 32
    dead = found["causes"]["dead_groups"]
    assert dead["found"]
    assert dead["by_step"] == [0, 0, 1, 1]
    assert found["causes"]["mean_shift"]["advice"] is None


def test_what_is_wrong_is_told_in_one_line(log: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "run")
    assert "did you mean exact" in refused(log, "--reward", "exat", *out)
    assert "--group-size" in refused(log, "--group-size", "3", *out)
    assert "no such file" in refused(tmp_path / "none.csv", *out)
    assert "eps" in refused(log, "--eps", "0", *out)
