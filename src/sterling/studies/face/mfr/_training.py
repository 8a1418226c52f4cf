"""Systems of the study: training with a domain left out, and testing there."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import nn

from sterling.adapt import FunctionalModel, MetaLearner, fit_meta
from sterling.errors import InputError
from sterling.face.recognition import (
    MFR,
    Classification,
    CosFace,
    DomainAggregation,
    DomainSampling,
    FaceEncoder,
    GalleryProbe,
    Identities,
    PairCriterion,
    procedural_domains,
    read_identity_folders,
)
from sterling.face.recognition.heads import draw_labelled, number_people
from sterling.face.recognition.procedural_faces import DOMAINS
from sterling.runs import Cell, Coordinate, Row, Run, derive_seed
from sterling.study import Config, Results, row

MFR_, ONE, AGGREGATION = "mfr", "all sources, aligned", "all sources"
MARGIN, BASE = "cosface", "base"
SYSTEMS = (MFR_, ONE, AGGREGATION, MARGIN, BASE)
FIGURES = ("TAR", "rank-1", "fold accuracy")
KNOWN = "rank-1, known domains"
TRAINED_SHARE = 0.8  # of the people of a source; the others test the known domain. Ours.


class MfrConfig(Config):
    """Configuration of the study.

    Attributes:
        domains: Folders of ``--data`` to use; empty for all.
        people: Invented people of each of the four domains.
        pictures: Pictures of each person; at most, with own data.
        size: Side of the pictures, a multiple of 8.
        seeds: Number of repetitions, with other people and weights.
        width: Channels of the encoder's first layer.
        dimension: Dimension of the embedding.
        base_iterations: Steps of the base, with CosFace.
        base_rate: Learning rate of CosFace, for the base and when continued.
        iterations: Outer steps of each system.
        learning_rate: Learning rate of the outer steps, β.
        inner_rate: Learning rate of the inner step, α.
        balance: Weight of the sources against the held-out domain, γ.
        batch: People of a domain in a batch, B.
        threshold: Margin of pairs, τ.
        scale: s of the soft classification.
        far: False acceptance rate that the true acceptance rate is given at.
        device: Device that computes.
    """

    domains: tuple[str, ...] = ()
    people: int = Field(default=120, ge=5)
    pictures: int = Field(default=5, ge=2)
    size: int = Field(default=32, ge=16, multiple_of=8)
    seeds: int = Field(default=5, ge=1)
    width: int = Field(default=8, ge=4, multiple_of=4)
    dimension: int = Field(default=64, ge=2)
    base_iterations: int = Field(default=100, ge=1)
    base_rate: float = Field(default=0.05, gt=0)
    iterations: int = Field(default=80, ge=1)
    learning_rate: float = Field(default=0.05, gt=0)
    inner_rate: float = Field(default=0.1, gt=0)
    balance: float = Field(default=0.5, gt=0, lt=1)
    batch: int = Field(default=12, ge=2)
    threshold: float = Field(default=0.3, ge=-1, le=1)
    scale: float = Field(default=16.0, gt=0)
    far: float = Field(default=0.01, gt=0, lt=1)
    device: Literal["cpu", "cuda"] = "cpu"


def measure(config: MfrConfig, run: Run) -> Results:
    """Leave out each domain in each repetition, train every system and test it there."""
    recorded, missed = (
        (None, 0)
        if config.data is None
        else read_identity_folders(
            config.data, config.domains, size=config.size, pictures=config.pictures
        )
    )
    targets = [one.domain for one in recorded] if recorded else list(DOMAINS)
    for domain in recorded or ():
        _require_resolved(config.far, domain.domain, len(domain.people), len(domain.person))
    if recorded is None:
        _require_resolved(config.far, "as drawn", config.people, config.people * config.pictures)
    grid: list[dict[str, Coordinate]] = [
        {"repetition": index, "left_out": target}
        for index in range(config.seeds)
        for target in targets
    ]
    rows = run.map(_leave_out, grid, config, recorded, seed="mfr/{repetition}/{left_out}")
    return Results.of(rows, not_scored=missed)


def _leave_out(config: MfrConfig, recorded: list[Identities] | None, cell: Cell) -> Iterator[Row]:
    """The figures of every system on one domain left out."""
    seed, target = derive_seed(cell.run.seed, "mfr", cell.repetition), str(cell.point["left_out"])
    domains = recorded or list(
        procedural_domains(config.people, config.pictures, size=config.size, seed=seed).values()
    )
    domains = [replace(one, images=one.images.to(config.device)) for one in domains]
    divided = [one.divide(TRAINED_SHARE, seed) for one in domains if one.domain != target]
    (unseen,) = (one for one in domains if one.domain == target)
    sources, known = [one for one, _ in divided], [one for _, one in divided]
    own = derive_seed(seed, target)
    for system, encoder in _trained(config, sources, own).items():
        compared = _compared(encoder, unseen)
        tar = row("TAR", compared.tar(config.far).tar.value, system=system)
        if cell.repetition == 0:  # one interval over people is enough to show
            drawn = compared.over_people(lambda one: one.tar(config.far).tar.value, seed=own)
            tar |= {"low": drawn.interval.low, "high": drawn.interval.high}
        yield tar
        yield row("rank-1", 1 - compared.rank_1().value, system=system)
        accuracy = compared.accuracy(min(10, len(compared.gallery))).mean
        yield row("fold accuracy", accuracy, system=system)
        ranks = [1 - _compared(encoder, one).rank_1().value for one in known]
        yield row(KNOWN, float(np.mean(ranks)), system=system)


def _trained(config: MfrConfig, sources: Sequence[Identities], seed: int) -> dict[str, FaceEncoder]:
    """The encoder of every system."""
    everything = number_people(sources)
    labelled = partial(draw_labelled, everything, 2 * config.batch * len(sources), seed)
    weights = seed % 2**31

    def encoder() -> FaceEncoder:
        made = FaceEncoder(1, config.size, config.width, config.dimension, seed=weights)
        return made.to(config.device)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(weights)
        head = CosFace(config.dimension, int(everything.labels.max()) + 1, scale=16.0, margin=0.2)
    base = encoder()
    fit_meta(
        Classification(base, head.to(config.device)),
        labelled,
        iterations=config.base_iterations,
        tasks=1,
        optimizer=partial(_sgd, config.base_rate),
    )
    sampling = DomainSampling(sources, config.batch, seed)
    criterion = PairCriterion(config.threshold, config.scale)

    def continued(make: Callable[[FaceEncoder], tuple[MetaLearner[Any], Any, int]]) -> FaceEncoder:
        own = encoder()
        own.load_state_dict(base.state_dict())
        learner, draw, tasks = make(own)
        plain = isinstance(learner, Classification)
        fit_meta(
            learner,
            draw,
            iterations=config.iterations,
            tasks=tasks,
            optimizer=partial(_sgd, config.base_rate if plain else config.learning_rate),
        )
        return own

    def mfr(own: FaceEncoder, balance: float) -> tuple[MFR, Any, int]:
        learner = MFR(FunctionalModel(own), config.inner_rate, balance, criterion)
        return learner, sampling.split, len(sources)

    return {
        MFR_: continued(lambda own: mfr(own, config.balance)),
        ONE: continued(lambda own: mfr(own, 1.0)),
        AGGREGATION: continued(
            lambda own: (DomainAggregation(FunctionalModel(own), criterion), sampling.batch, 1)
        ),
        MARGIN: continued(
            lambda own: (
                Classification(own, head),
                lambda number: labelled(config.base_iterations + number),
                1,
            )
        ),
        BASE: base,
    }


def _sgd(rate: float, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, rate, momentum=0.9, weight_decay=5e-4)


def _compared(encoder: FaceEncoder, people: Identities) -> GalleryProbe:
    with torch.no_grad():
        embeddings = encoder(people.images).double().cpu().numpy()
    return GalleryProbe.of(embeddings, people.person)


def _require_resolved(far: float, domain: str, people: int, pictures: int) -> None:
    """Stop before anything is trained where a domain could not show the rate asked for.

    Twice the ten impostors that must pass, since people drawn again leave fewer comparisons.

    Raises:
        InputError: It has too few comparisons.
    """
    impostors = (people - 1) * (pictures - people)
    if far * impostors < 20:
        raise InputError(
            f"far {far:g}: domain {domain} has {impostors} comparisons of two people, too few for "
            f"rates below {20 / impostors:.1g}; name that rate by --set far=..., or add people"
        )
