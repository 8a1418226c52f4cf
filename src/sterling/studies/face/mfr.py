"""MFR: does rehearsing the step to an unseen domain make recognition hold there?

Guo et al., "Learning Meta Face Recognition in Unseen Domains", CVPR 2020. One domain after the
other is left out (GFR-R has four, by region of descent; here they are cameras, or the user's
folders). All systems continue from one encoder, trained with CosFace on the sources, for as many
steps with the same optimiser; nothing sees the domain left out.
"""

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
from sterling.face.recognition.classification import draw_labelled, number_people
from sterling.face.recognition.procedural_faces import DOMAINS
from sterling.runs import Cell, Coordinate, Row, Run, derive_seed
from sterling.study import (
    Claim,
    Column,
    Config,
    Results,
    Study,
    Table,
    Views,
    row,
)

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


def claims(results: Results, config: MfrConfig) -> list[Claim]:
    """All by the true acceptance rate, mean over the domains left out."""
    tar = results.averaged("left_out").series("TAR")
    where = f"on the domain left out, {_title('TAR', config)} is higher"
    pairs = (
        (
            "mfr_beats_aggregation",
            "With a held-out domain in every step than with the same losses on all sources at once",
            MFR_,
            AGGREGATION,
        ),
        (
            "mfr_beats_gamma_one",
            f"With a held-out domain (γ = {config.balance:g}) than without one (γ = 1)",
            MFR_,
            ONE,
        ),
        ("mfr_beats_cosface", "With MFR than with CosFace continued", MFR_, MARGIN),
        ("mfr_beats_base", "With MFR than before it", MFR_, BASE),
        (
            "pairs_beat_classes",
            "With pair losses on all sources than with CosFace continued",
            AGGREGATION,
            MARGIN,
        ),
    )
    return [
        tar.higher(name, f"{sentence}, {where}.", better, than=worse)
        for name, sentence, better, worse in pairs
    ]


def _title(figure: str, config: MfrConfig) -> str:
    return {"TAR": f"TAR at FAR {config.far:g}", "rank-1": "Rank-1"}.get(figure, "Fold accuracy")


def views(results: Results, config: MfrConfig) -> Views:
    """Systems, over domains and by domain."""
    mean, tar = results.averaged("left_out"), _title("TAR", config)
    systems = mean.table(
        "systems",
        "On domains that training did not see",
        "system",
        [
            *(Column(_title(figure, config), figure, show="interval") for figure in FIGURES),
            Column(KNOWN, KNOWN, show="interval"),
        ],
        caption="Means over the domains left out and over repetitions, 95 % Student-t intervals "
        "over repetitions. known domains: people held out of the sources, among fewer people.",
    )
    gains = [
        (Column(f"mfr less {other}", "TAR", {"system": MFR_}, "interval"), other)
        for other in (AGGREGATION, ONE, MARGIN)
    ]
    targets = Table(
        name="targets",
        title="By the domain left out",
        columns=["left out", *(name for column, _ in gains for name in column.headings)],
        rows=[
            [
                target,
                *(
                    number
                    for column, other in gains
                    for number in results.select(left_out=target)
                    .relative_to(system=other)
                    .line([column])
                ),
            ]
            for target in results.names("left_out")
        ],
        caption=f"Differences of {tar}, paired by repetition, 95 % Student-t intervals.",
    )
    first = results.select("TAR", repetition=0).frame
    people = Table(
        name="people",
        title="The first repetition, over people",
        columns=["left out", "system", tar, "low", "high"],
        rows=[
            list(each) for each in first.select("left_out", "system", "value", "low", "high").rows()
        ],
        caption="95 % intervals by drawing people with replacement.",
    )
    bars = mean.bars(
        "unseen",
        "On the domain left out",
        f"{tar}, mean over the domains left out.",
        "TAR",
        value_label="true acceptance rate",
    )
    metrics = [
        mean.metric(
            f"{_title(figure, config)} of {system}, unseen domain", figure, "rate", system=system
        )
        for system in SYSTEMS
        for figure in FIGURES
    ]
    return Views(metrics, [systems, targets, people], [bars])


def scope(config: MfrConfig) -> str:
    """What the numbers hold for."""
    source = (
        "SIMULATED: faces drawn from vectors, in four domains."
        if config.data is None
        else f"Photographs in {config.data}; repetitions differ in the division of people and the "
        "weights only."
    )
    return f"{source} Small encoders trained here: rates say nothing about other ones."


MFR_STUDY = Study(
    name="mfr",
    summary="Face recognition on a domain never seen, by holding one out in every step.",
    domain="face",
    cite="guo2020learning",
    presets={
        "smoke": MfrConfig(
            people=12,
            pictures=3,
            size=16,
            seeds=2,
            width=4,
            dimension=16,
            base_iterations=4,
            iterations=2,
            batch=4,
            far=0.1,
        ),
        "quick": MfrConfig(),
        "paper": MfrConfig(
            people=2000,
            pictures=4,
            size=112,
            width=64,
            dimension=256,
            base_iterations=20_000,
            iterations=6000,
            learning_rate=4e-4,
            inner_rate=4e-4,
            batch=128,
            far=0.001,
        ),
    },
    measure=measure,
    claims=claims,
    views=views,
    scope=scope,
)
