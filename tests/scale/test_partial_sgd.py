"""Dropping stragglers: on a virtual cluster against theory, and on Ray."""

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.scale import (
    PartialRun,
    RayWorkers,
    SimulatedWorkers,
    Waiting,
    partial_sgd,
    results_needed,
)

Floats = NDArray[np.float64]
ALL = Waiting()


def regression(weights: Floats, shard: Any) -> tuple[Floats, float, int]:
    """Half the mean squared error of a linear model."""
    x, y = shard
    error = x @ weights - y
    return x.T @ error / len(y), float((error**2).mean() / 2), len(y)


def shards(count: int, *, own: bool = False, seed: int = 0) -> list[tuple[Floats, Floats]]:
    """Random parts of one problem; with `own` each has a direction that no other sees."""
    draw = np.random.default_rng(seed)
    truth = draw.normal(size=count)
    parts = []
    for worker in range(count):
        x = draw.normal(size=(30, count))
        if own:
            x = np.zeros((30, count))
            x[:, worker] = draw.normal(size=30)
        parts.append((x, x @ truth + 0.1 * draw.normal(size=30)))
    return parts


def law(seed: int, spikes: float = 0.1) -> Any:
    def delay(worker: int, step: int) -> float:
        draw = np.random.default_rng((seed, worker, step))
        return float(0.01 + 0.001 * draw.random() + (0.3 if draw.random() < spikes else 0))

    return delay


def simulated(parts: Any, delay: Any, **settings: Any) -> SimulatedWorkers:
    return SimulatedWorkers(regression, parts, delay, **settings)


def fixed(delays: list[float]) -> Any:
    return lambda worker, _step: delays[worker]


START = np.zeros(8)


def trained(
    parts: Any, delay: Any, waiting: Waiting = ALL, steps: int = 20, rate: float = 0.1, **own: Any
) -> PartialRun:
    """A training from 0 on a virtual cluster."""
    workers = simulated(parts, delay, **own)
    return partial_sgd(workers, START, steps=steps, rate=rate, waiting=waiting)


def test_with_nothing_dropped_it_is_synchronous_training_to_the_bit() -> None:
    parts = shards(8)
    run = trained(parts, law(0), rate=0.2)
    weights = START
    for _ in range(20):
        total, examples = np.zeros(8), 0.0
        for part in parts:
            gradient, _, count = regression(weights, part)
            total, examples = total + count * gradient, examples + count
        weights = weights - 0.2 * total / examples
    np.testing.assert_array_equal(run.weights, weights)
    assert run.used == [20] * 8
    assert (run.late, run.crashed, run.warnings) == (0, [], [])


def test_dropping_stragglers_shortens_the_time_and_still_converges() -> None:
    parts = shards(8)
    runs = {
        abandon: trained(parts, law(1), Waiting(abandon), steps=120, rate=0.2)
        for abandon in (0.0, 0.25, 0.5)
    }
    times = [run.seconds[-1] for run in runs.values()]
    assert times[2] < times[1] < times[0] / 1.5
    assert all(run.losses[-1] < 0.02 for run in runs.values())
    assert min(runs[0.5].used) > 20  # lateness is random, so nobody is left out


def test_times_are_order_statistics() -> None:
    """The γ-th of M exponential delays ends after (H_M - H_{M-γ}) / rate on average."""
    count, kept, steps = 40, 30, 400
    draws = np.random.default_rng(0).exponential(size=(steps, count))
    times = []
    for delays in draws.tolist():
        workers = SimulatedWorkers(lambda w, _shard: (w, 0.0, 1), range(count), fixed(delays))
        waiting = Waiting(1 - kept / count)
        run = partial_sgd(workers, np.zeros(1), steps=1, rate=0.0, waiting=waiting)
        times.append(run.seconds[0])
    expected = sum(1 / k for k in range(count - kept + 1, count + 1))
    assert np.mean(times) == pytest.approx(expected, rel=0.03)


