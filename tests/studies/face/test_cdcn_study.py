import json
from pathlib import Path

import polars as pl
import pytest

from sterling.face.pad import Detector
from sterling.studies import STUDIES
from sterling.study import Evidence, run_study
from sterling.study.report import render_report


def _smoke(folder: Path) -> Evidence:
    study = STUDIES["cdcn"]
    return run_study(study, study.presets["smoke"], preset="smoke", seed=3, folder=folder)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Evidence]:
    folder = tmp_path_factory.mktemp("cdcn") / "run"
    return folder, _smoke(folder)


@pytest.mark.smoke
def test_the_whole_path_leaves_evidence_report_and_detector(
    finished: tuple[Path, Evidence], tmp_path: Path
) -> None:
    folder, evidence = finished
    assert evidence.scope.startswith("SIMULATED")
    assert {claim.id for claim in evidence.claims} == {
        "central_difference_beats_vanilla",
        "depth_beats_binary_label",
        "acer_below_bar",
        "beats_trivial_baseline",
    }
    assert Detector.from_pretrained(folder / "detector").threshold is not None
    render_report([folder], tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size > 50_000


def test_scores_are_of_unseen_subjects_and_pair_across_systems(
    finished: tuple[Path, Evidence],
) -> None:
    folder, _ = finished
    scores = pl.read_parquet(folder / "scores.parquet")
    assert sorted(scores["system"].unique()) == ["binary", "cdcn", "thumbnails", "vanilla"]
    dev, test = (set(scores.filter(pl.col("set") == name)["subject"]) for name in ("dev", "test"))
    assert not dev & test
    items = {
        tuple(part["item"].to_list())
        for part in scores.filter(pl.col("seed") == 0, pl.col("set") == "test").partition_by(
            "system"
        )
    }
    assert len(items) == 1


def test_lost_stages_are_computed_again_to_the_same_evidence(
    finished: tuple[Path, Evidence],
) -> None:
    folder, before = finished
    (folder / "evidence.json").unlink()
    stages = folder / "stages"
    kept = {path.name: json.loads(path.read_text()) for path in stages.glob("*.json")}
    for name in (
        "repetition-1.json",
        "repetition-0.json",
        "cdcn-1.json",
        "items-1.json",
        "thumbnails-0.json",
    ):
        (stages / name).unlink()
    after = _smoke(folder)
    assert {path.name: json.loads(path.read_text()) for path in stages.glob("*.json")} == kept
    volatile = {"wall_s"}
    assert after.model_dump(exclude=volatile) == before.model_dump(exclude=volatile)
