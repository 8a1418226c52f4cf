import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sterling.errors import InputError
from sterling.policy import (
    advantages,
    dapo_loss,
    dr_grpo_loss,
    grpo_loss,
    gspo_loss,
    k3_divergence,
)

Batch = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def batches(count: int, seed: int = 0) -> Iterator[Batch]:
    """Log-probabilities, advantages, masks, and both other policies of random groups."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        size, tokens = int(rng.integers(2, 9)), int(rng.integers(1, 12))
        log_probs = torch.tensor(-rng.exponential(1, (size, tokens)))
        old, reference = (
            log_probs + torch.tensor(rng.normal(0, 0.3, (size, tokens))) for _ in range(2)
        )
        mask = torch.arange(tokens) < torch.tensor(rng.integers(1, tokens + 1, (size, 1)))
        each = torch.tensor(advantages(rng.random(size), [0] * size).values)
        yield log_probs.requires_grad_(), each, mask, old, reference


def token_losses(batch: Batch, low: float, high: float) -> list[list[float]]:
    """The clipped surrogate of every token, as a loop over the papers' formula."""
    log_probs, each, mask, old, _ = (tensor.tolist() for tensor in batch)
    rows = []
    for row, a in enumerate(each):
        losses = []
        for token in range(sum(mask[row])):
            ratio = math.exp(log_probs[row][token] - old[row][token])
            clipped = min(max(ratio, 1 - low), 1 + high)
            losses.append(-min(ratio * a, clipped * a))
        rows.append(losses)
    return rows


def test_grpo_is_the_mean_of_the_means() -> None:
    for batch in batches(1000):
        rows = token_losses(batch, 0.2, 0.2)
        expected = sum(sum(row) / len(row) for row in rows) / len(rows)
        log_probs, each, mask, old, _ = batch
        assert grpo_loss(log_probs, each, mask, old_log_probs=old).item() == pytest.approx(expected)


def test_the_divergence_is_added_for_each_token() -> None:
    for log_probs, each, mask, old, reference in batches(100, seed=1):
        loss = grpo_loss(log_probs, each, mask, old_log_probs=old)
        rows = []
        for row in range(len(each)):
            differences = [
                (reference[row, token] - log_probs[row, token]).item()
                for token in range(int(mask[row].sum()))
            ]
            rows.append(sum(math.exp(d) - d - 1 for d in differences) / len(differences))
        regular = grpo_loss(
            log_probs, each, mask, old_log_probs=old, beta=0.1, reference_log_probs=reference
        )
        assert (regular - loss).item() == pytest.approx(0.1 * sum(rows) / len(rows), abs=1e-12)


def test_dapo_is_the_mean_over_tokens_with_a_wider_upper_clip() -> None:
    differs = 0
    for batch in batches(1000, seed=2):
        flat = [loss for row in token_losses(batch, 0.2, 0.28) for loss in row]
        log_probs, each, mask, old, _ = batch
        found = dapo_loss(log_probs, each, mask, old_log_probs=old).item()
        assert found == pytest.approx(sum(flat) / len(flat))
        narrow = dapo_loss(log_probs, each, mask, old_log_probs=old, clip_high=0.2).item()
        differs += not math.isclose(found, narrow)
    assert differs > 300


def test_dr_grpo_divides_by_a_constant() -> None:
    for batch in batches(1000, seed=3):
        total = sum(loss for row in token_losses(batch, 0.2, 0.2) for loss in row)
        log_probs, each, mask, old, _ = batch
        found = dr_grpo_loss(log_probs, each, mask, length=512, old_log_probs=old)
        assert found.item() == pytest.approx(total / (len(each) * 512))


def test_gspo_clips_the_geometric_mean_of_the_ratios() -> None:
    for log_probs, each, mask, old, _ in batches(1000, seed=4):
        losses = []
        for row in range(len(each)):
            length, a = int(mask[row].sum()), float(each[row])
            ratios = (log_probs - old)[row, :length].exp()
            ratio = ratios.prod().item() ** (1 / length)
            losses.append(-min(ratio * a, min(max(ratio, 0.9), 1.2) * a))
        found = gspo_loss(log_probs, each, mask, old_log_probs=old, clip_low=0.1, clip_high=0.2)
        assert found.item() == pytest.approx(sum(losses) / len(losses))


# verl aggregates masked tokens by these rules; OpenRLHF has the first two.


