from pathlib import Path

import polars as pl
import pytest

from sterling.errors import InputError
from sterling.studies import STUDIES
from sterling.study import Evidence, run_study
from sterling.study.report import render_report


def _smoke(folder: Path) -> Evidence:
    study = STUDIES["mia_fdr"]
    return run_study(study, study.presets["smoke"], preset="smoke", seed=1, folder=folder)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Evidence]:
    folder = tmp_path_factory.mktemp("mia_fdr") / "run"
    return folder, _smoke(folder)


@pytest.mark.smoke
def test_the_whole_path_leaves_evidence_scores_and_report(
    finished: tuple[Path, Evidence], tmp_path: Path
) -> None:
    folder, evidence = finished
    assert evidence.scope.startswith("SIMULATED")
    ids = {claim.id for claim in evidence.claims}
    assert {
        "fdr_every_attack",
        "fdr_language_models",
        "fdr_every_rule",
        "black_box_transfer",
        "lifelong_all_claims",
        "marginal_error",
        "shifted_mix_breaks_one_calibration",
        "shifted_calibration_is_flagged",
        "lira_beats_loss",
    } <= ids
    assert {table.name for table in evidence.tables} == {
        *("attacks", "levels", "settings", "stages", "declared")
    }
    scores = pl.read_parquet(folder / "scores.parquet")
    assert scores["system"].n_unique() == 12
    one = scores.filter(pl.col("system").str.starts_with("loss"), pl.col("seed") == 0)
    assert one["item"].n_unique() == len(one) == 400
    render_report([folder], tmp_path / "report.html")
    assert "ROC curves on logarithmic axes" in (tmp_path / "report.html").read_text()


def test_lost_stages_are_computed_again_to_the_same_evidence(
    finished: tuple[Path, Evidence],
) -> None:
    folder, before = finished
    (folder / "evidence.json").unlink()
    (folder / "stages" / "lifelong-simulated-1.json").unlink()
    (folder / "stages" / "black_box-simulated-0.json").unlink()
    after = _smoke(folder)
    volatile = {"wall_s"}
    assert after.model_dump(exclude=volatile) == before.model_dump(exclude=volatile)


def test_too_few_records_are_refused(tmp_path: Path) -> None:
    (tmp_path / "few.csv").write_text("1,0.5\n2,0.7\n" * 50)
    study = STUDIES["mia_fdr"]
    config = study.presets["smoke"].model_copy(update={"data": tmp_path})
    with pytest.raises(InputError, match=": 100 records; give 400 or more"):
        run_study(study, config, preset="smoke", seed=0, folder=tmp_path / "run")


def test_unknown_records_are_refused(tmp_path: Path) -> None:
    study = STUDIES["mia_fdr"]
    config = study.presets["smoke"].model_copy(update={"records": ("cifar",)})
    with pytest.raises(
        InputError, match=r"unknown records 'cifar': .*breast_cancer, digits, simulated, wine"
    ):
        run_study(study, config, preset="smoke", seed=0, folder=tmp_path / "run")
