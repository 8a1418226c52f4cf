"""Types of protocol, end to end at their smallest, and what each leaves out of training."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sterling.errors import InputError
from sterling.face.capture import KINDS, Scale, simulate
from sterling.studies import STUDIES
from sterling.studies.face import pad_chapter
from sterling.study import Evidence, run_study
from sterling.study.report import render_report

STUDY = STUDIES["pad_chapter"]


@pytest.mark.smoke
def test_the_whole_path_leaves_evidence_and_a_report(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    evidence = run_study(STUDY, STUDY.presets["smoke"], preset="smoke", seed=2, folder=folder)
    assert evidence.scope.startswith("SIMULATED")
    tables = {table.name: table for table in evidence.tables}
    found = [(row[0], row[1]) for row in tables["protocols"].rows]
    assert found == [(a, p) for a in pad_chapter.SYSTEMS for p in pad_chapter.PROTOCOLS]
    assert [row[1] for row in tables["pulse"].rows] == ["masks", "prints", "replays"] * 2
    scores = pl.read_parquet(folder / "scores.parquet")
    assert set(scores["system"].unique()) == set(pad_chapter.SYSTEMS)
    Evidence.model_validate(json.loads((folder / "evidence.json").read_text()))
    render_report([folder], tmp_path / "report.html")
    assert "<svg" in (tmp_path / "report.html").read_text()


def test_what_is_left_out_is_gone_from_training_and_the_test_is_the_same() -> None:
    faces = simulate("sets", seed=0, size=32, scale=Scale((2, 2, 2), (24, 24, 24))).faces()
    test = faces.split("test").manifest.column("item").tolist()
    for setting in pad_chapter.SETTINGS:
        seen = faces if setting.changed is None else setting.changed(faces)
        assert seen.split("test").manifest.column("item").tolist() == test
        for split in ("train", "dev"):
            manifest = seen.split(split).manifest
            species = set(manifest.column("species").tolist())
            assert "bona_fide" in species
            for kind, members in KINDS.items():
                if setting.name == f"without {kind}":
                    assert not species & set(members)
                elif setting.name != pad_chapter.ONE:
                    assert species & set(members)
        sensors = set(seen.split("train").manifest.column("sensor").tolist())
        assert (len(sensors) == 1) is (setting.name == pad_chapter.ONE)


def test_pulses_are_compared_with_faces_alone() -> None:
    names = ["bona_fide", "mask_resin", "bona_fide", "replay"]
    one = {"species": names, "POS": [0.9, 0.1, 0.8, 1.0], "CHROM": [0.0] * 4}
    assert pad_chapter._pulse_areas([one], "POS", ("mask_resin",)) == [1.0]
    assert pad_chapter._pulse_areas([one], "POS", ("replay",)) == [0.0]
    assert np.allclose(pad_chapter._pulse_areas([one], "CHROM", ("replay",)), 0.5)


def test_own_data_is_refused(tmp_path: Path) -> None:
    config = STUDY.presets["smoke"].model_copy(update={"data": tmp_path})
    with pytest.raises(InputError, match="reads simulated captures only"):
        run_study(STUDY, config, preset="smoke", seed=0, folder=tmp_path / "run")
