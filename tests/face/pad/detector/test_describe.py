import pytest

from sterling.face.pad import CDCN, MODELS, build_network, small_arguments
from sterling.face.pad.detector.describe import describe, multiply_adds
from sterling.face.pad.networks.cdcn_multimodal import CDCNMultimodal


def test_cdcn_costs_what_its_card_says() -> None:
    assert multiply_adds(CDCN(), 256) == pytest.approx(47.3e9, rel=0.005)


def test_folding_makes_theta_free_and_cost_grows_with_the_area() -> None:
    small = multiply_adds(CDCN(4), 32)
    assert multiply_adds(CDCN(4, theta=0.0), 32) == small
    assert multiply_adds(CDCN(4), 64) == 4 * small


def test_all_figures_are_of_one_presentation() -> None:
    network = CDCNMultimodal(4)
    found = describe(network, 32, repetitions=2)
    assert found["parameters"] == sum(p.numel() for p in network.parameters())
    assert found["multiply_adds"] == multiply_adds(network, 32)
    assert found["milliseconds"] > 0
    assert found["modalities"] == ["rgb", "depth", "ir"]
    assert found["any_subset"]
    assert (found["frames"], found["answer"]) == (1, "map")


@pytest.mark.parametrize("name", list(MODELS))
def test_every_architecture_has_small_arguments_and_can_be_described(name: str) -> None:
    network = build_network({"name": name, **small_arguments(name, 64)}).eval()
    found = describe(network, 64, repetitions=1)
    assert found["multiply_adds"] > 1e5
    assert found["answer"] in ("map", "probability", "map and probability")
