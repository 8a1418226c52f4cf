"""Min-K %, Min-K %++, zlib and reference, on token statistics."""

import zlib

import numpy as np
import pytest
import torch
from torch import Tensor

from sterling.lm import TokenStats, token_stats
from sterling.privacy.membership import min_k_plus_score, min_k_score, reference_score, zlib_score


def tokens(seed: int = 0, lengths: tuple[int, ...] = (13, 4, 1)) -> tuple[TokenStats, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(len(lengths), max(lengths), 17, generator=generator) * 3
    labels = torch.randint(17, logits.shape[:2], generator=generator)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return token_stats(logits, labels, mask), logits


def test_min_k_is_the_mean_of_the_lowest_tokens() -> None:
    stats, _ = tokens()
    scores = min_k_score(stats, share=0.25)
    for row, (length, taken) in enumerate(((13, 3), (4, 1), (1, 1))):
        lowest = sorted(stats.log_prob[row, :length].tolist())[:taken]
        assert float(scores[row]) == pytest.approx(np.mean(lowest), rel=1e-6)


def test_min_k_plus_standardises_by_the_predicted_distribution() -> None:
    stats, logits = tokens()
    log_p = logits.double().log_softmax(-1)
    mu = (log_p.exp() * log_p).sum(-1)
    sigma = (log_p.exp() * (log_p - mu[..., None]) ** 2).sum(-1).sqrt()
    z = ((stats.log_prob - mu) / sigma)[0].tolist()
    assert float(min_k_plus_score(stats, share=0.25)[0]) == pytest.approx(
        np.mean(sorted(z)[:3]), rel=1e-4
    )
    flat = token_stats(torch.zeros(1, 3, 5), torch.zeros(1, 3, dtype=torch.long))
    assert torch.isfinite(min_k_plus_score(flat)).all()  # no variance at all


def test_zlib_and_reference() -> None:
    stats, _ = tokens()
    other, _ = tokens(1, (9, 9, 9))
    texts = ["a b c", "d " * 50, "e"]
    mean = [float(stats.log_prob[r, :n].mean()) for r, n in enumerate((13, 4, 1))]
    sizes = [len(zlib.compress(text.encode())) for text in texts]
    np.testing.assert_allclose(zlib_score(stats, texts), np.divide(mean, sizes), rtol=1e-5)
    expected = np.array(mean) - other.log_prob.mean(1).numpy()
    np.testing.assert_allclose(reference_score(stats, other), expected, rtol=1e-5)
