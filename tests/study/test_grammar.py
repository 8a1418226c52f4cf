import math
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from scipy import stats

from sterling.errors import InputError, NothingMeasuredError
from sterling.runs import Run
from sterling.study import (
    Claim,
    Config,
    Evidence,
    Results,
    Study,
    StudyEntry,
    Views,
    find_study,
    load_evidence,
    mean_cells,
    override,
    positive,
    row,
    run_study,
)
from sterling.study.evidence import Verdict


class Inner(Config):
    depth: int = 1


class ToyConfig(Config):
    n: int = 3
    inner: Inner = Inner()


def _measure(config: ToyConfig, run: Run) -> Results:
    rows = []
    for index in range(config.n):
        compute = partial(math.sin, run.seed + index)
        rows.append({"repetition": index, **row("sine", run.stage(f"s{index}", compute))})
        if os.environ.get("TOY_KILL_AT") == str(index):
            os.kill(os.getpid(), signal.SIGKILL)
    return Results.of(rows)


TOY = Study(
    StudyEntry("toy", "", "test", "yu2020searching", __name__),
    presets={"smoke": ToyConfig()},
    measure=_measure,
    claims=lambda results, _: [positive("positive", "Positive.", results.values("sine"))],
    views=lambda results, _: Views([results.metric("mean", "sine", "-")]),
    scope=lambda _: "toy",
    no_data="a toy takes no data",
)


def _run(folder: Path, n: int = 3) -> Evidence:
    return run_study(TOY, ToyConfig(n=n), preset="smoke", seed=5, folder=folder)


def test_evidence_is_what_is_written(tmp_path: Path) -> None:
    evidence = _run(tmp_path / "run")
    assert load_evidence(tmp_path / "run") == evidence
    expected = np.mean(np.sin([5.0, 6.0, 7.0]))
    assert evidence.metrics[0].value == pytest.approx(expected, abs=1e-12)


def test_a_finished_run_is_not_computed_again(tmp_path: Path) -> None:
    assert _run(tmp_path) == _run(tmp_path)


def test_killed_and_resumed_gives_the_evidence_of_an_uninterrupted_run(tmp_path: Path) -> None:
    program = (
        "import importlib.util, pathlib, sys\n"
        "spec = importlib.util.spec_from_file_location('toy', sys.argv[1])\n"
        "toy = importlib.util.module_from_spec(spec); spec.loader.exec_module(toy)\n"
        "toy._run(pathlib.Path(sys.argv[2]))\n"
    )
    command = [sys.executable, "-c", program, __file__, str(tmp_path / "killed")]
    done = subprocess.run(command, env={**os.environ, "TOY_KILL_AT": "1"}, check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "evidence.json").exists()
    stages = tmp_path / "killed" / "stages"
    before = {path.name: path.stat().st_mtime_ns for path in stages.iterdir()}
    assert sorted(before) == ["s0.json", "s1.json"]
    resumed, whole = _run(tmp_path / "killed"), _run(tmp_path / "whole")
    after = {path.name: path.stat().st_mtime_ns for path in stages.iterdir()}
    assert before.items() <= after.items()
    volatile = {"started", "wall_s"}
    assert resumed.model_dump(exclude=volatile) == whole.model_dump(exclude=volatile)


def test_a_run_that_measured_nothing_is_not_a_success(tmp_path: Path) -> None:
    with pytest.raises(NothingMeasuredError, match="toy"):
        _run(tmp_path, n=0)
    assert not (tmp_path / "evidence.json").exists()


def test_damaged_evidence_names_the_field(tmp_path: Path) -> None:
    _run(tmp_path)
    path = tmp_path / "evidence.json"
    path.write_text(path.read_text().replace('"seed":', '"sed":'))
    with pytest.raises(InputError, match=r"does not fit .*SHA256SUMS; delete it"):
        load_evidence(tmp_path)
    (tmp_path / "SHA256SUMS").unlink()
    with pytest.raises(InputError, match=r"evidence.json is damaged at 'se?e?d'"):
        load_evidence(tmp_path)


def test_data_and_backends_that_are_not_taken_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"--data {tmp_path}: a toy takes no data"):
        run_study(TOY, ToyConfig(data=tmp_path), preset="smoke", seed=0, folder=tmp_path / "a")
    with pytest.raises(InputError, match="unknown backend 'inlin': did you mean inline"):
        run_study(TOY, ToyConfig(), preset="smoke", seed=0, folder=tmp_path / "b", backend="inlin")


def test_no_evidence_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no evidence\.json"):
        load_evidence(tmp_path)


def test_a_row_holds_mean_and_interval_of_each_sequence() -> None:
    values = [1.0, 2.0, 4.0]
    low, high = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    row = mean_cells(values, [3.0], [])
    assert row[:3] == pytest.approx([7 / 3, low, high])
    assert row[3:] == [3.0, None, None, None, None, None]


def test_outcome_names_what_does_not_hold() -> None:
    claims = [
        Claim(id=name, claim="", estimand="", measured=0.0, bar="", verdict=verdict)
        for name, verdict in zip("abc", get_args(Verdict), strict=True)
    ]
    evidence = Evidence(
        scope="",
        not_scored=0,
        metrics=[],
        claims=claims,
        study="toy",
        preset="smoke",
        seed=0,
        command="sterling run",
        config={},
        versions={},
        started="",
        wall_s=0.0,
    )
    assert evidence.outcome == "1 of 3 claims hold; does not hold: b; undecided: c"


def test_override_sets_nested_fields() -> None:
    changed = override(ToyConfig(), ["n=7", "inner.depth=2"])
    assert (changed.n, changed.inner.depth) == (7, 2)


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("n", "key=value"),
        ("m=1", "available: data, inner.data, inner.depth, n"),
        ("inner.deep=1", "did you mean inner.depth"),
        ("n.x=1", "unknown configuration field"),
        ("n=many", "n: .*integer"),
    ],
)
def test_override_names_the_field_at_fault(assignment: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        override(ToyConfig(), [assignment])


def test_find_study_suggests() -> None:
    with pytest.raises(InputError, match="did you mean toy"):
        find_study("toi", {"toy": TOY})


def test_a_study_cites_its_paper() -> None:
    assert TOY.paper.title.startswith("Searching Central Difference")
    assert "author = {Yu, Zitong and Zhao, Chenxu and" in TOY.paper.bibtex