def test_partial_means_are_unbiased_where_lateness_is_random() -> None:
    parts = shards(8)
    full = np.mean([regression(START, part)[0] for part in parts], axis=0)
    draw = np.random.default_rng(3)
    found = []
    for _ in range(1000):
        run = trained(parts, fixed(draw.random(8).tolist()), Waiting(0.5), steps=1, rate=1.0)
        found.append(-run.weights)
    means, errors = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / math.sqrt(1000)
    assert (np.abs(means - full) < 4 * errors).all()


def straggler(worker: int, _step: int) -> float:
    return 0.2 if worker == 0 else 0.01


def test_a_straggler_that_holds_its_own_data_is_named_and_fairness_mends_it() -> None:
    parts = shards(8, own=True)
    silent, fair, late, whole = (
        trained(parts, straggler, waiting, steps=60, rate=2.0)
        for waiting in (
            Waiting(0.125),
            Waiting(0.125, fairness=5),
            Waiting(0.125, staleness=0.9),
            Waiting(),
        )
    )
    assert silent.used[0] == 0
    assert any("worker 0: its shard was used in 0 of 60 steps" in one for one in silent.warnings)
    lost = regression(silent.weights, parts[0])[1]
    assert fair.used[0] >= 9
    assert fair.warnings == []
    assert regression(fair.weights, parts[0])[1] < lost / 2
    assert silent.seconds[-1] < fair.seconds[-1] < whole.seconds[-1]
    assert late.used[0] > 0
    assert late.late > 0


def test_no_worker_is_given_work_while_it_is_busy() -> None:
    class Watched(SimulatedWorkers):
        most = 0

        def submit(self, worker: int, step: int, weights: Floats) -> None:
            super().submit(worker, step, weights)
            busy = [entry[1] for entry in self._under_way]
            assert len(set(busy)) == len(busy)
            self.most = max(self.most, len(busy))

    workers = Watched(regression, shards(8), straggler)
    partial_sgd(workers, START, steps=60, rate=0.1, waiting=Waiting(0.25))
    assert workers.most == 8


def test_a_grace_lets_those_in_who_are_nearly_there() -> None:
    def near(worker: int, step: int) -> float:
        return 0.010 + 0.0005 * worker + (0.5 if worker == 7 and step % 2 else 0)

    plain, grace = (trained(shards(8), near, Waiting(0.5, grace=g)) for g in (None, 4.0))
    assert sum(grace.used) > sum(plain.used) + 40
    assert grace.seconds[-1] < 20 * 0.05


def test_workers_that_die_or_never_answer_are_told_and_training_goes_on() -> None:
    def silent(worker: int, _step: int) -> float:
        return math.inf if worker == 3 else 0.01

    run = trained(shards(8), silent, Waiting(patience=2.0), steps=40, crashes={5: 0.05})
    assert sorted(run.crashed) == [3, 5]
    assert any("worker 3 did not answer" in one for one in run.warnings)
    assert any("worker 5 crashed" in one for one in run.warnings)
    assert len(run.losses) == 40
    assert run.losses[-1] < run.losses[0]
    workers = simulated(shards(8), law(0), crashes={1: 0.0, 2: 0.0})
    with pytest.raises(RuntimeError, match="7 workers are left and 8 are needed; dead: 1"):
        partial_sgd(workers, START, steps=5, rate=0.1, least_workers=8)


def test_what_an_earlier_training_left_under_way_does_not_come_back() -> None:
    workers = simulated(shards(8), straggler)
    partial_sgd(workers, START, steps=3, rate=0.1, waiting=Waiting(0.125))
    again = partial_sgd(workers, START, steps=3, rate=0.1)
    fresh = trained(shards(8), straggler, steps=3)
    np.testing.assert_array_equal(again.weights, fresh.weights)
    assert again.late == 0
    # The straggler first finishes what it was at since the first step.
    assert again.seconds[0] == pytest.approx(0.4 - 3 * 0.01)
    assert again.seconds[1] - again.seconds[0] == pytest.approx(0.2)


