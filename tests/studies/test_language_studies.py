"""The whole path of the study of watermarks, and its resume."""

from pathlib import Path

import pytest

from sterling.errors import InputError
from sterling.studies import STUDIES
from sterling.study import Evidence, override, run_study
from sterling.study.report import render_report

CLAIMS = {
    "hats": {"more_found_than_kgw", "fisher_accuses_more", "paraphrase_removes"},
}
STAGES = {"hats": "group-1"}


def _smoke(name: str, folder: Path) -> Evidence:
    study = STUDIES[name]
    return run_study(study, study.presets["smoke"], preset="smoke", seed=2, folder=folder)


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
    hats = STUDIES["hats"]
    config = override(hats.presets["smoke"], ["tokens=30"])
    with pytest.raises(InputError, match="lengths"):
        run_study(hats, config, preset="smoke", seed=0, folder=tmp_path / "hats")
