"""The studies of learned adaptation and learned supervision, end to end at their smallest."""

from pathlib import Path

import polars as pl
import pytest

from sterling.errors import InputError
from sterling.studies import STUDIES
from sterling.studies.face.aim_fas import SYSTEMS
from sterling.studies.face.meta_teacher import SYSTEMS as TAUGHT
from sterling.study import run_study
from sterling.study.report import render_report


@pytest.mark.smoke
def test_few_shot_liveness_leaves_evidence_and_a_report(tmp_path: Path) -> None:
    study, folder = STUDIES["aim_fas"], tmp_path / "run"
    evidence = run_study(study, study.presets["smoke"], preset="smoke", seed=1, folder=folder)
    assert evidence.scope.startswith("SIMULATED")
    assert [table.name for table in evidence.tables] == ["acer", "eer", "auc", "update"]
    for table in evidence.tables[:3]:
        assert [row[0] for row in table.rows] == list(SYSTEMS)
    render_report([folder], tmp_path / "report.html")
    assert "<svg" in (tmp_path / "report.html").read_text()


@pytest.mark.smoke
def test_the_meta_teacher_leaves_evidence_scores_and_a_report(tmp_path: Path) -> None:
    study, folder = STUDIES["meta_teacher"], tmp_path / "run"
    evidence = run_study(study, study.presets["smoke"], preset="smoke", seed=1, folder=folder)
    assert evidence.scope.startswith("SIMULATED")
    scores = pl.read_parquet(folder / "scores.parquet")
    assert set(scores["system"].unique()) == set(TAUGHT)
    render_report([folder], tmp_path / "report.html")
    assert "meta-teacher" in (tmp_path / "report.html").read_text()


def test_own_data_must_be_what_a_study_reads(tmp_path: Path) -> None:
    for name, message in (("meta_teacher", "simulated captures only"), ("aim_fas", "type lists")):
        study = STUDIES[name]
        config = study.presets["smoke"].model_copy(update={"data": tmp_path})
        with pytest.raises(InputError, match=message):
            run_study(study, config, preset="smoke", seed=0, folder=tmp_path / name)
