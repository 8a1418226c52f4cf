from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from sterling.errors import InputError
from sterling.face.pad import DepthNet, Detector
from sterling.studies import STUDIES
from sterling.study import run_study
from sterling.study.report import render_report


@pytest.mark.smoke
def test_the_whole_path_leaves_evidence_report_and_trunks(tmp_path: Path) -> None:
    study, folder = STUDIES["temporal_depth"], tmp_path / "run"
    evidence = run_study(study, study.presets["smoke"], preset="smoke", seed=3, folder=folder)
    assert evidence.scope.startswith("SIMULATED")
    assert {claim.id for claim in evidence.claims} == {
        "temporal_beats_single_frame",
        "temporal_beats_single_frame_on_prints",
        "temporal_beats_single_frame_on_replays",
        "motion_matters",
        "memory_matters",
        "fusion_matters",
        "beats_parallax_on_prints",
        "beats_trivial_baseline",
    }
    first = pl.read_parquet(folder / "scores.parquet").filter(pl.col("seed") == 0)
    # Every arm is another network: no two give the same scores.
    values = {tuple(part["value"].to_list()) for part in first.partition_by("system")}
    assert len(values) == first["system"].n_unique() == 7
    assert isinstance(Detector.from_pretrained(folder / "single-frame" / "0").model, DepthNet)
    assert Detector.from_pretrained(folder / "detector").threshold is not None
    gallery = next(figure for figure in evidence.figures if figure.kind == "gallery")
    sizes = []
    for name in gallery.data["items"][0]["images"]:
        with Image.open(folder / name) as picture:
            sizes.append(picture.size)
    assert sizes == [(3 * 32, 32), (2 * 4, 4)]  # three frames, and two maps of 4×4
    render_report([folder], tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size > 50_000


def test_own_data_is_refused_instead_of_ignored(tmp_path: Path) -> None:
    study = STUDIES["temporal_depth"]
    config = study.presets["smoke"].model_copy(update={"data": tmp_path})
    with pytest.raises(InputError, match="simulated captures only"):
        run_study(study, config, preset="smoke", seed=0, folder=tmp_path / "run")
