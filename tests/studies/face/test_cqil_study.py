"""The study of quality, end to end at its smallest, and its captures."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sterling.errors import InputError
from sterling.face.capture.protocols import find_protocol
from sterling.studies import STUDIES
from sterling.studies.face import cqil
from sterling.study import Evidence, run_study
from sterling.study.report import render_report

STUDY = STUDIES["cqil"]


@pytest.mark.smoke
def test_the_whole_path_leaves_evidence_and_a_report(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    evidence = run_study(STUDY, STUDY.presets["smoke"], preset="smoke", seed=2, folder=folder)
    assert evidence.scope.startswith("SIMULATED")
    tables = {table.name: table for table in evidence.tables}
    assert [row[0] for row in tables["settings"].rows] == [one.name for one in cqil.settings()]
    restored = {row[0]: row[7] for row in tables["quality"].rows}
    assert restored["cross-entropy"] == restored["no restoring"] == 0
    assert restored["cqil"] != 0
    assert sum(figure.name.startswith("curve") for figure in evidence.figures) == 3
    scores = pl.read_parquet(folder / "scores.parquet")
    assert set(scores["system"].unique()) == set(cqil.SYSTEMS)
    Evidence.model_validate(json.loads((folder / "evidence.json").read_text()))
    render_report([folder], tmp_path / "report.html")
    assert "<svg" in (tmp_path / "report.html").read_text()


def test_only_the_test_is_of_low_quality() -> None:
    protocol = find_protocol("low_quality")
    assert protocol.test.sensors == ("surveillance",)
    assert "surveillance" not in (*protocol.train.sensors, *protocol.dev.sensors)
    assert protocol.train.species == protocol.test.species


def test_the_probe_reads_what_is_there() -> None:
    rng = np.random.default_rng(0)
    amounts = rng.random(200)
    noise = rng.normal(size=(200, 6))
    told = np.column_stack([noise, amounts])
    assert cqil._explained(told, amounts) > 0.95
    assert cqil._explained(noise, amounts) < 0.1


def test_own_data_is_refused(tmp_path: Path) -> None:
    config = STUDY.presets["smoke"].model_copy(update={"data": tmp_path})
    with pytest.raises(InputError, match="reads simulated captures only"):
        run_study(STUDY, config, preset="smoke", seed=0, folder=tmp_path / "run")
