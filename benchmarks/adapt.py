"""Meta-training steps per second against learn2learn and higher, and the memory of second order.

One outer step: meta-gradient of some tasks, 5-way with 15 queries a class unless they are few, with
5 inner steps on Conv-4. Ours one by one and at once (``torch.vmap``); theirs on the same network
with torch's own batch normalisation, which their loops are used with. Equal meta-gradients in
double precision are checked first. Timed in one run with repetitions interleaved; figures are
ratios of medians.
Memory: the peak of a process of its own for one task, less that of one that only imported torch.

Both peers are pure Python where they matter, but learn2learn's extensions do not build on Python
3.11. Its sources are read from a folder, which need not hold anything else::

    pip download --no-deps --no-binary :all: --no-build-isolation learn2learn==0.2.0
    tar xf learn2learn-0.2.0.tar.gz --strip-components 1 --directory PEERS
    pip install --no-deps --target PEERS higher==0.2.1
    python -m benchmarks.adapt [--quick] [--peers PEERS] [--device cuda]
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from benchmarks.cdc import medians
from torch import Tensor, nn

from sterling.adapt import BatchStatistics, FunctionalModel, GradientLearner, Task, inner_loop
from sterling.adapt.inner_loop import Order
from sterling.image.backbones import conv4

STEPS, RATE = 5, 0.01


class Size(NamedTuple):
    """Sizes of pictures, of Conv-4, and of tasks."""

    channels: int
    side: int
    width: int
    ways: int = 5
    queries: int = 15


SIZES = {
    "mini-ImageNet": Size(3, 84, 32),
    "Omniglot": Size(1, 28, 64),
    "narrow": Size(1, 28, 8),
    "few queries": Size(1, 28, 8, ways=2, queries=8),
}

MetaGradient = Callable[[list[Task]], list[Tensor]]
"""Gradient of the mean outer loss of some tasks, one tensor for each parameter."""


def with_native_normalisation(module: nn.Module) -> nn.Module:
    """The same network as the peers' users write it; changed in place."""
    for name, child in module.named_children():
        if isinstance(child, BatchStatistics):
            assert child.weight is not None
            setattr(module, name, nn.BatchNorm2d(len(child.weight)).to(child.weight))
        else:
            with_native_normalisation(child)
    return module


def tasks_of(count: int, shots: int, size: Size, like: Tensor) -> list[Task]:
    """Noise of the right shapes: values do not matter for time."""
    draw = torch.Generator().manual_seed(0)
    own, others = (
        torch.arange(size.ways).repeat_interleave(each) for each in (shots, size.queries)
    )

    def pictures(labels: Tensor) -> Tensor:
        return torch.randn(len(labels), size.channels, size.side, size.side, generator=draw).to(
            like
        )

    return [
        Task(pictures(own), own.to(like.device), pictures(others), others.to(like.device), ())
        for _ in range(count)
    ]


def our_gradient(network: nn.Module, order: Order, *, at_once: bool = False) -> MetaGradient:
    """Return the engine's meta-gradient, with tasks one by one or at once."""
    learner = GradientLearner(FunctionalModel(network), RATE, STEPS, order=order)
    parameters = list(network.parameters())

    def gradient(tasks: list[Task]) -> list[Tensor]:
        if at_once:
            return list(torch.autograd.grad(learner.outer_losses(tasks).mean(), parameters))
        return mean([torch.autograd.grad(learner.outer_loss(one), parameters) for one in tasks])

    return gradient


def learn2learn_gradient(network: nn.Module, order: Order) -> MetaGradient:
    """Return the meta-gradient of its MAML class, without the package's other imports."""
    maml = import_module("learn2learn.algorithms.maml").MAML(network, RATE, order == "first")
    parameters = list(network.parameters())

    def one(task: Task) -> Sequence[Tensor]:
        learner = maml.clone()
        for _ in range(STEPS):
            learner.adapt(F.cross_entropy(learner(task.support), task.support_labels))
        value = F.cross_entropy(learner(task.query), task.query_labels)
        return torch.autograd.grad(value, parameters)

    return lambda tasks: mean([one(task) for task in tasks])


def higher_gradient(network: nn.Module, order: Order) -> MetaGradient:
    """Return the meta-gradient of its stateless module and differentiable optimiser."""
    innerloop = import_module("higher").innerloop_ctx
    optimiser = torch.optim.SGD(network.parameters(), RATE)
    second = order == "second"

    def one(task: Task) -> Sequence[Tensor]:
        with innerloop(
            network, optimiser, copy_initial_weights=False, track_higher_grads=second
        ) as (stateless, steps):
            for _ in range(STEPS):
                steps.step(F.cross_entropy(stateless(task.support), task.support_labels))
            value = F.cross_entropy(stateless(task.query), task.query_labels)
            over = stateless.parameters(time=0 if second else -1)
            return torch.autograd.grad(value, list(over))

    return lambda tasks: mean([one(task) for task in tasks])


def mean(gradients: list[Sequence[Tensor]]) -> list[Tensor]:
    """Over tasks, of each parameter's."""
    return [torch.stack(list(each)).mean(dim=0) for each in zip(*gradients, strict=True)]


