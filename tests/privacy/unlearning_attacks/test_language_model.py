"""Extraction, relearning and quantisation against plain loops and on a model trained here."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from tests.draws import seeded
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.lm.small_transformer import SmallTransformer
from sterling.privacy.data.author_facts import author_facts
from sterling.privacy.unlearning import (
    IGNORED,
    Descent,
    Examples,
    train_by_steps,
    unlearning_methods,
)
from sterling.privacy.unlearning_attacks import (
    exact_memorisation,
    extraction_strength,
    leak_at_k,
    relearning_curve,
    round_to_nearest,
)


def logits_that_say(said: Tensor, vocabulary: int = 7) -> Tensor:
    return F.one_hot(said, vocabulary).float()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 100_000), length=st.integers(1, 9))
def test_extraction_strength_is_the_loop_over_prefixes(seed: int, length: int) -> None:
    rng = seeded(seed)
    labels = torch.randint(7, (3, length + 2), generator=rng)
    said = torch.where(torch.rand(labels.shape, generator=rng) < 0.3, (labels + 1) % 7, labels)
    labels[:, :2] = IGNORED
    strengths = extraction_strength(logits_that_say(said), labels)
    memorised = exact_memorisation(logits_that_say(said), labels)
    for row in range(3):
        truth, greedy = labels[row, 2:].tolist(), said[row, 2:].tolist()
        shortest = next(k for k in range(length + 1) if truth[k:] == greedy[k:])
        assert strengths[row] == pytest.approx(1 - shortest / length)
        hits = sum(a == b for a, b in zip(truth, greedy, strict=True))
        assert memorised[row] == pytest.approx(hits / length)


class Parrot(nn.Module):
    """Says the next number of a count with probability p, else 0."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, tokens: Tensor) -> Tensor:
        likely = F.one_hot((tokens + 1) % 7, 7).float() * self.p
        likely[..., 0] += 1 - self.p
        return likely.clamp_min(1e-30).log()


def test_leak_at_k_is_the_chance_of_one_hit_in_k() -> None:
    inputs = torch.tensor([[1, 2, 3, 4]]).repeat(4000, 1)
    examples = Examples(inputs, inputs + 1, torch.arange(4000))
    for k, p in ((1, 0.5), (3, 0.5)):
        leaks = leak_at_k(Parrot(p), examples, prompt=2, k=k, temperature=1.0, rng=seeded(k))
        expected = 1 - (1 - p**3) ** k
        # 4,000 trials: five standard deviations, a false alarm below one in a million.
        assert leaks.mean() == pytest.approx(
            expected, abs=5 * (expected * (1 - expected) / 4000) ** 0.5
        )
    with pytest.raises(InputError, match="k 0"):
        leak_at_k(Parrot(1), examples, prompt=2, k=0, temperature=1.0, rng=torch.Generator())


def test_extraction_needs_tokens_that_count() -> None:
    labels = torch.full((1, 3), IGNORED)
    with pytest.raises(InputError, match="text 0 has no token"):
        extraction_strength(torch.zeros(1, 3, 5), labels)
    with pytest.raises(InputError, match="give"):
        exact_memorisation(torch.zeros(1, 5), labels)


def test_relearning_measures_before_and_along_the_way_and_leaves_the_model() -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    lesson = Examples(torch.randn(20, 3), torch.zeros(20, dtype=torch.int64), torch.arange(20))
    before = model.weight.clone()

    def loss(student: nn.Module) -> float:
        with torch.no_grad():
            return float(F.cross_entropy(student(lesson.inputs), lesson.labels))

    curve = relearning_curve(model, lesson, loss, seeded(), Descent(20, 0.1), every=5)
    assert len(curve) == 5
    assert curve[0] == pytest.approx(loss(model))
    assert all(later < sooner for sooner, later in itertools.pairwise(curve))
    assert torch.equal(model.weight, before)


def relearning(seed: int) -> tuple[float, float, float]:
    """Mean words said while relearning: after ascent, after retraining, and of new facts."""
    facts = author_facts(18, seed=seed)
    retain, forget, new = (facts.of(torch.arange(a, b)) for a, b in ((0, 10), (10, 14), (14, 18)))
    torch.manual_seed(seed)
    network = SmallTransformer(len(facts.vocabulary), context=8, width=32, layers=1)
    train = train_by_steps(Descent(150, 5e-3))
    model = train(network, facts.of(torch.arange(14)), seed)
    methods = unlearning_methods(train, Descent(60, 2e-3))

    def curve(start: nn.Module, lesson: Examples) -> float:
        def said(student: nn.Module) -> float:
            with torch.no_grad():
                return float(exact_memorisation(student(lesson.inputs), lesson.labels).mean())

        rng = seeded(seed)
        return float(np.mean(relearning_curve(start, lesson, said, rng, Descent(20, 2e-3))))

    ascended, retrained = (
        methods[name](model, forget, retain, seeded(seed)) for name in ("GradDiff", "retrain")
    )
    return curve(ascended, forget), curve(retrained, forget), curve(retrained, new)


@pytest.mark.no_cover
def test_ascent_relearns_faster_than_retraining_which_relearns_as_new() -> None:
    """Sign test over 7 seeds: all must agree, p = 2^-7 < 0.01; the second part within 4 errors."""
    ascended, retrained, new = np.array([relearning(seed) for seed in range(7)]).T
    assert (
        stats.binomtest(int((ascended > retrained).sum()), 7, alternative="greater").pvalue < 0.01
    )
    difference = retrained - new
    error = difference.std(ddof=1) / np.sqrt(7)
    assert abs(difference.mean()) < 4 * error
    assert error < 0.05


@settings(max_examples=20, deadline=None)
@given(bits=st.integers(2, 12), seed=st.integers(0, 1000))
def test_rounding_errs_by_half_a_step_at_most(bits: int, seed: int) -> None:
    torch.manual_seed(seed)
    model = nn.Linear(6, 4)
    rounded = round_to_nearest(model, bits)
    step = model.weight.abs().amax(1, keepdim=True) / (2 ** (bits - 1) - 1)
    assert torch.equal(rounded.get_parameter("bias"), model.bias)
    weight = rounded.get_parameter("weight")
    assert ((weight - model.weight).abs() <= step * 0.5001).all()
    levels = weight / step
    torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-3)
    torch.testing.assert_close(round_to_nearest(rounded, bits).get_parameter("weight"), weight)


def test_rounding_needs_bits() -> None:
    with pytest.raises(InputError, match="bits 1"):
        round_to_nearest(nn.Linear(2, 2), 1)
