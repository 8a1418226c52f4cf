from pathlib import Path

import pytest

from sterling.errors import InputError
from sterling.studies import STUDIES
from sterling.study import run_study

STUDY = STUDIES["senn_conformal"]


# So few items resolve no smaller level, and the study says so.
@pytest.mark.filterwarnings("ignore::sterling.guarantee.ResolutionWarning")
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
