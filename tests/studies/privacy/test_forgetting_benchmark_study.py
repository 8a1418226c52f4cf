"""The whole path of the benchmark: cells, claims, resume, report, and what it refuses."""

from pathlib import Path

import pytest

from sterling.errors import InputError
from sterling.studies import STUDIES
from sterling.study import Evidence, override, run_study

STUDY = STUDIES["forgetting_benchmark"]
SMALL = ('grid=[["mlp","random"]]', 'methods=["GA"]', "authors=[0,1,1,1]", "seeds=1")


def _smoke(folder: Path) -> Evidence:
    return run_study(
        STUDY, STUDY.presets["smoke"], preset="smoke", seed=1, folder=folder, backend="inline"
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Evidence]:
    folder = tmp_path_factory.mktemp("forgetting") / "run"
    return folder, _smoke(folder)


def test_every_table_has_both_references(finished: tuple[Path, Evidence]) -> None:
    evidence = finished[1]
    assert len(evidence.claims) >= 16
    *crossed, rewinding, maps, cost = evidence.tables
    assert len(maps.rows) == 5
    assert [row[0] for row in rewinding.rows] == ["mlp, random", "mlp, mislabelled"]
    assert {"retrain", "GA", "SISA, one record"} <= {row[0] for row in cost.rows}
    for table in crossed:
        assert {"retrain", "no unlearning"} <= {row[0] for row in table.rows}
    by_name = {figure.name: figure for figure in evidence.figures}
    assert set(by_name.pop("requests").data["series"]) == {"retrain", "GradDiff"}
    for figure in by_name.values():
        retrained = figure.data["values"][figure.data["rows"].index("retrain")]
        assert all(value == 0 for value in retrained), "the reference is its own distance"


def test_reconstruction_runs_behind_the_switch_only(
    finished: tuple[Path, Evidence], tmp_path: Path
) -> None:
    name = "ridge reconstruction error"
    assert not any(metric.name == name for metric in finished[1].metrics)
    assert not any("soft prompt" in table.columns for table in finished[1].tables)
    small = [*SMALL, "requests=0"]
    config = override(STUDY.presets["smoke"], [*small, "research_use=true"])
    evidence = run_study(
        STUDY, config, preset="smoke", seed=0, folder=tmp_path / "run", backend="inline"
    )
    (metric,) = (metric for metric in evidence.metrics if metric.name == name)
    assert metric.n == 50
    assert metric.value is not None
    assert metric.value < 1e-8


@pytest.mark.parametrize("folder", ["images/mnist", "tabular/location30"])
def test_it_runs_on_other_data(folder: str, shared_data: Path, tmp_path: Path) -> None:
    if not (shared_data / folder).is_dir():
        pytest.skip(f"{shared_data / folder} is not there")
    small = [*SMALL, "requests=0"]
    config = override(STUDY.presets["smoke"], small)
    config = config.model_copy(update={"data": shared_data / folder})
    evidence = run_study(
        STUDY, config, preset="smoke", seed=0, folder=tmp_path / "run", backend="inline"
    )
    assert folder in evidence.scope
    assert [row[0] for row in evidence.tables[0].rows] == ["retrain", "no unlearning", "GA"]
    assert all(claim.verdict == "undecided" for claim in evidence.claims), "one seed tells nothing"


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ('grid=[["mpl","random"]]', "did you mean mlp"),
        ('grid=[["mlp","randon"]]', "did you mean random"),
        ('methods=["NPQ"]', "did you mean NPO"),
    ],
)
def test_unknown_names_are_told(assignment: str, message: str, tmp_path: Path) -> None:
    config = override(STUDY.presets["smoke"], [assignment])
    with pytest.raises(InputError, match=message):
        run_study(STUDY, config, preset="smoke", seed=0, folder=tmp_path / "run", backend="inline")


def test_an_empty_grid_is_refused(tmp_path: Path) -> None:
    config = override(STUDY.presets["smoke"], ["grid=[]", "authors=[0,1,1,1]"])
    with pytest.raises(InputError, match="nothing to run"):
        run_study(STUDY, config, preset="smoke", seed=0, folder=tmp_path / "run", backend="inline")
