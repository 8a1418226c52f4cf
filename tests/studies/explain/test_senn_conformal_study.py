from pathlib import Path

import pytest

from sterling.errors import InputError
from sterling.studies import STUDIES
from sterling.study import run_study
from sterling.study.report import render_report
from sterling.testing import check_study

STUDY = STUDIES["senn_conformal"]


@pytest.mark.smoke
def test_the_whole_path_leaves_evidence_and_report_and_resumes(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    evidence = check_study(STUDY, folder, seed=1)
    assert {claim.id for claim in evidence.claims} == {
        "joint_concept_coverage",
        "naive_threshold_falls_short",
        "joint_smaller_than_bonferroni",
        "transfer_smaller_than_labels_only",
        "transfer_alone_falls_short",
        "transfer_keeps_the_floor",
        "repair_covers",
    }
    tables = {table.name: table for table in evidence.tables}
    assert set(tables) >= {"sets shapes", "sets digits", "transfer", "conditional", "guarantee"}
    assert "exchangeable" in str(tables["guarantee"].rows)
    render_report([folder], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "Explanations with their doubts" in page
    assert page.count("data:image/png") >= 16


def test_class_attributes_of_real_birds(shared_data: Path, tmp_path: Path) -> None:
    small = STUDY.presets["smoke"].model_copy(
        update={
            "data": shared_data / "concepts" / "cub_attributes",
            "items": 700,
            "seeds": 1,
            "certified": 2,
        }
    )
    evidence = run_study(
        STUDY, small, preset="smoke", seed=0, folder=tmp_path / "run", backend="inline"
    )
    assert "SIMULATED items from CUB's class attributes" in evidence.scope
    head = next(one for one in evidence.metrics if one.name == "data: head error on true concepts")
    assert head.value is not None
    assert head.value > 0  # twelve attributes do not tell twenty species apart for certain


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    config = STUDY.presets["smoke"].model_copy(update={"data": tmp_path})
    with pytest.raises(InputError, match="give a folder with one of them"):
        run_study(STUDY, config, preset="smoke", seed=0, folder=tmp_path / "run", backend="inline")
