"""Runs that add repetitions until their claims are decided."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sterling.errors import InputError
from sterling.measure import Estimate, Interval, Rate, mean_sequence, rate_sequence
from sterling.runs import Cell, Row, Run
from sterling.study import (
    Claim,
    Config,
    Evidence,
    Results,
    Study,
    StudyEntry,
    UntilDecided,
    Views,
    at_least,
    at_most,
    load_evidence,
    more_often,
    positive,
    row,
    run_study,
    use_design,
)


class ToyConfig(Config):
    seeds: int = 4
    effect: float = 1.0
    unsure: float | None = None
    silent: tuple[int, ...] = ()


def _cell(config: ToyConfig, cell: Cell) -> list[Row]:
    if os.environ.get("TOY_KILL_AT") == str(cell.repetition):
        os.kill(os.getpid(), signal.SIGKILL)
    if cell.repetition in config.silent:
        return [row("gain", None)]
    rng = np.random.default_rng(cell.seed)
    hit = Rate(int(rng.binomial(20, 0.05)), 20)
    return [row("gain", rng.normal(config.effect, 1)), row("hit", hit)]


def _measure(config: ToyConfig, run: Run) -> Results:
    grid = [{"repetition": index} for index in range(config.seeds)]
    return Results.of(run.map(_cell, grid, config, seed="toy/{repetition}"))


def _claims(results: Results, config: ToyConfig) -> list[Claim]:
    gains = results.values("gain")
    claims = [
        positive("gain", "A gain.", gains),
        at_most("hit", "Few hits.", results.rate("hit") or [], 0.3),
    ]
    if config.unsure is not None:
        claims.append(at_least("unsure", "Right on the bar.", gains, config.unsure))
    return claims


TOY = Study(
    StudyEntry("toy", "", "test", "yu2020searching", __name__),
    presets={"smoke": ToyConfig()},
    measure=_measure,
    claims=_claims,
    views=lambda results, _: Views([results.metric("mean", "gain", "-")]),
    scope=lambda _: "toy",
    repetitions="seeds",
)


def _run(folder: Path, until: UntilDecided | None, **changes: Any) -> Evidence:
    config = ToyConfig(**changes)
    return run_study(
        TOY, config, preset="smoke", seed=1, folder=folder, backend="inline", until_decided=until
    )


def _same(one: Evidence, other: Evidence) -> bool:
    volatile = {"started", "wall_s"}
    return one.model_dump(exclude=volatile) == other.model_dump(exclude=volatile)


def test_claims_that_are_decided_early_end_the_run(tmp_path: Path) -> None:
    evidence = _run(tmp_path, UntilDecided())
    assert evidence.outcome.startswith("2 of 2 claims hold")
    used = evidence.repetitions
    assert used is not None
    assert 4 < used < 40
    assert (evidence.design, evidence.stopped) == ("sequential", "decided")
    assert evidence.outcome.endswith(f"; {used} repetitions, stopped by: decided")
    gain, hit = evidence.claims
    values = gain.sample[0].values
    assert values is not None
    assert len(values) == used
    interval = mean_sequence(values)
    assert (gain.low, gain.high) == pytest.approx((interval.low, interval.high))
    assert gain.estimand.endswith(f"mean over {used} repetitions, 95 % confidence sequence")
    counts = hit.sample[0]
    assert counts.trials == 20 * used
    assert hit.high == rate_sequence(counts.errors or 0, counts.trials).high
    assert "confidence sequences" in evidence.scope


def test_figures_are_those_of_a_fixed_run_of_as_many_repetitions(tmp_path: Path) -> None:
    grown = _run(tmp_path / "grown", UntilDecided())
    fixed = _run(tmp_path / "fixed", None, seeds=grown.repetitions)
    assert grown.metrics == fixed.metrics
    assert grown.config == fixed.config
    assert [claim.sample for claim in grown.claims] == [claim.sample for claim in fixed.claims]
    tables = [(tmp_path / name / "results.parquet").read_bytes() for name in ("grown", "fixed")]
    assert tables[0] == tables[1]
    assert fixed.design == "fixed"
    assert "Student-t" in fixed.claims[0].estimand


def test_a_claim_on_the_bar_runs_to_the_largest_number(tmp_path: Path) -> None:
    evidence = _run(tmp_path, UntilDecided(max_repetitions=33), unsure=1.0)
    assert (evidence.repetitions, evidence.stopped) == (33, "max repetitions")
    assert [claim.verdict for claim in evidence.claims] == ["holds", "holds", "undecided"]


def test_a_budget_ends_the_run_and_a_larger_one_resumes_it(tmp_path: Path) -> None:
    short = _run(tmp_path / "a", UntilDecided(budget=1e-9, max_repetitions=30), unsure=1.0)
    assert (short.repetitions, short.stopped) == (4, "budget")
    assert short.command.endswith("--until-decided --max-repetitions 4")
    assert _same(_run(tmp_path / "a", UntilDecided(1e-9, 30), unsure=1.0), short)
    longer = _run(tmp_path / "a", UntilDecided(3600, 30), unsure=1.0)
    assert longer.stopped == "max repetitions"
    assert _same(longer, _run(tmp_path / "b", UntilDecided(None, 30), unsure=1.0))


def test_a_run_continued_past_its_largest_number_decides_as_one_without(tmp_path: Path) -> None:
    _run(tmp_path / "a", UntilDecided(max_repetitions=5), effect=0.6)
    continued = _run(tmp_path / "a", UntilDecided(), effect=0.6)
    assert continued.stopped == "decided"
    assert _same(continued, _run(tmp_path / "b", UntilDecided(), effect=0.6))


def test_killed_and_resumed_gives_the_same_evidence(tmp_path: Path) -> None:
    program = (
        "import importlib.util, pathlib, sys\n"
        "spec = importlib.util.spec_from_file_location('toy', sys.argv[1])\n"
        "toy = importlib.util.module_from_spec(spec); spec.loader.exec_module(toy)\n"
        "toy._run(pathlib.Path(sys.argv[2]), toy.UntilDecided())\n"
    )
    command = [sys.executable, "-c", program, __file__, str(tmp_path / "killed")]
    done = subprocess.run(command, env={**os.environ, "TOY_KILL_AT": "5"}, check=False)
    assert done.returncode == -signal.SIGKILL
    stages = tmp_path / "killed" / "stages"
    before = {path.name: path.stat().st_mtime_ns for path in stages.iterdir()}
    assert len(before) == 5
    resumed = _run(tmp_path / "killed", UntilDecided())
    after = {path.name: path.stat().st_mtime_ns for path in stages.iterdir()}
    assert before.items() <= after.items()
    assert _same(resumed, _run(tmp_path / "whole", UntilDecided()))
    assert load_evidence(tmp_path / "killed") == _run(tmp_path / "killed", UntilDecided())


def test_a_repetition_without_a_value_is_not_scored_and_the_rest_goes_on(tmp_path: Path) -> None:
    evidence = _run(tmp_path, UntilDecided(), silent=(1, 3))
    assert evidence.stopped == "decided"
    assert evidence.not_scored == 2
    assert evidence.metrics[0].n == (evidence.repetitions or 0) - 2


def test_the_command_repeats_the_run(tmp_path: Path) -> None:
    evidence = _run(tmp_path, None, effect=2.0, silent=(9,))
    assert evidence.command == (
        "sterling run toy --preset smoke --seed 1 --set effect=2.0 --set 'silent=[9]'"
    )


def test_what_cannot_be_run_until_decided(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--max-repetitions 3: the run starts with 4"):
        _run(tmp_path / "a", UntilDecided(max_repetitions=3))
    for budget in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="more than zero"):
            UntilDecided(budget)
    _run(tmp_path / "b", None)
    with pytest.raises(InputError, match="different: design"):
        _run(tmp_path / "b", UntilDecided())


def test_an_estimate_has_no_sequential_form_and_does_not_keep_a_run_going() -> None:
    area = Estimate(0.9, Interval(0.8, 0.95), 0.95, "bootstrap")
    with use_design("sequential"):
        claim = at_least("x", "x", area, 0.5)
    assert (claim.verdict, claim.low, claim.can_be_decided) == ("undecided", None, False)
    assert "bootstrap: no confidence sequence exists for it" in claim.estimand
    assert at_least("x", "x", area, 0.5).verdict == "holds"


def test_too_few_values_say_that_they_are_not_bounded() -> None:
    with use_design("sequential"):
        claim = positive("x", "x", [1.0, 1.1, 0.9])
    assert (claim.verdict, claim.low, claim.can_be_decided) == ("undecided", None, True)
    assert claim.estimand.endswith("not yet bounded")


@pytest.mark.parametrize(
    ("errors", "verdict"), [(18, "holds"), (16, "undecided"), (2, "does not hold")]
)
def test_a_sign_test_in_sequence(errors: int, verdict: str) -> None:
    with use_design("sequential"):
        claim = more_often("x", "x", Rate(errors, 20), level=0.01)
    assert claim.verdict == verdict
    interval = rate_sequence(errors, 20, 0.99)
    assert (claim.low, claim.high) == (interval.low, interval.high)
    assert "99 % confidence sequence" in claim.estimand


def test_at_most_one_null_claim_in_twenty_ends_as_holding() -> None:
    """Claims of no gain, looked at as a run looks, until they hold or 100 repetitions are used."""
    rng = np.random.default_rng(0)
    looks = [4]
    while looks[-1] < 100:
        looks.append(min(100, looks[-1] + max(1, looks[-1] // 4)))
    held = {"fixed": 0, "sequential": 0}
    for _ in range(400):
        gains = rng.normal(0, 1, 100).tolist()
        for design in held:
            with use_design(design):  # type: ignore[arg-type]
                verdicts = {positive("x", "x", gains[:n]).verdict for n in looks}
            held[design] += "holds" in verdicts
    assert held["sequential"] <= 20
    assert held["fixed"] > 32  # the control: 2.5 % at one look
