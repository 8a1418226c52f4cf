from pathlib import Path

import pytest

from sterling.errors import InputError
from sterling.studies import STUDIES
from sterling.studies.face.mfr import ARMS
from sterling.study import run_study
from sterling.study.report import render_report

STUDY = STUDIES["mfr"]


@pytest.mark.smoke
def test_the_whole_path_leaves_evidence_and_a_report(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    evidence = run_study(STUDY, STUDY.presets["smoke"], preset="smoke", seed=1, folder=folder)
    assert evidence.scope.startswith("SIMULATED")
    arms, targets, people = evidence.tables
    assert [row[0] for row in arms.rows] == list(ARMS)
    assert {row[0] for row in targets.rows} == {"inverted", "blurred", "dark", "noisy"}
    assert len(people.rows) == 4 * len(ARMS)
    render_report([folder], tmp_path / "report.html")
    (folder / "evidence.json").unlink()
    (folder / "stages" / "dark-1.json").unlink()
    again = run_study(STUDY, STUDY.presets["smoke"], preset="smoke", seed=1, folder=folder)
    assert again.model_dump(exclude={"wall_s"}) == evidence.model_dump(exclude={"wall_s"})


def test_a_rate_that_few_people_cannot_show_is_refused_at_once(tmp_path: Path) -> None:
    config = STUDY.presets["smoke"].model_copy(update={"far": 0.001})
    with pytest.raises(InputError, match=r"too few for rates below 0\.08"):
        run_study(STUDY, config, preset="smoke", seed=0, folder=tmp_path / "run")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    config = STUDY.presets["smoke"].model_copy(update={"data": tmp_path / "none"})
    with pytest.raises(InputError, match="no such folder"):
        run_study(STUDY, config, preset="smoke", seed=0, folder=tmp_path / "run")
