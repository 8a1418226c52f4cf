"""A small policy that writes gaze points as coordinate tokens, and a saliency network.

An answer is at most 12 points of two tokens each: one of 32 columns, then one of 32 rows, or the
token that ends the answer. It is decoded to JSON in pixels of the frame, so that a format can go
wrong: an answer may have too few points, or end within one.
"""

import json
from collections.abc import Sequence
from copy import deepcopy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from sterling.studies.gaze.pre_map._frames import PICTURE

BINS = 32
"""Columns and rows that a coordinate token names (the card's size)."""
END = BINS
SLOTS = 12
"""Points of the longest answer."""
COUNT = 10
"""Points that are asked for."""
WIDTH = 16
"""Channels of the encoder."""
EVERYONE = 0
"""Profile that stands for all viewers; profile p of a set is number p + 1."""

Floats = NDArray[np.float64]


class PointPolicy(nn.Module):
    """Convolutional encoder and an autoregressive decoder of coordinate tokens.

    Each step scores all 32 × 32 places with a query from a recurrent state and the profile. The
    first token is drawn from the sums over rows, the second from the chosen column.

    Args:
        profiles: Number of profiles, without everyone.
        encoder: Encoder to start from; it is copied.
        seed: Seed of the other initial weights.
    """

    near: Tensor  # how near two columns or two rows are, (32, 32)

    def __init__(self, profiles: int, encoder: nn.Sequential, *, seed: int) -> None:
        super().__init__()
        self.encoder = deepcopy(encoder)
        width = WIDTH
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.state = nn.GRUCell(width + 2, 32)
            self.query = nn.Linear(32, width)
            self.ends = nn.Linear(32, 2)
            self.inhibition = nn.Linear(32, 1)
            self.slot = nn.Embedding(SLOTS, 32)
        self.profile = nn.Embedding(profiles + 1, width + 32)
        nn.init.zeros_(self.profile.weight)
        axis = torch.arange(BINS, dtype=torch.float32)
        near = torch.exp(-((axis[:, None] - axis[None]) ** 2) / (2 * 1.5**2))
        self.register_buffer("near", near, persistent=False)

    def forward(
        self,
        pictures: Tensor,
        profiles: Tensor,
        tokens: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Score given answers, or sample some at temperature 1.

        Args:
            pictures: (B, 3, 64, 64).
            profiles: Profile that each answer to a picture is for, (B, G).
            tokens: Answers to score, (B, G, 24); None samples.
            generator: Source of the samples.

        Returns:
            Tokens and their log-probabilities, (B, G, 24). Tokens after the end are END.
        """
        features = self.encoder(with_places(pictures))
        batch, group = profiles.shape
        shift, start = self.profile(profiles).split([features.shape[1], 32], dim=2)
        rows = torch.arange(batch)[:, None]
        state = start.flatten(0, 1)
        seen = features.new_zeros(batch, group, BINS, BINS)
        last = features.new_zeros(batch * group, features.shape[1] + 2)
        over = torch.zeros(batch, group, dtype=torch.bool)
        written, scores = [], []
        for slot in range(SLOTS):
            state = self.state(last, state)
            now = state + self.slot.weight[slot]
            query = self.query(now).view(batch, group, -1) + shift
            places = torch.einsum("bgc,bcyx->bgyx", query, features)
            places = places + self.inhibition(now).view(batch, group, 1, 1) * seen
            ends = self.ends(now).view(batch, group, 2)
            x, log_x = _choose(
                torch.cat([places.logsumexp(dim=2), ends[..., :1]], dim=2),
                None if tokens is None else tokens[..., 2 * slot],
                over,
                generator,
            )
            over = over | (x == END)
            column = x.clamp(max=BINS - 1)
            index = column[..., None, None].expand(-1, -1, BINS, 1)
            y, log_y = _choose(
                torch.cat([places.gather(3, index)[..., 0], ends[..., 1:]], dim=2),
                None if tokens is None else tokens[..., 2 * slot + 1],
                over,
                generator,
            )
            over = over | (y == END)
            line = y.clamp(max=BINS - 1)
            written += [x, y]
            scores += [log_x, log_y]
            seen = seen + self.near[line][..., :, None] * self.near[column][..., None, :]
            place = torch.stack([column, line], dim=2) / BINS - 0.5
            last = torch.cat([features[rows, :, line, column], place], dim=2).flatten(0, 1)
        return torch.stack(written, dim=2), torch.stack(scores, dim=2)


class SaliencyNetwork(nn.Module):
    """The policy's encoder with one map of 32 × 32 places as its output.

    Args:
        seed: Seed of the initial weights.
    """

    def __init__(self, *, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder = _encoder(WIDTH)
            self.head = nn.Conv2d(WIDTH, 1, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Log-densities over the places, (B, 32, 32)."""
        places = self.head(self.encoder(with_places(pictures))).flatten(1)
        return functional.log_softmax(places, dim=1).view(-1, BINS, BINS)


def _encoder(width: int) -> nn.Sequential:
    """Convolutions from (B, 5, 64, 64) to features of 32 × 32 places."""
    layers: list[nn.Module] = [nn.Conv2d(5, width, 5, stride=2, padding=2), nn.ReLU()]
    for dilation in (1, 2, 4):
        layers += [nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(width, width, 1))


def with_places(pictures: Tensor) -> Tensor:
    """Pictures with two more channels: column and row, from -1 to 1."""
    axis = torch.linspace(-1, 1, PICTURE)
    places = torch.stack(torch.meshgrid(axis, axis, indexing="xy"))
    return torch.cat([pictures, places.expand(len(pictures), -1, -1, -1)], dim=1)


def encode(points: Floats, size: tuple[int, int]) -> list[int]:
    """Tokens of points in order, at most 12 of them."""
    bins = np.floor(points / size * BINS).astype(int).clip(0, BINS - 1)
    tokens = [int(token) for token in bins.ravel()]
    return tokens + [END] * (2 * SLOTS - len(tokens))


def decode(tokens: Sequence[int], size: tuple[int, int]) -> str:
    """Text of an answer, in pixels of the frame; cut off where it ends within a point."""
    end = list(tokens).index(END) if END in tokens else len(tokens)
    numbers = [
        int((token + 0.5) * size[place % 2] / BINS) for place, token in enumerate(tokens[:end])
    ]
    pairs = [numbers[at : at + 2] for at in range(0, end - end % 2, 2)]
    whole = json.dumps({"points": pairs})
    return whole if end % 2 == 0 else f"{whole[:-2]}, [{numbers[-1]}"


def answer_mask(tokens: Tensor) -> Tensor:
    """True for the tokens of answers, the first END included, (…, 24)."""
    ended = (tokens == END).long().cumsum(dim=-1)
    return (ended == 0) | ((ended == 1) & (tokens == END))


def _choose(
    logits: Tensor, given: Tensor | None, over: Tensor, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Tokens (B, G), given or drawn, END where the answer is over; and their log-probabilities."""
    scores = functional.log_softmax(logits, dim=2)
    if given is None:
        drawn = torch.multinomial(scores.exp().flatten(0, 1), 1, generator=generator)
        given = drawn.view(over.shape)
    tokens = torch.where(over, END, given)
    return tokens, scores.gather(2, tokens[..., None])[..., 0]
