"""MADDG's triplets on features made by hand and against all triplets, and its discriminators."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from tests.draws import seeded, uniform

from sterling.face.pad.networks.maddg import MADDG, dual_force_triplet


@given(st.integers(0, 10_000), st.integers(2, 8))
def test_triplets_are_those_within_and_those_across(seed: int, n: int) -> None:
    draws = seeded(seed)
    features = F.normalize(torch.randn(n, 3, generator=draws).double(), dim=1)
    live = torch.rand(n, generator=draws) < 0.5
    domain = torch.randint(2, (n,), generator=draws)
    wanted = 0.0
    for across, margin, weight in ((False, 0.1, 0.1), (True, 0.5, 1.0)):  # as released
        excesses = []
        for a, p, q in itertools.product(range(n), repeat=3):
            places = {bool(domain[a] != domain[p]), bool(domain[a] != domain[q])}
            if a != p and live[a] == live[p] and live[a] != live[q] and places == {across}:
                gap = (features[a] - features[p]).square().sum()
                excesses.append(float(gap - (features[a] - features[q]).square().sum() + margin))
        unfulfilled = [one for one in excesses if one > 0]
        wanted += weight * sum(unfulfilled) / len(unfulfilled) if unfulfilled else 0.0
    assert dual_force_triplet(features, live, domain).item() == pytest.approx(wanted, abs=1e-8)


def test_separated_classes_cost_nothing_and_separated_domains_do() -> None:
    live = torch.tensor([True, True, False, False])
    domain = torch.tensor([0, 1, 0, 1])
    east, north = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    by_class = torch.stack([east, east, north, north])
    by_domain = torch.stack([east, north, east, north])
    assert dual_force_triplet(by_class, live, domain) == 0
    # Across: the positive is at squared distance 2, and so is the negative: the margin is left.
    assert dual_force_triplet(by_domain, live, domain).item() == pytest.approx(0.5)


def test_discriminators_push_the_generator_the_other_way() -> None:
    images, network = uniform(6, 3, 32, 32), MADDG(4).train()

    def gradient(steps: int) -> torch.Tensor:
        network.steps.fill_(steps)
        network.zero_grad()
        told = network(images).features[1]
        torch.autograd.backward(told.mean())
        found = next(network.generator.parameters()).grad
        assert found is not None
        return found.clone()

    assert not gradient(0).any()
    turned = gradient(10**6)
    plain = network.generator.pyramid(network.generator.levels(images)).mean(dim=(2, 3))
    network.zero_grad()
    torch.autograd.backward(network.discriminators(plain).mean())
    straight = next(network.generator.parameters()).grad
    assert straight is not None
    assert turned.any()
    assert torch.allclose(turned, -straight, rtol=1e-3, atol=1e-6)