def test_aggregation_has_the_same_value_as_verl_and_openrlhf() -> None:
    for log_probs, each, mask, old, _ in batches(200, seed=5):
        ratio = (log_probs - old).exp()
        a = each[:, None]
        losses = torch.maximum(-a * ratio, -a * ratio.clamp(0.8, 1.2))
        token_mean = (losses * mask).sum() / mask.sum()
        mean_of_means = torch.mean((losses * mask).sum(-1) / mask.sum(-1))
        sum_by_constant = torch.mean((losses * mask).sum(-1)) / mask.shape[1]
        options: dict[str, Any] = {"old_log_probs": old}
        assert torch.isclose(grpo_loss(log_probs, each, mask, **options), mean_of_means)
        assert torch.isclose(dapo_loss(log_probs, each, mask, clip_high=0.2, **options), token_mean)
        found = dr_grpo_loss(log_probs, each, mask, length=mask.shape[1], **options)
        assert torch.isclose(found, sum_by_constant)


# Questions of users


def test_a_loss_of_zero_has_a_gradient() -> None:
    log_probs = torch.full((4, 5), -1.0, requires_grad=True)
    each = torch.tensor(advantages([0, 0, 0, 1], [0] * 4).values)
    loss = grpo_loss(log_probs, each, torch.ones(4, 5))
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert log_probs.grad is not None
    assert torch.allclose(log_probs.grad, -each[:, None].float() / 20, atol=1e-6)


def test_the_loss_of_ap_grpo_is_minus_the_spread_of_the_groups() -> None:
    rng = np.random.default_rng(6)
    rewards, group = rng.random(800), np.repeat(np.arange(100), 8)
    each = advantages(rewards, group, kind="ap_grpo", eps=0)
    loss = grpo_loss(torch.zeros(800, 3), torch.tensor(each.values), torch.ones(800, 3))
    spread = rewards.reshape(100, 8).std(axis=1, ddof=1).mean()
    assert loss.item() == pytest.approx(-spread * 7 / 8, rel=1e-5)
    assert loss.item() < -0.2


@pytest.mark.parametrize("loss", [grpo_loss, dapo_loss, gspo_loss])
def test_masked_tokens_may_hold_anything(loss: Callable[..., Tensor]) -> None:
    for log_probs, each, mask, old, _ in batches(20, seed=7):
        clean = loss(log_probs, each, mask, old_log_probs=old)
        spoilt = log_probs.detach().masked_fill(~mask, math.nan).requires_grad_()
        other = old.masked_fill(~mask, -math.inf)
        dirty = loss(spoilt, each, mask.long(), old_log_probs=other)
        assert torch.equal(clean, dirty)
        (found,) = torch.autograd.grad(dirty, spoilt)
        (expected,) = torch.autograd.grad(clean, log_probs)
        assert torch.equal(found, expected)
        assert not found[~mask].any()


def test_completions_without_tokens_add_nothing() -> None:
    mask = torch.tensor([[True, True], [False, False]])
    each = torch.tensor([1.0, 5.0])
    log_probs = torch.zeros(2, 2)
    assert grpo_loss(log_probs, each, mask).item() == -0.5
    assert gspo_loss(log_probs, each, mask).item() == -0.5
    assert dapo_loss(log_probs, each, mask).item() == -1
    assert dapo_loss(log_probs, each, torch.zeros(2, 2)).item() == 0


def test_advantages_by_token() -> None:
    log_probs, mask = torch.zeros(2, 3), torch.ones(2, 3)
    each = torch.tensor([1.0, -2.0])
    by_token = each[:, None].expand(2, 3)
    assert torch.equal(grpo_loss(log_probs, each, mask), grpo_loss(log_probs, by_token, mask))


def test_k3_is_unbiased() -> None:
    p = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    q = torch.tensor([0.2, 0.2, 0.6], dtype=torch.float64)
    estimates = k3_divergence(p.log(), q.log())
    assert (estimates >= 0).all()
    assert (p * estimates).sum().item() == pytest.approx(float((p * (p / q).log()).sum()))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: grpo_loss(x, torch.ones(3), x), r"advantages \(3,\)"),
        (lambda x: grpo_loss(x, torch.ones(2, 2), x), r"advantages \(2, 2\)"),
        (lambda x: grpo_loss(x, torch.ones(2), x[:, :2]), r"mask \(2, 2\)"),
        (lambda x: grpo_loss(x, torch.ones(2), x, old_log_probs=x[:1]), r"give \(B, T\)"),
        (lambda x: grpo_loss(x, torch.ones(2), x, beta=0.1), "reference_log_probs is missing"),
        (lambda x: grpo_loss(x, torch.ones(2), x, clip=-0.1), "clip is -0.1"),
        (lambda x: dr_grpo_loss(x, torch.ones(2), x, length=0), "length is 0"),
        (lambda x: gspo_loss(x, torch.ones(2, 3), x), "one for each completion"),
    ],
)
def test_bad_input_is_refused(call: Callable[[Tensor], Tensor], words: str) -> None:
    with pytest.raises(InputError, match=words):
        call(torch.ones(2, 3))