def test_a_thousand_machines_fit_in_one_process() -> None:
    parts = [(np.ones((2, 1)), np.full(2, 3.0))] * 1000
    workers = simulated(parts, law(2, spikes=0.01))
    run = partial_sgd(workers, np.zeros(1), steps=30, rate=0.5, waiting=Waiting(0.05))
    assert run.weights[0] == pytest.approx(3.0, abs=1e-6)
    # Without dropping each step takes 0.3 s. With it those of the last steps are still busy, so
    # that now and then a step must wait for one.
    assert run.seconds[-1] < 30 * 0.3 / 5


def test_how_many_to_wait_for() -> None:
    assert results_needed(10_000, 100, 1.0, 1e-9) == 100
    assert results_needed(10_000, 100, 0.0, 0.1) == 1
    needed = results_needed(10_000, 100, 1.0, 0.05)
    assert needed == math.ceil(100 * 3.8415 / (10_000 * 0.0025 + 3.8415))
    draw = np.random.default_rng(0)
    values = draw.normal(size=10_000)
    values /= values.std()
    chosen = [draw.permutation(values)[: needed * 100].mean() for _ in range(400)]
    assert np.mean(np.abs(np.array(chosen) - values.mean()) <= 0.05) > 0.92


@pytest.mark.parametrize(
    ("settings", "named"),
    [({"dropped": 1.0}, "dropped"), ({"staleness": 2.0}, "staleness"), ({"grace": -1.0}, "grace")],
)
def test_bad_rules_are_named(settings: dict[str, float], named: str) -> None:
    with pytest.raises(InputError, match=named):
        Waiting(**settings)  # type: ignore[arg-type]


def test_bad_input_is_named() -> None:
    with pytest.raises(InputError, match="steps 0"):
        partial_sgd(simulated(shards(2), law(0)), np.zeros(2), steps=0, rate=0.1)
    with pytest.raises(InputError, match="delay of worker 0"):
        partial_sgd(simulated(shards(2), lambda _w, _s: -1.0), np.zeros(2), steps=1, rate=0.1)
    with pytest.raises(InputError, match="tolerance"):
        results_needed(10, 2, 1.0, 0.0)


class Dies:
    """A law of delay by which worker 1 dies at step 2, the first time that it gets there."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __call__(self, worker: int, step: int) -> float:
        if (worker, step) == (1, 2) and not self.mark.exists():
            self.mark.touch()
            os._exit(1)
        return 0.0


def asleep(worker: int, step: int) -> float:
    return 600.0 if (worker, step) == (1, 1) else 0.0


@pytest.mark.smoke
def test_actors_of_ray_do_the_same_and_one_that_dies_is_started_anew_or_left_out(
    tmp_path: Path,
) -> None:
    ray = pytest.importorskip("ray")
    parts = shards(3, seed=4)
    start = np.zeros(3)
    workers = RayWorkers(regression, parts)
    try:
        real = partial_sgd(workers, start, steps=5, rate=0.2)
        virtual = partial_sgd(simulated(parts, lambda _w, _s: 0.01), start, steps=5, rate=0.2)
        np.testing.assert_array_equal(real.weights, virtual.weights)
        workers.close()
        workers = RayWorkers(regression, parts, delay=Dies(tmp_path / "died"), restarts=1)
        run = partial_sgd(workers, start, steps=5, rate=0.2)
        assert (workers.restarted, run.crashed) == ([1], [])
        np.testing.assert_array_equal(run.weights, virtual.weights)  # nothing was lost
        workers.kill(1)
        run = partial_sgd(workers, start, steps=5, rate=0.2)
        assert run.crashed == [1]
        assert len(run.losses) == 5
        assert any("worker 1 crashed" in one for one in run.warnings)
        workers.close()
        workers = RayWorkers(regression, parts[:2], delay=asleep)
        partial_sgd(workers, start, steps=1, rate=0.2)  # actors have started
        run = partial_sgd(workers, start, steps=3, rate=0.2, waiting=Waiting(patience=2.0))
        assert run.crashed == [1]
        assert any("worker 1 did not answer" in one for one in run.warnings)
    finally:
        workers.close()
        ray.shutdown()
