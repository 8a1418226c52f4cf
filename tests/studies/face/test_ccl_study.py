"""The study of masks and context, end to end at its smallest, and what its settings hold."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sterling.errors import InputError
from sterling.face.capture import Scale, simulate
from sterling.face.data import Faces
from sterling.studies import STUDIES
from sterling.studies.face._settings import leave_out
from sterling.studies.face.ccl import BRIGHT, LEFT_OUT, SYSTEMS, confound, settings
from sterling.study import Evidence, run_study
from sterling.study.report import render_report

STUDY = STUDIES["ccl"]


@pytest.fixture(scope="module")
def faces() -> Faces:
    return simulate("masks", seed=0, size=32, scale=Scale((4, 2, 4), (120, 40, 120))).faces()


@pytest.mark.smoke
def test_the_whole_path_leaves_evidence_and_a_report(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    evidence = run_study(STUDY, STUDY.presets["smoke"], preset="smoke", seed=2, folder=folder)
    assert evidence.scope.startswith("SIMULATED")
    (table,) = [table for table in evidence.tables if table.name == "settings"]
    assert [row[0] for row in table.rows] == [one.name for one in settings(STUDY.presets["quick"])]
    scores = pl.read_parquet(folder / "scores.parquet")
    assert set(scores["system"].unique()) == set(SYSTEMS)
    Evidence.model_validate(json.loads((folder / "evidence.json").read_text()))
    render_report([folder], tmp_path / "report.html")
    assert "<svg" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("species", LEFT_OUT)
def test_a_mask_left_out_is_tested_alone(faces: Faces, species: str) -> None:
    left = leave_out(species, faces).manifest
    for split in ("train", "dev"):
        kinds = set(left.where(split=split).column("species"))
        assert species not in kinds
        assert len(kinds) > 1
    test = left.where(split="test")
    assert set(test.column("species")) == {species, "bona_fide"}
    assert test.bona_fide.sum() == faces.manifest.where(split="test").bona_fide.sum()


def test_light_agrees_with_the_class_in_training_and_not_in_test(faces: Faces) -> None:
    manifest = confound(0.9, faces).manifest
    for split, share in (("train", 0.9), ("dev", 0.9), ("test", 0.1)):
        part = manifest.where(split=split)
        for live in (True, False):
            cell = part.select(part.bona_fide == live)
            agrees = (cell.matches(illumination=BRIGHT) == live).mean()
            assert agrees == pytest.approx(share, abs=1.5 / len(cell))
    assert len(np.unique(manifest.column("item"))) == len(manifest)


def test_own_data_is_refused(tmp_path: Path) -> None:
    config = STUDY.presets["smoke"].model_copy(update={"data": tmp_path})
    with pytest.raises(InputError, match="reads simulated captures only"):
        run_study(STUDY, config, preset="smoke", seed=0, folder=tmp_path / "run")
