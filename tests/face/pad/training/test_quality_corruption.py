"""Copies of lower quality: in proportion to their amount, repeatable, nothing else touched."""

import torch

from sterling.face.pad.networks.cqil import lower_quality


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_error_grows_with_the_amount() -> None:
    pictures = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8, generator=draws())
    pictures = pictures.expand(40, -1, -1, -1).contiguous()
    before = pictures.clone()
    worse, amounts = lower_quality(pictures, draws(1))
    assert torch.equal(pictures, before)
    assert worse.dtype == torch.uint8
    assert 0 <= amounts.min() <= amounts.max() <= 1
    errors = (worse.float() - pictures.float()).square().flatten(1).mean(dim=1)
    ranks = torch.stack([errors.argsort().argsort(), amounts.argsort().argsort()]).double()
    assert torch.corrcoef(ranks)[0, 1] > 0.95


def test_the_same_draws_give_the_same_copies() -> None:
    pictures = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8, generator=draws())
    first, second = lower_quality(pictures, draws(2)), lower_quality(pictures, draws(2))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert not torch.equal(first[0], lower_quality(pictures, draws(3))[0])
