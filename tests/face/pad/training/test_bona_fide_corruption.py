"""Trash is made of bona fides alone, at its rate, and becomes an attack."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sterling.face.pad.networks.part_crops import MOSAIC, corrupt_bona_fides


def draws(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_attacks_stay_and_labels_fall_with_the_pictures(seed: int, share: float) -> None:
    images = torch.rand(12, 3, 24, 24, generator=draws(seed)) * 255
    live = torch.rand(12, generator=draws(seed + 1)) < 0.5
    corrupted, label = corrupt_bona_fides(images, live, share, draws(seed))
    assert torch.equal(corrupted[~live], images[~live])
    assert not (label & ~live).any()
    changed = (corrupted != images).flatten(1).any(dim=1)
    # A shuffle, or a half of the own picture, may leave a picture as it was.
    assert not (changed & label).any()
    if share == 0:
        assert torch.equal(label, live)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_the_rate_is_the_one_asked_for(share: float) -> None:
    n = 4000
    live = torch.ones(n, dtype=torch.bool)
    _, label = corrupt_bona_fides(torch.zeros(n, 1, 8, 8), live, share, draws(0))
    assert stats.binomtest(int((~label).sum()), n, share).pvalue > 1e-6


def test_the_three_damages_are_what_they_say() -> None:
    n, side = 300, 24
    images = torch.rand(n, 3, side, side, generator=draws(1))
    corrupted, label = corrupt_bona_fides(images, torch.ones(n, dtype=torch.bool), 1.0, draws(2))
    assert not label.any()
    tiles = images.unfold(2, MOSAIC, MOSAIC).unfold(3, MOSAIC, MOSAIC).mean(dim=(-1, -2))
    kinds = {"shuffled": 0, "mosaic": 0, "halves": 0}
    for before, after, means in zip(images, corrupted, tiles, strict=True):
        if torch.allclose(after[:, ::MOSAIC, ::MOSAIC], means):
            kinds["mosaic"] += 1
        elif torch.equal(after[:, : side // 2], before[:, : side // 2]):
            kinds["halves"] += 1
        else:
            kinds["shuffled"] += 1
            assert torch.equal(after.flatten(1).sort().values, before.flatten(1).sort().values)
    assert min(kinds.values()) > n / 3 - 6 * np.sqrt(n * 2 / 9)
