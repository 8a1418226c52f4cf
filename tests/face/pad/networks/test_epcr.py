"""EPCR's objective: what labels, embeddings and predictions contribute."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.draws import normal, seeded
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.face.pad import Output, normalise
from sterling.face.pad.networks.cdcn import CdcTrunk
from sterling.face.pad.networks.epcr import EPCR, Consistency, all_to_all, position_to_position
from sterling.face.pad.training.objective import Batch


def items(n: int = 12, size: int = 32) -> tuple[Tensor, Tensor]:
    """Flat grey pictures; attacks carry a grid. Label maps of ones and zeros."""
    live = torch.arange(n) % 2 == 0
    images = torch.randint(90, 160, (n, 3, 1, 1), generator=seeded(3)).expand(n, 3, size, size)
    grid = 60 * ((torch.arange(size) // 2) % 2)
    images = images + torch.where(live[:, None, None, None], 0, grid[None, None, None, :])
    maps = live.float()[:, None, None].expand(n, size // 8, size // 8)
    return images.to(torch.uint8).contiguous(), maps.contiguous()


def batch(labelled_rows: list[int]) -> tuple[Batch, Tensor]:
    images, maps = items()
    labelled = torch.zeros(len(images), dtype=torch.bool)
    labelled[labelled_rows] = True
    return Batch(images, maps, None, torch.arange(len(images))), labelled


def test_training_answers_for_both_views_and_the_map_is_one_minus_the_answer_attack() -> None:
    output = EPCR(width=4, seed=0).train()(normalise(items()[0]))
    z, q, on_z, on_q = output.features
    assert z.shape == q.shape == (12, 4, 4, 4)
    assert on_z.shape == on_q.shape == (12, 4, 4)
    assert torch.equal(output.maps, (1 - on_z).clamp(min=0))


def test_without_a_label_in_the_batch_the_supervised_part_is_zero() -> None:
    network = EPCR(width=4, seed=0).train()
    given, labelled = batch([0])
    rest = Batch(given.images[1:], given.maps[1:], None, given.rows[1:])
    objective = Consistency(labelled, embed_weight=0.0, predict_weight=0.0)
    loss, scores = objective(network, network, rest, seeded())
    assert loss.item() == 0.0
    assert scores.shape == (11,)
    everything, _ = Consistency(labelled)(network, network, rest, seeded())
    assert torch.isfinite(everything)


def test_labels_that_may_not_be_used_are_not() -> None:
    network = EPCR(width=4, seed=0).train()
    given, labelled = batch([0, 1, 2])
    flipped = given.maps.clone()
    flipped[3:] = 1 - flipped[3:]
    other = Batch(given.images, flipped, None, given.rows)

    def loss(batch: Batch) -> Tensor:
        return Consistency(labelled)(network, network, batch, seeded())[0]

    assert loss(given) == loss(other)
    flipped[:3] = 1 - flipped[:3]
    assert loss(given) != loss(other)


def test_the_encoder_has_a_pooled_stem_and_no_convolution_a_bias() -> None:
    """As released: levels at 1/4, 1/8 and 1/16 of the side, brought to 1/8."""
    network = EPCR(width=4, seed=0).eval()
    trunk = network.encoder[0]
    assert isinstance(trunk, CdcTrunk)
    sides = []
    for part in (trunk.stem, trunk.low, trunk.mid, trunk.high):
        part.register_forward_hook(lambda _part, _given, found: sides.append(found.shape[-1]))
    assert network(normalise(items(2, 64)[0])).maps.shape == (2, 8, 8)
    assert sides == [32, 16, 8, 4]
    assert all(one.bias is None for one in network.modules() if isinstance(one, nn.Conv2d))


def test_batch_norm_sees_one_view_at_a_time() -> None:
    """So a step updates its running statistics twice."""
    network = EPCR(width=4, seed=0).train()
    given, labelled = batch([0, 1])
    Consistency(labelled)(network, network, given, seeded())
    norms = [one for one in network.modules() if isinstance(one, nn.BatchNorm2d)]
    assert norms
    assert {
        int(one.num_batches_tracked) for one in norms if one.num_batches_tracked is not None
    } == {2}


class Fixed(nn.Module):
    """Answers with given features of one view and then of the other, whatever it is shown."""

    def __init__(self, features: tuple[Tensor, ...]) -> None:
        super().__init__()
        self.views = iter(zip(*(one.chunk(2) for one in features), strict=True))

    def forward(self, images: Tensor) -> Output:
        return Output(maps=torch.ones(len(images), 2, 2), features=next(self.views))


def test_the_parts_are_those_of_the_definition() -> None:
    n = 3
    z, q = (normal(2 * n, 4, 2, 2, seed=seed) for seed in (1, 2))
    on_z, on_q = (normal(2 * n, 2, 2, seed=seed) for seed in (3, 4))
    model = EPCR(width=4)
    images, maps = items(n)
    given = Batch(images, maps, None, torch.arange(n))
    labelled = torch.tensor([True, True, False])

    def loss(**weights: float) -> float:
        objective = Consistency(labelled, **weights)  # type: ignore[arg-type]
        return objective(Fixed((z, q, on_z, on_q)), model, given, seeded())[0].item()

    attack = torch.tensor([0.0, 1.0, 0.0])[:, None, None]
    per_view = [(view - attack).square().mean(dim=(1, 2)) for view in on_z.chunk(2)]
    supervised = sum(one[:2].sum() for one in per_view) / 2 / (2 + 1)
    assert loss(embed_weight=0, predict_weight=0) == pytest.approx(float(supervised), rel=1e-5)
    swapped = (on_q - torch.cat(on_z.chunk(2)[::-1])).square().mean()
    gain = loss(embed_weight=0, predict_weight=1) - float(supervised)
    assert gain == pytest.approx(swapped.item(), rel=1e-4)
    cosine = nn.functional.cosine_similarity
    pairs = cosine(
        q.flatten(2)[:, :, :, None],
        torch.cat(z.chunk(2)[::-1]).flatten(2)[:, :, None, :],
        dim=1,
    )
    gain = loss(embed_weight=1, predict_weight=0) - float(supervised)
    assert gain == pytest.approx(-pairs.mean().item(), rel=1e-3)


def maps(seed: int, n: int = 2, channels: int = 5, height: int = 4, width: int = 3) -> Tensor:
    return normal(n, channels, height, width, seed=seed, dtype=torch.float64)


@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 4))
def test_all_to_all_is_the_mean_over_all_pairs(seed: int, channels: int, height: int) -> None:
    q, z = maps(seed, 2, channels, height), maps(seed + 1, 2, channels, height + 1)
    cosines = torch.nn.functional.cosine_similarity(
        q.flatten(2)[:, :, :, None], z.flatten(2)[:, :, None, :], dim=1
    )
    assert torch.allclose(all_to_all(q, z), -cosines.mean(dim=(1, 2)))
    assert bool((all_to_all(q, z).abs() <= 1 + 1e-12).all())


def test_all_parallel_positions_give_minus_one_and_nothing_else_does() -> None:
    direction = maps(0, 1, 5, 1, 1)
    lengths = torch.rand(1, 1, 4, 3, dtype=torch.float64) + 0.1
    parallel = direction * lengths
    assert all_to_all(parallel, 3 * parallel).item() == pytest.approx(-1)
    turned = parallel.clone()
    turned[..., 0, 0] = -turned[..., 0, 0]
    assert all_to_all(turned, parallel).item() > -1 + 1e-6


def test_of_identical_maps_positions_agree_with_themselves_and_less_with_others() -> None:
    q = maps(1)
    assert torch.allclose(position_to_position(q, q), -torch.ones(2, dtype=torch.float64))
    assert bool((all_to_all(q, q) > -1).all())


@pytest.mark.parametrize("loss", [all_to_all, position_to_position])
def test_no_gradient_flows_into_the_embedding(loss: object) -> None:
    assert callable(loss)
    q, z = maps(1).requires_grad_(), maps(2).requires_grad_()
    loss(q, z).sum().backward()
    assert z.grad is None
    assert q.grad is not None
    assert bool(q.grad.abs().sum() > 0)


def test_maps_that_do_not_go_together() -> None:
    with pytest.raises(InputError, match="as many items and channels"):
        all_to_all(maps(0), maps(0, channels=4))
    with pytest.raises(InputError, match="equal positions need one size"):
        position_to_position(maps(0), maps(0, height=5))
