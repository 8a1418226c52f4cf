from pathlib import Path

import polars as pl
import pytest

from sterling.errors import InputError
from sterling.studies import STUDIES
from sterling.study import run_study


@pytest.mark.smoke
def test_every_score_is_kept_and_the_base_attack_is_declared_by_the_papers_rule(
    tmp_path: Path,
) -> None:
    study = STUDIES["mia_fdr"]
    run_study(
        study,
        study.presets["smoke"],
        preset="smoke",
        seed=1,
        folder=tmp_path / "run",
        backend="inline",
    )
    scores = pl.read_parquet(tmp_path / "run" / "scores.parquet")
    assert scores["system"].n_unique() == 12
    one = scores.filter(pl.col("system").str.starts_with("loss"), pl.col("seed") == 0)
    assert one["item"].n_unique() == len(one) == 400
    results = pl.read_parquet(tmp_path / "run" / "results.parquet")
    power = results.filter(pl.col("metric") == "power", pl.col("data") == "simulated")
    by_rule = power.filter(pl.col("setting") == "rule bh")["value"]
    at_level = power.filter(pl.col("system") == "LiRA online", pl.col("alpha") == 0.1)["value"]
    assert len(by_rule) == 2
    assert by_rule.equals(at_level)


def test_too_few_records_are_refused(tmp_path: Path) -> None:
    (tmp_path / "few.csv").write_text("1,0.5\n2,0.7\n" * 50)
    study = STUDIES["mia_fdr"]
    config = study.presets["smoke"].model_copy(update={"data": tmp_path})
    with pytest.raises(InputError, match=": 100 records; give 400 or more"):
        run_study(study, config, preset="smoke", seed=0, folder=tmp_path / "run", backend="inline")


def test_unknown_records_are_refused(tmp_path: Path) -> None:
    study = STUDIES["mia_fdr"]
    config = study.presets["smoke"].model_copy(update={"records": ("cifar",)})
    with pytest.raises(
        InputError, match=r"unknown records 'cifar': .*breast_cancer, digits, simulated, wine"
    ):
        run_study(study, config, preset="smoke", seed=0, folder=tmp_path / "run", backend="inline")
