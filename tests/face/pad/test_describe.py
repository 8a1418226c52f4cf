import pytest
import torch

from sterling.face.pad import CDCN, CDCNConfig
from sterling.face.pad.cdcn_multimodal import CDCNMultimodal
from sterling.face.pad.describe import cost, multiply_adds


def test_cdcn_costs_what_its_card_says() -> None:
    assert multiply_adds(CDCN(), 256) == pytest.approx(47.3e9, rel=0.005)


def test_folding_makes_theta_free_and_cost_grows_with_the_area() -> None:
    small = multiply_adds(CDCN(4), 32)
    assert multiply_adds(CDCN(4, theta=0.0), 32) == small
    assert multiply_adds(CDCN(4), 64) == 4 * small


def test_all_figures_are_of_one_presentation() -> None:
    network = CDCNMultimodal(4)
    found = cost(network, 32, repetitions=2)
    assert found.parameters == sum(p.numel() for p in network.parameters())
    assert found.multiply_adds == multiply_adds(network, 32)
    assert found.milliseconds > 0
    present = torch.tensor([[True, False, False]])
    assert multiply_adds(network, 32, present) == found.multiply_adds  # trunks are not skipped
    assert CDCNConfig().width == 64
