"""Results on a GPU are those on a processor; skipped where there is no GPU."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from sterling.adapt import (
    Episodes,
    Forward,
    FunctionalModel,
    GradientLearner,
    LearnedRates,
    evaluate_tasks,
    fit_meta,
    inner_loop,
    with_batch_statistics,
)
from sterling.face.pad import CDCN, Detector, Preprocessing, Provenance, TrainConfig, train
from sterling.lm import LocalModel, Sampling, token_stats
from sterling.privacy import KVCloakCache
from sterling.privacy.cache import CloakConfig, draw_secret, fuse, largest_entries, plain_snapshot
from sterling.text import TripleSetWatermark

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is here")

KEY = bytes(range(32))


@pytest.fixture
def on_gpu(small_model: LocalModel) -> LocalModel:
    """The small language model's copy on the GPU."""
    weights: Any = copy.deepcopy(small_model.model).to("cuda")
    return LocalModel("small", weights, small_model.tokenizer, small_model.ledger)


def random_logits(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_token_statistics_agree() -> None:
    logits, labels = random_logits(3, 40, 1000), torch.arange(120).view(3, 40)
    here, there = token_stats(logits, labels), token_stats(logits.cuda(), labels.cuda())
    assert torch.equal(here.rank, there.rank.cpu())
    for name in ("log_prob", "entropy", "variance"):
        torch.testing.assert_close(getattr(here, name), getattr(there, name).cpu())


def test_a_watermark_made_on_a_gpu_is_verified_anywhere() -> None:
    mark = TripleSetWatermark(7)
    scores, ids = random_logits(4, 1000), torch.arange(40).view(4, 10)
    here, there = mark.processor()(ids, scores), mark.processor()(ids.cuda(), scores.cuda())
    assert torch.equal(torch.isinf(here), torch.isinf(there.cpu()))
    torch.testing.assert_close(here, there.cpu())
    text = torch.randint(1000, (300,), generator=torch.Generator().manual_seed(1))
    assert mark.detect(text) == mark.detect(text.cuda())


def test_a_language_model_says_the_same(small_model: LocalModel, on_gpu: LocalModel) -> None:
    greedy = Sampling(max_new_tokens=20, temperature=0.0)
    prompts = ["the cat", "a bird sang to"]
    here, there = (model.generate(prompts, greedy) for model in (small_model, on_gpu))
    assert [one.token_ids for one in here] == [one.token_ids for one in there]
    sampled = [on_gpu.generate(prompts, seed=3)[0].token_ids for _ in range(2)]
    assert sampled[0] == sampled[1]
    texts = ["the dog ate the fish of the cat.", "the mat was red."]
    for one, other in zip(small_model.stats(texts), on_gpu.stats(texts), strict=True):
        torch.testing.assert_close(one.log_prob, other.log_prob.cpu(), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("fused", [True, False])
def test_a_cloaked_cache_generates_the_plain_tokens(on_gpu: LocalModel, fused: bool) -> None:
    model: Any = on_gpu.model
    ids = on_gpu.encode("the cat sat on the mat. the dog ate the fish of the cat.").cuda()
    bounds = largest_entries([plain_snapshot(model, ids)])
    head = model.config.hidden_size // model.config.num_attention_heads
    secret = draw_secret(bounds, head, CloakConfig(s_ratio=2.0, m_ratio=2.0), KEY)
    runner: Any = fuse(model, secret) if fused else model
    settings: dict[str, Any] = {"max_new_tokens": 40, "do_sample": False}
    cache = KVCloakCache(secret, fused=fused, nonce=(0, 1))
    cloaked = runner.generate(input_ids=ids[None], past_key_values=cache, **settings)
    assert torch.equal(cloaked, model.generate(input_ids=ids[None], **settings))


def small_network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = (nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4, track_running_stats=False))
        return nn.Sequential(*layers, nn.ReLU(), nn.Flatten(), nn.Linear(4 * 64, 3))


@pytest.mark.parametrize("order", ["first", "second"])
def test_meta_gradients_agree(order: Any) -> None:
    images = random_logits(12, 1, 8, 8).double()
    labels = torch.arange(12) % 3
    gradients = []
    for device in ("cpu", "cuda"):
        network = with_batch_statistics(small_network()).double().to(device)
        model = FunctionalModel(network)
        rates = LearnedRates(model, "layer", 0.1).double().to(device)
        x, y = images.to(device), labels.to(device)

        def loss(forward: Forward, x: Tensor = x, y: Tensor = y) -> Tensor:
            return F.cross_entropy(forward(x), y)

        path = inner_loop(model, loss, rates, 3, order=order)
        wanted = [*network.parameters(), *rates.parameters()]
        outer = loss(path.after(-1))
        gradients.append([one.cpu() for one in torch.autograd.grad(outer, wanted)])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=1e-9, rtol=1e-7)


def test_meta_training_runs() -> None:
    labels = np.arange(60) % 6
    items = random_logits(60, 1, 8, 8) + 2 * torch.from_numpy(labels).view(-1, 1, 1, 1)
    episodes = Episodes(items.cuda(), labels, ways=3, shots=1, queries=5)
    network = with_batch_statistics(small_network()).cuda()
    model = FunctionalModel(network)
    learner = GradientLearner(model, LearnedRates(model, "layer", 0.1).cuda(), steps=2)
    fit_meta(learner, episodes.draw, iterations=30)
    accuracies = evaluate_tasks(learner, episodes.draw, range(10_000, 10_020))
    assert float(np.mean(accuracies)) > 0.6


def scored(network: CDCN, images: Tensor) -> NDArray[np.float64]:
    detector = Detector(
        network,
        Preprocessing(size=32),
        Provenance("noise", True, "CC0-1.0", 0, 24, "0" * 64),
    )
    return np.asarray(detector.score(images))


def test_a_detector_trains_on_a_gpu_and_scores_on_a_processor() -> None:
    draw = torch.Generator().manual_seed(0)
    images = torch.randint(256, (24, 3, 32, 32), dtype=torch.uint8, generator=draw)
    images[::2] //= 4
    maps = torch.zeros(24, 4, 4)
    maps[::2] = 1
    network = CDCN(4)
    train(network, images, maps, TrainConfig(epochs=6, batch_size=8))
    assert next(network.parameters()).device.type == "cpu"
    here, there = (scored(one, images) for one in (network, copy.deepcopy(network).cuda()))
    assert here[::2].mean() > here[1::2].mean()
    np.testing.assert_allclose(here, there, atol=1e-3)
