"""What the uncertainty study refuses."""

from pathlib import Path

import pytest

from sterling.cli import main
from sterling.errors import InputError
from sterling.studies import STUDIES
from sterling.study import override, run_study

STUDY = STUDIES["uncertainty_unlearning"]


def test_it_needs_the_research_switch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--preset", "quick", "--out", str(tmp_path / "run")]
    with pytest.raises(SystemExit) as ended:
        main(["run", "uncertainty_unlearning", *out])
    assert ended.value.code == 2
    assert "give --research-use" in capsys.readouterr().err
    assert not STUDY.presets["quick"].research_use


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (['problems=["mixtrue"]'], "did you mean mixture"),
        (["seeds=[1,2]"], "one number per problem"),
        (["owned=0.01"], "lower the budget"),
    ],
)
def test_bad_configurations(assignments: list[str], message: str, tmp_path: Path) -> None:
    config = override(STUDY.presets["smoke"], assignments)
    with pytest.raises(InputError, match=message):
        run_study(STUDY, config, preset="smoke", seed=0, folder=tmp_path / "run", backend="inline")
    (tmp_path / "few.csv").write_text("1,0.5\n2,0.7\n" * 50)
    own = STUDY.presets["smoke"].model_copy(update={"data": tmp_path})
    with pytest.raises(InputError, match="holds 100 records, 2760 are needed"):
        run_study(STUDY, own, preset="smoke", seed=0, folder=tmp_path / "other", backend="inline")
