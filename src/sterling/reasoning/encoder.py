"""A tiny encoder of written steps and schematic pictures, trained by contrast.

It stands for a frozen encoder such as EchoCLIP in the semantic reward ESR, and knows the synthetic
pictures of `sterling.reasoning.render` alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from sterling.checks import check_numbers
from sterling.reasoning.case import ReasoningCase, Vector
from sterling.reasoning.steps import ReasoningStep
from sterling.reasoning.synthetic import SIDE, Pixels, measurements, places, render

POOLED = 16  # side of the averaged pictures that the network sees
KNOTS = 9  # text vectors are interpolated between so many values of a measurement
TEMPERATURE = 0.07
EQUAL, DIFFERENT = 0.03, 0.2  # distances of values, of the whole range: equal below, other above
ELSEWHERE = 64  # texts of other pictures that each step of the training adds as negatives


def pool(pictures: Pixels) -> NDArray[np.float32]:
    """Average pictures (N, 64, 64) over blocks, centred, (N, 256)."""
    block = SIDE // POOLED
    boxes = pictures.reshape(len(pictures), POOLED, block, POOLED, block)
    pooled: NDArray[np.float32] = boxes.mean(axis=(2, 4), dtype=np.float32) / 255 - 0.35
    return pooled.reshape(len(pictures), -1)


class StepPictureEncoder(nn.Module):
    """Dual encoder: vectors of steps by measurement and value, vectors of pictures by place.

    A `sterling.reasoning.DualEncoder`. Steps of unknown findings share one vector, which training
    keeps away from all pictures.

    Args:
        dimension: Size of the vectors, D.
        width: Hidden units of the picture network.
        seed: Seed of the initial weights.

    Attributes:
        matched: Mean cosine of true steps and their pictures, after `fit_encoder`.
        mismatched: Mean cosine of the same steps with another case's value.
    """

    def __init__(self, *, dimension: int = 48, width: int = 96, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.names = {name.lower(): index for index, name in enumerate(measurements())}
        self.place_names = tuple(places())
        count = len(self.place_names)

        def weights(*shape: int, scale: float) -> nn.Parameter:
            return nn.Parameter(scale * torch.randn(*shape, generator=generator))

        self.steps = weights(len(self.names) + 1, KNOTS, dimension, scale=1.0)
        self.first = weights(count, POOLED**2, width, scale=POOLED**-1)
        self.bias = nn.Parameter(torch.zeros(count, 1, width))
        self.second = weights(count, width, dimension, scale=width**-0.5)
        self.matched, self.mismatched = 1.0, 0.0
        self._known: dict[tuple[int, float], Vector] = {}

    def texts(self, names: Tensor, positions: Tensor) -> Tensor:
        """Return unit vectors of steps (..., D) from measurement numbers and values in [0, 1]."""
        place = positions * (KNOTS - 1)
        below = place.floor().clamp(0, KNOTS - 2)
        share = (place - below)[..., None]
        index = below.long()
        vectors = (1 - share) * self.steps[names, index] + share * self.steps[names, index + 1]
        return F.normalize(vectors, dim=-1)

    def forward(self, pooled: Tensor) -> Tensor:
        """Return unit vectors of pictures (places, N, D) from averaged ones (places, N, 256)."""
        hidden = F.gelu(pooled @ self.first + self.bias)
        return F.normalize(hidden @ self.second, dim=-1)

    def embed_step(self, step: ReasoningStep) -> Vector:
        """Return the unit vector of a step, (D,)."""
        name = self.names.get(step.finding, len(self.names))
        position = 0.0
        if name < len(self.names):
            position = list(measurements().values())[name].position(step.value)
        key = (name, position)
        if key not in self._known:
            with torch.no_grad():
                vector = self.texts(torch.tensor(name), torch.tensor(position))
            self._known[key] = vector.double().numpy()
        return self._known[key]

    def embed_picture(self, picture: Pixels, place: str) -> Vector:
        """Return the unit vector of a picture (64, 64) of a place, (D,)."""
        index = self.place_names.index(place)
        with torch.no_grad():
            hidden = torch.from_numpy(pool(picture[None])) @ self.first[index] + self.bias[index]
            vector = F.normalize(F.gelu(hidden) @ self.second[index], dim=-1)
        return cast("Vector", vector[0].double().numpy())

    def add_pictures(
        self, cases: Sequence[ReasoningCase], pictures: Mapping[str, Pixels]
    ) -> list[ReasoningCase]:
        """Return the cases with the vectors of their pictures."""
        with torch.no_grad():
            vectors = self(_stacked(pictures)).double().numpy()
        return [
            replace(case, pictures=dict(zip(self.place_names, vectors[:, number], strict=True)))
            for number, case in enumerate(cases)
        ]


def _stacked(pictures: Mapping[str, Pixels]) -> Tensor:
    return torch.from_numpy(np.stack([pool(pictures[place]) for place in places()]))


def _positions(cases: Sequence[ReasoningCase]) -> Tensor:
    known = measurements()
    rows = [[each.position(case.values[name]) for name, each in known.items()] for case in cases]
    return torch.tensor(rows, dtype=torch.float32)


def fit_encoder(
    cases: Sequence[ReasoningCase],
    *,
    seed: int,
    steps: int = 400,
    batch: int = 64,
    learning_rate: float = 3e-3,
) -> StepPictureEncoder:
    """Train an encoder on renderings of cases, and calibrate it on the last fifth of them.

    The loss is the symmetric contrastive one over the cases of a batch, for every measurement and
    the picture that shows it: a step must fit its own picture better than other cases' pictures,
    and better than other cases' values and steps of other places do.

    Args:
        cases: Cases from `draw_cases`, 100 or more.
        seed: Seed of weights, batches and pictures.
        steps: Number of batches.
        batch: Cases of a batch.
        learning_rate: Rate of Adam.

    Raises:
        InputError: There are too few cases.
    """
    check_numbers(at_least=100, cases=len(cases))
    generator = torch.Generator().manual_seed(seed)
    encoder = StepPictureEncoder(seed=seed)
    pooled, positions = _stacked(render(cases, seed)), _positions(cases)
    held_out = len(cases) // 5
    training = len(cases) - held_out
    place_of = torch.tensor(
        [encoder.place_names.index(each.place) for each in measurements().values()]
    )
    optimizer = torch.optim.Adam(encoder.parameters(), learning_rate)
    for _ in range(steps):
        rows = torch.randperm(training, generator=generator)[:batch]
        loss = _contrast(encoder, pooled[:, rows], positions[rows], place_of, generator)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    encoder.eval()
    with torch.no_grad():
        cosines = _cosines(encoder, pooled[:, training:], positions[training:], place_of)
        matched = cosines.diagonal(dim1=1, dim2=2).mean()
        mismatched = cosines[_distance(positions[training:]) > DIFFERENT].mean()
        encoder.matched, encoder.mismatched = float(matched), float(mismatched)
    return encoder


def _cosines(
    encoder: StepPictureEncoder, pooled: Tensor, positions: Tensor, place_of: Tensor
) -> Tensor:
    """Cosines (measurements, N pictures, N texts)."""
    names = torch.arange(len(place_of))
    texts = encoder.texts(names[:, None].expand(-1, len(positions)), positions.T)
    cosines: Tensor = encoder(pooled)[place_of] @ texts.mT
    return cosines


def _distance(positions: Tensor) -> Tensor:
    """Distance of two cases' values (measurements, N, N), in shares of the whole range."""
    distance: Tensor = (positions.T[:, :, None] - positions.T[:, None, :]).abs()
    return distance


