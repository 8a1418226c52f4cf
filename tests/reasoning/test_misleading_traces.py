"""Misleading traces: the adversary's loss term by term, and which tokens commit to an answer."""

import math

import pytest
import torch
from torch import Tensor

from sterling.errors import InputError
from sterling.reasoning.misleading_traces import (
    MisleadingTraces,
    answer_loss,
    committing_tokens,
    misleading_loss,
)

V, D = 5, 3


def traces(seed: int = 0, queries: int = 4, length: int = 3) -> MisleadingTraces:
    draws = torch.Generator().manual_seed(seed)
    features = torch.randn(queries, length, D, generator=draws, dtype=torch.float64)
    tokens = torch.randint(V, (queries, length), generator=draws)
    weights = torch.rand(queries, length, generator=draws, dtype=torch.float64)
    right = (tokens[:, length - 1] + 1) % V
    return MisleadingTraces(features, tokens, length - 1, right, weights / weights.sum(1)[:, None])


def layer(seed: int) -> Tensor:
    return torch.randn(V, D, generator=torch.Generator().manual_seed(seed + 9), dtype=torch.float64)


def test_log_probabilities_are_those_of_a_softmax_of_each_token() -> None:
    made, weights = traces(), layer(0)
    found = made.log_probabilities(weights)
    for query in range(4):
        for place in range(3):
            scores = [float(made.features[query, place] @ weights[token]) for token in range(V)]
            total = math.log(sum(math.exp(score) for score in scores))
            expected = scores[int(made.tokens[query, place])] - total
            assert float(found[query, place]) == pytest.approx(expected)


def test_answers_lose_their_log_probability_and_a_margin() -> None:
    made, weights = traces(), layer(1)
    scores = (made.features[:, -1] @ weights.T).log_softmax(-1)
    wrong = scores.gather(1, made.tokens[:, -1:])[:, 0]
    right = scores.gather(1, made.right[:, None])[:, 0]
    expected = [max(0.0, 0.5 + float(r - w)) - float(w) for r, w in zip(right, wrong, strict=True)]
    assert float(answer_loss(made, margin=0.5)(weights)) == pytest.approx(sum(expected) / 4)


def test_terms_add_up_and_those_of_no_change_are_zero_before_deletion() -> None:
    made, before = traces(), layer(2)
    held_out = torch.randn(6, D, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    loss = misleading_loss(made, held_out, before, trace=2.0)
    answers = float(answer_loss(made)(before))
    aligned = -float((made.weights * made.log_probabilities(before)).sum(1).mean())
    assert float(loss(before)) == pytest.approx(answers + 2 * aligned)
    after = layer(4)
    alone = [
        float(misleading_loss(made, held_out, before, trace=0, quality=q, utility=u)(after))
        - float(answer_loss(made)(after))
        for q, u in ((1.0, 0.0), (0.0, 1.0))
    ]
    fall = made.log_probabilities(before).mean() - made.log_probabilities(after).mean()
    assert alone[0] == pytest.approx(max(0.0, float(fall)))
    p, q = ((held_out @ w.T).softmax(-1) for w in (before, after))
    assert alone[1] == pytest.approx(float((p * (p / q).log()).sum(1).mean()))
    assert alone[1] > 0


def test_the_slope_is_that_of_finite_differences() -> None:
    made, before = traces(), layer(5)
    held_out = torch.randn(6, D, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    loss = misleading_loss(made, held_out, before)
    assert torch.autograd.gradcheck(loss, layer(6).requires_grad_())


def test_tokens_commit_by_how_much_they_raise_the_answer() -> None:
    reached = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.2, 0.6, 0.4, 0.8], [1.0, 1.0, 1.0, 1.0]])
    found = committing_tokens(reached)
    expected = torch.tensor([[0.0, 1.0, 0.0], [0.5, 0.0, 0.5], [1 / 3, 1 / 3, 1 / 3]])
    torch.testing.assert_close(found, expected)


def test_shapes_that_differ_are_refused() -> None:
    made = traces()
    with pytest.raises(InputError, match=r"tokens \(4, 3\)"):
        MisleadingTraces(made.features[:3], made.tokens, 2, made.right, made.weights)
    with pytest.raises(InputError, match="places go from 0 to 2"):
        MisleadingTraces(made.features, made.tokens, 3, made.right, made.weights)
