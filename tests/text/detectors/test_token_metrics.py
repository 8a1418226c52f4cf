"""Metrics of one pass against closed forms, sampling and separate passes."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.draws import normal, seeded

from sterling.errors import InputError
from sterling.lm import LocalModel, TokenStats, token_stats, train_small
from sterling.text.detectors import METRICS, Gltr, TokenDetector, score_metrics, score_prefixes
from sterling.text.detectors.binoculars import Binoculars, mean_cross_entropy, without_last_layers
from sterling.text.detectors.diversity_entropy import diversity_entropy, spread_of_diversity
from sterling.text.detectors.token_metrics import bins_of_ranks

PROSE = [
    "The river was high in spring, and the people of the town watched the water from the bridge.",
    "A small house stood near the road; nobody had lived there since the old man went away.",
    "When the engineers came back, they found that the error was larger than they had thought.",
] * 8


@pytest.fixture(scope="module")
def model() -> LocalModel:
    return train_small(PROSE, steps=20, width=32, layers=3, vocabulary=300)


def random_stats(seed: int, tokens: int = 40) -> tuple[TokenStats, torch.Tensor, torch.Tensor]:
    generator = seeded(seed)
    logits = torch.randn(1, tokens, 300, generator=generator) * 3
    labels = torch.randint(300, (1, tokens), generator=generator)
    batch = token_stats(logits, labels)
    row = TokenStats(**{name: values[0] for name, values in vars(batch).items()})
    return row, logits[0].double(), labels[0]


@pytest.mark.parametrize("seed", range(20))
def test_one_pass_says_what_separate_passes_say(seed: int) -> None:
    stats, logits, labels = random_stats(seed)
    log_p = logits.log_softmax(-1)
    own = log_p.gather(-1, labels[:, None])[:, 0]
    order = logits.argsort(dim=-1, descending=True)
    ranks = ((order == labels[:, None]).nonzero()[:, 1] + 1).double()
    entropies = -(log_p.exp() * log_p).sum(-1)
    expected = {
        "likelihood": own.mean(),
        "rank": -ranks.mean(),
        "log_rank": -ranks.log().mean(),
        "entropy": entropies.mean(),
        "lrr": -own.mean() / ranks.log().mean(),
    }
    for name, value in expected.items():
        assert METRICS[name](stats) == pytest.approx(float(value), rel=1e-6), name
    assert torch.equal(stats.rank.double(), ranks)


def test_the_analytic_curvature_is_that_of_many_samples() -> None:
    """Fast-DetectGPT draws 10,000 texts from the token distributions; its limit is analytic."""
    stats, logits, _ = random_stats(3)
    log_p = logits.log_softmax(-1)
    drawn = torch.multinomial(log_p.exp(), 10_000, replacement=True, generator=seeded())
    sampled = log_p.gather(-1, drawn).sum(0)
    discrepancy = (stats.log_prob.double().sum() - sampled.mean()) / sampled.std()
    assert METRICS["fast_detect_gpt"](stats) == pytest.approx(float(discrepancy), rel=0.02)


def test_bins_of_ranks_have_gltrs_edges() -> None:
    rank = torch.tensor([1, 9, 10, 99, 100, 999, 1000, 5000])
    blank = torch.zeros(8)
    stats = TokenStats(blank, rank, blank, blank, blank.bool())
    assert bins_of_ranks(stats).tolist() == [0.25] * 4


def test_a_text_of_first_choices_has_a_finite_ratio() -> None:
    rank = torch.ones(20, dtype=torch.int64)
    stats = TokenStats(torch.full((20,), -0.5), rank, torch.ones(20), torch.ones(20), rank.bool())
    assert METRICS["lrr"](stats) == pytest.approx(0.5 / (math.log(2) / 20))


def test_batches_and_neighbours_do_not_change_a_score(model: LocalModel) -> None:
    texts = [PROSE[0], PROSE[1] * 3, PROSE[2][:60] * 2, PROSE[2] * 5]
    together = score_metrics(model, texts)
    assert set(together) == set(METRICS)
    for row, text in enumerate(texts):
        alone = score_metrics(model, [text])
        # Rounding may move a value over an edge of lastde's histogram, so it is not compared.
        for name, scored in (item for item in together.items() if item[0] != "lastde"):
            assert scored.values[row] == pytest.approx(alone[name].values[0], rel=2e-3), name
    one = TokenDetector("lrr", model).score(texts)
    assert np.array_equal(one.values, together["lrr"].values)


def test_a_prefix_is_scored_as_a_text_of_its_own(model: LocalModel) -> None:
    text = PROSE[1] * 3
    whole = score_prefixes(model, [text, ""], "lrr", [20, 1000])
    short = score_metrics(model, [text], ["lrr"], max_tokens=21)["lrr"]
    assert whole[20].values[0] == pytest.approx(short.values[0], rel=1e-4)
    assert whole[1000].values[0] == score_metrics(model, [text], ["lrr"])["lrr"].values[0]
    assert whole[20].reasons == ("", "empty")


def test_no_text_raises_and_each_failure_has_its_reason(model: LocalModel) -> None:
    texts = ["", " \n", "short", "half \ud800 pair", PROSE[0], "x" * 200_000, "\u200b\u202e" * 40]
    for detector in (TokenDetector("likelihood", model), Binoculars(model, model)):
        scored = detector.score(texts)
        assert [bool(reason) for reason in scored.reasons] == [
            *(True, True, True, True),
            *(False, False, False),
        ]
        assert np.isnan(scored.values).tolist() == [bool(reason) for reason in scored.reasons]
        assert scored.reasons[0] == "empty"
        assert "too short" in scored.reasons[2]
        assert "surrogate" in scored.reasons[3]


def test_gltr_learns_which_bins_are_the_machines(model: LocalModel) -> None:
    rng = np.random.default_rng(0)
    odd = [" ".join(rng.permutation(text.split())) for text in PROSE[:12]]
    detector = Gltr(model)
    detector.fit([*PROSE[:12], *odd], np.repeat([1, 0], 12))
    scored = detector.score([PROSE[0], odd[0]])
    assert scored.values[0] > scored.values[1]
    again = Gltr(model)
    again.restore(detector.state())
    assert np.array_equal(again.score([PROSE[0], odd[0]]).values, scored.values)
    with pytest.raises(InputError, match="people and of machines"):
        Gltr(model).fit(PROSE[:3], np.ones(3, dtype=np.intp))
    with pytest.raises(InputError, match="fit it first"):
        Gltr(model).score(PROSE[:1])


def test_an_unknown_metric_is_named(model: LocalModel) -> None:
    with pytest.raises(InputError, match="metric 'rnak'"):
        TokenDetector("rnak", model)


def test_binoculars_of_equal_models_compares_with_entropy(model: LocalModel) -> None:
    """With one model on both sides cross-entropy is entropy, of all T + 1 positions."""
    value = Binoculars(model, model).score([PROSE[1]]).values[0]
    stats = model.stats([PROSE[1]])[0]
    (last,) = (
        one.logits[0, len(stats.entropy)].double().log_softmax(-1)
        for one in model.passes([model.encode(PROSE[1])])
    )
    entropies = [*stats.entropy.double().tolist(), -float(last.exp() @ last)]
    expected = float(stats.log_prob.double().mean()) / np.mean(entropies)
    assert value == pytest.approx(expected, rel=1e-4)


def test_a_shorter_copy_shares_weights_and_predicts_otherwise(model: LocalModel) -> None:
    shorter = without_last_layers(model, 0.34)
    assert len(shorter.model.model.layers) == 1
    assert len(model.model.model.layers) == 3
    assert (
        shorter.model.model.embed_tokens.weight.data_ptr()
        == model.model.model.embed_tokens.weight.data_ptr()
    )
    own, other = (one.stats([PROSE[0]])[0].log_prob for one in (model, shorter))
    assert not torch.allclose(own, other)
    whole = without_last_layers(model, 1.0).stats([PROSE[0]])[0].log_prob
    assert torch.allclose(own, whole)


def test_cross_entropy_is_least_for_equal_predictions() -> None:
    logits = normal(5, 30)
    own = mean_cross_entropy(logits, logits)
    log_p = logits.log_softmax(-1)
    entropies = -(log_p.exp() * log_p).sum(-1)
    torch.testing.assert_close(own, entropies)
    assert (mean_cross_entropy(logits, torch.zeros(5, 30)) > own).all()
    torch.testing.assert_close(
        mean_cross_entropy(logits, torch.zeros(5, 30)), torch.full((5,), math.log(30))
    )


def test_models_of_different_tokenizers_are_refused(model: LocalModel) -> None:
    other = train_small(PROSE[::-1], steps=1, width=32, vocabulary=290)
    with pytest.raises(InputError, match="different tokenizers"):
        Binoculars(model, other)


@given(st.lists(st.floats(-9, 9), min_size=5, max_size=60))
def test_diversity_entropy_lies_between_none_and_all(values: list[float]) -> None:
    assert 0 <= diversity_entropy(np.array(values), 10) <= 1 + 1e-12


def test_diversity_entropy_of_known_series() -> None:
    assert diversity_entropy(np.ones(50), 10) == 0
    # Cosines of windows of one value are 1 and -1 in turn: two bins of ten, equally often.
    alternating = np.array([1.0, 1.0, -1.0, -1.0] * 10 + [1.0])
    assert diversity_entropy(alternating, 10, window=1) == pytest.approx(math.log(2) / math.log(10))
    assert math.isnan(spread_of_diversity(np.ones(4)))
    assert math.isnan(spread_of_diversity(np.ones(40)))
    assert spread_of_diversity(np.random.default_rng(0).normal(size=200)) > 0


def test_lastdes_spread_is_unbiased() -> None:
    """The biased deviation of five scales would be √(4 / 5) = 0.894 of it."""
    series = np.random.default_rng(0).normal(-2, 1, 60)
    entropies = [
        diversity_entropy(np.convolve(series, np.full(k, 1 / k), mode="valid"), 600)
        for k in range(1, 6)
    ]
    squares = sum((one - sum(entropies) / 5) ** 2 for one in entropies)
    assert spread_of_diversity(series) == pytest.approx(math.sqrt(squares / 4))
    assert math.sqrt(squares / 5) / spread_of_diversity(series) == pytest.approx(0.894, abs=1e-3)
