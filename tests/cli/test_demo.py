"""The demo recommends only what its findings support."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from sterling.cli.demo import closing
from sterling.study import Evidence


@pytest.mark.parametrize("outcome", ["4 of 4 claims hold", "0 of 4 claims hold"])
def test_no_finding_recommends_the_demos_detector(outcome: str) -> None:
    said = closing(cast("Evidence", SimpleNamespace(outcome=outcome)), Path("runs/demo-quick"))
    assert said[0] == f"claims: {outcome}"
    assert any("not fit for use on photographs" in line for line in said)
    commands = [line for line in said if "sterling face" in line]
    assert commands
    assert not any("runs/demo-quick" in line or "--detector" in line for line in commands)
