"""Patterns against their definition, pixel by pixel, and what texture can and cannot see."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.face.pad.baselines.local_binary_patterns import BINS, patterns, score_texture, texture


def one_by_one(channel: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Counts of ring patterns as strings: uniform ones apart, the rest together."""
    ring = [(-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1)]
    counts: dict[str, int] = {}
    for y in range(1, channel.shape[0] - 1):
        for x in range(1, channel.shape[1] - 1):
            word = "".join(str(int(channel[y + a, x + b] >= channel[y, x])) for a, b in ring)
            changes = sum(word[i] != word[i - 1] for i in range(8))
            name = word if changes <= 2 else "other"
            counts[name] = counts.get(name, 0) + 1
    return np.sort(np.array(list(counts.values()))) / sum(counts.values())


@given(st.integers(0, 10_000), st.integers(3, 12), st.integers(3, 12), st.sampled_from([2, 256]))
def test_shares_are_those_of_the_definition(seed: int, height: int, width: int, top: int) -> None:
    rng = np.random.default_rng(seed)
    channel = rng.integers(0, top, (height, width)).astype(np.uint8)
    found = patterns(channel)
    assert found.shape == (BINS,)
    assert found.sum() == pytest.approx(1)
    assert np.allclose(np.sort(found[found > 0]), one_by_one(channel))


def test_light_changes_no_pattern() -> None:
    channel = np.random.default_rng(0).integers(0, 100, (20, 20)).astype(np.uint8)
    assert np.array_equal(patterns(channel), patterns((2 * channel + 30).astype(np.uint8)))


def test_flat_and_checked_surfaces_have_one_and_two_patterns() -> None:
    assert (patterns(np.full((9, 9), 7, dtype=np.uint8)) > 0).sum() == 1
    checks = (np.indices((9, 9)).sum(axis=0) % 2 * 200).astype(np.uint8)
    assert (patterns(checks) > 0).sum() == 2


def test_a_fine_print_screen_is_told_from_a_smooth_surface() -> None:
    generator = torch.Generator().manual_seed(0)
    smooth = torch.rand(60, 3, 1, 1, generator=generator) * 100 + 60
    smooth = smooth + torch.arange(32.0) * torch.rand(60, 1, 1, 1, generator=generator)
    live = np.arange(60) % 2 == 0
    dots = 12 * (torch.arange(32)[:, None] + torch.arange(32) & 1)
    pictures = smooth.expand(60, 3, 32, 32) + torch.where(
        torch.from_numpy(live)[:, None, None, None], 0, dots
    )
    pictures = pictures.clamp(0, 255).to(torch.uint8)
    for space in ("grey", "colour"):
        scores = score_texture(pictures[:40], live[:40], pictures[40:], space=space)
        assert scores[live[40:]].min() > scores[~live[40:]].max()


def test_shapes_and_refusals() -> None:
    pictures = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
    assert texture(pictures, "grey").shape == (4, 59)
    assert texture(pictures).shape == (4, 354)
    with pytest.raises(InputError, match="sides of 3 or more"):
        patterns(np.zeros((2, 9), dtype=np.uint8))
    with pytest.raises(InputError, match="both bona fide and attack"):
        score_texture(pictures, np.ones(4, dtype=np.bool_), pictures)
