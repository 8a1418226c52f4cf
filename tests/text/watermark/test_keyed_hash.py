import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sterling.errors import InputError
from sterling.text.watermark.keyed_hash import (
    BITS,
    context_states,
    mixed_tokens,
    pair_codes,
    token_numbers,
)

tokens = st.integers(0, 2**31)


def mixed(x: int) -> int:
    """SplitMix64's finaliser on whole numbers, as its authors write it."""
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ x >> 27) * 0x94D049BB133111EB % 2**64
    return x ^ x >> 31


@given(st.integers(0, 2**63 - 1), st.lists(tokens, max_size=4), tokens)
def test_numbers_are_those_of_plain_integer_arithmetic(
    key: int, context: list[int], token: int
) -> None:
    golden = 0x9E3779B97F4A7C15
    state = mixed((key + golden) % 2**64)
    for one in context:
        state = mixed((state + golden) % 2**64 ^ mixed((one + golden) % 2**64))
    x = (state ^ mixed((token + golden) % 2**64)) % 2**32
    x = (x ^ x >> 16) * 0x85EBCA6B % 2**32 ^ (state >> 32)
    x = (x ^ x >> 13) * 0xC2B2AE35 % 2**32
    contexts = torch.tensor([context], dtype=torch.int64).view(1, len(context))
    found = token_numbers(context_states(key, contexts), mixed_tokens(torch.tensor([token])))
    assert int(found) % 2**32 == x


def test_numbers_are_uniform_over_tokens_and_contexts() -> None:
    contexts = torch.arange(1_000)[:, None]
    numbers = token_numbers(context_states(7, contexts)[:, None], mixed_tokens(torch.arange(1_600)))
    share = (numbers.double() / 2.0**BITS + 0.5).flatten().numpy()
    # 1.6 million draws: five deviations of the mean and of each of a hundred classes.
    assert abs(share.mean() - 0.5) < 5 * (1 / 12 / share.size) ** 0.5
    counts = np.histogram(share, bins=100, range=(0, 1))[0]
    assert stats.chisquare(counts).pvalue > 1e-4


def test_numbers_in_one_context_say_nothing_of_those_in_another() -> None:
    contexts = torch.arange(401)[:, None]
    numbers = token_numbers(context_states(3, contexts)[:, None], mixed_tokens(torch.arange(4_000)))
    classes = ((numbers.long() + 2**31) >> 29).numpy()  # eighths
    for other in (classes[1:], np.roll(classes[1:], 1, axis=1)):
        pairs = np.bincount((8 * classes[:-1] + other).ravel(), minlength=64).reshape(8, 8)
        assert stats.chi2_contingency(pairs).pvalue > 1e-4


def test_only_equal_pairs_share_a_code() -> None:
    contexts, ids = torch.arange(700)[:, None], torch.arange(700)
    codes = pair_codes(context_states(3, contexts)[:, None], mixed_tokens(ids))
    assert len(torch.unique(codes)) == 700 * 700


@given(st.permutations([3, 17, 2, 90]))
def test_least_and_sum_forget_the_order(order: list[int]) -> None:
    plain, turned = torch.tensor([[3, 17, 2, 90]]), torch.tensor([order])
    for reduction in ("min", "sum"):
        assert torch.equal(
            context_states(5, plain, reduction), context_states(5, turned, reduction)
        )
    same = torch.equal(context_states(5, plain), context_states(5, turned))
    assert same == (order == [3, 17, 2, 90])


def test_without_context_there_is_one_state_for_each_key() -> None:
    nothing = torch.zeros((3, 0), dtype=torch.int64)
    assert len(set(context_states(1, nothing).tolist())) == 1
    assert not torch.equal(context_states(1, nothing), context_states(2, nothing))


@pytest.mark.parametrize("key", [-1, 2**63, 1.5, "key"])
def test_a_key_outside_its_range_is_refused(key: object) -> None:
    with pytest.raises(InputError, match="key"):
        context_states(key, torch.zeros((1, 1), dtype=torch.int64))  # type: ignore[arg-type]


def test_an_unknown_reduction_is_named() -> None:
    with pytest.raises(InputError, match="reduction"):
        context_states(1, torch.zeros((1, 1), dtype=torch.int64), "max")  # type: ignore[arg-type]
