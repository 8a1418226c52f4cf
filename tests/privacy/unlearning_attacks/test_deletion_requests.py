"""Requests that move confidence: the loss by hand, the projection, and the effect by retraining."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from tests.draws import seeded
from tests.privacy.small import mixture
from torch import Tensor

from sterling.errors import InputError
from sterling.guarantee import LAC, calibrate_label_sets, conformal_quantile
from sterling.privacy.targets.convex import ConvexModel, fit_convex
from sterling.privacy.unlearning_attacks.deletion_audit import DeletionAuditor
from sterling.privacy.unlearning_attacks.deletion_requests import (
    Aim,
    SoftSetSize,
    attack_loss,
    plan_by_queries,
    plan_deletions,
    plan_verified_deletions,
    project_to_budget,
    smooth_quantile,
)


def case(seed: int) -> tuple[ConvexModel, Aim]:
    """A model and an aim at ten inputs with a confidence of 0.55 to 0.75."""
    rng = np.random.default_rng(seed)
    model = fit_convex(*mixture(rng, 600), 3, 1.0)
    candidates, reference = mixture(rng, 2000)[0], mixture(rng, 200)[0]
    confidence, labels = model.posteriors(candidates).max(1)
    rows = ((confidence > 0.55) & (confidence < 0.75)).nonzero()[:10, 0]
    return model, Aim("over", candidates[rows], labels[rows], reference)


def confidence(model: ConvexModel, aim: Aim) -> float:
    return float(model.posteriors(aim.targets).gather(1, aim.labels[:, None]).mean())


def random_deletions(rng: np.random.Generator, times: int, among: int = 600) -> list[Tensor]:
    """Rows of 30 records drawn at random, some times over."""
    return [torch.from_numpy(rng.choice(among, 30, replace=False)) for _ in range(times)]


def flips(model: ConvexModel, aim: Aim) -> int:
    return int((model.logits(aim.targets).argmax(1) != aim.labels).sum())


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 12),
    budget=st.floats(0.1, 12),
    scale=st.floats(0.1, 5),
)
def test_the_projection_is_the_nearest_feasible_point(
    seed: int, n: int, budget: float, scale: float
) -> None:
    weights = scale * torch.randn(n, generator=seeded(seed), dtype=torch.float64)
    point = project_to_budget(weights, budget)
    assert float(point.min()) >= 0
    assert float(point.max()) <= 1
    assert float(point.sum()) <= budget + 1e-9
    solver = optimize.minimize(
        lambda w: 0.5 * float(((w - weights.numpy()) ** 2).sum()),
        np.full(n, min(1.0, budget / n)),
        jac=lambda w: w - weights.numpy(),
        bounds=[(0, 1)] * n,
        constraints={"type": "ineq", "fun": lambda w: budget - w.sum()},
        method="SLSQP",
        options={"ftol": 1e-14},
    )
    np.testing.assert_allclose(point.numpy(), solver.x, atol=2e-4)


def test_the_loss_by_hand() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0], [0.0, 0.05, -1.0]], dtype=torch.float64)
    labels, targets, clean = torch.tensor([0, 1]), torch.zeros(2, 1), torch.zeros(1, 1)
    aim = Aim("under", targets, labels, clean, margin=0.1, hinge_weight=3.0, stealth_weight=2.0)
    g = [2 - np.log(np.e + 1), 0.05 - np.log(1 + np.exp(-1))]
    before = torch.tensor([[0.0, 0.0, 0.0]], dtype=torch.float64)
    after = torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64)
    q = np.exp([1.0, 0, 0]) / np.exp([1.0, 0, 0]).sum()
    kl = sum(1 / 3 * np.log(1 / 3 / value) for value in q)

    def answers(features: Tensor) -> Tensor:
        return logits if features is targets else after

    hinge = 3.0 * 0.05  # only the second margin, 0.05, is below 0.1
    assert float(attack_loss(answers, before, aim)) == pytest.approx(sum(g) + hinge + 2 * kl)
    over = replace(aim, direction="over")
    assert float(attack_loss(answers, before, over)) == pytest.approx(-sum(g) + hinge + 2 * kl)
    flip = replace(aim, direction="flip")
    assert float(attack_loss(answers, before, flip)) == pytest.approx(1.05 + 2 * kl)


@pytest.mark.parametrize("direction", ["over", "under"])
def test_confidence_moves_by_three_deviations_of_random_deletion_and_no_label_flips(
    direction: str,
) -> None:
    """11 seeds, sign test: at least 10 must succeed, p = 12 / 2^11 < 0.01."""
    successes = 0
    for seed in range(11):
        model, aim = case(seed)
        aim = replace(aim, direction=direction)  # type: ignore[arg-type]
        everything = torch.arange(600)
        rows = plan_verified_deletions(model, everything, aim, 30, research_use=True)
        assert len(set(rows.tolist())) == 30
        after = model.without(rows)
        drawn = random_deletions(np.random.default_rng(seed + 1000), 20)
        random = [confidence(model.without(rows), aim) for rows in drawn]
        sign = 1 if direction == "over" else -1
        moved = sign * (confidence(after, aim) - np.mean(random))
        successes += moved >= 3 * np.std(random, ddof=1) and flips(after, aim) == 0
    assert stats.binomtest(successes, 11, alternative="greater").pvalue < 0.01


@pytest.mark.parametrize("direction", ["over", "under"])
def test_the_set_size_objective_moves_recalibrated_sets(direction: str) -> None:
    """Ten seeds: the mean move beyond random deletion exceeds three standard errors."""
    moves = []
    for seed in range(10):
        model, aim = case(seed)
        rng = np.random.default_rng(seed + 500)
        features, labels = mixture(rng, 300)
        aim = replace(aim, direction=direction, set_size=SoftSetSize(features, labels))  # type: ignore[arg-type]

        def size(
            of: ConvexModel, x: Tensor = aim.targets, known: Tensor = features, y: Tensor = labels
        ) -> float:
            rule = calibrate_label_sets(of.posteriors(known).numpy(), y.numpy(), 0.1, LAC())
            return float(rule.sets(of.posteriors(x).numpy()).sum(1).mean())

        rows = plan_verified_deletions(model, torch.arange(600), aim, 30, research_use=True)
        random = [size(model.without(drawn)) for drawn in random_deletions(rng, 4)]
        sign = -1 if direction == "over" else 1
        moves.append(sign * (size(model.without(rows)) - np.mean(random)))
    assert np.mean(moves) > 3 * np.std(moves, ddof=1) / np.sqrt(10)


def test_first_order_and_surrogates_choose_better_than_chance() -> None:
    gains: dict[str, list[float]] = {"first": [], "surrogate": []}
    for seed in range(6):
        model, aim = case(seed)
        owned = torch.arange(180)
        rng = np.random.default_rng(seed)
        proxies = []
        for _ in range(3):
            # A surrogate knows the adversary's own records and other records of the same kind.
            x, y = mixture(rng, 420)
            x, y = torch.cat([model.features[:180], x]), torch.cat([model.labels[:180], y])
            proxies.append(fit_convex(x, y, 3, 1.0))
        plans = {
            "first": plan_deletions([model], [owned], aim, 30, research_use=True, order="first"),
            "surrogate": plan_deletions(proxies, [owned] * 3, aim, 30, research_use=True),
        }
        random = random_deletions(rng, 10, among=180)
        drawn = [confidence(model.without(rows), aim) for rows in random]
        for name, rows in plans.items():
            gains[name].append(confidence(model.without(rows), aim) - float(np.mean(drawn)))
    for values in gains.values():
        assert np.mean(values) > 3 * np.std(values, ddof=1) / np.sqrt(6)


@pytest.mark.parametrize("estimator", ["NES", "SPSA"])
def test_queries_alone_find_a_better_request(estimator: str) -> None:
    # A service whose answer is a weighted count: the best request is known.
    worth = torch.randn(40, generator=seeded(), dtype=torch.float64)
    asked = 0

    def observe(rows: Tensor) -> float:
        nonlocal asked
        asked += 1
        return float(-worth[rows].sum())

    settings: Any = {"research_use": True, "estimator": estimator, "queries": 400}
    rows = plan_by_queries(observe, 40, 8, seeded(1), **settings)
    assert asked <= 400
    best = float(worth.topk(8).values.sum())
    draws = [float(worth[torch.randperm(40, generator=seeded(s))[:8]].sum()) for s in range(400)]
    found = float(worth[rows].sum())
    assert max(draws) < found <= best + 1e-9


def test_the_auditor_sees_the_request_and_not_random_ones() -> None:
    attacked: list[float] = []
    random: list[float] = []
    for seed in range(5):
        model, aim = case(seed)
        auditor = DeletionAuditor.of(model, seed=seed)
        rows = plan_verified_deletions(model, torch.arange(600), aim, 30, research_use=True)
        attacked.append(auditor.z_score(rows))
        random += map(auditor.z_score, random_deletions(np.random.default_rng(seed), 20))
    assert min(attacked) > max(random)
    # Under the null the score has mean 0 and deviation 1, of 100 draws: five standard errors.
    assert abs(np.mean(random)) < 0.5
    assert 0.5 < np.std(random) < 2


def test_alignment_is_the_length_of_the_newton_step() -> None:
    model, _ = case(0)
    rows = torch.arange(17)
    total = model.record_gradients()[rows].sum(0)
    expected = float(total @ torch.linalg.solve(model.hessian(), total))
    assert DeletionAuditor.of(model).alignment(rows) == pytest.approx(expected)


def test_what_cannot_be_asked_is_told() -> None:
    model, aim = case(0)
    plan: Any = partial(plan_deletions, [model], [torch.arange(10)], aim)
    query: Any = partial(plan_by_queries, lambda _rows: 0.0, 5, 2, torch.Generator())
    change: Any = partial(replace, aim)
    none = torch.zeros(0, dtype=torch.int64)
    for message, call in (
        ("research_use false", lambda: plan(3, research_use=False)),
        ("research_use false", lambda: query(research_use=False)),
        ("budget 11: give at least 1 and at most 10", lambda: plan(11, research_use=True)),
        ("order 'third'", lambda: plan(3, research_use=True, order="third")),
        ("estimator 'SGD'", lambda: query(research_use=True, estimator="SGD")),
        ("direction 'up'", lambda: change(direction="up")),
        ("one target at least", lambda: change(targets=aim.targets[:0], labels=aim.labels[:0])),
        ("deletions 0: give at least 1", lambda: DeletionAuditor.of(model).z_score(none)),
        ("draws 3", lambda: DeletionAuditor.of(model, draws=3)),
        ("give 9", lambda: smooth_quantile(torch.zeros(8), 0.1)),
    ):
        with pytest.raises(InputError, match=message):
            call()


def test_the_smooth_quantile_is_near_the_conformal_one_and_its_slopes_are_weights() -> None:
    rng = np.random.default_rng(0)
    for n in (30, 300, 3000):
        scores = torch.from_numpy(rng.random(n)).requires_grad_()
        quantile = smooth_quantile(scores, 0.1)
        exact = conformal_quantile(scores.detach().numpy(), 0.1)
        assert quantile.item() == pytest.approx(exact, abs=3 * np.sqrt(0.09 / n))
        (slopes,) = torch.autograd.grad(quantile, scores)
        assert float(slopes.sum()) == pytest.approx(1)
        assert float(slopes.min()) >= 0
    # n = 9 and alpha = 0.5: rank 5, weights symmetric around the fifth.
    symmetric = torch.arange(-4, 5, dtype=torch.float64)
    assert float(smooth_quantile(symmetric, 0.5)) == pytest.approx(0, abs=1e-12)


def test_a_small_temperature_gives_the_sizes_of_the_true_sets() -> None:
    rng = np.random.default_rng(1)
    known = torch.from_numpy(rng.normal(size=(2000, 4)))
    labels = torch.distributions.Categorical(logits=2 * known).probs.argmax(1)
    targets = torch.from_numpy(rng.normal(size=(50, 4)))

    def logits(features: Tensor) -> Tensor:
        return 2 * features

    soft = SoftSetSize(known, labels, temperature=1e-4)(logits, targets)
    rule = calibrate_label_sets(logits(known).softmax(1).numpy(), labels.numpy(), 0.1, LAC())
    sizes = rule.sets(logits(targets).softmax(1).numpy()).sum(1)
    # The two quantiles differ a little, so that a label at the edge may fall on the other side.
    assert (np.abs(soft.numpy() - sizes) < 0.01).mean() > 0.9


def test_surer_targets_have_smaller_sets_and_the_slope_says_so() -> None:
    rng = np.random.default_rng(2)
    known, targets = (torch.from_numpy(rng.normal(size=(n, 3))) for n in (500, 20))
    labels = torch.from_numpy(rng.integers(3, size=500))
    size = SoftSetSize(known, labels, alpha=0.4, temperature=0.1)
    scale = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    # Only the targets' logits grow: the quantile stays.
    value = size(lambda x: x if x is known else scale * x, targets).sum()
    (slope,) = torch.autograd.grad(value, scale)
    step = 1e-6
    with torch.no_grad():
        moved = size(lambda x: x if x is known else (1 + step) * x, targets).sum()
    assert slope.item() == pytest.approx((moved - value).item() / step, rel=1e-3)
