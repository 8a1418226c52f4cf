from pathlib import Path

import pytest

from sterling.errors import InputError
from sterling.studies import STUDIES
from sterling.studies.image._detection import ARMS, DetectionPlan
from sterling.study import override, run_study

pytest.importorskip("foolbox", reason="pip install 'sterling[attacks]'")


@pytest.mark.smoke
def test_the_whole_path_leaves_evidence(tmp_path: Path) -> None:
    study = STUDIES["metaadvdet"]
    evidence = run_study(
        study, study.presets["smoke"], preset="smoke", seed=0, folder=tmp_path / "run"
    )
    assert "SIMULATED" in evidence.scope
    assert {claim.verdict for claim in evidence.claims} == {"undecided"}  # one seed has no interval
    arms = next(table for table in evidence.tables if table.name == "arms")
    assert {row[2] for row in arms.rows} == set(ARMS)
    for row in arms.rows:
        assert row[3] is None or all(0 <= row[column] <= 1 for column in (3, 6, 9))  # type: ignore[operator]
    attacks = {row[0]: row[1] for row in evidence.tables[1].rows}
    assert attacks == {"fgsm": "known", "pgd": "known", "semantic": "new", "newton_fool": "new"}


def test_wrong_settings_are_named_before_anything_is_trained(tmp_path: Path) -> None:
    study = STUDIES["metaadvdet"]
    assert DetectionPlan(**study.presets["paper"].model_dump(exclude={"data", "seeds"}))
    for assignment, named in (
        ("research_use=false", "research_use false"),
        ('known=["fgsm", "pdg"]', "did you mean pgd"),
    ):
        with pytest.raises(InputError, match=named):
            run_study(
                study,
                override(study.presets["smoke"], [assignment]),
                preset="smoke",
                seed=0,
                folder=tmp_path / named.replace(" ", "-"),
            )
