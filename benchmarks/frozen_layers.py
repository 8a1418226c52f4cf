"""Time saved by adapting the top layers alone: LWAU's "at least five times as efficient".

Five inner steps of Conv-4 on a support of five classes, all layers against the top ones, timed in
one run with repetitions interleaved; figures are ratios of medians. Layers that do not adapt still
compute their features in every step; the last line computes them once.

    python -m benchmarks.frozen_layers [--quick]
"""

import argparse
from functools import partial

import torch
import torch.nn.functional as F
from benchmarks.cdc import medians

from sterling.adapt import Task, freeze_bottom, layered, lwau
from sterling.image import conv4

WAYS, SHOTS, STEPS, LAYERS = 5, 5, 5, 5


def main() -> None:
    """Print a line for each number of frozen layers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small pictures")
    size, width = (16, 8) if parser.parse_args().quick else (84, 32)
    torch.set_num_threads(1)
    network = conv4(WAYS, channels=3, size=size, width=width)
    learner = lwau(layered(network), 0.05)
    draw = torch.Generator().manual_seed(0)
    items = torch.rand(WAYS * SHOTS, 3, size, size, generator=draw)
    labels = torch.arange(WAYS).repeat_interleave(SHOTS)
    task = Task(items, labels, items, labels, tuple(range(WAYS)))

    def head_on_stored_features() -> None:
        with torch.no_grad():
            features = network[:-1](items)
        head = network[-1]
        weight, bias = (one.detach().requires_grad_() for one in head.parameters())
        for _ in range(STEPS):
            loss = F.cross_entropy(F.linear(features, weight, bias), labels)
            slopes = torch.autograd.grad(loss, (weight, bias))
            weight, bias = (
                (one - 0.05 * slope).detach().requires_grad_()
                for one, slope in zip((weight, bias), slopes, strict=True)
            )

    ways = {
        f"{frozen} layers frozen": partial(
            freeze_bottom(learner, frozen).adapted, task, STEPS, "first"
        )
        for frozen in range(LAYERS)
    }
    times = medians({**ways, "head on stored features": head_on_stored_features}, 5)
    whole = times["0 layers frozen"]
    for name, seconds in times.items():
        print(f"{name}: {1e3 * seconds:.1f} ms, {whole / seconds:.2f} times as fast as all layers")


if __name__ == "__main__":
    main()
