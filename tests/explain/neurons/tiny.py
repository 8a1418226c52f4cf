"""A world whose names are known: pictures of one patch, an encoder of colours, exact detectors."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

COLOURS = {"red": (1.0, 0.0, 0.0), "green": (0.0, 1.0, 0.0), "blue": (0.0, 0.0, 1.0)}
OTHERS = ("grey", "depiction")


class ColourEncoder:
    """Embeds pictures by their mean colour, and phrases by the colour they name."""

    def images(self, pictures: Tensor) -> Tensor:
        mean = pictures.mean((2, 3)) - 0.2
        return F.normalize(torch.cat([mean, torch.full((len(mean), 1), 0.1)], 1), dim=1)

    def texts(self, phrases: Sequence[str]) -> Tensor:
        rows = [(*COLOURS[p], 0.0) if p in COLOURS else (0.0, 0.0, 0.0, 1.0) for p in phrases]
        return F.normalize(torch.tensor(rows), dim=1)


def pictures(count: int, seed: int, side: int = 16) -> tuple[Tensor, list[str], Tensor]:
    """Pictures with a square of one colour, its name, and its box (left, top, right, bottom)."""
    draws = torch.Generator().manual_seed(seed)
    made = 0.2 * torch.ones(count, 3, side, side)
    made += 0.02 * torch.rand(made.shape, generator=draws)
    names, boxes = [], []
    for index in range(count):
        name = list(COLOURS)[int(torch.randint(3, (1,), generator=draws))]
        left, top = torch.randint(0, side - 6, (2,), generator=draws).tolist()
        strength = 0.6 + 0.4 * float(torch.rand(1, generator=draws))
        colour = strength * torch.tensor(COLOURS[name])
        made[index, :, top : top + 6, left : left + 6] = colour[:, None, None]
        names.append(name)
        boxes.append((left, top, left + 6, top + 6))
    return made.clamp(0, 1), names, torch.tensor(boxes)


class ColourDetectors(nn.Module):
    """Three channels that see one colour each, a dead channel, and one that sees noise."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = nn.Identity()
        self.pool = nn.AvgPool2d(2)

    def forward(self, inputs: Tensor) -> Tensor:
        total = inputs.sum(1, keepdim=True)
        colours = F.relu(1.5 * inputs - 0.75 * total)
        noise = (1e4 * inputs[:, :1]).sin()[:, :, :1, :1].expand(-1, -1, *inputs.shape[2:])
        maps = torch.cat([colours, torch.zeros_like(noise), noise], 1)
        out: Tensor = self.pool(self.seen(maps)).mean((2, 3))
        return out
