"""The Fourier target of pictures whose spectrum is known, and the two halves of the loss."""

import math

import pytest
import torch
from tests.draws import pixels

from sterling.errors import InputError
from sterling.face.pad.networks.fourier import FourierNet, FourierSupervised, fourier_maps
from sterling.face.pad.training.objective import Batch


def test_an_even_picture_has_all_its_light_at_zero_frequency() -> None:
    # |F| is 100 · 20² at the centre and 0 elsewhere, where v - min v + 1 is 1.
    top = math.log1p(100 * 400) + 1
    found = fourier_maps(torch.full((1, 3, 20, 20), 100, dtype=torch.uint8))[0]
    wanted = torch.full((10, 10), 1 / top)
    wanted[5, 5] = (1 + 3 / top) / 4  # one of four frequencies under the mean
    assert torch.allclose(found, wanted, atol=2e-4)


def test_one_frequency_gives_two_spots_at_its_place() -> None:
    across = 100 + 50 * torch.cos(2 * math.pi * 4 * torch.arange(20) / 20)
    found = fourier_maps(across.expand(1, 3, 20, 20))[0]
    # Frequencies 4 and -4 along x stand at columns 14 and 6 of 20, row 10.
    spots = {(5, 5), (5, 7), (5, 3)}
    bright = {(int(y), int(x)) for y, x in (found > 0.25).nonzero()}
    assert bright == spots
    turned = fourier_maps(across[:, None].expand(1, 3, 20, 20))[0]
    assert torch.allclose(turned, found.T, atol=1e-4)


def test_a_black_picture_is_one_everywhere() -> None:
    assert bool((fourier_maps(torch.zeros(1, 3, 32, 32)) == 1).all())


def test_the_loss_is_half_label_half_spectrum() -> None:
    images = pixels(4, 3, 32, 32)
    maps = torch.tensor([1.0, 0.0, 1.0, 0.0]).view(4, 1, 1)
    network = FourierNet(10, 4).train()
    with torch.no_grad():
        network.classify.weight.zero_()
        list(network.spectrum.parameters())[-2].zero_()  # the last convolution, bias 0
    loss, scores = FourierSupervised(augmented=False)(
        network, network, Batch(images, maps, None, torch.arange(4)), torch.Generator()
    )
    wanted = fourier_maps(images).square().mean()
    assert loss.item() == pytest.approx(0.5 * math.log(2) + 0.5 * wanted.item(), abs=1e-5)
    assert torch.allclose(scores, torch.full((4,), 0.5))


def test_small_pictures_are_refused() -> None:
    with pytest.raises(InputError, match="S of 10 or more"):
        fourier_maps(torch.zeros(1, 3, 8, 8))
