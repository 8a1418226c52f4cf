"""What folding central difference convolution saves: one convolution against the released two.

Each pair is timed in one run, repetitions interleaved; the figure is the ratio of medians (above 1:
one convolution is faster). Both paths see the same memory layout.

    python benchmarks/cdc.py [--quick]
"""

import argparse
import copy
import statistics
import time
import types
from collections.abc import Callable

import torch
from torch import Tensor, nn

from sterling.face.pad import CDCN, CentralDifferenceConv2d, two_path

# (in, out, side at a 256×256 image) of every distinct convolution of CDCN.
SHAPES = [
    (3, 64, 256),
    (64, 128, 256),
    (128, 196, 256),
    (196, 128, 256),
    (128, 128, 128),
    (128, 196, 128),
    (196, 128, 128),
    (128, 128, 64),
    (128, 196, 64),
    (196, 128, 64),
    (384, 128, 32),
    (128, 64, 32),
    (64, 1, 32),
]


def as_released(model: nn.Module) -> nn.Module:
    """Return a copy whose central difference convolutions take two paths."""

    def forward(self: CentralDifferenceConv2d, x: Tensor) -> Tensor:
        return two_path(x, self.weight, theta=self.theta)

    changed = copy.deepcopy(model)
    for module in changed.modules():
        if isinstance(module, CentralDifferenceConv2d):
            vars(module)["forward"] = types.MethodType(forward, module)
    return changed


def medians(actions: dict[str, Callable[[], object]], repetitions: int) -> dict[str, float]:
    """Median seconds of each action, after one warm-up."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for repetition in range(repetitions + 1):
        for name, action in actions.items():
            start = time.perf_counter()
            action()
            if repetition:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def ratios(model: nn.Module, image: Tensor, repetitions: int) -> tuple[float, float, float, float]:
    """Milliseconds of the folded path and ratio, forward and then forward with backward."""
    networks = {"one": model, "two": as_released(model)}
    for network in networks.values():
        network.train()

    def forward(network: nn.Module) -> None:
        with torch.no_grad():
            network(image)

    def backward(network: nn.Module) -> None:
        network.zero_grad()
        network(image).sum().backward()

    figures: list[float] = []
    for action in (forward, backward):
        times = medians(
            {name: lambda n=n, a=action: a(n) for name, n in networks.items()},  # type: ignore[misc]
            repetitions,
        )
        figures += [times["one"] * 1e3, times["two"] / times["one"]]
    return figures[0], figures[1], figures[2], figures[3]


def main() -> None:
    """Print one line per shape and one per whole network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="64×64 images only, fewer repetitions")
    quick = parser.parse_args().quick
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    print(f"{'':34}{'forward':>18}{'with backward':>20}")
    for size, batch, repetitions in [(64, 8, 11)] if quick else [(64, 8, 21), (256, 1, 9)]:
        for channels, out, side in SHAPES:
            side = side * size // 256
            image = torch.randn(batch, channels, side, side, requires_grad=True)
            image = image.contiguous(memory_format=torch.channels_last).detach()
            image.requires_grad_(channels != 3)
            layer = CentralDifferenceConv2d(channels, out)
            show(f"{batch}×{channels}×{side}×{side} -> {out}", ratios(layer, image, repetitions))
        image = torch.randn(batch, 3, size, size).contiguous(memory_format=torch.channels_last)
        show(f"CDCN, batch {batch}, {size}×{size}", ratios(CDCN(), image, max(3, repetitions // 2)))


def show(name: str, figures: tuple[float, float, float, float]) -> None:
    """Print milliseconds of one convolution and the ratio to two."""
    print(
        f"{name:34}{figures[0]:9.2f} ms {figures[1]:5.2f}×{figures[2]:11.2f} ms {figures[3]:5.2f}×",
        flush=True,
    )


if __name__ == "__main__":
    main()
