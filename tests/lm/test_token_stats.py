import importlib

import pytest
import torch
from torch import Tensor

from sterling.errors import InputError
from sterling.lm import token_stats


def batch(vocabulary: int = 300) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 11, vocabulary, generator=generator) * 4
    return logits, torch.randint(vocabulary, (5, 11), generator=generator)


def test_ranks_are_those_of_a_sort() -> None:
    logits, labels = batch()
    order = logits.argsort(dim=-1, descending=True)
    by_sort = (order == labels[..., None]).nonzero()[:, -1].view(labels.shape) + 1
    stats = token_stats(logits, labels)
    assert torch.equal(stats.rank, by_sort)
    assert torch.equal(stats.top1, logits.argmax(-1) == labels)


def test_one_pass_equals_separate_passes_in_double_precision() -> None:
    logits, labels = batch()
    stats = token_stats(logits, labels)
    log_p = logits.double().log_softmax(-1)
    p = log_p.exp()
    mu = (p * log_p).sum(-1)
    own = log_p.gather(-1, labels[..., None])[..., 0]
    variance = (p * log_p**2).sum(-1) - mu**2
    for mine, expected in ((stats.log_prob, own), (stats.entropy, -mu), (stats.variance, variance)):
        torch.testing.assert_close(mine.double(), expected, rtol=1e-5, atol=1e-5)


def test_slices_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, labels = batch()
    whole = token_stats(logits, labels)
    monkeypatch.setattr(importlib.import_module("sterling.lm.token_stats"), "SLICE", 1000)
    sliced = token_stats(logits, labels)
    for name in ("log_prob", "rank", "entropy", "variance"):
        torch.testing.assert_close(getattr(sliced, name), getattr(whole, name))


def test_masked_positions_play_no_part() -> None:
    logits, labels = batch()
    mask = torch.arange(11) < torch.tensor([11, 3, 1, 7, 2])[:, None]
    stats = token_stats(logits, labels, mask)
    hidden = token_stats(
        logits.masked_fill(~mask[..., None], float("nan")), labels.masked_fill(~mask, -100), mask
    )
    for name in ("log_prob", "rank", "entropy", "variance"):
        assert torch.equal(getattr(stats, name), getattr(hidden, name))
        assert not getattr(stats, name)[~mask].any()
    assert not stats.top1[~mask].any()


def test_extreme_logits_stay_finite() -> None:
    logits = torch.tensor([[[0.0, -1e4, -float("inf")], [1e4, 0.0, 0.0]]])
    stats = token_stats(logits, torch.tensor([[0, 0]]))
    assert stats.log_prob.tolist() == [[0.0, 0.0]]
    assert stats.entropy.tolist() == [[0.0, 0.0]]
    assert stats.variance.tolist() == [[0.0, 0.0]]
    half = token_stats(logits.half(), torch.tensor([[1, 1]]))
    assert half.log_prob.dtype == torch.float32


def test_wrong_input_is_refused() -> None:
    logits, labels = batch()
    with pytest.raises(InputError, match="between 0 and 299"):
        token_stats(logits, labels + 300)
    with pytest.raises(InputError, match="texts, tokens, vocabulary"):
        token_stats(logits, labels[:2])
    with pytest.raises(InputError, match="not a number"):
        token_stats(logits * float("nan"), labels)
