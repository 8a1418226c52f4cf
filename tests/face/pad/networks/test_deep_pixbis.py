"""DeepPixBiS: the loss against closed forms, and what the map weighs."""

import math

import pytest
import torch
from tests.draws import pixels

from sterling.face.pad.networks.deep_pixbis import DeepPixBiS, PixelWiseBinary
from sterling.face.pad.training.objective import Batch


def batch() -> Batch:
    maps = torch.tensor([1.0, 0.0, 1.0, 0.0]).view(4, 1, 1).expand(4, 2, 2).contiguous()
    return Batch(pixels(4, 3, 32, 32), maps, None, torch.arange(4))


def test_an_undecided_network_loses_log_two_on_both_halves() -> None:
    network = DeepPixBiS(8, (1, 1)).train()
    with torch.no_grad():
        for layer in (network.decide, network.classify):
            layer.weight.zero_()
    for weight in (0.0, 0.5, 1.0):
        objective = PixelWiseBinary(weight, augmented=False)
        loss, scores = objective(network, network, batch(), torch.Generator())
        assert loss.item() == pytest.approx(math.log(2), abs=1e-6)
        assert torch.allclose(scores, torch.full((4,), 0.5))


def test_each_half_is_its_own_heads() -> None:
    network = DeepPixBiS(8, (1, 1)).train()
    with torch.no_grad():
        for layer, bias in ((network.decide, 2.0), (network.classify, -1.0)):
            layer.weight.zero_()
            assert layer.bias is not None
            layer.bias.fill_(bias)

    def mean_entropy(odds: float) -> float:  # half of the items are bona fide
        return (math.log1p(math.exp(-odds)) + math.log1p(math.exp(odds))) / 2

    loss, scores = PixelWiseBinary(0.3, augmented=False)(
        network, network, batch(), torch.Generator()
    )
    assert loss.item() == pytest.approx(0.3 * mean_entropy(2) + 0.7 * mean_entropy(-1), abs=1e-5)
    assert scores[0].item() == pytest.approx(1 / (1 + math.exp(-2)), abs=1e-6)


def test_the_published_size_has_a_map_of_14_and_384_channels() -> None:
    network = DeepPixBiS().eval()
    assert network.map_shape(224) == (14, 14)
    assert network.decide.in_channels == 384  # DenseNet-161 after its second transition
