"""CQIL restores, separates and becomes indifferent to quality; its loss is the sum it states."""

import pytest
import torch
import torch.nn.functional as F
from tests.draws import pixels, seeded, uniform
from torch import Tensor

from sterling.face.data import degrade
from sterling.face.pad import Output, TrainConfig, normalise, train
from sterling.face.pad.networks.cqil import CQIL, QualityInvariance, lower_quality
from sterling.face.pad.training.augment import tone_view
from sterling.face.pad.training.objective import Batch


def waves(n: int, size: int = 32) -> tuple[Tensor, Tensor]:
    """Smooth waves; attacks have a coarse stripe across, whatever the quality."""
    live = torch.arange(n) % 2 == 0
    phase = 6.28 * uniform(n, 3, 1, 1, seed=n)
    x = torch.arange(size) / size
    pictures = 128 + 50 * torch.sin(25 * x + phase) * torch.cos(14 * x[:, None] - phase)
    stripe = torch.where((torch.arange(size) // 8) % 2 == 0, 45.0, 0.0)
    pictures = pictures + torch.where(live[:, None, None, None], 20.0, stripe)
    return pictures.clamp(0, 255).to(torch.uint8), live


def test_the_loss_is_the_sum_of_its_parts() -> None:
    network = CQIL(10, 4, restoring=1, seed=0).train()
    pictures, live = waves(6)
    batch = Batch(pictures, live.float()[:, None, None], None, torch.arange(6))

    def loss(**weights: float) -> float:
        return QualityInvariance(**weights)(network, network, batch, seeded())[0].item()

    none = {"contrast_weight": 0.0, "restore_weight": 0.0, "separate_weight": 0.0}
    generator = seeded()
    toned = tone_view(pictures, generator).round().to(torch.uint8)
    worse, amounts = lower_quality(toned, generator)
    output: Output = network(normalise(torch.cat([toned, worse])))
    assert output.logits is not None
    features, predicted, quality, amount, restored = output.features
    entropy = F.binary_cross_entropy_with_logits(output.logits[:, 0], live.float().repeat(2))
    assert loss(**none) == pytest.approx(entropy.item(), rel=1e-5)
    swapped = torch.cat(features.chunk(2)[::-1])
    contrast = -F.cosine_similarity(predicted, swapped, dim=1).mean()
    assert loss(**{**none, "contrast_weight": 1.0}) == pytest.approx(
        (entropy + contrast).item(), rel=1e-4
    )
    restoring = (restored[6:] - normalise(toned)).abs().mean()
    assert loss(**{**none, "restore_weight": 2.0}) == pytest.approx(
        (entropy + 2 * restoring).item(), rel=1e-4
    )
    lost = torch.cat([torch.zeros(6), amounts])
    apart = F.cosine_similarity(features, quality, dim=1).abs().mean()
    separate = (amount - lost).square().mean() + apart
    assert loss(**{**none, "separate_weight": 1.0}) == pytest.approx(
        (entropy + separate).item(), rel=1e-4
    )


def test_after_training_pictures_are_restored_and_scores_keep_still() -> None:
    pictures, live = waves(64)
    config = TrainConfig(epochs=28, batch_size=16, learning_rate=3e-3, weight_decay=0.0)
    network = CQIL(10, 8, restoring=2, seed=0)
    train(network, pictures, live.float()[:, None, None], config, objective=QualityInvariance())
    fresh, _ = waves(40)
    coarse = degrade(fresh, "low_resolution", 1.5)
    with torch.inference_mode():
        before = (normalise(coarse) - normalise(fresh)).square().mean()
        after = (network.restore(normalise(coarse)) - normalise(fresh)).square().mean()
        sharp, blurred = (network.liveness(network(normalise(one))) for one in (fresh, coarse))
    assert after < before
    assert (sharp - blurred).abs().mean() < 0.1


def test_parts_can_be_left_out() -> None:
    network = CQIL(10, 4, restoring=0, separate=False, seed=0).train()
    pictures, live = waves(6)
    assert torch.equal(network.restore(normalise(pictures)), normalise(pictures))
    batch = Batch(pictures, live.float()[:, None, None], None, torch.arange(6))
    loss, scores = QualityInvariance()(network, network, batch, seeded())
    assert torch.isfinite(loss)
    assert scores.shape == (6,)
    output = network.eval()(normalise(pictures))
    assert output.features == ()
    assert network.liveness_features(normalise(pictures)).shape == (6, 16)


def test_the_error_grows_with_the_amount() -> None:
    pictures = pixels(1, 3, 32, 32)
    pictures = pictures.expand(40, -1, -1, -1).contiguous()
    before = pictures.clone()
    worse, amounts = lower_quality(pictures, seeded(1))
    assert torch.equal(pictures, before)
    assert worse.dtype == torch.uint8
    assert 0 <= amounts.min() <= amounts.max() <= 1
    errors = (worse.float() - pictures.float()).square().flatten(1).mean(dim=1)
    ranks = torch.stack([errors.argsort().argsort(), amounts.argsort().argsort()]).double()
    assert torch.corrcoef(ranks)[0, 1] > 0.95
