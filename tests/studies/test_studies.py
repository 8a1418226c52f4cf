"""Every study keeps what its kind promises: presets, evidence, a report, and resuming."""

from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest

from sterling.studies import STUDIES
from sterling.study import load_evidence
from sterling.study.report import render_report


@pytest.mark.smoke
@pytest.mark.parametrize("name", sorted(STUDIES))
def test_a_study_keeps_its_contract(
    name: str, checked_run: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = checked_run(name)
    evidence = load_evidence(folder)
    assert evidence.study == name
    assert STUDIES[name].paper.bibtex.startswith("@")
    render_report([folder], tmp_path / "report.html")
    assert evidence.scope.split(":")[0] in unescape((tmp_path / "report.html").read_text())
