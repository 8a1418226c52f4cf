"""The whole path of the benchmark: cells, claims, resume, report, and what it refuses."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.studies.smoke import run_smoke

from sterling.study import Evidence, load_evidence

SMALL = (
    *('grid=[["mlp","random"]]', 'methods=["GA"]', "authors=[0,1,1,1]", "seeds=1", "requests=0"),
)


@pytest.fixture(scope="module")
def finished(checked_run: Callable[[str], Path]) -> Evidence:
    return load_evidence(checked_run("forgetting_benchmark"))


def test_every_table_has_both_references(finished: Evidence) -> None:
    assert len(finished.claims) >= 16
    *crossed, rewinding, maps, cost = finished.tables
    assert len(maps.rows) == 5
    assert [row[0] for row in rewinding.rows] == ["mlp, random", "mlp, mislabelled"]
    assert {"retrain", "GA", "SISA, one record"} <= {row[0] for row in cost.rows}
    for table in crossed:
        assert {"retrain", "no unlearning"} <= {row[0] for row in table.rows}
    by_name = {figure.name: figure for figure in finished.figures}
    assert set(by_name.pop("requests").data["series"]) == {"retrain", "GradDiff"}
    for figure in by_name.values():
        retrained = figure.data["values"][figure.data["rows"].index("retrain")]
        assert all(value == 0 for value in retrained), "the reference is its own distance"


def test_reconstruction_runs_behind_the_switch_only(finished: Evidence, tmp_path: Path) -> None:
    name = "ridge reconstruction error"
    assert not any(metric.name == name for metric in finished.metrics)
    assert not any("soft prompt" in table.columns for table in finished.tables)
    evidence = run_smoke("forgetting_benchmark", tmp_path, *SMALL, "research_use=true")
    (metric,) = (metric for metric in evidence.metrics if metric.name == name)
    assert metric.n == 50
    assert metric.value is not None
    assert metric.value < 1e-8


@pytest.mark.parametrize("folder", ["images/mnist", "tabular/location30"])
def test_it_runs_on_other_data(folder: str, shared_data: Path, tmp_path: Path) -> None:
    if not (shared_data / folder).is_dir():
        pytest.skip(f"{shared_data / folder} is not there")
    evidence = run_smoke("forgetting_benchmark", tmp_path, *SMALL, f"data={shared_data / folder}")
    assert folder in evidence.scope
    assert [row[0] for row in evidence.tables[0].rows] == ["retrain", "no unlearning", "GA"]
    assert all(claim.verdict == "undecided" for claim in evidence.claims), "one seed tells nothing"
