"""Scores of names: equal to dense formulas written out, whatever the block."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sterling.errors import InputError
from sterling.explain.neurons.scores import (
    cosine_cubed,
    diverse,
    mean_difference,
    rank_reorder,
    soft_wpmi,
    wpmi,
)


def world(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    draws = torch.Generator().manual_seed(seed)
    images, texts = (
        F.normalize(torch.randn(n, 8, generator=draws, dtype=torch.float64), dim=1)
        for n in (60, 11)
    )
    return images, texts, torch.randn(60, 5, generator=draws, dtype=torch.float64)


@pytest.mark.parametrize("block", [1, 4, 100])
@pytest.mark.parametrize("soft", [True, False])
def test_pointwise_information_is_the_dense_formula(block: int, soft: bool) -> None:
    images, texts, values = world()
    top, scale, weight = (10, 10.0, 1.0) if soft else (7, 2.0, 0.6)
    score = soft_wpmi if soft else wpmi
    found = score(images, texts, values, top=top, block=block)
    likely = np.exp(scale * (images @ texts.T).numpy())
    likely /= likely.sum(1, keepdims=True)
    given = np.zeros((5, 11))
    for unit in range(5):
        order = np.argsort(-values[:, unit].numpy())[:top]
        for rank, picture in enumerate(order):
            p = 0.998 - rank / top * (0.998 - 0.97) if soft else 1.0
            given[unit] += np.log(1 + p * (likely[picture] - 1) + 1e-7)
    common = np.log(np.exp(given).mean(0))
    np.testing.assert_allclose(found.numpy(), given - weight * common, rtol=1e-8)


@pytest.mark.parametrize("block", [1, 4, 100])
def test_cubed_cosines_are_the_dense_formula(block: int) -> None:
    images, texts, values = world(1)
    found = cosine_cubed(images, texts, values, block=block)
    similar = (images @ texts.T).numpy()
    for unit in range(5):
        a = values[:, unit].numpy()
        a = (a - a.mean()) ** 3
        for phrase in range(11):
            b = (similar[:, phrase] - similar[:, phrase].mean()) ** 3
            expected = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
            assert float(found[unit, phrase]) == pytest.approx(expected)


def test_rank_reorder_is_zero_for_the_same_order_and_worst_for_the_reverse() -> None:
    values = torch.linspace(1, 0, 20, dtype=torch.float64)[:, None]
    images = torch.stack([values[:, 0], torch.ones(20, dtype=torch.float64)], 1)
    same, reverse = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64)
    other = torch.tensor([0.0, 0.0], dtype=torch.float64)  # ties: pictures stay in order
    found = rank_reorder(images, torch.stack([same, reverse, other]), values, share=0.5)[0]
    assert float(found[0]) == 0
    ranks = np.linspace(1, 0, 20)[:10]
    expected = -((np.abs(ranks - ranks[::-1]) ** 3).mean() ** (1 / 3)) / (ranks[0] - ranks[-1])
    assert float(found[1]) == pytest.approx(expected)
    assert float(found[2]) == 0


def test_the_mean_difference_is_a_z_score_against_the_background() -> None:
    images, texts, _ = world(2)
    patches = images[:12].view(3, 4, 8)
    found = mean_difference(patches, images, texts)
    similar = (images @ texts.T).numpy()
    mean, spread = similar.mean(0), similar.std(0, ddof=1)
    for unit in range(3):
        expected = ((similar[4 * unit : 4 * unit + 4] - mean) / spread).mean(0)
        np.testing.assert_allclose(found[unit].numpy(), expected, rtol=1e-6)
    # Patches that are the whole background score nothing.
    whole = mean_difference(images[None], images, texts)
    torch.testing.assert_close(whole, torch.zeros_like(whole), atol=1e-9, rtol=0)


def test_diverse_names_skip_synonyms() -> None:
    phrases = F.normalize(
        torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.02, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), dim=1
    )
    scores = torch.tensor([3.0, 2.9, 2.0, 0.0])
    assert diverse(scores, phrases, 2) == [0, 2]
    assert diverse(scores, phrases, 2, weight=0.0) == [0, 1]
    assert sorted(diverse(scores, phrases, 9)) == [0, 1, 2, 3]


def test_embeddings_of_different_widths_are_refused() -> None:
    images, texts, values = world()
    with pytest.raises(InputError, match="8 numbers and phrases in 7"):
        soft_wpmi(images, texts[:, :7], values, top=5)
    with pytest.raises(InputError, match="top"):
        soft_wpmi(images, texts, values, top=61)


def test_the_common_part_is_what_all_units_share() -> None:
    images, texts, values = world(3)
    same = values[:, :1].expand(-1, 4)
    found = soft_wpmi(images, texts, same, top=10)
    torch.testing.assert_close(found, torch.zeros_like(found), atol=1e-9, rtol=0)
