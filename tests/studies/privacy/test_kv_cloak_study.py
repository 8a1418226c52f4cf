"""The whole path of the study of key-value caches, resume, and the switch before it."""

from pathlib import Path

import pytest

pytest.importorskip("transformers")

from sterling.cli import main
from sterling.errors import InputError
from sterling.studies import STUDIES
from sterling.study import Evidence, override, run_study
from sterling.study.report import render_report

STUDY = STUDIES["kv_cloak"]


def _smoke(folder: Path) -> Evidence:
    return run_study(STUDY, STUDY.presets["smoke"], preset="smoke", seed=2, folder=folder)


@pytest.mark.smoke
def test_the_whole_path_leaves_claims_tables_and_a_report_and_resumes(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    before = _smoke(folder)
    claims = {claim.id: claim for claim in before.claims}
    assert len(claims) == len(before.claims) == 17
    for exact in ("inversion_projects", "logits_exact"):
        assert claims[exact].verdict == "holds", exact
    # Six targets cannot show that a rate is small, but they show that it is not.
    assert claims["fingerprint_published"].verdict == "does not hold"
    rows = {row[0]: row for row in before.tables[0].rows}
    assert rows["inversion, projecting"][1] == 1
    render_report([folder], tmp_path / "report.html")
    (folder / "evidence.json").unlink()
    (folder / "stages" / "fingerprint.json").unlink()
    (folder / "stages" / "inversion.json").unlink()
    after = _smoke(folder)
    assert after.model_dump(exclude={"wall_s"}) == before.model_dump(exclude={"wall_s"})


def test_it_needs_the_research_switch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", "kv_cloak", "--preset", "quick", "--out", str(tmp_path / "run")])
    assert ended.value.code == 2
    assert "give --research-use" in capsys.readouterr().err


def test_bad_configurations_are_told(tmp_path: Path) -> None:
    for assignments, message in (
        (["prompts=17"], "there are 16; lower it"),
        ([f'data="{tmp_path}"'], "set it to false"),
    ):
        config = override(STUDY.presets["smoke"], assignments)
        with pytest.raises(InputError, match=message):
            run_study(STUDY, config, preset="smoke", seed=0, folder=tmp_path / assignments[0][:4])
