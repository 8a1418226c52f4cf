"""Studies of watermarks and of prompt search: settings refused, and the path of prompt search."""

from pathlib import Path

import pytest

from sterling.errors import InputError
from sterling.studies import STUDIES
from sterling.study import Evidence, override, run_study
from sterling.study.report import render_report

CLAIMS = {
    "upa": {"swap_removes_lean", "better_than_greedy_chain", "right_more_often_than_start"},
}
STAGES = {"upa": "worlds"}


def _smoke(name: str, folder: Path) -> Evidence:
    study = STUDIES[name]
    return run_study(
        study, study.presets["smoke"], preset="smoke", seed=2, folder=folder, backend="inline"
    )


@pytest.mark.smoke
@pytest.mark.parametrize("name", CLAIMS)
def test_the_whole_path_leaves_claims_tables_and_a_report_and_resumes(
    name: str, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    before = _smoke(name, folder)
    ids = {claim.id for claim in before.claims}
    assert len(ids) == len(before.claims)
    assert ids >= CLAIMS[name]
    assert before.tables
    assert before.figures
    render_report([folder], tmp_path / "report.html")
    (folder / "evidence.json").unlink()
    (folder / "stages" / f"{STAGES[name]}.json").unlink()
    after = _smoke(name, folder)
    assert after.model_dump(exclude={"wall_s"}) == before.model_dump(exclude={"wall_s"})


def test_settings_that_do_not_fit_are_named(tmp_path: Path) -> None:
    hats, upa = STUDIES["hats"], STUDIES["upa"]
    config = override(hats.presets["smoke"], ["tokens=30"])
    with pytest.raises(InputError, match="lengths"):
        run_study(hats, config, preset="smoke", seed=0, folder=tmp_path / "hats", backend="inline")
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks/task.json").write_text('{"examples": [{"input": "1", "target": "2"}]}')
    config = override(upa.presets["smoke"], [f"data={tmp_path}/tasks"])
    with pytest.raises(InputError, match="task task: 1 questions"):
        run_study(upa, config, preset="smoke", seed=0, folder=tmp_path / "upa", backend="inline")
