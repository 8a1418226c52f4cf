"""The study of detectors from smoke to evidence, and what it refuses."""

import json
from pathlib import Path

import pytest

from sterling.errors import InputError
from sterling.studies import STUDIES
from sterling.study import run_study
from sterling.study.report import render_report


@pytest.mark.smoke
def test_the_whole_path_leaves_evidence_and_report(tmp_path: Path) -> None:
    study, folder = STUDIES["mgteval"], tmp_path / "run"
    evidence = run_study(study, study.presets["smoke"], preset="smoke", seed=1, folder=folder)
    assert {claim.id for claim in evidence.claims} == {
        "metrics_detect",
        "fast_above_likelihood",
        "lower_entropy",
        "longer_is_easier",
        "edits_undo_detection",
        "supervised_does_not_transfer",
        "low_fpr_holds",
        "low_fpr_is_an_order_statistic",
        "list_keeps_fdr",
        "foreign_calibration_breaks_the_list",
    }
    tables = {table.name: table for table in evidence.tables}
    assert set(tables) == {
        *("detectors", "calibrated", "robustness"),
        *("transfer", "lists", "writers"),
    }
    assert {row[0] for row in tables["detectors"].rows} >= {"binoculars", "npr", "dna_gpt"}
    assert (folder / "corpora" / "1" / "corpus.jsonl").is_file()
    render_report([folder], tmp_path / "report.html")


def test_public_pairs_are_read_and_too_few_are_refused(tmp_path: Path) -> None:
    study = STUDIES["mgteval"]
    pairs = {"original": ["A person wrote this."], "sampled": ["A machine wrote this."]}
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "xsum_gpt2-xl.json").write_text(json.dumps(pairs))
    config = study.presets["smoke"].model_copy(update={"data": tmp_path / "data"})
    with pytest.raises(InputError, match="domain xsum: 1 texts of a kind are too few"):
        run_study(study, config, preset="smoke", seed=0, folder=tmp_path / "run")
    (tmp_path / "data" / "xsum_gpt2-xl.json").write_text("[1]")
    with pytest.raises(InputError, match="neither pairs"):
        run_study(study, config, preset="smoke", seed=0, folder=tmp_path / "other")
