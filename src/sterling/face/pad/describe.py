"""What a network costs: parameters, multiply-adds, time on this machine."""

import statistics
import time
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from sterling.face.pad.cdc import fold
from sterling.face.pad.network import Network

__all__ = ["NetworkCost", "cost", "latency", "multiply_adds"]


@dataclass(frozen=True)
class NetworkCost:
    """Cost of judging one presentation.

    Attributes:
        parameters: Trainable ones.
        multiply_adds: Of convolutions, linear layers and attention, folded for inference.
        milliseconds: Median of several forward passes of one presentation, PyTorch, this machine.
    """

    parameters: int
    multiply_adds: int
    milliseconds: float


def cost(network: Network, size: int, *, repetitions: int = 5) -> NetworkCost:
    """Count and time one presentation of pictures with sides of `size`."""
    parameters = sum(p.numel() for p in network.parameters() if p.requires_grad)
    return NetworkCost(
        parameters, multiply_adds(network, size), latency(network, size, repetitions=repetitions)
    )


def multiply_adds(network: Network, size: int, present: torch.Tensor | None = None) -> int:
    """Multiply-adds of one presentation, half of the floating point operations.

    Args:
        network: Folded before it is counted.
        size: Side of the pictures.
        present: bool (1, M), which modalities there are; None: all.
    """
    folded, images = fold(network), torch.zeros(1, *network.shape(size))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        folded(images, present)
    return int(counter.get_total_flops() // 2)


def latency(network: Network, size: int, *, repetitions: int = 5) -> float:
    """Median milliseconds of a forward pass of one presentation, after one to warm up."""
    folded, images = fold(network), torch.zeros(1, *network.shape(size))
    times = []
    with torch.inference_mode():
        for _ in range(repetitions + 1):
            start = time.perf_counter()
            folded(images)
            times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times[1:])
