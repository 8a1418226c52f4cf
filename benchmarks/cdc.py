"""Time saved by folding central difference convolution: one convolution against the released two.

Timed in one run, repetitions interleaved; a figure is the ratio of medians (above 1: one
convolution is faster). One convolution runs in channels-last memory, as `sterling` does. The first
ratio is to two convolutions in the same layout: what folding saves. The second is to two
convolutions in the contiguous layout of the authors' release: what a user gains in all.

    python -m benchmarks.cdc [--quick]
"""

import argparse
import copy
import functools
import statistics
import time
import types
from collections.abc import Callable, Mapping

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


def medians(actions: Mapping[str, Callable[[], object]], repetitions: int) -> dict[str, float]:
    """Median seconds of each action, after one warm-up."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for repetition in range(repetitions + 1):
        for name, action in actions.items():
            start = time.perf_counter()
            action()
            if repetition:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def ratios(model: nn.Module, image: Tensor, repetitions: int) -> list[float]:
    """Milliseconds of the folded path and its two ratios, forward and then with backward."""
    released = as_released(model).train()
    last = image.detach().contiguous(memory_format=torch.channels_last)
    plain = image.detach().contiguous()
    for pixels in (last, plain):
        pixels.requires_grad_(image.requires_grad)
    runs = {"one": (model.train(), last), "same": (released, last), "release": (released, plain)}

    def forward(network: nn.Module, pixels: Tensor) -> None:
        with torch.no_grad():
            network(pixels)

    def backward(network: nn.Module, pixels: Tensor) -> None:
        network.zero_grad()
        output = network(pixels)  # a layer's tensor, or a network's maps
        (output if isinstance(output, Tensor) else output.maps).sum().backward()

    figures: list[float] = []
    for action in (forward, backward):
        times = medians(
            {name: functools.partial(action, *arguments) for name, arguments in runs.items()},
            repetitions,
        )
        one = times["one"]
        figures += [one * 1e3, times["same"] / one, times["release"] / one]
    return figures


def show(name: str, figures: list[float]) -> None:
    """Print milliseconds of one convolution and its ratios."""
    cells = [
        f"{ms:9.2f} ms {same:5.2f}× {release:5.2f}×"
        for ms, same, release in (figures[:3], figures[3:])
    ]
    print(f"{name:28}{cells[0]}   {cells[1]}", flush=True)


def main() -> None:
    """Print one line per shape and one per whole network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="64×64 images only, fewer repetitions")
    quick = parser.parse_args().quick
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    print(f"{'':28}{'forward, same layout, release':^26}   {'with backward':^26}")
    for size, batch, repetitions in [(64, 8, 5)] if quick else [(64, 8, 15), (256, 1, 7)]:
        for channels, out, full in SHAPES:
            side = full * size // 256
            image = torch.randn(batch, channels, side, side, requires_grad=channels != 3)
            layer = CentralDifferenceConv2d(channels, out)
            show(f"{batch}×{channels}×{side}×{side} -> {out}", ratios(layer, image, repetitions))
        image = torch.randn(batch, 3, size, size)
        show(f"CDCN, {batch}×3×{size}×{size}", ratios(CDCN(), image, repetitions))


if __name__ == "__main__":
    main()
