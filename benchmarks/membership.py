"""Time saved by the membership audit: each figure is a ratio of medians within one run.

Above 1 our way is faster. Shadow models: 64 trained together against a loop over modules with
PyTorch's own optimiser, same batches and steps. RMIA: one sort against the matrix of all pairs.
LiRA: masked moments of all records against a loop over records. Token ranks: counting against
sorting. Every pair is first checked to give the same answer.

    python -m benchmarks.membership [--quick]
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from sterling.lm import token_stats
from sterling.privacy.membership import rmia_score
from sterling.privacy.membership.lira import masked_moments
from sterling.privacy.targets.models import ARCHITECTURES, Models, initialise
from sterling.privacy.targets.training import Recipe, balanced_membership, train_many


def medians(
    ours: Callable[[], object], other: Callable[[], object], repetitions: int
) -> tuple[float, float]:
    """Median seconds of both, interleaved."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repetitions):
        for action, spent in zip((ours, other), times, strict=True):
            start = time.perf_counter()
            action()
            spent.append(time.perf_counter() - start)
    return statistics.median(times[0]), statistics.median(times[1])


def show(name: str, seconds: tuple[float, float]) -> None:
    """Print both times and their ratio."""
    print(
        f"{name:58}{seconds[0]:9.4f} s {seconds[1]:9.4f} s {seconds[1] / seconds[0]:8.2f}×",
        flush=True,
    )


def loop(
    models: Models,
    x: Tensor,
    y: Tensor,
    membership: NDArray[np.bool_],
    recipe: Recipe,
    seeds: Sequence[int],
) -> list[dict[str, Tensor]]:
    """One model after the other, as one would write it."""
    trained = []
    for row, seed in enumerate(seeds):
        module = models.module(row).train()
        own = torch.from_numpy(np.flatnonzero(membership[row]))
        optimiser = torch.optim.SGD(
            module.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum
        )
        steps = recipe.epochs * -(-len(own) // recipe.batch_size)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        generator = torch.Generator().manual_seed(seed)
        for _ in range(recipe.epochs):
            order = own[torch.randperm(len(own), generator=generator)]
            for batch in torch.split(order, recipe.batch_size):
                optimiser.zero_grad()
                F.cross_entropy(module(x[batch]), y[batch]).backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                schedule.step()
        trained.append({name: p.detach() for name, p in module.named_parameters()})
    return trained


def training(
    architecture: str, shape: tuple[int, ...], batch_size: int, models: int, repetitions: int
) -> None:
    """Time one epoch of many models on 1,000 records, half of them in each."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1000, *shape, generator=generator)
    y = torch.randint(10, (1000,), generator=generator)
    membership = balanced_membership(models, 1000, np.random.default_rng(0))
    seeds = list(range(models))
    start = initialise(lambda: ARCHITECTURES[architecture](shape, 10), seeds)
    recipe = Recipe(epochs=1, batch_size=batch_size, learning_rate=0.05)
    # In double precision: in single, rounding grows along the steps of a network with kinks.
    few = Models(start.network, {name: p[:4].double() for name, p in start.parameters.items()})
    together = train_many(few, x, y, membership[:4], recipe, seeds=seeds[:4])
    apart = loop(few, x.double(), y, membership[:4], recipe, seeds[:4])
    for name, parameter in together.parameters.items():
        torch.testing.assert_close(parameter, torch.stack([own[name] for own in apart]))
    show(
        f"{models} shadows, {architecture} on {'×'.join(map(str, shape))}, batch {batch_size}",
        medians(
            lambda: train_many(start, x, y, membership, recipe, seeds=seeds),
            lambda: loop(start, x, y, membership, recipe, seeds),
            repetitions,
        ),
    )


def rmia(n: int, m: int, repetitions: int) -> None:
    """Time the scores of n records against a population of m."""
    rng = np.random.default_rng(0)
    x, z = rng.lognormal(size=n), rng.lognormal(size=m)

    def matrix() -> NDArray[np.float64]:
        return np.asarray((x[:, None] / z[None, :] > 1).mean(axis=1))

    np.testing.assert_array_equal(rmia_score(x, z), matrix())
    show(f"RMIA, {n:,} records × {m:,}", medians(lambda: rmia_score(x, z), matrix, repetitions))


def moments(records: int, models: int, repetitions: int) -> None:
    """Time the fit of LiRA's normals."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(models, records))
    mask = balanced_membership(models, records, rng)

    def per_record() -> NDArray[np.float64]:
        fitted = np.empty((2, records))
        for row in range(records):
            own = values[mask[:, row], row]
            fitted[:, row] = own.mean(), own.var(ddof=1)
        return fitted

    ours, theirs = masked_moments(values, mask), per_record()
    np.testing.assert_allclose(ours.mean, theirs[0])
    np.testing.assert_allclose(ours.variance, theirs[1])
    show(
        f"LiRA fit, {records:,} records × {models} models",
        medians(lambda: masked_moments(values, mask), per_record, repetitions),
    )


def ranks(tokens: int, vocabulary: int, repetitions: int) -> None:
    """Time all token statistics against the ranks alone by sorting."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, tokens, vocabulary, generator=generator)
    labels = torch.randint(vocabulary, (1, tokens), generator=generator)

    def by_sort() -> Tensor:
        order = logits.argsort(dim=-1, descending=True)
        return (order == labels[..., None]).nonzero()[:, -1].view(labels.shape) + 1

    assert torch.equal(token_stats(logits, labels).rank, by_sort())
    show(
        f"all token statistics against ranks by sorting, {tokens} × {vocabulary:,}",
        medians(lambda: token_stats(logits, labels), by_sort, repetitions),
    )


def main() -> None:
    """Print one line per comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="smaller sizes, fewer repetitions")
    quick = parser.parse_args().quick
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; ours, other, ratio")
    models, repetitions = (16, 3) if quick else (64, 5)
    for architecture, shape in (
        ("softmax", (64,)),
        ("mlp", (32,)),
        ("mlp", (446,)),
        ("cnn", (1, 28, 28)),
    ):
        for batch_size in (32,) if quick else (16, 32, 64, 128):
            training(
                architecture, shape, batch_size, models, repetitions if architecture != "cnn" else 3
            )
    rmia(*((2000, 1000) if quick else (20_000, 5000)), repetitions)
    moments(*((2000, 64) if quick else (20_000, 256)), repetitions)
    ranks(*((64, 10_000) if quick else (256, 50_257)), repetitions)


if __name__ == "__main__":
    main()
