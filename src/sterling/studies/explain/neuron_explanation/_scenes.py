"""Rendered scenes with known words: a shape, its colour, its texture and its place."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SHAPES = ("circle", "square", "triangle", "cross")
COLOURS = {
    "red": (0.9, 0.15, 0.15),
    "green": (0.15, 0.8, 0.2),
    "blue": (0.2, 0.3, 0.95),
    "yellow": (0.9, 0.85, 0.15),
    "purple": (0.7, 0.2, 0.85),
}
TEXTURES = ("plain", "striped", "dotted")
PLACES = ("left", "middle", "right")
WORDS = (*SHAPES, *COLOURS, *TEXTURES, *PLACES)
DEPICTION = "depiction"
SIDE = 32


@dataclass(frozen=True, eq=False)
class Scenes:
    """Scenes.

    Attributes:
        pictures: (N, 3, 32, 32) in [0, 1].
        words: Whether each of `WORDS` is true of a scene, bool (N, 15).
        boxes: Left, top, right and bottom of the shape in pixels, (N, 4).
    """

    pictures: Tensor
    words: NDArray[np.bool_]
    boxes: NDArray[np.intp]

    def present(self, phrase: str) -> NDArray[np.bool_]:
        """Whether a phrase is true of each scene, (N,): all of its words are."""
        if phrase == DEPICTION:
            return np.ones(len(self.words), dtype=bool)
        columns = [WORDS.index(word) for word in phrase.split()]
        return np.asarray(self.words[:, columns].all(1))

    @property
    def labels(self) -> Tensor:
        """Class of each scene, colour and texture, 0 to 14, (N,)."""
        colour = self.words[:, 4:9].argmax(1)
        return torch.from_numpy(3 * colour + self.words[:, 9:12].argmax(1))


def phrases() -> list[str]:
    """Vocabulary: words, and pairs of them."""
    pairs = [f"{colour} {shape}" for colour in COLOURS for shape in SHAPES]
    pairs += [f"{texture} {shape}" for texture in TEXTURES for shape in SHAPES]
    pairs += [f"{texture} {colour}" for texture in TEXTURES for colour in COLOURS]
    return [*WORDS, *pairs]


def draw_scenes(count: int, rng: np.random.Generator) -> Scenes:
    """Render scenes whose words are drawn independently."""
    shape, colour, texture, place = (rng.integers(0, n, count) for n in (4, 5, 3, 3))
    radius = rng.integers(5, 8, count)
    x = np.array([7, 16, 25])[place] + rng.integers(-1, 2, count)
    y = rng.integers(8, SIDE - 8, count)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    u = (columns[None] - x[:, None, None]) / radius[:, None, None]
    v = (rows[None] - y[:, None, None]) / radius[:, None, None]
    inside = np.choose(
        shape[:, None, None],
        [
            np.hypot(u, v) <= 1,
            np.maximum(abs(u), abs(v)) <= 0.9,
            (v <= 0.8) & (2 * abs(u) - v <= 0.9),
            (np.minimum(abs(u), abs(v)) <= 0.35) & (np.maximum(abs(u), abs(v)) <= 1),
        ],
    )
    striped = rows[None] % 4 < 2
    dotted = (rows[None] % 4 < 2) & (columns[None] % 4 < 2)
    dark = inside & np.where(
        (texture == 1)[:, None, None], striped, (texture == 2)[:, None, None] & dotted
    )
    tint = np.array(list(COLOURS.values()))[colour] * rng.uniform(0.8, 1.0, (count, 1))
    ground = rng.uniform(0.3, 0.6, (count, 1, 1, 1))
    made = np.where(inside[:, None], tint[:, :, None, None], ground)
    made = np.where(dark[:, None], 0.25 * made, made) + rng.normal(0, 0.03, made.shape)
    words = np.column_stack(
        [
            values[:, None] == np.arange(n)
            for values, n in ((shape, 4), (colour, 5), (texture, 3), (place, 3))
        ]
    )
    corners = np.column_stack([x - radius, y - radius, x + radius + 1, y + radius + 1])
    return Scenes(
        torch.from_numpy(np.clip(made, 0, 1).astype(np.float32)),
        words,
        np.clip(corners, 0, SIDE).astype(np.intp),
    )
