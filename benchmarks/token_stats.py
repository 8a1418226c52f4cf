"""What one pass saves detectors of machine-generated text, on logits of a packaged model's size.

Published platforms rank tokens by sorting the vocabulary, let every detector take its own softmax
of the same logits, and draw 10,000 texts for Fast-DetectGPT. Those ways are re-stated here. Timed
in one run with repetitions interleaved; figures are ratios of medians (above 1: ours is faster).
The forward pass of the language model itself, which detectors that share a pass save besides, is
not in these figures; the last line times it with a small model.

    python -m benchmarks.token_stats [--quick]
"""

import argparse
from collections.abc import Callable

import torch
from benchmarks.cdc import medians
from torch import Tensor

from sterling.lm import TokenStats, token_stats, train_small
from sterling.text.detectors import METRICS, score_metrics

VOCABULARY, SAMPLES = 49_152, 10_000


def sorted_ranks(logits: Tensor, labels: Tensor) -> Tensor:
    """Ranks as published: where each label stands in the sorted vocabulary."""
    order = logits.argsort(dim=-1, descending=True)
    return (order == labels[..., None]).nonzero()[:, -1].view(labels.shape) + 1


def own_log_p(logits: Tensor, labels: Tensor) -> Tensor:
    """Log-probability of each label, from a softmax of its own."""
    return logits.log_softmax(-1).gather(-1, labels[..., None])[..., 0]


def sampled_curvature(logits: Tensor, labels: Tensor) -> float:
    """Fast-DetectGPT by drawing, as published."""
    log_p = logits.log_softmax(-1)
    drawn = torch.multinomial(
        log_p[0].exp(), SAMPLES, replacement=True, generator=torch.Generator().manual_seed(0)
    )
    sampled = log_p[0].gather(-1, drawn).sum(0)
    own = log_p.gather(-1, labels[..., None]).sum()
    return float((own - sampled.mean()) / sampled.std())


def separate(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Likelihood, rank, log rank, entropy, GLTR, LRR and Fast-DetectGPT, each from the logits."""
    log_p = logits.log_softmax(-1)
    curvature = own_log_p(logits, labels).sum()
    mean = (log_p.exp() * log_p).sum(-1)
    variance = (log_p.exp() * log_p**2).sum(-1) - mean**2
    entropy = logits.log_softmax(-1)
    bins = torch.bucketize(sorted_ranks(logits, labels), torch.tensor([10, 100, 1000]))
    return {
        "likelihood": float(own_log_p(logits, labels).mean()),
        "rank": -float(sorted_ranks(logits, labels).double().mean()),
        "log_rank": -float(sorted_ranks(logits, labels).double().log().mean()),
        "entropy": -float((entropy.exp() * entropy).sum(-1).mean()),
        "gltr": float((bins == 0).double().mean()),
        "lrr": -float(own_log_p(logits, labels).mean())
        / float(sorted_ranks(logits, labels).double().log().mean()),
        "fast_detect_gpt": float((curvature - mean.sum()) / variance.sum().sqrt()),
    }


def one_pass(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """All metrics from `token_stats`."""
    batch = token_stats(logits, labels)
    row = TokenStats(**{name: values[0] for name, values in vars(batch).items()})
    return {name: metric(row) for name, metric in METRICS.items()}


def line(name: str, times: dict[str, float], ours: str, theirs: str) -> None:
    """Print one comparison."""
    print(
        f"{name}: {ours} {1e3 * times[ours]:.1f} ms, {theirs} {1e3 * times[theirs]:.1f} ms, ratio "
        f"{times[theirs] / times[ours]:.1f}"
    )


def main() -> None:
    """Print one line per comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a short text, few repetitions")
    quick = parser.parse_args().quick
    tokens, repetitions = (16, 1) if quick else (256, 3)
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, tokens, VOCABULARY, generator=generator) * 4
    labels = torch.randint(VOCABULARY, (1, tokens), generator=generator)

    # Of equal logits a sort puts one first; counting puts none before the other.
    apart = (token_stats(logits, labels).rank - sorted_ranks(logits, labels)).abs()
    assert int(apart.max()) <= 2, "ranks differ by more than ties"
    ours, theirs = one_pass(logits, labels), separate(logits, labels)
    assert all(abs(ours[name] / theirs[name] - 1) < 1e-4 for name in theirs if name in ours)
    assert abs(ours["fast_detect_gpt"] / sampled_curvature(logits, labels) - 1) < 0.05

    actions: dict[str, Callable[[], object]] = {
        "counted": lambda: (logits > logits.gather(-1, labels[..., None])).sum(-1) + 1,
        "sorted": lambda: sorted_ranks(logits, labels),
        "one pass": lambda: one_pass(logits, labels),
        "one pass each": lambda: separate(logits, labels),
        "drawn": lambda: sampled_curvature(logits, labels),
    }
    times = medians(actions, repetitions)
    print(f"{tokens} tokens, vocabulary {VOCABULARY}, one thread")
    line("ranks", times, "counted", "sorted")
    line(
        f"seven detectors from the same logits ({len(METRICS)} in ours)",
        times,
        "one pass",
        "one pass each",
    )
    line("Fast-DetectGPT beside the six others", times, "one pass", "drawn")

    texts = ["The people of the old town by the river kept the bridge in good order. " * 8] * 8
    model = train_small(texts, steps=5, context=512)
    forward = medians(
        {
            "together": lambda: score_metrics(model, texts),
            "apart": lambda: [score_metrics(model, texts, [name]) for name in METRICS],
        },
        repetitions,
    )
    line(f"{len(METRICS)} detectors with the model's forward passes", forward, "together", "apart")


if __name__ == "__main__":
    main()
