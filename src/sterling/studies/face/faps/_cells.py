"""Cells of the study: searches where the answer is known, and on rendered people."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from scipy.stats import kendalltau
from torch import nn

from sterling.face.recognition import (
    AlignmentCanvas,
    AlignmentTemplate,
    CanvasFaces,
    SearchTraining,
    render_heads,
    shared_scores,
    template_grid,
    template_scores,
    train_at,
)
from sterling.face.recognition.template import SIDE
from sterling.runs import Cell, Row, derive_seed
from sterling.studies.face.faps._planted import REGIONS, plant
from sterling.study import Config, row

SHARED, RETRAINED, PHOTOGRAPHS = "shared weights", "trained anew", "photographs"
FOUND, DEFAULT = "searched", "default"
LIGHTS = ("office", "window", "overcast", "lamp")
LARGEST_YAW = 25.0  # degrees of yaw up to which people are rendered


class FapsConfig(Config):
    """Settings of the study.

    Attributes:
        seeds: Repetitions, each with other people and weights.
        crops, shifts: Grid of templates; it holds the default, crop 112 and shift 0.
        size: Side of the faces that networks see, in pixels.
        people, validated, tested: People to train on, to choose on, and to test on.
        poses, lights: Poses of each person, and pictures of each pose.
        pictures: Pictures of each person of ``--data``, at most.
        planted: Invented people to train on where identity is planted; a fifth to choose on.
        width: Channels of the network's first layer.
        dimension: Dimension of the vectors.
        iterations, shared: Steps of a network at one template, and at all of them.
        planted_shared: Steps at all templates where identity is planted.
        best: Templates of the shared search that are candidates for the answer.
    """

    seeds: int = Field(default=5, ge=1)
    crops: tuple[float, ...] = (48.0, 80.0, 112.0, 176.0)
    shifts: tuple[float, ...] = (-24.0, 0.0, 24.0)
    size: int = Field(default=24, ge=8, multiple_of=4)
    people: int = Field(default=150, ge=4)
    validated: int = Field(default=40, ge=4)
    tested: int = Field(default=60, ge=4)
    poses: int = Field(default=3, ge=1)
    lights: int = Field(default=2, ge=1, le=len(LIGHTS))
    pictures: int = Field(default=10, ge=2)
    planted: int = Field(default=200, ge=10)
    width: int = Field(default=16, ge=2)
    dimension: int = Field(default=64, ge=2)
    iterations: int = Field(default=250, ge=1)
    shared: int = Field(default=1000, ge=1)
    planted_shared: int = Field(default=800, ge=1)
    best: int = Field(default=3, ge=1)

    @property
    def candidates(self) -> list[AlignmentTemplate]:
        """The grid of templates."""
        return template_grid(self.crops, self.shifts, self.size)

    @property
    def default(self) -> AlignmentTemplate:
        """The template of published recognisers."""
        return AlignmentTemplate(float(SIDE), 0.0, self.size)

    @property
    def canvas(self) -> AlignmentCanvas:
        """Canvas that holds the grid, as fine as its smallest crop needs."""
        return AlignmentCanvas.holding(self.candidates, self.size / min(self.crops))


class _Recogniser:
    """Makes networks: two strided convolutions with batch normalisation and a linear layer."""

    def __init__(self, config: FapsConfig) -> None:
        self.config = config

    def __call__(self, seed: int) -> tuple[nn.Module, int]:
        width, size = self.config.width, self.config.size
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed % 2**63)
            network = nn.Sequential(
                nn.Conv2d(3, width, 3, 2, 1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.Conv2d(width, 2 * width, 3, 2, 1, bias=False),
                nn.BatchNorm2d(2 * width),
                nn.ReLU(),
                nn.Flatten(),
                nn.Linear(2 * width * (size // 4) ** 2, self.config.dimension),
            )
        return network, self.config.dimension


def measure_planted(config: FapsConfig, cell: Cell) -> Iterator[Row]:
    """Search where identity is in one place, and say where the template went."""
    name = str(cell.point["region"])
    region = REGIONS[name]
    seed = cell.seed % 2**31
    backdrop = people_on_canvas(config, 30, 0, seed)
    train = plant(backdrop, region, people=config.planted, pictures=6, first=0, seed=seed)
    chosen = plant(
        people_on_canvas(config, 15, 30, seed),
        region,
        people=max(config.planted // 5, 4),
        pictures=6,
        first=config.planted,
        seed=seed,
    )
    training = SearchTraining(shared=config.planted_shared)
    scores = shared_scores(
        _Recogniser(config), train, chosen, config.candidates, training, seed=seed
    )
    found = max(scores, key=lambda one: scores[one])
    yield row("crop found", found.crop, region=name)
    yield row("shift found", found.shift, region=name)
    moved = region.crop * (found.crop - SIDE) + region.shift * found.shift
    yield row("moved the right way", moved, region=name)
    yield row("AUC, planted", scores[found], region=name)


def measure_people(
    config: FapsConfig, photographs: CanvasFaces | None, cell: Cell
) -> Iterator[Row]:
    """Score every template with shared weights and anew, and test the one found."""
    seed = cell.seed % 2**31
    grey = photographs is not None
    counts = (config.people, config.validated, config.tested)
    first = np.cumsum((0, *counts[:-1])).tolist()
    train, chosen, tested = (
        people_on_canvas(config, count, start, seed, grey=grey)
        for count, start in zip(counts, first, strict=True)
    )
    make = _Recogniser(config)
    training = SearchTraining(config.iterations, config.shared)
    shared = shared_scores(make, train, chosen, config.candidates, training, seed=seed)
    networks = {one: train_at(make, train, one, training, seed=seed) for one in config.candidates}
    anew = {one: template_scores(networks[one], chosen, [one])[one] for one in networks}
    for system, scores in ((SHARED, shared), (RETRAINED, anew)):
        for one, score in scores.items():
            yield row("AUC", score, system=system, crop=one.crop, shift=one.shift)
    yield row("Kendall's τ", float(kendalltau(list(shared.values()), list(anew.values()))[0]))
    finalists = sorted(shared, key=lambda one: shared[one], reverse=True)[: config.best]
    found = max(finalists, key=lambda one: anew[one])
    yield row("crop found", found.crop, region="rendered people")
    yield row("shift found", found.shift, region="rendered people")
    for system, one in ((FOUND, found), (DEFAULT, config.default)):
        score = template_scores(networks[one], tested, [one])[one]
        yield row("AUC, unseen people", score, system=system)
    if photographs is not None:
        for one, network in networks.items():
            score = template_scores(network, photographs, [one])[one]
            yield row("AUC", score, system=PHOTOGRAPHS, crop=one.crop, shift=one.shift)


def people_on_canvas(
    config: FapsConfig, people: int, first: int, seed: int, *, grey: bool = False
) -> CanvasFaces:
    """Render people and align them to the canvas; grey, with three equal channels, on request."""
    draw = np.random.default_rng(derive_seed(seed, "yaws", first))
    heads = render_heads(
        draw.uniform(-LARGEST_YAW, LARGEST_YAW, (people, config.poses)),
        lights=config.lights,
        size=64,
        crop=2.4,
        illuminations=LIGHTS,
        first=first,
        seed=seed,
    )
    pictures: list[NDArray[np.uint8]] = [
        np.ascontiguousarray(one.numpy().transpose(1, 2, 0)) for one in heads.images
    ]
    faces = CanvasFaces(config.canvas, config.canvas.align(pictures, heads.five), heads.person)
    return in_grey(faces) if grey else faces


def in_grey(faces: CanvasFaces) -> CanvasFaces:
    """The same faces with three equal channels."""
    grey = faces.images.float().mean(1, keepdim=True).round().to(torch.uint8)
    return CanvasFaces(faces.canvas, grey.expand(-1, 3, -1, -1), faces.person)
