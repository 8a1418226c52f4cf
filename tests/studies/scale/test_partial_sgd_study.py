import numpy as np
import pytest

from sterling.scale import SimulatedWorkers, Waiting
from sterling.scale.least_squares import draw_shards, gradient, least_loss, shard_losses
from sterling.studies.scale.partial_sgd._training import Trained, train


def test_the_gradient_is_that_of_finite_differences_and_the_least_loss_is_least() -> None:
    shards = draw_shards(5, "alike", seed=1)
    weights = np.linspace(-1, 1, 5)
    slope, loss, count = gradient(weights, shards[0])
    assert count == 30
    for place, step in enumerate(1e-6 * np.eye(5)):
        ahead, behind = (gradient(weights + way * step, shards[0])[1] for way in (1, -1))
        assert (ahead - behind) / 2e-6 == pytest.approx(slope[place], rel=1e-5)
    assert loss > least_loss(shards)
    for data in ("alike", "unlike"):
        shards = draw_shards(5, data, seed=1)
        x, y = (np.concatenate(parts) for parts in zip(*shards, strict=True))
        best = np.linalg.solve(x.T @ x, x.T @ y)
        near = best + 1e-3 * np.random.default_rng(0).normal(size=(20, 5))
        losses = [np.mean(shard_losses(shards, one)) for one in near]
        assert min(losses) > least_loss(shards)
        assert np.mean(shard_losses(shards, best)) == pytest.approx(least_loss(shards))
    for worker, (x, _) in enumerate(shards):  # unlike: each sees one unknown
        assert set(np.flatnonzero(x.any(axis=0))) == {worker}


def trained(seconds: float, steps: int) -> Trained:
    shards = draw_shards(4, "alike", seed=2)
    workers = SimulatedWorkers(gradient, shards, lambda _worker, _step: seconds)
    return train(workers, shards, "alike", Waiting(), steps)


def test_a_run_is_told_over_time_as_it_went() -> None:
    found = trained(0.5, 60)
    assert found.times == pytest.approx(0.5 * np.arange(61))
    assert sum(found.run.used) == 240
    assert found.excess[0] == 1
    assert found.goal is not None
    assert found.excess[found.goal] <= 0.05 < found.excess[found.goal - 1]
    assert found.time == pytest.approx(0.5 * found.goal)


def test_who_does_not_arrive_counts_with_the_whole_time_and_saves_nothing() -> None:
    slow = trained(0.5, 60)
    assert trained(0.1, 60).saved(slow) == pytest.approx(0.8)
    short = trained(0.1, 2)
    assert short.goal is None
    assert short.time == pytest.approx(0.2)
    assert short.saved(slow) == 0
    assert trained(50, 2).saved(slow) < 0
