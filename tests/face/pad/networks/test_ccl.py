"""CCL's target follows and never learns; its losses are those of the definition."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.draws import seeded, uniform
from torch import Tensor

from sterling.errors import InputError
from sterling.face.data import Manifest
from sterling.face.pad.networks.ccl import (
    ASPECTS,
    CCL,
    ContextContrast,
    contexts_of,
    contrast_loss,
    draw_pairs,
)
from sterling.face.pad.training.objective import Batch


def confounded(n: int, *, agrees: float) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures of noise: attacks have fine stripes, and light agrees with the class so often."""
    live = torch.arange(n) % 2 == 0
    bright = torch.where(uniform(n, seed=n) < agrees, live, ~live)
    images = torch.randint(60, 120, (n, 3, 32, 32), generator=seeded(n + 1))
    stripes = 36 * ((torch.arange(32) // 2) % 2)
    images = images + torch.where(live[:, None, None, None], 18, stripes)
    images = images + torch.where(bright, 90, 0)[:, None, None, None]
    return images.to(torch.uint8), live, bright.long()[:, None]


def objective(n: int = 16, **changes: Any) -> tuple[ContextContrast, Batch]:
    images, live, contexts = confounded(n, agrees=0.8)
    maps = live.float()[:, None, None]
    found = ContextContrast(images, contexts, live, **changes)
    return found, Batch(images, maps, None, torch.arange(n))


def test_the_target_begins_equal_follows_and_gets_no_gradient() -> None:
    network = CCL(10, 4, seed=0).train()
    contrast, batch = objective(momentum=0.9)
    start = [parameter.clone() for parameter in network.target.parameters()]
    loss, scores = contrast(network, network, batch, seeded())
    assert scores.shape == (16,)
    for before, after in zip(start, network.target.parameters(), strict=True):
        assert torch.allclose(before, after)  # it began as the online branch
    torch.autograd.backward(loss)
    assert all(parameter.grad is None for parameter in network.target.parameters())
    assert network.classify.weight.grad is not None
    assert next(network.encoder.parameters()).grad is not None
    with torch.no_grad():
        for parameter in network.encoder.parameters():
            parameter.add_(1)
    network.follow(0.9)
    for before, after in zip(start, network.target[0].parameters(), strict=False):
        assert torch.allclose(after, before + 0.1, atol=1e-5)


def test_contrast_is_the_cross_entropy_of_the_own_positive() -> None:
    live = torch.tensor([True, False])
    cosines = torch.tensor([[0.9, 0.1, -0.2, 0.7], [0.4, 0.8, 0.3, -0.5]])
    # Anchor 0 is bona fide: of other class are the positive of 1 and the negative of 0.
    first = -math.log(math.exp(0.9) / (math.exp(0.9) + math.exp(0.1) + math.exp(-0.2)))
    second = -math.log(math.exp(0.8) / (math.exp(0.8) + math.exp(0.4) + math.exp(-0.5)))
    found = contrast_loss(cosines, live, 1.0)
    assert found.item() == pytest.approx((first + second) / 2)


def test_weights_of_zero_leave_the_cross_entropy() -> None:
    network = CCL(10, 4, seed=0).train()
    contrast, batch = objective(contrast_weight=0.0, similar_weight=0.0)
    plain = contrast(network, network, batch, seeded())[0]
    full = objective()[0](network, network, batch, seeded())[0]
    assert 0 < plain < full


@given(st.integers(0, 10_000), st.integers(2, 30))
def test_positives_share_the_class_and_negatives_the_context(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    contexts = torch.from_numpy(rng.integers(0, 3, (n, 3)))
    live = torch.from_numpy(rng.random(n) < 0.5)
    live[:2] = torch.tensor([True, False])
    anchors = torch.arange(n)
    positives, negatives = draw_pairs(contexts, live, anchors, seeded(seed))
    assert torch.equal(live[positives], live)
    assert torch.equal(live[negatives], ~live)
    for anchor, positive, negative in zip(anchors, positives, negatives, strict=True):
        same = live == live[anchor]
        differs = same & (contexts != contexts[anchor]).any(dim=1)
        assert differs[positive] if bool(differs.any()) else positive == anchor
        common = (contexts == contexts[anchor]).sum(dim=1)
        assert common[negative] == common[~same].max()


def test_the_counterpart_of_the_other_class_is_found() -> None:
    contexts = torch.cartesian_prod(*[torch.arange(3)] * 3).repeat(2, 1)
    live = torch.arange(54) < 27
    anchors = torch.arange(54)
    _, negatives = draw_pairs(contexts, live, anchors, seeded())
    assert torch.equal(negatives, (anchors + 27) % 54)


def test_unknown_values_are_equal_to_none() -> None:
    manifest = Manifest.from_columns(
        {
            "item": ["a", "b", "c", "d"],
            "label": ["bona_fide", "attack", "attack", "bona_fide"],
            "species": ["bona_fide", "print", "print", "bona_fide"],
            "subject": ["1", "1", "", ""],
        }
    )
    contexts = contexts_of(manifest)
    assert contexts.shape == (4, len(ASPECTS))
    subject = contexts[:, ASPECTS.index("subject")]
    assert subject[0] == subject[1]
    assert len(set(subject.tolist())) == 3


def test_one_class_makes_no_pairs() -> None:
    with pytest.raises(InputError, match="one of them is missing"):
        draw_pairs(
            torch.zeros(3, 1), torch.ones(3, dtype=torch.bool), torch.arange(3), torch.Generator()
        )