def open_peers(folder: Path | None) -> dict[str, Callable[[nn.Module, Order], MetaGradient]]:
    """The peers that are there."""
    if folder is None:
        return {}
    sys.path.append(str(folder))
    found: dict[str, Callable[[nn.Module, Order], MetaGradient]] = {}
    if (folder / "higher").is_dir():
        found["higher"] = higher_gradient
    if (folder / "learn2learn").is_dir():
        for name in ("learn2learn", "learn2learn.algorithms"):
            package = ModuleType(name)
            package.__path__ = [str(folder.joinpath(*name.split(".")))]
            sys.modules[name] = package
        found["learn2learn"] = learn2learn_gradient
    return found


def network_of(size: Size) -> nn.Module:
    """Conv-4."""
    return conv4(size.ways, channels=size.channels, size=size.side, width=size.width)


def one_setting(
    name: str, shots: int, order: Order, chosen: argparse.Namespace, peers: Any
) -> None:
    """Check that gradients are equal, and print outer steps per second and their ratios."""
    size = SIZES[name]

    def all_ways(like: Tensor) -> dict[str, MetaGradient]:
        def network() -> nn.Module:
            return network_of(size).to(like)

        return {
            "one by one": our_gradient(network(), order),
            "at once": our_gradient(network(), order, at_once=True),
            **{
                peer_name: peer(with_native_normalisation(network()), order)
                for peer_name, peer in peers.items()
            },
        }

    exact = torch.zeros((), dtype=torch.float64, device=chosen.device)
    few = tasks_of(2, shots, size, exact)
    gradients = {name: gradient(few) for name, gradient in all_ways(exact).items()}
    for way, found in gradients.items():
        for one, other in zip(found, gradients["one by one"], strict=True):
            torch.testing.assert_close(one, other, atol=1e-9, rtol=1e-6, msg=way)

    single = exact.float()
    tasks = tasks_of(chosen.tasks, shots, size, single)

    def timed(gradient: MetaGradient) -> Callable[[], object]:
        # Reading a number waits for the device.
        return lambda: float(gradient(tasks)[-1].sum())

    ways = all_ways(single)
    times = medians({way: timed(ways[way]) for way in ways}, chosen.repetitions)
    best = min(times["one by one"], times["at once"])
    rates = ", ".join(f"{way} {1 / seconds:.3g}/s" for way, seconds in times.items())
    ratios = ", ".join(f"{peer} {times[peer] / best:.2f}" for peer in peers)
    print(
        f"{name}, {shots}-shot, {order} order, {len(tasks)} tasks a step: {rates}; at once takes "
        f"{times['at once'] / times['one by one']:.2f} of one by one; peers take x times our "
        f"faster: {ratios or 'none there'}",
        flush=True,
    )


def peak(kind: str, steps: int) -> None:
    """Print this process's peak memory in MiB after one meta-gradient."""
    if kind != "nothing":
        size = SIZES["mini-ImageNet"]
        model = FunctionalModel(network_of(size))
        (task,) = tasks_of(1, 5, size, torch.zeros(()))
        path = inner_loop(
            model,
            lambda forward: F.cross_entropy(forward(task.support), task.support_labels),
            RATE,
            steps,
            order="first" if kind == "first" else "second",
            checkpointed=kind == "checkpointed",
        )
        torch.autograd.backward(F.cross_entropy(path.after()(task.query), task.query_labels))
    (line,) = re.findall(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    print(int(line) / 1024)


def memory(steps: int) -> None:
    """Print what a meta-gradient of 5-way 5-shot on mini-ImageNet's sizes takes."""

    def measured(kind: str) -> float:
        command = (sys.executable, "-m", "benchmarks.adapt", "--peak", kind, "--steps", str(steps))
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    base = measured("nothing")
    sizes = {kind: measured(kind) - base for kind in ("first", "checkpointed", "second")}
    text = ", ".join(f"{kind} {size:.0f} MiB" for kind, size in sizes.items())
    print(f"memory of {steps} steps, 5-shot: {text}", flush=True)


def main() -> None:
    """Print a line for each setting, and for memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="without mini-ImageNet's sizes, one repetition"
    )
    parser.add_argument("--peers", type=Path, help="folder with learn2learn, higher")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tasks", type=int, default=4)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    parser.add_argument("--steps", type=int, default=STEPS, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    if chosen.peak:
        peak(chosen.peak, chosen.steps)
        return
    sizes = list(SIZES)[1:] if chosen.quick else list(SIZES)
    if chosen.quick:
        chosen.repetitions = 1
    peers = open_peers(chosen.peers)
    orders: tuple[Order, ...] = ("first", "second")
    for size, shots, order in product(sizes, (1, 5), orders):
        one_setting(size, shots, order, chosen, peers)
    if chosen.device == "cpu":
        for steps in (STEPS,) if chosen.quick else (STEPS, 2 * STEPS):
            memory(steps)


if __name__ == "__main__":
    main()
