from pathlib import Path

import pytest

from sterling.errors import InputError
from sterling.studies import STUDIES
from sterling.study import override, run_study


def test_lengths_beyond_the_tokens_generated_are_refused(tmp_path: Path) -> None:
    hats = STUDIES["hats"]
    config = override(hats.presets["smoke"], ["tokens=30"])
    with pytest.raises(InputError, match="lengths"):
        run_study(hats, config, preset="smoke", seed=0, folder=tmp_path / "run", backend="inline")