def _contrast(
    encoder: StepPictureEncoder,
    pooled: Tensor,
    positions: Tensor,
    place_of: Tensor,
    generator: torch.Generator,
) -> Tensor:
    count, n = len(place_of), len(positions)
    cosines = _cosines(encoder, pooled, positions, place_of)
    # Other cases with the same value, as of most findings, are no negatives.
    equal = (_distance(positions) < EQUAL) & ~torch.eye(n, dtype=torch.bool)
    cosines = cosines.masked_fill(equal, -torch.inf)
    names = torch.randint(count + 1, (ELSEWHERE,), generator=generator)
    elsewhere = encoder.texts(names, torch.rand(ELSEWHERE, generator=generator))
    others = encoder(pooled)[place_of] @ elsewhere.mT
    # A step of the same place may be true of the picture, so it is no negative.
    places_of_others = torch.cat([place_of, torch.tensor([-1])])[names]
    same = place_of[:, None, None] == places_of_others
    others = others.masked_fill(same, -torch.inf)
    by_picture = torch.cat([cosines, others], dim=2).flatten(0, 1) / TEMPERATURE
    by_text = cosines.mT.flatten(0, 1) / TEMPERATURE
    own = torch.arange(n).repeat(count)
    return F.cross_entropy(by_picture, own) + F.cross_entropy(by_text, own)
