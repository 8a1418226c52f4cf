"""A small detector of logos of any brand: boxes in a photograph, for `LogoNetwork` to name.

Starting from edges by direction, as `LogoNetwork` does, a fully convolutional network marks the
centres of logos on a grid of 8 × 8 pixels and gives the size of each (in the manner of CenterNet,
arXiv 1904.07850; ours). A photograph is searched at several sizes, so that a logo may take up a
twentieth of its longer side or most of it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from sterling.image.logos.network import ORIENTATIONS, first_look
from sterling.image.logos.scenes import LogoScenes
from sterling.image.logos.stored import load_weights, save_weights
from sterling.image.logos.training import warm_up_and_fall

CELL = 8  # pixels of a cell of the grid
USUAL = 40.0  # side of a usual logo in training scenes, pixels; sizes are told relative to it
SIDES = (96, 160, 256, 416)  # longer sides that a photograph is searched at, pixels
MOST = 40  # candidates of each size that are kept before overlapping ones go


@dataclass(frozen=True, eq=False)
class LogoBoxes:
    """Boxes that may hold a logo, the likeliest first.

    Attributes:
        boxes: Left, top, right, bottom in pixels of the photograph, float64 (N, 4).
        scores: Likeness of each to a logo, (N,) in [0, 1]; not a probability.
    """

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.scores)


class LogoLocaliser(nn.Module):
    """Marks centres and sizes of logos of any brand.

    Args:
        width: Channels of every layer.
        seed: Seed of the initial weights.

    Examples:
        >>> localiser = LogoLocaliser(width=4)
        >>> localiser.find(np.zeros((40, 60, 3), np.uint8), least=0.9)
        LogoBoxes(boxes=array([], shape=(0, 4), dtype=float64), scores=array([], dtype=float64))
    """

    def __init__(self, width: int = 48, *, seed: int = 0) -> None:
        super().__init__()
        self.width = width
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layers = nn.Sequential(
                nn.BatchNorm2d(ORIENTATIONS + 3),
                _block(ORIENTATIONS + 3, width, stride=2),
                _block(width, width),
                _block(width, width, dilation=2),
                _block(width, width, dilation=4),
                _block(width, width, dilation=2),
                nn.Conv2d(width, 5, 1),
            )
        head = self.layers[-1]
        assert isinstance(head, nn.Conv2d)
        assert head.bias is not None
        nn.init.zeros_(head.weight)
        with torch.no_grad():
            head.bias.copy_(torch.tensor([-3.0, 0, 0, 0, 0]))  # almost no cell is a centre

    def forward(self, images: Tensor) -> Tensor:
        """Grid of pictures uint8 (N, 3, H, W): logit of a centre, shift x, y, log width, height."""
        grid: Tensor = self.layers(first_look(images))
        return grid

    @torch.no_grad()
    def find(
        self, photograph: NDArray[np.uint8], *, least: float = 0.3, most: int = 12
    ) -> LogoBoxes:
        """Find boxes that may hold a logo.

        Args:
            photograph: uint8 (H, W, 3), RGB.
            least: Smallest score of a box.
            most: Largest number of boxes.
        """
        height, width = photograph.shape[:2]
        found = [np.zeros((0, 5))]
        for side in SIDES:
            scale = side / max(height, width)
            shape = tuple(max(CELL, round(one * scale / CELL) * CELL) for one in (width, height))
            way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            small = cv2.resize(photograph, shape, interpolation=way)
            grid = self(torch.from_numpy(small.transpose(2, 0, 1).copy())[None])[0]
            candidates = _decoded(grid, least)
            candidates[:, :4] /= np.array([shape[0] / width, shape[1] / height] * 2)
            found.append(candidates)
        every = np.concatenate(found)
        every[:, :4] = np.clip(every[:, :4], 0, np.array([width, height] * 2))
        kept = without_overlaps(every[:, :4], every[:, 4])[:most]
        return LogoBoxes(every[kept, :4], every[kept, 4])

    def save(self, folder: Path, **card: Any) -> None:
        """Write ``localiser.safetensors`` and its card, ``localiser.json``, into a folder."""
        save_weights(self, folder, "localiser", {"width": self.width, **card})

    @classmethod
    def load(cls, folder: Path) -> "LogoLocaliser":
        """Read what `save` wrote; nothing is unpickled.

        Raises:
            InputError: A file is missing or does not fit.
        """
        return load_weights(folder, "localiser", lambda card: cls(int(card["width"])))


def _block(inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


def _decoded(grid: Tensor, least: float) -> NDArray[np.float64]:
    """Boxes and scores, (N, 5), at the local maxima of a grid (5, h, w)."""
    score = torch.sigmoid(grid[0])
    peak = F.max_pool2d(score[None, None], 3, 1, 1)[0, 0] == score
    chosen = torch.where(peak & (score >= least), score, -1.0).flatten()
    top = chosen.topk(min(MOST, len(chosen)))
    cells = top.indices[top.values >= 0]
    values = grid.flatten(1)[:, cells].double().numpy()
    row, column = np.divmod(cells.numpy(), grid.shape[2])
    x, y = (column + 0.5 + values[1]) * CELL, (row + 0.5 + values[2]) * CELL
    half = np.exp(np.clip(values[3:], -3, 3)) * USUAL / 2
    score_values = top.values[top.values >= 0].double().numpy()
    return np.stack([x - half[0], y - half[1], x + half[0], y + half[1], score_values], axis=1)


def overlaps(boxes: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return intersection over union of each of (N, 4) with each of (M, 4) boxes, (N, M)."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    both = np.prod(np.clip(high - low, 0, None), axis=2)
    area, other = (np.prod(one[:, 2:] - one[:, :2], axis=1) for one in (boxes, others))
    return np.asarray(both / np.maximum(area[:, None] + other[None] - both, 1e-9))


def without_overlaps(
    boxes: NDArray[np.float64], scores: NDArray[np.float64], most: float = 0.3
) -> NDArray[np.int64]:
    """Return rows of boxes, the best first, none overlapping a better one by more than `most`."""
    kept: list[int] = []
    alike = overlaps(boxes, boxes)
    for one in np.argsort(-scores, kind="stable").tolist():
        if not kept or alike[one, kept].max() <= most:
            kept.append(one)
    return np.array(kept, np.int64)


def train_localiser(
    localiser: LogoLocaliser,
    draw: Callable[[int], LogoScenes],
    *,
    steps: int,
    rate: float = 3e-3,
    progress: Callable[[], None] | None = None,
) -> list[float]:
    """Train a localiser on scenes, in place.

    Args:
        localiser: The network; left in evaluation mode.
        draw: Scenes of each step, by its number.
        steps: Steps of AdamW, whose rate warms up and falls.
        rate: Highest learning rate.
        progress: Called after each step.

    Returns:
        Loss of each step.
    """
    optimizer = torch.optim.AdamW(localiser.parameters(), rate, weight_decay=1e-4)
    schedule = warm_up_and_fall(optimizer, steps)
    localiser.train()
    losses = []
    for step in range(steps):
        scenes = draw(step)
        loss = grid_loss(localiser(scenes.images), scenes)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
        if progress is not None:
            progress()
    localiser.eval()
    return losses


def grid_loss(grid: Tensor, scenes: LogoScenes) -> Tensor:
    """Focal loss of the centres plus the absolute error of place and size at them."""
    heat, wanted, centre = _targets(scenes, grid.shape[2], grid.shape[3])
    score = torch.sigmoid(grid[:, 0]).clamp(1e-4, 1 - 1e-4)
    hit = centre * (1 - score) ** 2 * score.log()
    miss = (1 - centre) * (1 - heat) ** 4 * score**2 * (1 - score).log()
    number = centre.sum().clamp_min(1)
    apart = (grid[:, 1:] - wanted).abs().sum(1) * centre
    return (-(hit + miss).sum() + 0.5 * apart.sum()) / number


def _targets(scenes: LogoScenes, rows: int, columns: int) -> tuple[Tensor, Tensor, Tensor]:
    """Gaussian around each centre (N, h, w), shift and log size (N, 4, h, w), centres (N, h, w)."""
    heat = np.zeros((len(scenes.boxes), rows, columns), np.float32)
    centre, wanted = heat.copy(), np.zeros((len(heat), 4, rows, columns), np.float32)
    y, x = np.mgrid[:rows, :columns] + 0.5
    for one, boxes in enumerate(scenes.boxes):
        for left, top, right, bottom in boxes.tolist():
            at_x, at_y = (left + right) / 2 / CELL, (top + bottom) / 2 / CELL
            row, column = min(int(at_y), rows - 1), min(int(at_x), columns - 1)
            wide, high = max(right - left, 4.0), max(bottom - top, 4.0)
            reach_x, reach_y = (max(0.6, 0.15 * side / CELL) for side in (wide, high))
            bump = np.exp(
                -((x - at_x) ** 2) / (2 * reach_x**2) - (y - at_y) ** 2 / (2 * reach_y**2)
            )
            np.maximum(heat[one], bump, out=heat[one])
            centre[one, row, column] = 1
            wanted[one, :, row, column] = (
                at_x - column - 0.5,
                at_y - row - 0.5,
                math.log(wide / USUAL),
                math.log(high / USUAL),
            )
    return torch.from_numpy(heat), torch.from_numpy(wanted), torch.from_numpy(centre)
