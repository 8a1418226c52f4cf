"""Hyper-gradient of 3,000 candidates at once, beside a backward pass for each, in one run.

Run ``python -m benchmarks.forget_sets [--quick]``. Examples of twenty tokens, a last layer of 64
inputs and 100 tokens, one thread. Both ways solve the same linear system once; then the loop takes
each example's gradient by a backward pass of its own and multiplies it with the solution, and ours
needs one pass over all tokens. The loop is timed on some examples and scaled to all. A ratio above
1: ours is faster.
"""

import argparse
import statistics
import time

import torch
import torch.nn.functional as F

from sterling.reasoning.forget_sets import TokenFeatures, gradient_products, hyper_gradient

TOKENS, INPUTS, VOCABULARY = 20, 64, 100


def main() -> None:
    """Time both, and check that they agree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="fewer candidates")
    count = 300 if parser.parse_args().quick else 3000
    torch.set_num_threads(1)
    draws = torch.Generator().manual_seed(0)
    features = torch.randn(count * TOKENS, INPUTS, generator=draws)
    targets = torch.randint(VOCABULARY, (count * TOKENS,), generator=draws)
    example = torch.arange(count).repeat_interleave(TOKENS)
    tokens = TokenFeatures(features, targets, example, count)
    weights = 0.1 * torch.randn(VOCABULARY, INPUTS, generator=draws)
    upper = torch.randn(VOCABULARY, INPUTS, generator=draws)
    kept, l2 = torch.ones(count), 10.0
    start = time.perf_counter()
    hyper_gradient(tokens, weights, kept, l2, upper, tolerance=1e-4)
    whole = time.perf_counter() - start
    times = []
    for _ in range(5):
        start = time.perf_counter()
        found = gradient_products(tokens, weights, upper)
        times.append(time.perf_counter() - start)
    ours = statistics.median(times)
    some = min(count, 300)
    leaf = weights.clone().requires_grad_()
    looped = torch.empty(some)
    start = time.perf_counter()
    for index in range(some):
        rows = slice(index * TOKENS, (index + 1) * TOKENS)
        loss = F.cross_entropy(features[rows] @ leaf.T, targets[rows], reduction="sum")
        (gradient,) = torch.autograd.grad(loss, leaf)
        looped[index] = (gradient * upper).sum()
    passes = (time.perf_counter() - start) * count / some
    torch.testing.assert_close(found[:some], looped, rtol=1e-3, atol=1e-3)
    print(f"{count:,} candidates of {TOKENS} tokens: linear system {whole - ours:.2f} s")
    print(f"products of gradients: ours {1e3 * ours:.1f} ms   passes {passes / ours:.1f}×")


if __name__ == "__main__":
    main()
