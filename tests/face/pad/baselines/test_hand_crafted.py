"""Hand-crafted features: local binary patterns, spectra, distance from bona fides."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf
from torch import Tensor

from sterling.errors import InputError
from sterling.face.pad.baselines.hand_crafted import (
    BINS,
    SECTORS,
    patterns,
    score_spectrum,
    score_texture,
    spectra,
    texture,
)
from sterling.face.pad.baselines.simple import score_one_class
from sterling.measure import Scores, auc

BLACK, ALL_LIVE = torch.zeros(4, 3, 8, 8, dtype=torch.uint8), np.ones(4, dtype=np.bool_)


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


def test_shapes() -> None:
    assert texture(BLACK, "grey").shape == (4, 59)
    assert texture(BLACK).shape == (4, 354)


def test_it_is_the_distance_with_the_shrunk_covariance() -> None:
    rng = np.random.default_rng(0)
    known, asked = rng.normal(size=(50, 4)) @ rng.normal(size=(4, 4)), rng.normal(size=(9, 4))
    precision = np.linalg.inv(LedoitWolf().fit(known).covariance_)
    wanted = [-mahalanobis(one, known.mean(axis=0), precision) for one in asked]
    assert np.allclose(score_one_class(known, asked), wanted)


def test_what_is_far_in_any_direction_is_an_attack() -> None:
    rng = np.random.default_rng(1)
    known, fresh = rng.normal(size=(400, 3)), rng.normal(size=(200, 3))
    for direction in np.eye(3):
        for sign in (-1, 1):
            attacks = rng.normal(size=(50, 3)) + 8 * sign * direction
            assert score_one_class(known, attacks).max() < score_one_class(known, fresh).min()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: score_one_class(np.zeros((1, 2)), np.zeros((1, 2))), "two or more have a spread"),
        (lambda: score_one_class(np.zeros((3, 2)), np.zeros((1, 3))), r"\(N, D\) and \(M, D\)"),
        (lambda: score_one_class([[0.0], [np.nan]], np.zeros((1, 1))), "not finite"),
        (lambda: patterns(np.zeros((2, 9), dtype=np.uint8)), "sides of 3 or more"),
        (lambda: score_texture(BLACK, ALL_LIVE, BLACK), "both bona fide and attack"),
        (lambda: score_spectrum(BLACK, ALL_LIVE, BLACK), "both bona fide and attack"),
        (lambda: spectra(BLACK[..., :4]), "squares of 8 pixels or more"),
    ],
)
def test_what_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def wave(cycles: float, angle: float, side: int = 32) -> Tensor:
    """A sinusoid with so many cycles over the picture, uint8 (1, 3, S, S)."""
    y, x = np.meshgrid(np.arange(side), np.arange(side), indexing="ij")
    along = (x * np.cos(angle) + y * np.sin(angle)) / side
    grey = 128 + 100 * np.sin(2 * np.pi * cycles * along)
    return torch.from_numpy(grey.round().astype(np.uint8)).expand(1, 3, side, side)


@pytest.mark.parametrize("cycles", [3, 7, 12])
@pytest.mark.parametrize("sector", range(SECTORS))
def test_a_wave_lies_in_the_cell_of_its_frequency_and_direction(cycles: int, sector: int) -> None:
    angle = (sector + 0.5) * np.pi / SECTORS
    found = spectra(wave(cycles, angle)).reshape(3, -1)
    assert found.shape == (3, 16 * SECTORS)
    for channel in found:
        assert int(channel.argmax()) == (cycles - 1) * SECTORS + sector


def test_brightness_is_left_out_and_contrast_is_a_shift() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 100, (4, 3, 16, 16), generator=generator, dtype=torch.uint8)
    assert np.allclose(spectra(images + 50), spectra(images))
    assert np.allclose(spectra(2 * images) - spectra(images), 2 * np.log(2), atol=1e-2)


def test_fine_detail_tells_the_classes() -> None:
    def smooth_or_not(n: int, seed: int) -> tuple[Tensor, np.ndarray]:
        rng = np.random.default_rng(seed)
        noise = rng.normal(128, 30, (n, 3, 32, 32))
        live = np.arange(n) % 2 == 0
        blurred = (noise + np.roll(noise, 1, 2) + np.roll(noise, 1, 3)) / 3
        shown = np.where(live[:, None, None, None], noise, blurred).clip(0, 255)
        return torch.from_numpy(shown.astype(np.uint8)), live

    train, live = smooth_or_not(40, 0)
    test, truth = smooth_or_not(40, 1)
    assert auc(Scores(score_spectrum(train, live, test), truth)).value == 1.0
