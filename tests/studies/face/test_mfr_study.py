from pathlib import Path

import pytest

from sterling.errors import InputError
from sterling.studies import STUDIES
from sterling.study import run_study

STUDY = STUDIES["mfr"]


def test_a_rate_that_few_people_cannot_show_is_refused_at_once(tmp_path: Path) -> None:
    config = STUDY.presets["smoke"].model_copy(update={"far": 0.001})
    with pytest.raises(InputError, match=r"too few for rates below 0\.08"):
        run_study(STUDY, config, preset="smoke", seed=0, folder=tmp_path / "run", backend="inline")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    config = STUDY.presets["smoke"].model_copy(update={"data": tmp_path / "none"})
    with pytest.raises(InputError, match="no such folder"):
        run_study(STUDY, config, preset="smoke", seed=0, folder=tmp_path / "run", backend="inline")
