"""Spectra put a wave where its frequency and direction are, and tell fine from coarse."""

import numpy as np
import pytest
import torch
from torch import Tensor

from sterling.errors import InputError
from sterling.face.pad.baselines.spectrum import SECTORS, score_spectrum, spectra
from sterling.measure import Scores, auc


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
    with pytest.raises(InputError, match="both bona fide and attack"):
        score_spectrum(train, np.ones(40, dtype=bool), test)


def test_other_shapes_are_refused() -> None:
    with pytest.raises(InputError, match="squares of 8 pixels or more"):
        spectra(torch.zeros(1, 3, 16, 8, dtype=torch.uint8))
