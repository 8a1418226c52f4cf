"""Search for the alignment template that the packaged recognition network was made for.

Run ``python -m tools.packaged_template FOLDER [--pictures 2]`` with photographs in
``<person>/<picture>``. Every template of a grid is cut from one canvas and scored by the network's
AUC over all pairs of faces; beside the best stands the template that dlib's chip comes nearest to.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sterling.face.recognition import (
    CHIP_SIDE,
    CHIP_TEMPLATE,
    TEMPLATE,
    AlignmentCanvas,
    embed_chips,
    read_canvases,
    template_grid,
    template_scores,
)

CROPS = (80, 96, 112, 128, 144, 160, 176, 192)
SHIFTS = (-24, -16, -8, 0, 8, 16, 24)


def main() -> None:
    """Print the surface, the best template, and dlib's own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=2, help="pictures of a person, at most")
    given = parser.parse_args()
    grid = template_grid(CROPS, SHIFTS, size=CHIP_SIDE)
    faces, missed = read_canvases(
        given.folder, AlignmentCanvas.holding(grid), pictures=given.pictures
    )
    scores = template_scores(packaged, faces, grid)
    print(f"{len(np.unique(faces.person))} people, {len(faces.person)} pictures, {missed} missed")
    print("crop\\shift " + " ".join(f"{shift:6d}" for shift in SHIFTS))
    for crop in CROPS:
        row = [scores[one] for one in grid if one.crop == crop]
        print(f"{crop:10d} " + " ".join(f"{score:6.4f}" for score in row))
    best = max(scores, key=lambda one: scores[one])
    own = "{:.0f}, {:.0f}".format(*chip_in_template_units())
    print(f"best: crop {best.crop:g}, shift {best.shift:g}; dlib's chip: {own}")


def packaged(faces: Tensor) -> Tensor:
    """Vectors of the packaged network for faces (N, 3, 150, 150) in [-1, 1]."""
    chips = ((faces + 1) * 127.5).round().clamp(0, 255).byte().numpy()
    return torch.from_numpy(embed_chips(chips))


def chip_in_template_units() -> tuple[float, float]:
    """Crop and shift of the template that dlib's chip comes nearest to, by least squares."""
    base: NDArray[np.float64] = TEMPLATE - TEMPLATE.mean(0)
    chip = CHIP_TEMPLATE - CHIP_TEMPLATE.mean(0)
    scale = float((base * chip).sum() / (base * base).sum())
    crop = CHIP_SIDE / scale
    below = TEMPLATE.mean(0)[1] - (CHIP_TEMPLATE.mean(0)[1] - CHIP_SIDE / 2) / scale
    return crop, below - 56


if __name__ == "__main__":
    main()
