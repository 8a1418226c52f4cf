import math
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from tests.draws import normal, seeded
from torch import Tensor

from sterling.errors import InputError
from sterling.text import Combination, TripleSetWatermark, combined_p_value, kgw, unigram
from sterling.text.watermark.keyed_hash import mixed_tokens, token_numbers

RATIOS = [(0.5, 0.25, 0.25), (0.4, 0.4, 0.2), (0.25, 0.5, 0.25), (1 / 3, 1 / 3, 1 / 3)]
VOCABULARY = 300


def generate(mark: TripleSetWatermark | None, length: int, seed: int) -> NDArray[np.int64]:
    """Tokens of a bigram model with Zipf's frequencies, sampled under a processor."""
    draws = seeded(seed)
    logits = -torch.log(torch.arange(1.0, VOCABULARY + 1)).expand(VOCABULARY, -1)
    table = logits + normal(VOCABULARY, VOCABULARY, seed=99)
    processor = None if mark is None else mark.processor()
    ids = torch.zeros((1, 1), dtype=torch.int64)
    for _ in range(length):
        scores = table[ids[:, -1]]
        if processor is not None:
            scores = processor(ids, scores)
        ids = torch.cat([ids, torch.multinomial(scores.softmax(-1), 1, generator=draws)], dim=1)
    return ids[0].numpy()


def null_z(ratios: tuple[float, float, float], scored: int, count: int) -> NDArray[np.float64]:
    """z_green and z_red of multinomial counts, (2, count)."""
    counts = np.random.default_rng(0).multinomial(scored, ratios, size=count)
    green, _, red = ratios
    return np.stack(
        [
            (counts[:, 0] - green * scored) / math.sqrt(scored * green * (1 - green)),
            (red * scored - counts[:, 2]) / math.sqrt(scored * red * (1 - red)),
        ]
    )


@pytest.mark.parametrize("ratios", RATIOS)
def test_counts_of_chance_are_correlated_as_the_correction_says(
    ratios: tuple[float, float, float],
) -> None:
    z = null_z(ratios, 200, 200_000)
    np.testing.assert_allclose(z.mean(axis=1), 0, atol=0.02)
    np.testing.assert_allclose(z.std(axis=1), 1, atol=0.02)
    green, _, red = ratios
    expected = math.sqrt(green * red / ((1 - green) * (1 - red)))
    assert abs(stats.pearsonr(*z).statistic - expected) < 0.01


@pytest.mark.parametrize("ratios", [RATIOS[0], RATIOS[3]])
def test_the_correction_accuses_no_more_than_it_says_and_fisher_does(
    ratios: tuple[float, float, float],
) -> None:
    """Every pair of counts has its probability, so no sampling is needed."""
    scored = 80
    cells = [(g, r) for g in range(scored + 1) for r in range(scored + 1 - g)]
    trials = [(g, scored - g - r, r) for g, r in cells]
    chance = stats.multinomial.pmf(trials, scored, ratios)
    likely = np.flatnonzero(chance > 1e-6)
    mark = TripleSetWatermark(1, ratios)

    def accused(combine: Combination, alpha: float) -> float:
        found = [mark.judge(*cells[i], scored, combine).p_value <= alpha for i in likely]
        return float(chance[likely][found].sum())

    assert 0.025 < accused("brown", 0.05) <= 0.05
    assert 0.005 < accused("brown", 0.01) <= 0.01
    assert accused("exact", 0.01) <= 0.01
    assert accused("fisher", 0.01) > 0.015


@pytest.mark.parametrize("ratios", [*RATIOS, (0.1, 0.8, 0.1), (0.25, 0.75, 0.0), (0.5, 0.5, 0.0)])
def test_texts_of_no_length_are_accused_more_often_than_the_level_says(
    ratios: tuple[float, float, float],
) -> None:
    """All pairs of counts of short texts, with their chances."""
    mark, banned = TripleSetWatermark(1, ratios), ratios[2] > 0
    for scored in (1, 2, 3, 4, 5, 7, 8, 10, 12, 16):
        cells = [(g, r) for g in range(scored + 1) for r in range(scored + 1 - g if banned else 1)]
        chance = (
            stats.multinomial.pmf([(g, scored - g - r, r) for g, r in cells], scored, ratios)
            if banned
            else stats.binom.pmf([g for g, _ in cells], scored, ratios[0])
        )
        assert chance.sum() == pytest.approx(1)
        for combine in ("green", "brown", "exact"):
            p = np.array([mark.judge(g, r, scored, combine).p_value for g, r in cells])
            for level in (0.001, 0.01, 0.05):
                assert chance[p <= level].sum() <= level * (1 + 1e-9), (scored, combine, level)


