"""SSDG's triplets, its reversed gradient, and that only bona fides are asked for their domain."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from tests.draws import pixels, seeded

from sterling.face.pad import normalise
from sterling.face.pad.networks.ssdg import (
    SSDG,
    SingleSide,
    asymmetric_triplet,
    half_root_length,
)
from sterling.face.pad.training.domains import reversal
from sterling.face.pad.training.objective import Batch


@given(st.integers(0, 10_000), st.integers(2, 8))
def test_the_triplet_loss_is_that_of_all_triplets(seed: int, n: int) -> None:
    generator = seeded(seed)
    features = torch.randn(n, 3, generator=generator).double()
    classes = torch.randint(3, (n,), generator=generator)
    excesses = [
        float((features[a] - features[p]).norm() - (features[a] - features[q]).norm() + 0.1)
        for a, p, q in itertools.product(range(n), repeat=3)
        if a != p and classes[a] == classes[p] and classes[a] != classes[q]
    ]
    unfulfilled = [excess for excess in excesses if excess > 0]
    wanted = sum(unfulfilled) / len(unfulfilled) if unfulfilled else 0.0
    assert asymmetric_triplet(features, classes).item() == pytest.approx(wanted, abs=1e-5)


def test_the_gradient_of_the_discriminator_grows_from_nothing_and_is_turned() -> None:
    network = SSDG(10, 4, seed=0).train()
    images = normalise(pixels(6, 3, 32, 32))

    def gradient(steps: int) -> torch.Tensor:
        network.steps.fill_(steps)
        network.zero_grad()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            told = network(images).features[1]
        loss = F.cross_entropy(told, torch.zeros(6, dtype=torch.long))
        torch.autograd.backward(loss)
        found = next(network.generator.parameters()).grad
        assert found is not None
        return found.clone()

    assert not gradient(0).any()
    late, earlier = gradient(4000), gradient(1000)
    assert late.any()
    assert torch.allclose(earlier / reversal(1000), late / reversal(4000), rtol=1e-3, atol=1e-7)


def test_features_have_the_released_length() -> None:
    """f / √(2 ‖f‖) of (6, 8) is (6, 8) / √20, of length √5 = √(10 / 2)."""
    scaled = half_root_length(torch.tensor([[6.0, 8.0], [0.0, 0.0]]))
    assert scaled[0].tolist() == pytest.approx([6 / 20**0.5, 8 / 20**0.5])
    assert scaled[0].norm().item() == pytest.approx(5**0.5)
    assert scaled[1].tolist() == [0, 0]


def test_the_classifiers_weights_have_length_one_over_the_classes() -> None:
    network = SSDG(10, 4, seed=0).eval()
    images = normalise(pixels(6, 3, 32, 32))
    logits = network(images).logits
    attack, live = network.classify.weight.double()
    lengths = (attack**2 + live**2).sqrt()
    scaled = half_root_length(network.embedder(network.generator(images))).double()
    wanted = scaled @ ((live - attack) / lengths)
    assert torch.allclose(logits[:, 0].double(), wanted, atol=1e-5)
    with torch.no_grad():
        network.classify.weight *= 7
    assert torch.allclose(network(images).logits, logits, atol=1e-5)


def test_the_discriminator_sees_the_embedders_features_without_batch_norm() -> None:
    network = SSDG(10, 4, seed=0)
    assert network.discriminator[0].in_features == network.classify.in_features
    kinds = [type(one).__name__ for one in network.embedder]
    assert kinds[-3:] == ["Linear", "ReLU", "Dropout"]


def batch(live: list[bool]) -> Batch:
    n = len(live)
    images = pixels(n, 3, 32, 32)
    return Batch(images, torch.tensor(live).float()[:, None, None], None, torch.arange(n))


def test_attacks_are_not_asked_for_their_domain() -> None:
    given_batch = batch([True, True, False, False, True, False])
    losses = []
    for domains in ([0, 1, 0, 1, 2, 2], [0, 1, 2, 0, 2, 1]):  # differ on attacks alone
        network = SSDG(10, 4, seed=0).train()
        objective = SingleSide(torch.tensor(domains), triplet_weight=0.0)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            losses.append(objective(network, network, given_batch, seeded())[0].item())
        assert int(network.steps) == 1
    assert losses[0] == losses[1]
    network = SSDG(10, 4, seed=0).train()
    none_live = batch([False] * 6)
    loss, _ = SingleSide(torch.arange(6) % 3)(network, network, none_live, seeded())
    assert torch.isfinite(loss)
