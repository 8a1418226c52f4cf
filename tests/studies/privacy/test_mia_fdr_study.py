from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest


@pytest.mark.smoke
def test_every_score_is_kept_and_the_base_attack_is_declared_by_the_papers_rule(
    checked_run: Callable[[str], Path],
) -> None:
    folder = checked_run("mia_fdr")
    scores = pl.read_parquet(folder / "scores.parquet")
    assert scores["system"].n_unique() == 12
    one = scores.filter(pl.col("system").str.starts_with("loss"), pl.col("seed") == 0)
    assert one["item"].n_unique() == len(one) == 400
    results = pl.read_parquet(folder / "results.parquet")
    power = results.filter(pl.col("metric") == "power", pl.col("data") == "simulated")
    by_rule = power.filter(pl.col("setting") == "rule bh")["value"]
    at_level = power.filter(pl.col("system") == "LiRA online", pl.col("alpha") == 0.1)["value"]
    assert len(by_rule) == 2
    assert by_rule.equals(at_level)
