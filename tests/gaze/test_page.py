"""The code of the page about gaze runs."""

import re
from pathlib import Path

import numpy as np
import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "gaze.md"


def test_the_code_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    lines = ["viewer,stimulus,x,y"]
    Path("maps").mkdir()
    for stimulus in "abc":
        np.save(f"maps/{stimulus}.npy", rng.random((600, 800)))
        for viewer in "uvw":
            lines += [
                f"{viewer},{stimulus}.png,{x},{y}" for x, y in rng.integers(0, 600, (5, 2)).tolist()
            ]
    Path("fixations.csv").write_text("\n".join(lines))
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), flags=re.M | re.S)
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        exec(block, names)  # our own page
    summary = names["evaluation"].summary()["NSS"]  # type: ignore[attr-defined]
    assert np.isfinite(summary["below ceiling"].value)
