"""Forget sets: hyper-gradients by finite differences and by retraining, projections, choices."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import minimize
from scipy.stats import spearmanr
from torch import Tensor

from sterling.adapt.implicit import implicit_gradient
from sterling.adapt.inner_loop import inner_loop
from sterling.errors import InputError
from sterling.reasoning.forget_sets import (
    TokenFeatures,
    capped_simplex,
    fit_last_layer,
    hyper_gradient,
    influential_tokens,
    relaxed_forget_set,
)

L2 = 0.5


def world(seed: int, examples: int = 40) -> tuple[TokenFeatures, Tensor, Any]:
    """Examples of one to four tokens, a start, and a loss of two test tokens."""
    draws = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 5, (examples,), generator=draws)
    example = torch.repeat_interleave(torch.arange(examples), lengths)
    features = torch.randn(len(example), 3, generator=draws, dtype=torch.float64)
    rule = torch.randn(4, 3, generator=draws, dtype=torch.float64)
    targets = (features @ rule.T).argmax(1)
    asked = torch.randn(2, 3, generator=draws, dtype=torch.float64)
    wrong = ((asked @ rule.T).argmax(1) + 1) % 4

    def upper(weights: Tensor) -> Tensor:
        return F.cross_entropy(asked @ weights.T, wrong)

    start = torch.zeros(4, 3, dtype=torch.float64)
    return TokenFeatures(features, targets, example, examples), start, upper


def slope_at(tokens: TokenFeatures, start: Tensor, upper: Any, kept: Tensor) -> Tensor:
    weights = fit_last_layer(tokens, kept, L2, start).requires_grad_()
    (gradient,) = torch.autograd.grad(upper(weights), weights)
    return hyper_gradient(tokens, weights.detach(), kept, L2, gradient)


@pytest.mark.parametrize("seed", range(20))
def test_hyper_gradients_equal_finite_differences_of_retrained_weights(seed: int) -> None:
    tokens, start, upper = world(seed)
    kept = torch.full((40,), 0.8, dtype=torch.float64)
    slope = slope_at(tokens, start, upper, kept)
    for index in (0, 7, 23):
        ends = []
        for sign in (1, -1):
            moved = kept.clone()
            moved[index] -= sign * 1e-2  # forgotten by that much more
            ends.append(float(upper(fit_last_layer(tokens, moved, L2, start))))
        expected = (ends[0] - ends[1]) / 2e-2
        assert float(slope[index]) == pytest.approx(expected, rel=5e-2, abs=1e-6)


def test_hyper_gradients_equal_those_of_both_general_engines() -> None:
    tokens, start, upper = world(2)
    kept = torch.full((40,), 0.7, dtype=torch.float64)
    slope = slope_at(tokens, start, upper, kept)

    def inner(weights: Sequence[Tensor], share: Sequence[Tensor]) -> Tensor:
        pull = 0.5 * L2 * (weights[0] - start).square().sum()
        return (share[0] * tokens.losses(weights[0])).sum() + pull

    fitted = fit_last_layer(tokens, kept, L2, start)
    (implicit,) = implicit_gradient(inner, lambda weights: upper(weights[0]), [fitted], [kept])
    torch.testing.assert_close(-slope, implicit, rtol=1e-4, atol=1e-8)

    layer = torch.nn.Linear(3, 4, bias=False, dtype=torch.float64)
    torch.nn.init.zeros_(layer.weight)
    shares = kept.clone().requires_grad_()
    path = inner_loop(layer, lambda at: inner([at.parameters["weight"]], [shares]), 0.03, 400)
    (unrolled,) = torch.autograd.grad(upper(path.states[-1]["weight"]), shares)
    torch.testing.assert_close(-slope, unrolled, rtol=1e-2, atol=1e-6)


def test_one_pass_equals_a_backward_pass_for_each_example() -> None:
    tokens, start, upper = world(1)
    kept = torch.ones(40, dtype=torch.float64)
    weights = fit_last_layer(tokens, kept, L2, start)
    leaf = weights.clone().requires_grad_()
    rows = torch.stack(
        [torch.autograd.grad(tokens.losses(leaf)[i], leaf)[0].flatten() for i in range(40)]
    )
    hessian = torch.autograd.functional.hessian(  # type: ignore[no-untyped-call]
        lambda w: tokens.losses(w.view(4, 3)).sum() + 0.5 * L2 * w.square().sum(),
        weights.flatten(),
    )
    (gradient,) = torch.autograd.grad(upper(leaf), leaf)
    expected = rows @ torch.linalg.solve(hessian, gradient.flatten())
    found = hyper_gradient(tokens, weights, kept, L2, gradient)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)


def test_slopes_rank_examples_as_leaving_each_out_does() -> None:
    tokens, start, upper = world(2)
    kept = torch.ones(40, dtype=torch.float64)
    slope = slope_at(tokens, start, upper, kept)
    before = float(upper(fit_last_layer(tokens, kept, L2, start)))
    left_out = []
    for index in range(40):
        without = kept.clone()
        without[index] = 0
        left_out.append(float(upper(fit_last_layer(tokens, without, L2, start))) - before)
    assert spearmanr(slope.numpy(), left_out).statistic > 0.99


def test_retraining_is_exact() -> None:
    tokens, start, _ = world(3)
    kept = torch.rand(40, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weights = fit_last_layer(tokens, kept, L2, start).requires_grad_()
    total = (kept * tokens.losses(weights)).sum() + 0.5 * L2 * weights.square().sum()
    (gradient,) = torch.autograd.grad(total, weights)
    assert float(gradient.abs().max()) < 1e-6


@pytest.mark.parametrize("seed", range(5))
def test_the_projection_is_the_nearest_point(seed: int) -> None:
    values = torch.randn(6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found = capped_simplex(values, 1.5).numpy()
    assert found.min() >= 0
    assert found.max() <= 1
    assert found.sum() <= 1.5 + 1e-9
    best = minimize(
        lambda x: ((x - values.numpy()) ** 2).sum(),
        np.full(6, 0.1),
        bounds=[(0, 1)] * 6,
        constraints={"type": "ineq", "fun": lambda x: 1.5 - x.sum()},
    ).x
    np.testing.assert_allclose(found, best, atol=2e-3)
    inside = torch.tensor([0.2, 0.3])
    torch.testing.assert_close(capped_simplex(inside, 1.0), inside)


def test_the_chosen_examples_do_more_than_random_ones() -> None:
    gains, randoms = [], []
    for seed in range(8):
        tokens, start, upper = world(seed, examples=60)
        found = relaxed_forget_set(tokens, upper, 6, l2=L2, start=start, research_use=True)
        assert len(found.chosen) == 6
        assert found.relaxed.sum() <= 6 + 1e-6

        def after(chosen: Any, world: Any = (tokens, start, upper)) -> float:
            kept = torch.ones(60, dtype=torch.float64)
            kept[torch.as_tensor(np.asarray(chosen, dtype=np.intp))] = 0
            return float(world[2](fit_last_layer(world[0], kept, L2, world[1])))

        rng = np.random.default_rng(seed)
        whole = after([])
        gains.append(whole - after(found.chosen))
        randoms.append(np.mean([whole - after(rng.choice(60, 6, replace=False)) for _ in range(5)]))
    assert np.mean(gains) > 3 * abs(np.mean(randoms))
    assert min(gains) > 0


def test_only_candidates_are_requested() -> None:
    tokens, start, upper = world(0)
    allowed = torch.arange(40) < 10
    for steps in (1, 5):
        found = relaxed_forget_set(
            tokens, upper, 4, l2=L2, start=start, candidates=allowed, steps=steps, research_use=True
        )
        assert found.chosen.max() < 10


def test_influential_tokens_are_those_whose_gradient_counts() -> None:
    embeddings = torch.ones(5, 2)
    gradients = torch.tensor([[0.1, 0], [3, 0], [0, 0], [-1, 0], [0.2, 0.0]])
    found = influential_tokens(gradients, embeddings, share=0.4)
    torch.testing.assert_close(found, torch.tensor([0, 0.75, 0, 0.25, 0]))
    flat = influential_tokens(torch.zeros(4, 2), torch.ones(4, 2))
    torch.testing.assert_close(flat, torch.full((4,), 0.25))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"research_use": False}, "research_use false"),
        ({"budget": 41}, "budget 41: 40 of 40 examples"),
        ({"budget": 0}, "budget 0"),
        ({"l2": 0.0}, "l2"),
    ],
)
def test_bad_input_is_one_line(change: dict[str, Any], message: str) -> None:
    tokens, start, upper = world(0)
    given: dict[str, Any] = {"budget": 3, "l2": L2, "start": start, "research_use": True}
    with pytest.raises(InputError, match=message):
        relaxed_forget_set(tokens, upper, **(given | change))
    with pytest.raises(InputError, match="give"):
        TokenFeatures(tokens.features, tokens.targets[:3], tokens.example, 40)
    with pytest.raises(InputError, match="numbers go from 0 to 4"):
        TokenFeatures(tokens.features, tokens.targets, tokens.example, 5)
