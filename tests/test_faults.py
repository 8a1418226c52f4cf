"""Runs that are hit by a fault at every step they take, or killed, resume to the same evidence."""

import errno
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from sterling.runs import Cell, Row, Run
from sterling.study import (
    Config,
    Evidence,
    Results,
    Study,
    StudyEntry,
    Views,
    load_evidence,
    positive,
    row,
    run_study,
)

VOLATILE = {"started", "wall_s"}
STEPS = ("os.open", "os.fsync", "os.replace", "os.mkdir", "pathlib.Path.read_bytes")
KILLED = os.environ.get("STERLING_KILLED_STUDIES", "lwau").split(",")


class ToyConfig(Config):
    seeds: int = 2


def cell(cell: Cell) -> list[Row]:
    draws = np.random.default_rng(cell.seed).normal(1, 1, 4)
    cell.keep_scores(pl.DataFrame({"repetition": cell.repetition, "score": draws}))
    return [row("gain", float(draws.mean()) + cell.run.stage("shared", lambda: 0.5))]


def measure(config: ToyConfig, run: Run) -> Results:
    grid = [{"repetition": index} for index in range(config.seeds)]
    return Results.of(run.map(cell, grid, seed="toy/{repetition}"))


TOY = Study(
    StudyEntry("toy", "", "test", "yu2020searching", __name__),
    presets={"smoke": ToyConfig()},
    measure=measure,
    claims=lambda results, _: [positive("gain", "A gain.", results.values("gain"))],
    views=lambda results, _: Views([results.metric("mean", "gain", "-")]),
    scope=lambda _: "toy",
)


def run_toy(folder: Path) -> Evidence:
    return run_study(TOY, ToyConfig(), preset="smoke", seed=1, folder=folder, backend="inline")


@contextmanager
def fault(step: str, at: int, raised: BaseException) -> Iterator[Callable[[], int]]:
    """Raise at the at-th call of a function of the system; yield the number of calls so far."""
    module, _, name = step.rpartition(".")
    place: Any = {"os": os, "pathlib.Path": Path}[module]
    original, calls = getattr(place, name), 0

    def failing(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at:
            raise raised
        return original(*arguments, **named)

    setattr(place, name, failing)
    try:
        yield lambda: calls
    finally:
        setattr(place, name, original)


class Killed(BaseException):
    """Exception that nothing but a test catches."""


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("kind", ["broken disk", "killed"])
def test_a_fault_at_any_step_of_a_run_is_one_error_and_the_run_resumes(
    step: str, kind: str, tmp_path: Path
) -> None:
    with fault(step, 0, Killed()) as count:
        whole = run_toy(tmp_path / "whole").model_dump(exclude=VOLATILE)
    points = count()
    assert points >= 1
    for at in range(1, points + 1):
        folder = tmp_path / f"{at}"
        raised = Killed() if kind == "killed" else OSError(errno.EIO, os.strerror(errno.EIO))
        try:
            with fault(step, at, raised):
                run_toy(folder)
        except (Exception, Killed) as error:  # a fault that does no harm is welcome
            assert kind == "killed" or "Input/output error" in str(error)  # noqa: PT017
        assert run_toy(folder).model_dump(exclude=VOLATILE) == whole, f"{step}, call {at}"
        assert not list(folder.rglob(".*.partial"))


@pytest.mark.parametrize("name", KILLED)
def test_a_study_that_is_killed_again_and_again_ends_with_the_same_evidence(
    name: str, tmp_path: Path
) -> None:
    def started(folder: str) -> "subprocess.Popen[bytes]":
        command = "from sterling.cli import main; main()"
        arguments = ["run", name, "--preset", "smoke", "--out", folder, "--research-use"]
        if name != "forgetting_benchmark":
            arguments.pop()
        return subprocess.Popen(
            [sys.executable, "-c", command, *arguments, "--backend", "inline"],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    begun = time.monotonic()
    assert started("whole").wait() in (0, 1)
    seconds = time.monotonic() - begun
    draw = random.Random(1)
    for _ in range(3):
        process = started("killed")
        time.sleep(draw.uniform(0.2, 0.9) * seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert started("killed").wait() in (0, 1)
    whole, killed = (
        load_evidence(tmp_path / folder).model_dump(exclude={*VOLATILE, "metrics", "tables"})
        for folder in ("whole", "killed")
    )
    assert killed == whole
