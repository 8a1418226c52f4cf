"""A run in a local MLflow store."""

from pathlib import Path

import polars as pl
import pytest

from sterling.errors import InputError
from sterling.runs import open_run
from sterling.study import Evidence, Findings, at_most
from sterling.study.evidence import Metric
from sterling.study.grammar import finish_run
from sterling.study.mlflow_log import MlflowLog

mlflow = pytest.importorskip(
    "mlflow", reason="mlflow is not installed: pip install 'sterling[mlflow]'"
)


@pytest.fixture
def finished(tmp_path: Path) -> tuple[Evidence, Path]:
    folder = tmp_path / "toy-quick-3"
    findings = Findings(
        scope="SIMULATED",
        not_scored=0,
        metrics=[
            Metric(name="TPR at 1 %, new", value=0.5, low=0.4, high=0.7, n=9, unit="rate"),
            Metric(name="never measured", value=None, n=0, unit="rate"),
        ],
        claims=[at_most("small_error", "The error is small.", [0.1, 0.2, 0.3], 0.9)],
    )
    with open_run(folder, identity={"study": "toy"}, seed=3) as run:
        pl.DataFrame({"value": [1.0]}).write_parquet(folder / "results.parquet")
        config = {"seeds": 5, "forest": {"trees": 9}, "note": "x" * 9000}
        return finish_run(
            run, findings, study="toy", command="sterling run toy", config=config
        ), folder


def test_a_run_is_logged_with_parameters_intervals_verdicts_and_files(
    finished: tuple[Evidence, Path], tmp_path: Path
) -> None:
    evidence, folder = finished
    uri = (tmp_path / "mlruns").as_uri()
    run_id = MlflowLog(uri).write(evidence, folder)
    again = MlflowLog(uri).write(evidence, folder)
    client = mlflow.MlflowClient(tracking_uri=uri)
    assert [each.name for each in client.search_experiments() if each.name != "Default"] == [
        "sterling/toy"
    ], "two runs of a study share an experiment"
    assert run_id != again
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "toy-quick-3"
    params = run.data.params
    assert (params["seed"], params["seeds"], params["forest.trees"]) == ("3", "5", "9")
    assert len(params["note"]) == 6000
    claim = evidence.claims[0]
    assert run.data.metrics == {
        "TPR at 1 - new": 0.5,
        "TPR at 1 - new low": 0.4,
        "TPR at 1 - new high": 0.7,
        "claim/small_error": claim.measured,
        "claim/small_error low": claim.low,
        "claim/small_error high": claim.high,
        "wall_s": evidence.wall_s,
    }
    assert run.data.tags["claim.small_error"] == "holds"
    assert run.data.tags["scope"] == "SIMULATED"
    logged = {item.path for item in client.list_artifacts(run_id)}
    assert logged == {"evidence.json", "run.json", "results.parquet", "log.txt"}


def test_a_store_that_cannot_be_used_is_one_line_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for uri in ("http://127.0.0.1:9", "nonsense://x", (tmp_path / "file" / "x").as_uri()):
        with pytest.raises(InputError, match=r"^--mlflow [a-z]+://[^\n]+$"):
            MlflowLog(uri)


def test_what_the_store_refuses_stays_in_its_folder(
    finished: tuple[Evidence, Path], tmp_path: Path
) -> None:
    evidence, folder = finished
    log = MlflowLog((tmp_path / "mlruns").as_uri())
    (tmp_path / "mlruns").rename(tmp_path / "moved")
    (tmp_path / "mlruns").write_text("no folder any more")
    with pytest.raises(InputError, match=r"the evidence is in .*toy-quick-3, and the same command"):
        log.write(evidence, folder)
