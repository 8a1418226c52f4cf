"""`sterling privacy audit` from files to exit status, evidence and report."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sterling.cli import main
from sterling.study import load_evidence


def _write(path: Path, seed: int, *, shift: float = 0.0) -> Path:
    loss = np.random.default_rng(seed).exponential(size=3000) * np.exp(shift)
    pl.DataFrame({"loss": loss}).write_csv(path)
    return path


def _status(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["privacy", "audit", *arguments])
    return int(ended.value.code or 0)


@pytest.mark.smoke
def test_a_forgetful_model_passes_and_a_leaking_one_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forget, holdout = _write(tmp_path / "f.csv", 0), _write(tmp_path / "h.csv", 1)
    leaking = _write(tmp_path / "l.csv", 0, shift=-1.0)
    sets = ["--holdout", str(holdout), "--json"]
    assert _status(["--forget", str(forget), *sets, "--out", str(tmp_path / "good")]) == 0
    evidence = json.loads(capsys.readouterr().out)
    assert evidence["claims"][0]["id"] == "forgotten"
    assert "--forget" in evidence["command"]
    assert (tmp_path / "good" / "report.html").stat().st_size > 5000
    assert _status(["--forget", str(leaking), *sets, "--out", str(tmp_path / "bad")]) == 1
    again = ["--retrained-forget", str(leaking), "--retrained-holdout", str(holdout)]
    out = ["--out", str(tmp_path / "reference")]
    assert _status(["--forget", str(leaking), *sets, *again, *out]) == 0
    assert load_evidence(tmp_path / "reference").claims[0].id == "like_retrained"


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--retrained-forget", "f.csv"], "give both or none"),
        (["--retrained-onnx", "m.onnx"], "give it with --onnx"),
        (["--tolerance", "2"], "tolerance 2"),
    ],
)
def test_bad_options_are_one_line_and_status_2(
    extra: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forget, holdout = _write(tmp_path / "f.csv", 0), _write(tmp_path / "h.csv", 1)
    out = ["--out", str(tmp_path / "run")]
    assert _status(["--forget", str(forget), "--holdout", str(holdout), *extra, *out]) == 2
    assert message in capsys.readouterr().err
