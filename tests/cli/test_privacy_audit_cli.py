"""`sterling privacy audit` from files to exit status, evidence and report."""

import json
import re
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.cli import command

from sterling.study import load_evidence

refused = partial(command.refused, "privacy", "audit")
run = partial(command.run, "privacy", "audit")
told = partial(command.told, "privacy", "audit")


def _write(path: Path, seed: int, *, shift: float = 0.0) -> Path:
    loss = np.random.default_rng(seed).exponential(size=3000) * np.exp(shift)
    pl.DataFrame({"loss": loss}).write_csv(path)
    return path


@pytest.mark.smoke
def test_a_forgetful_model_passes_and_a_leaking_one_does_not(tmp_path: Path) -> None:
    forget, holdout = _write(tmp_path / "f.csv", 0), _write(tmp_path / "h.csv", 1)
    leaking = _write(tmp_path / "l.csv", 0, shift=-1.0)
    sets = ["--holdout", holdout, "--json"]
    evidence = json.loads(told("--forget", forget, *sets, "--out", tmp_path / "good"))
    assert evidence["claims"][0]["id"] == "forgotten"
    assert "--forget" in evidence["command"]
    assert (tmp_path / "good" / "report.html").stat().st_size > 5000
    assert run("--forget", leaking, *sets, "--out", tmp_path / "bad").status == 1
    again = ["--retrained-forget", leaking, "--retrained-holdout", holdout]
    out = ["--out", tmp_path / "reference"]
    assert run("--forget", leaking, *sets, *again, *out).status == 0
    assert load_evidence(tmp_path / "reference").claims[0].id == "like_retrained"


def test_few_records_are_undecided_and_how_many_would_decide_is_said(tmp_path: Path) -> None:
    files = []
    for seed, name in enumerate(("f.csv", "h.csv")):
        loss = np.random.default_rng(seed).exponential(size=60)
        pl.DataFrame({"loss": loss}).write_csv(tmp_path / name)
        files.append(tmp_path / name)
    given = ("--forget", files[0], "--holdout", files[1], "--out", tmp_path / "run")
    shown = told(*given, "--tolerance", 0.1, status=4)
    assert "undecided: forgotten: about " in shown
    assert "times as many items would decide it" in shown


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--retrained-forget", "f.csv"], "give both or none"),
        (["--retrained-onnx", "m.onnx"], "give it with --model"),
        (["--tolerance", "2"], "tolerance 2"),
    ],
)
def test_bad_options_are_one_line_and_status_2(
    extra: list[str], message: str, tmp_path: Path
) -> None:
    forget, holdout = _write(tmp_path / "f.csv", 0), _write(tmp_path / "h.csv", 1)
    out = ["--out", tmp_path / "run"]
    assert message in refused("--forget", forget, "--holdout", holdout, *extra, *out)


def test_each_call_has_a_run_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name in ("forget", "holdout"):
        pl.DataFrame({"loss": rng.exponential(size=300)}).write_csv(f"{name}.csv")
    run("--forget", "forget.csv", "--holdout", "holdout.csv")
    (folder,) = (tmp_path / "runs").iterdir()
    assert re.fullmatch(r"privacy-audit-\d{8}-\d{6}", folder.name)
    assert (folder / "report.html").stat().st_mode & 0o444 == 0o444
