"""Time saved by EPCR's dense loss when it is not computed pair by pair.

The mean cosine over all pairs of positions is the inner product of two mean unit vectors: O(n·C)
for n positions of C channels, instead of O(n²·C). Forward and backward, timed in one run with
repetitions interleaved; the figure is the ratio of medians (above 1: the short form is faster).

    python -m benchmarks.consistency [--quick]
"""

import argparse

import torch
import torch.nn.functional as F
from benchmarks.cdc import medians
from torch import Tensor

from sterling.face.pad.networks.epcr import all_to_all


def by_pairs(predicted: Tensor, embedded: Tensor) -> Tensor:
    """The loss as it is defined: every cosine, then their mean."""
    q, z = (F.normalize(one.flatten(2), dim=1) for one in (predicted, embedded.detach()))
    return -torch.einsum("nci,ncj->nij", q, z).mean(dim=(1, 2))


def main() -> None:
    """Print one line per size of the map."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small maps only")
    sides = (8, 16) if parser.parse_args().quick else (8, 16, 32, 64)
    torch.manual_seed(0)
    print("64 channels, 8 items; milliseconds forward and backward")
    for side in sides:
        q = torch.randn(8, 64, side, side, requires_grad=True)
        z = torch.randn(8, 64, side, side)
        difference = (all_to_all(q, z) - by_pairs(q, z)).abs().max().item()
        times = medians(
            {
                "short": lambda q=q, z=z: torch.autograd.grad(all_to_all(q, z).sum(), q),  # type: ignore[misc]
                "pairs": lambda q=q, z=z: torch.autograd.grad(by_pairs(q, z).sum(), q),  # type: ignore[misc]
            },
            20,
        )
        print(
            f"{side}×{side}: short {1e3 * times['short']:.2f}, pairs {1e3 * times['pairs']:.2f}, "
            f"ratio {times['pairs'] / times['short']:.1f}, largest difference {difference:.1e}"
        )


if __name__ == "__main__":
    main()
