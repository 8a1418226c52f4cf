from pathlib import Path

import numpy as np
import pytest

from sterling.scale import SimulatedWorkers, Waiting
from sterling.scale.least_squares import draw_shards, gradient, least_loss, shard_losses
from sterling.studies import STUDIES
from sterling.studies.scale._trial import trained
from sterling.study import run_study


@pytest.mark.smoke
def test_the_whole_path_leaves_evidence(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    study = STUDIES["partial_sgd"]
    evidence = run_study(
        study, study.presets["smoke"], preset="smoke", seed=0, folder=tmp_path / "run"
    )
    assert evidence.scope.startswith("SIMULATED")
    assert "author" not in study.paper.bibtex  # they could not be established
    claims = {claim.id: claim for claim in evidence.claims}
    assert {"shorter_spikes", "shorter_on_ray", "straggler_named"} <= set(claims)
    assert claims["killed_is_reported"].measured == 1
    rules = next(table for table in evidence.tables if table.name == "rules")
    assert len(rules.rows) == 2 * 3 * 7


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


def test_a_run_is_told_over_time_as_it_went() -> None:
    shards = draw_shards(4, "alike", seed=2)
    workers = SimulatedWorkers(gradient, shards, lambda _worker, _step: 0.5)
    run = trained(workers, shards, "alike", Waiting(), steps=60)
    assert run["times"] == pytest.approx(0.5 * np.arange(61))
    assert run["gradients"] == 240
    assert run["excess"][0] == 1
    arrived = run["goal steps"]
    assert run["excess"][arrived] <= 0.05 < run["excess"][arrived - 1]
    assert run["goal"] == pytest.approx(0.5 * arrived)
