"""Time that one pass saves detectors of machine-generated text, on a packaged model's logits.

Published platforms rank tokens by sorting the vocabulary, let every detector take its own softmax
of the same logits, and draw 10,000 texts for Fast-DetectGPT. Those ways are re-stated here. Timed
in one run with repetitions interleaved; figures are ratios of medians (above 1: ours is faster).
The last line is with the forward passes of the packaged model, one for all against one each.

    python -m benchmarks.token_stats [--quick]
"""

import argparse
import math
from collections.abc import Callable

import torch
from benchmarks.cdc import medians
from torch import Tensor

from sterling.lm import LocalModel, TokenStats, load_local, token_stats
from sterling.text.corpus.prose import human_prose
from sterling.text.detectors import METRICS
from sterling.text.detectors.diversity_entropy import spread_of_diversity

VOCABULARY, SAMPLES = 49_152, 10_000
TOKENS, TEXTS = 256, 4


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


def own_log_rank(logits: Tensor, labels: Tensor) -> float:
    """Mean logarithm of the rank, from a sort of its own."""
    return float(sorted_ranks(logits, labels).double().log().mean())


def own_entropy(logits: Tensor) -> float:
    """Minus the mean of p log p, from a softmax of its own."""
    log_p = logits.log_softmax(-1)
    return -float((log_p.exp() * log_p).sum(-1).mean())


def own_gltr(logits: Tensor, labels: Tensor) -> float:
    """Share of tokens of rank up to ten, from a sort of its own."""
    bins = torch.bucketize(sorted_ranks(logits, labels), torch.tensor([10, 100, 1000]))
    return float((bins == 0).double().mean())


def own_curvature(logits: Tensor, labels: Tensor) -> float:
    """Fast-DetectGPT in its analytic form, from a softmax of its own."""
    log_p = logits.log_softmax(-1)
    mean = (log_p.exp() * log_p).sum(-1)
    variance = (log_p.exp() * log_p**2).sum(-1) - mean**2
    return float((own_log_p(logits, labels).sum() - mean.sum()) / variance.sum().sqrt())


# Score of each detector of a published platform, from the logits of its own pass.
SEPARATE: dict[str, Callable[[Tensor, Tensor], float]] = {
    "likelihood": lambda logits, labels: float(own_log_p(logits, labels).mean()),
    "rank": lambda logits, labels: -float(sorted_ranks(logits, labels).double().mean()),
    "log_rank": lambda logits, labels: -own_log_rank(logits, labels),
    "entropy": lambda logits, _: own_entropy(logits),
    "gltr": own_gltr,
    "lrr": lambda logits, labels: (
        -float(own_log_p(logits, labels).mean()) / own_log_rank(logits, labels)
    ),
    "fast_detect_gpt": own_curvature,
    "lastde": lambda logits, labels: (
        float(own_log_p(logits, labels).mean())
        / spread_of_diversity(own_log_p(logits, labels)[0].double().numpy())
    ),
}


def separate(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Every detector from the same logits, each by itself."""
    return {name: detector(logits, labels) for name, detector in SEPARATE.items()}


def from_stats(row: TokenStats) -> dict[str, float]:
    """All metrics from one text's statistics."""
    gltr = float((row.rank <= 10).double().mean())
    return {name: metric(row) for name, metric in METRICS.items()} | {"gltr": gltr}


def one_pass(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """All metrics from `token_stats`."""
    batch = token_stats(logits, labels)
    return from_stats(TokenStats(**{name: values[0] for name, values in vars(batch).items()}))


def one_by_one(model: LocalModel, texts: list[str]) -> list[dict[str, float]]:
    """Every detector of every text, each from a forward pass of its own."""
    found = []
    for text in texts:
        ids = model.encode(text, TOKENS)[None]
        values = {}
        for name, detector in SEPARATE.items():
            with torch.inference_mode():
                logits = model.model(input_ids=ids).logits[:, :-1].float()
            values[name] = detector(logits, ids[:, 1:])
        found.append(values)
    return found


def together(model: LocalModel, texts: list[str]) -> list[dict[str, float]]:
    """Every detector of every text, from one pass over the texts."""
    return [from_stats(row) for row in model.stats(texts, max_tokens=TOKENS)]


def agree(ours: dict[str, float], theirs: dict[str, float]) -> None:
    """Stop unless the two ways give the same detectors the same values."""
    for name, value in theirs.items():
        same = math.isclose(ours[name], value, rel_tol=0.01, abs_tol=1e-6)
        neither = math.isnan(ours[name]) and math.isnan(value)
        assert same or neither, f"{name}: {ours[name]} and {value}"


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

    # A sort puts one of equal logits first; counting puts none before the other.
    apart = (token_stats(logits, labels).rank - sorted_ranks(logits, labels)).abs()
    assert int(apart.max()) <= 2, "ranks differ by more than ties"
    ours, theirs = one_pass(logits, labels), separate(logits, labels)
    agree(ours, theirs)
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
    line(f"{len(SEPARATE)} detectors, same logits", times, "one pass", "one pass each")
    line("Fast-DetectGPT and the seven others, analytic", times, "one pass", "drawn")

    model = load_local()
    passages = human_prose("addresses", TOKENS)[: 1 if quick else TEXTS]
    texts = [passage.text for passage in passages]
    for mine, published in zip(together(model, texts), one_by_one(model, texts), strict=True):
        agree(mine, published)
    passes = medians(
        {"one": lambda: together(model, texts), "each": lambda: one_by_one(model, texts)},
        repetitions,
    )
    line(
        f"{len(SEPARATE)} detectors with the forward passes of {model.name}, {len(texts)} texts of "
        f"{TOKENS} tokens",
        passes,
        "one",
        "each",
    )


if __name__ == "__main__":
    main()