def test_a_normal_tail_would_accuse_short_texts() -> None:
    """A control: the two deviations of 2 green tokens in 2 are not rare at all."""
    one = TripleSetWatermark(1, (0.25, 0.75, 0.0)).judge(2, 0, 2)
    assert stats.norm.sf(one.z_green) < 0.01
    assert one.p_green == pytest.approx(0.25**2)


def test_without_a_red_set_every_combination_is_the_binomial_tail() -> None:
    mark = TripleSetWatermark(1, (0.25, 0.75, 0.0))
    for green, scored in ((0, 5), (2, 2), (3, 3), (20, 50)):
        tail = sum(
            math.comb(scored, k) * 0.25**k * 0.75 ** (scored - k) for k in range(green, scored + 1)
        )
        for combine in get_args(Combination):
            found = mark.judge(green, 0, scored, combine)
            assert found.p_value == found.p_green == pytest.approx(tail, rel=1e-12)
            assert found.p_red == 1


def test_the_exact_p_value_is_the_chance_of_as_much_evidence() -> None:
    scored, ratios = 30, (0.5, 0.25, 0.25)
    mark = TripleSetWatermark(1, ratios)
    cells = [(g, r) for g in range(scored + 1) for r in range(scored + 1 - g)]
    chance = np.array(
        [stats.multinomial.pmf([g, scored - g - r, r], scored, ratios) for g, r in cells]
    )
    found = [mark.judge(g, r, scored, "exact") for g, r in cells]
    evidence = np.array(
        [
            stats.binom.logsf(g - 1, scored, ratios[0]) + stats.binom.logcdf(r, scored, ratios[2])
            for g, r in cells
        ]
    )
    for i in range(0, len(cells), 7):
        as_much = chance[evidence <= evidence[i] + 1e-9].sum()
        assert found[i].p_value == pytest.approx(as_much, rel=1e-6)


def test_combinations_by_hand() -> None:
    mark = TripleSetWatermark(3)
    one = mark.judge(140, 20, 200, "fisher")
    assert one.z_green == pytest.approx((140 - 100) / math.sqrt(50))
    assert one.z_red == pytest.approx((50 - 20) / math.sqrt(200 * 0.25 * 0.75))
    both = -2 * (math.log(one.p_green) + math.log(one.p_red))
    assert one.p_value == pytest.approx(stats.chi2.sf(both, 4))
    assert mark.judge(140, 20, 200, "green").p_value == one.p_green
    brown, exact = (mark.judge(140, 20, 200, how).p_value for how in ("brown", "exact"))
    assert one.p_value < brown < 1e-6
    assert exact < 1e-6


@given(st.integers(1, 400), st.integers(0, 400), st.integers(0, 400))
def test_more_green_or_less_red_is_more_evidence(scored: int, green: int, red: int) -> None:
    green = min(green, scored - 1)
    red = min(red, scored - 1 - green)
    mark = TripleSetWatermark(3)
    for combine in ("fisher", "brown", "exact"):
        now = mark.judge(green, red, scored, combine).p_value
        assert 0 <= now <= 1
        assert mark.judge(green + 1, red, scored, combine).p_value <= now + 1e-12
        assert mark.judge(green, red + 1, scored, combine).p_value >= now - 1e-12


def test_a_hard_mark_has_no_red_token_and_is_found() -> None:
    mark = TripleSetWatermark(11, least_mass=0.0)
    one = mark.detect(generate(mark, 200, seed=1), prompt_length=1)
    assert one.red == 0
    assert one.tokens_scored > 100
    assert one.p_value < 1e-6


def test_repeated_pairs_count_once() -> None:
    mark = TripleSetWatermark(5)
    phrase = [4, 8, 15, 16, 23, 42]
    once, often = mark.detect(phrase), mark.detect(phrase * 50)
    assert once.tokens_scored == 5
    assert often.tokens_scored == 6  # one more pair, where the phrase meets itself