# TRL's own code


@pytest.fixture(scope="module")
def trl_loss() -> Callable[..., Tensor]:
    """The loss of an installed TRL, with a stand-in for everything but the loss."""
    pytest.importorskip("trl")
    from trl.trainer.grpo_trainer import GRPOTrainer

    def loss(kind: str, level: str, batch: Batch, beta: float = 0.0, high: float = 0.2) -> Tensor:
        log_probs, each, mask, old, reference = batch
        tokens = torch.zeros(mask.shape, dtype=torch.long)

        def from_the_model(*_: Any, **__: Any) -> tuple[Tensor, Tensor, None]:
            return log_probs, torch.zeros_like(log_probs), None

        trainer = SimpleNamespace(
            _get_per_token_logps_and_entropies=from_the_model,
            aux_loss_enabled=False,
            top_entropy_quantile=1.0,
            off_policy_mask_threshold=None,
            importance_sampling_level=level,
            beta=beta,
            loss_type=kind,
            epsilon_low=0.2,
            epsilon_high=high,
            args=SimpleNamespace(delta=None, use_bias_correction_kl=False, steps_per_generation=1),
            use_vllm=False,
            model=SimpleNamespace(training=True),
            current_gradient_accumulation_steps=1,
            max_completion_length=512,
            accelerator=SimpleNamespace(
                num_processes=1, gather=lambda x: x, reduce=lambda x, **_: x
            ),
            _entropy_bonus_enabled=False,
            _metrics={"train": defaultdict(list)},
        )
        inputs = {
            "prompt_ids": tokens[:, :1],
            "prompt_mask": tokens[:, :1] + 1,
            "completion_ids": tokens,
            "completion_mask": mask.long(),
            "advantages": each,
            "old_per_token_logps": old,
            "ref_per_token_logps": reference,
            "num_items_in_batch": mask.sum(),
        }
        own: Any = GRPOTrainer._compute_loss
        found: Tensor = own(trainer, None, inputs)
        return found

    return loss


def test_losses_equal_trls_own_code(trl_loss: Callable[..., Tensor]) -> None:
    for batch in batches(300, seed=8):
        log_probs, each, mask, old, reference = batch
        options: dict[str, Any] = {"old_log_probs": old}
        pairs = [
            (
                trl_loss("grpo", "token", batch, beta=0.04),
                grpo_loss(
                    log_probs, each, mask, beta=0.04, reference_log_probs=reference, **options
                ),
            ),
            (
                trl_loss("dapo", "token", batch, high=0.28),
                dapo_loss(log_probs, each, mask, **options),
            ),
            (
                trl_loss("dr_grpo", "token", batch),
                dr_grpo_loss(log_probs, each, mask, length=512, **options),
            ),
            (
                trl_loss("grpo", "sequence", batch),
                gspo_loss(log_probs, each, mask, clip_low=0.2, clip_high=0.2, **options),
            ),
        ]
        for theirs, ours in pairs:
            assert torch.allclose(theirs, ours, rtol=1e-9, atol=1e-12)
            expected, found = (torch.autograd.grad(loss, log_probs)[0] for loss in (theirs, ours))
            assert torch.allclose(expected, found, rtol=1e-9, atol=1e-12)


def test_advantages_equal_trls_own_statistics() -> None:
    utils = pytest.importorskip("trl.trainer.utils")
    rng = np.random.default_rng(9)
    rewards = torch.tensor(rng.random((1000, 8)))
    rewards[torch.tensor(rng.random((1000, 8)) < 0.1)] = torch.nan
    mean, spread = rewards.nanmean(dim=1, keepdim=True), utils.nanstd(rewards, dim=1, keepdim=True)
    expected = ((rewards - mean) / (spread + 1e-4)).nan_to_num(0.0)
    found = advantages(rewards.flatten(), np.repeat(np.arange(1000), 8))
    # TRL's factor n / (n - 1) is float32 for whatever rewards.
    assert np.allclose(found.values, expected.flatten().numpy(), rtol=1e-6)
