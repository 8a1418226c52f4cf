"""`sterling reasoning` from a user's samples to limits, sets and exit status."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tests.cli import command

refused = partial(command.refused, "reasoning")
run = partial(command.run, "reasoning")
told = partial(command.told, "reasoning")


def write(path: Path, count: int, seed: int, *, errs: float = 0.3, gold: bool = True) -> Path:
    rng = np.random.default_rng(seed)
    lines = []
    for _ in range(count):
        a, b = rng.integers(2, 60, 2).tolist()
        sums = (a + b + (rng.random(6) < errs) * rng.integers(1, 5, 6)).tolist()
        line = {"question": f"{a} + {b}?", "traces": [f"{a} + {b} = {one}" for one in sums]}
        lines.append(json.dumps(line | ({"gold": a + b} if gold else {})))
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def limits(tmp_path: Path) -> Path:
    samples = write(tmp_path / "s.jsonl", 200, 0)
    shown = told("calibrate", samples, "--out", tmp_path / "limits.json", "--eps", "0.1")
    assert "at most 0.1 of new questions" in shown
    assert "sets without the right answer" in shown
    return tmp_path / "limits.json"


def test_new_questions_get_sets_that_hold_the_answer(limits: Path, tmp_path: Path) -> None:
    new = write(tmp_path / "new.jsonl", 200, 1, gold=False)
    found = json.loads(told("predict", new, "--limits", limits, "--json"))
    missed = [
        str(sum(map(int, one["question"].rstrip("?").split(" + ")))) not in one["answers"]
        for one in found["sets"]
    ]
    assert np.mean(missed) < 0.1
    assert found["guarantee"]["level"] == 0.1
    lines = told("predict", new, "--limits", limits).splitlines()
    assert len(lines) == 201
    assert lines[-1] == found["guarantee"]["statement"]


def test_what_cannot_be_certified_abstains(tmp_path: Path) -> None:
    hopeless = write(tmp_path / "s.jsonl", 100, 0, errs=1.0)
    out = tmp_path / "limits.json"
    ended = run("calibrate", hopeless, "--out", out)
    assert ended.status == 1
    assert "No setting is certified" in ended.out
    ended = run("predict", hopeless, "--limits", out)
    assert ended.status == 1
    assert "abstains" in ended.out


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    few = write(tmp_path / "few.jsonl", 20, 0)
    out = ["--out", tmp_path / "x.json"]
    assert "need 58 or more" in refused("calibrate", few, *out)
    assert "has 6 solutions, 9 are asked for" in refused("calibrate", few, *out, "--solutions", 9)
    assert "no such file" in refused("calibrate", tmp_path / "none.jsonl", *out)
    assert not (tmp_path / "x.json").exists()
    blind = write(tmp_path / "blind.jsonl", 100, 0, gold=False)
    assert "line 1: gold is None" in refused("calibrate", blind, *out)
    assert "not the limits" in refused("predict", few, "--limits", few)