def test_repetition_would_accuse_human_texts_without_that() -> None:
    """Human texts say the same phrases again: 20 of them here, by Zipf's law, 30 times a text."""
    draws = np.random.default_rng(0)
    phrases = draws.integers(0, VOCABULARY, size=(200, 20, 8))
    often = 1 / np.arange(1, 21)
    texts = [some[draws.choice(20, 30, p=often / often.sum())].ravel() for some in phrases]
    mark = TripleSetWatermark(77)
    fair = np.mean([mark.detect(text).p_value <= 0.05 for text in texts])
    naive = []
    for text in texts:
        pairs = torch.from_numpy(np.stack([text[:-1], text[1:]], axis=1))
        numbers = mark.numbers(pairs[:, :1], pairs[:, 1])
        counts = int(mark.green(numbers).sum()), int(mark.red(numbers).sum())
        naive.append(mark.judge(*counts, len(pairs)).p_value <= 0.05)
    assert stats.binomtest(round(200 * fair), 200, 0.05, alternative="greater").pvalue > 1e-3
    assert np.mean(naive) > 0.15


def test_the_prompt_is_context_and_is_not_scored() -> None:
    mark = TripleSetWatermark(5, context=2)
    ids = list(range(20))
    assert mark.detect(ids, prompt_length=10).tokens_scored == 10
    assert mark.detect(ids).tokens_scored == 18
    assert mark.detect(ids, prompt_length=20).p_value == 1
    assert mark.detect(ids[10:]).tokens_scored == 8


@pytest.mark.parametrize("ids", [[], [3], [3, 4]])
def test_texts_too_short_to_score_prove_nothing(ids: list[int]) -> None:
    one = TripleSetWatermark(5, context=2).detect(ids)
    assert (one.tokens_scored, one.p_value, one.z_green, one.p_red) == (0, 1, 0, 1)


def of_vocabulary(mark: TripleSetWatermark, contexts: Tensor) -> Tensor:
    """Keyed numbers of all tokens in each of some contexts, (N, V)."""
    return token_numbers(mark.states(contexts)[:, None], mixed_tokens(torch.arange(VOCABULARY)))


def test_contexts_that_the_reduction_takes_for_the_same_count_once() -> None:
    mark = TripleSetWatermark(5, context=2, reduction="sum")
    assert mark.detect([1, 4, 7, 4, 1, 7]).tokens_scored == 3  # (1, 4) → 7 and (4, 1) → 7 are one


def test_shares_of_colours_are_the_ratios() -> None:
    mark = TripleSetWatermark(9, (0.4, 0.35, 0.25))
    numbers = of_vocabulary(mark, torch.arange(400)[:, None])
    green, red = mark.green(numbers), mark.red(numbers)
    assert not bool((green & red).any())
    counts = np.array([int(green.sum()), int((~green & ~red).sum()), int(red.sum())])
    assert stats.chisquare(counts, counts.sum() * np.array([0.4, 0.35, 0.25])).pvalue > 1e-4


def test_without_a_red_set_green_decides() -> None:
    for mark in (kgw(4), unigram(4)):
        one = mark.judge(150, 0, 200, "brown")
        assert one.p_red == 1
        assert one.p_value == one.p_green == mark.judge(150, 0, 200, "green").p_value
    text = generate(kgw(4), 300, seed=3)
    assert kgw(4).detect(text, 1, "green").p_value < 1e-4
    assert len(set(unigram(4).states(torch.zeros((2, 0), dtype=torch.int64)).tolist())) == 1


def scores(count: int = 4) -> Tensor:
    return normal(count, VOCABULARY)


def test_a_step_with_little_mass_beside_red_is_left_alone() -> None:
    mark = TripleSetWatermark(2, least_mass=0.3)
    processor, ids, given = mark.processor(), torch.tensor([[6], [7]]), scores(2)
    red = mark.red(of_vocabulary(mark, ids))
    certain = int(torch.nonzero(red[0])[0])
    given[0, certain] = 50.0
    marked = processor(ids, given)
    assert torch.equal(marked[0], given[0])
    assert torch.equal(marked[1].isinf(), red[1])
    assert (processor.steps, processor.unmarked) == (2, 1)


def test_the_bias_moves_green_alone() -> None:
    mark = TripleSetWatermark(2, bias=1.5, least_mass=0.0)
    ids, given = torch.tensor([[6]]), scores(1)
    numbers = of_vocabulary(mark, ids)
    green = mark.green(numbers)
    moved = mark.processor()(ids, given) - given
    torch.testing.assert_close(moved[green], torch.full_like(moved[green], 1.5))
    assert bool((moved[~green & ~mark.red(numbers)] == 0).all())


