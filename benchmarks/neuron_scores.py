"""Soft-WPMI in blocks of phrases, beside CLIP-Dissect's dense form, in one run.

Run ``python -m benchmarks.neuron_scores [--quick]``. Embeddings of 512 numbers, one thread. The
dense form keeps the softmax of every picture over all phrases, as CLIP-Dissect's release does, and
gathers each unit's rows from it; ours keeps a block. Each runs in a process of its own, whose peak
memory above the embeddings is compared. A ratio above 1: ours is faster, or takes less memory.
"""

import argparse
import math
import multiprocessing
import resource
import time
from collections.abc import Callable

import torch
from torch import Tensor

from sterling.explain.neurons.scores import soft_wpmi

TOP, SCALE, WIDTH = 100, 10.0, 512
FIRST, LAST = 0.998, 0.97
Measured = tuple[float, int, list[list[float]]]
"""Seconds, peak memory in KiB, and some scores."""


def dense(pictures: Tensor, phrases: Tensor, values: Tensor) -> Tensor:
    """The formula with all similarities at once."""
    likely = (SCALE * pictures @ phrases.T).softmax(1)
    belongs = FIRST - torch.arange(TOP) / TOP * (FIRST - LAST)
    rows = values.topk(TOP, dim=0).indices
    given = torch.stack(
        [
            (1 + belongs[:, None] * (likely[rows[:, unit]] - 1) + 1e-7).log().sum(0)
            for unit in range(values.shape[1])
        ]
    )
    return given - (given.logsumexp(0) - math.log(len(given)))


def measure(
    score: Callable[[Tensor, Tensor, Tensor], Tensor],
    sizes: tuple[int, int, int],
    answers: "multiprocessing.Queue[Measured]",
) -> None:
    """Time a score in this process, and its peak memory above the inputs."""
    torch.set_num_threads(1)
    pictures, phrases, values = inputs(sizes)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    found = score(pictures, phrases, values)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    answers.put((seconds, peak, found[:3, :50].tolist()))


def inputs(sizes: tuple[int, int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Embeddings of pictures and phrases, and activations."""
    draws = torch.Generator().manual_seed(0)
    count, phrases, units = sizes
    embedded = [
        torch.nn.functional.normalize(torch.randn(n, WIDTH, generator=draws), dim=1)
        for n in (count, phrases)
    ]
    return embedded[0], embedded[1], torch.randn(count, units, generator=draws)


def main() -> None:
    """Measure both forms, and check that they agree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a tenth of each")
    quick = parser.parse_args().quick
    sizes = (5000, 1000, 200) if quick else (50_000, 10_000, 2000)
    context = multiprocessing.get_context("spawn")
    found = []
    for score in (soft_wpmi, dense):
        answers: multiprocessing.Queue[Measured] = context.Queue()
        process = context.Process(target=measure, args=(score, sizes, answers))
        process.start()
        found.append(answers.get())
        process.join()
    (ours, memory, scores), (theirs, more, expected) = found
    torch.testing.assert_close(torch.tensor(scores), torch.tensor(expected), rtol=1e-3, atol=1e-3)
    print(f"{sizes[0]:,} pictures, {sizes[1]:,} phrases, {sizes[2]:,} units")
    print(f"time: ours {ours:.1f} s, dense {theirs:.1f} s, ratio {theirs / ours:.2f}")
    ratio = more / memory
    print(f"memory: ours {memory / 2**10:.0f} MiB, dense {more / 2**10:.0f} MiB, ratio {ratio:.1f}")


if __name__ == "__main__":
    main()
