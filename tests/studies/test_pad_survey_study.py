"""The table of families, end to end at its smallest."""

import json
from pathlib import Path

import polars as pl
import pytest

from sterling.errors import InputError
from sterling.face.capture import simulate
from sterling.report import render_report
from sterling.studies import STUDIES, pad_survey
from sterling.study import Evidence, run_study

STUDY = STUDIES["pad_survey"]


@pytest.mark.smoke
def test_the_whole_path_leaves_evidence_and_a_report(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    evidence = run_study(STUDY, STUDY.presets["smoke"], preset="smoke", seed=2, folder=folder)
    assert evidence.scope.startswith("SIMULATED")
    (table,) = [table for table in evidence.tables if table.name == "families"]
    wanted = {(a, one.name) for a in pad_survey.SYSTEMS for one in pad_survey.SETTINGS}
    assert {(row[0], row[1]) for row in table.rows} == wanted
    assert len(table.rows) == len(wanted)
    scores = pl.read_parquet(folder / "scores.parquet")
    assert set(scores["system"].unique()) == set(pad_survey.SYSTEMS)
    Evidence.model_validate(json.loads((folder / "evidence.json").read_text()))
    render_report([folder], tmp_path / "report.html")
    assert "<svg" in (tmp_path / "report.html").read_text()


def test_cameras_are_domains() -> None:
    training = simulate("smoke", seed=0, size=32).faces().split("train")
    domains = pad_survey._cameras(training).domains
    sensors = training.manifest.column("sensor")
    assert len(set(zip(sensors.tolist(), domains.tolist(), strict=True))) == len(set(sensors))
    assert int(domains.max()) == len(set(sensors)) - 1


def test_own_data_is_refused(tmp_path: Path) -> None:
    config = STUDY.presets["smoke"].model_copy(update={"data": tmp_path})
    with pytest.raises(InputError, match="reads simulated captures only"):
        run_study(STUDY, config, preset="smoke", seed=0, folder=tmp_path / "run")
