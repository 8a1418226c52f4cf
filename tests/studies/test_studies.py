"""Every study keeps what its kind promises: presets, evidence, a report, and resuming."""

from html import unescape
from pathlib import Path

import pytest

from sterling.studies import STUDIES
from sterling.study.report import render_report
from sterling.testing import check_study


@pytest.mark.smoke
@pytest.mark.parametrize("name", sorted(STUDIES))
def test_a_study_keeps_its_contract(name: str, tmp_path: Path) -> None:
    # Starting processes costs seconds: a few studies show that they compute the same there.
    resume_on = "processes" if name in ("cdcn", "forgetting_benchmark", "raml") else "inline"
    evidence = check_study(STUDIES[name], tmp_path / "run", seed=2, resume_on=resume_on)
    assert evidence.study == name
    assert STUDIES[name].paper.bibtex.startswith("@")
    render_report([tmp_path / "run"], tmp_path / "report.html")
    assert evidence.scope.split(":")[0] in unescape((tmp_path / "report.html").read_text())
