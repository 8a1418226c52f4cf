from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from sterling.errors import InputError
from sterling.face.pad import SGTD, Detector
from sterling.studies import STUDIES
from sterling.study import Evidence, run_study
from sterling.study.report import render_report
from sterling.testing import check_study


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Evidence]:
    folder = tmp_path_factory.mktemp("sgtd") / "run"
    return folder, check_study(STUDIES["sgtd"], folder, seed=3)


@pytest.mark.smoke
def test_the_whole_path_leaves_evidence_report_and_trunks(
    finished: tuple[Path, Evidence], tmp_path: Path
) -> None:
    folder, evidence = finished
    assert evidence.scope.startswith("SIMULATED")
    assert {claim.id for claim in evidence.claims} == {
        "temporal_beats_single_frame",
        "temporal_beats_single_frame_on_prints",
        "temporal_beats_single_frame_on_replays",
        "motion_matters",
        "memory_matters",
        "spatial_gradient_beats_vanilla",
        "contrastive_depth_loss_helps",
        "both_maps_beat_multi_alone",
        "beats_parallax_on_prints",
        "beats_trivial_baseline",
    }
    kinds = next(table for table in evidence.tables if table.name == "kinds")
    assert {row[0] for row in kinds.rows} == {"replays", "prints"}
    single = Detector.from_pretrained(folder / "single-frame" / "0").model
    assert single.to_dict()["gradient"] == "sobel_then_conv"
    SGTD(2).adopt(single)  # type: ignore[arg-type]
    assert Detector.from_pretrained(folder / "detector").threshold is not None
    gallery = next(figure for figure in evidence.figures if figure.kind == "gallery")
    sizes = []
    for name in gallery.data["items"][0]["images"]:
        with Image.open(folder / name) as picture:
            sizes.append(picture.size)
    assert sizes == [(3 * 32, 32), (2 * 4, 4)]  # three frames, and two maps of 4×4
    render_report([folder], tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size > 50_000


def test_all_attacks_are_flat_and_systems_pair(finished: tuple[Path, Evidence]) -> None:
    scores = pl.read_parquet(finished[0] / "scores.parquet")
    assert set(scores["group"]) == {
        "bona_fide",
        "print",
        "print_cut_eyes",
        "replay",
        "poster",
        "portrait",
    }
    first = scores.filter(pl.col("seed") == 0, pl.col("set") == "test")
    items = {tuple(part["item"].to_list()) for part in first.partition_by("system")}
    assert len(items) == 1
    assert first["system"].n_unique() == 9


def test_own_data_is_refused_instead_of_ignored(tmp_path: Path) -> None:
    study = STUDIES["sgtd"]
    config = study.presets["smoke"].model_copy(update={"data": tmp_path})
    with pytest.raises(InputError, match="simulated captures only"):
        run_study(study, config, preset="smoke", seed=0, folder=tmp_path / "run")