def test_no_context_yet_no_mark() -> None:
    processor, given = TripleSetWatermark(2, context=4).processor(), scores(1)
    assert torch.equal(processor(torch.tensor([[1, 2, 3]]), given), given)
    assert processor.unmarked == 1


def test_it_marks_within_generate_of_transformers() -> None:
    from transformers import LlamaConfig, LlamaForCausalLM, LogitsProcessorList

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=None,
    )
    model = LlamaForCausalLM(config)
    model.train(mode=False)
    mark = TripleSetWatermark(123, least_mass=0.0)
    texts = model.generate(  # its own annotation of self is wrong
        torch.tensor([[5, 9, 2], [7, 7, 1]]),
        max_new_tokens=80,
        do_sample=True,
        top_k=0,
        logits_processor=LogitsProcessorList([mark.processor()]),
    )
    assert isinstance(texts, Tensor)
    for text in texts.tolist():
        one = mark.detect(text, prompt_length=3)
        assert (one.red, one.tokens_scored > 70, one.p_value < 1e-4) == (0, True, True)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"ratios": (0.5, 0.5, 0.5)}, "ratios"),
        ({"ratios": (0.0, 0.5, 0.5)}, "green"),
        ({"ratios": (0.5, 0.5)}, "ratios"),
        ({"context": -1}, "context"),
        ({"bias": -1.0}, "bias"),
        ({"bias": math.inf}, "bias"),
        ({"least_mass": 1.0}, "least_mass"),
        ({"reduction": "max"}, "reduction"),
        ({"key": -3}, "key"),
    ],
)
def test_values_out_of_range_are_named(changes: dict[str, object], word: str) -> None:
    with pytest.raises(InputError, match=word):
        TripleSetWatermark(**{"key": 1, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("ids", [[1.5, 2.0], [[1, 2], [3, 4]], [-1, 4], ["a", "b"]])
def test_ids_that_are_none_are_refused(ids: object) -> None:
    with pytest.raises(InputError, match="token_ids"):
        TripleSetWatermark(1).detect(ids)  # type: ignore[arg-type]


def test_an_unknown_combination_or_a_prompt_beyond_the_text_is_named() -> None:
    with pytest.raises(InputError, match="combination"):
        TripleSetWatermark(1).detect([1, 2, 3], combine="stouffer")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="prompt_length"):
        TripleSetWatermark(1).detect([1, 2, 3], prompt_length=4)


def test_browns_method_is_fishers_where_nothing_is_correlated() -> None:
    """As the red share goes to nothing, so does the correlation."""
    tiny = (0.5, 0.5 - 1e-9, 1e-9)
    brown, fisher = (combined_p_value(56, 0, 100, tiny, how) for how in ("brown", "fisher"))
    assert brown == pytest.approx(fisher, rel=1e-3)


@pytest.mark.parametrize("ratios", [(0.5, 0.25, 0.25), (0.3, 0.4, 0.3)])
def test_the_covariance_is_kost_and_mcdermotts(ratios: tuple[float, float, float]) -> None:
    """Simulated: the covariance of -2 ln p of two normal tests; Brown's own fit is near it, too."""
    green, _, red = ratios
    rho = float(np.sqrt(green * red / ((1 - green) * (1 - red))))
    draw = np.random.default_rng(0)
    one, noise = draw.normal(size=(2, 400_000))
    other = rho * one + np.sqrt(1 - rho**2) * noise
    logs = [-2 * stats.norm.logsf(z) for z in (one, other)]
    kost = 3.263 * rho + 0.710 * rho**2 + 0.027 * rho**3
    assert np.cov(*logs)[0, 1] == pytest.approx(kost, rel=0.03)
    assert rho * (3.25 + 0.75 * rho) == pytest.approx(kost, rel=0.01)
    used = combined_p_value(60, 20, 100, ratios, "brown")
    evidence = -2 * float(stats.binom.logsf(59, 100, green) + stats.binom.logcdf(20, 100, red))
    variance = 8 + 2 * kost
    expected = stats.chi2.sf(8 * evidence / variance, 32 / variance)
    assert used == pytest.approx(expected, rel=1e-9)
