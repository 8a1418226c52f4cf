import numpy as np
import pytest
import torch

from sterling.errors import InputError
from sterling.explain import (
    ConceptNetwork,
    concept_importance,
    explain,
    fit_concepts,
    fit_head,
    sklearn_digits,
)


def test_it_learns_concepts_and_a_head_that_is_right_about_them() -> None:
    data = sklearn_digits()
    rows = np.random.default_rng(0).permutation(len(data))
    train, test = data.select(rows[:1000]), data.select(rows[1000:])
    model = ConceptNetwork((1, 8, 8), 8, 10, width=8)
    fit_concepts(model, train, epochs=12, learning_rate=5e-3)
    assert fit_head(model, train.concepts, train.labels) == 0.0
    said = explain(model, test.inputs)
    right = (said.scores > 0.5) == test.concepts
    assert right.mean() > 0.93
    assert (said.logits.argmax(axis=1) == test.labels).mean() > 0.8
    # Temperature: mean score and mean truth agree, so the scores may be called probabilities.
    assert abs(said.scores.mean() - test.concepts.mean()) < 0.02
    assert float(model.temperature) != 1.0


def test_the_label_sees_the_concepts_only() -> None:
    model = ConceptNetwork((4,), 3, 2, hidden=5, seed=1)
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(6, 4, generator=generator)
    embedding, scores, logits = model(inputs)
    assert embedding.shape == (6, 64)
    assert torch.equal(logits, model.head(scores))
    # A temperature of 2 halves the log-odds.
    _, before, _ = model(inputs)
    model.temperature.fill_(2.0)
    _, after, _ = model(inputs)
    torch.testing.assert_close(torch.logit(after), torch.logit(before) / 2)


def test_importance_of_a_linear_head_is_its_winning_weights() -> None:
    model = ConceptNetwork((4,), 3, 2)
    with torch.no_grad():
        weight, bias = model.head.parameters()
        weight.copy_(torch.tensor([[4.0, -1.0, 0.0], [-4.0, 1.0, 0.0]]))
        bias.zero_()
    importance = concept_importance(model, np.array([[1, 0, 1], [0, 1, 1]], dtype=bool))
    assert importance == pytest.approx([1, 0.25, 0])


def test_the_global_random_state_is_left_alone_and_seeds_decide() -> None:
    before = torch.random.get_rng_state()
    first, second, other = (ConceptNetwork((4,), 3, 2, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(first.concepts.weight, second.concepts.weight)
    assert not torch.equal(first.concepts.weight, other.concepts.weight)
    with pytest.raises(InputError, match="channels, height, width"):
        ConceptNetwork((4, 4), 3, 2)
