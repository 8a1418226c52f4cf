"""Cost of a network: parameters, multiply-adds, time on this machine."""

import statistics
import time
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from sterling.face.pad.layers.cdc import fold
from sterling.face.pad.networks.network import Network


def describe(network: Network, size: int, *, repetitions: int = 5) -> dict[str, Any]:
    """Describe a network's input, output and cost for one presentation, as a JSON object.

    Args:
        network: Any.
        size: Side of the pictures.
        repetitions: Timed forward passes.

    Returns:
        "modalities"; "any_subset", whether one may be absent; "frames"; "answer"; "parameters",
        trainable ones; "multiply_adds", see `multiply_adds`; "milliseconds", see `latency`.
    """
    answers = {"map": network.has_map, "probability": network.logit_share > 0}
    return {
        "modalities": list(network.modalities),
        "any_subset": network.flexible,
        "frames": network.frames,
        "answer": " and ".join(name for name, given in answers.items() if given),
        "parameters": sum(p.numel() for p in network.parameters() if p.requires_grad),
        "multiply_adds": multiply_adds(network, size),
        "milliseconds": round(latency(network, size, repetitions=repetitions), 2),
    }


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
