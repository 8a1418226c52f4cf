"""MFR: does rehearsing the step to an unseen domain make recognition hold there?

Guo et al., "Learning Meta Face Recognition in Unseen Domains", CVPR 2020. One domain after the
other is left out (GFR-R has four, by region of descent; here they are cameras, or the user's
folders). All arms go on from one encoder, trained with CosFace on the sources, for as many steps
with the same optimiser; nothing sees the domain left out.
"""

from collections.abc import Callable, Mapping, Sequence
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
from sterling.runs import Run, derive_seed
from sterling.scale.backends import in_processes
from sterling.study import (
    Claim,
    Config,
    Findings,
    Row,
    Study,
    Table,
    bars_over_seeds,
    metric_over_seeds,
    positive,
    row_over_seeds,
)

MFR_ARM, ONE, AGGREGATION, MARGIN, BASE = (
    *("mfr", "all sources, aligned", "all sources", "cosface", "base"),
)
ARMS = (MFR_ARM, ONE, AGGREGATION, MARGIN, BASE)
FIGURES = ("TAR", "rank-1", "fold accuracy")
TRAINED_SHARE = 0.8  # of the people of a source; the others judge the known domain. Ours.


class MfrConfig(Config):
    """Configuration of the study.

    Attributes:
        domains: Folders of ``--data`` to use; none: all.
        people: Invented people of each of the four domains.
        pictures: Of each person; at most, with own data.
        size: Side of the pictures, a multiple of 8.
        seeds: How many times everything is repeated, each with other people and weights.
        width: Channels of the encoder's first layer.
        dimension: Of the embedding.
        base_iterations: Steps of the base, with CosFace.
        base_rate: Learning rate of CosFace, for the base and when gone on with.
        iterations: Outer steps of each arm.
        learning_rate: Of the outer steps, β.
        inner_rate: α.
        balance: γ.
        batch: People of a domain in a batch, B.
        threshold: τ.
        scale: s of the soft classification.
        far: False acceptance rate that the true acceptance rate is given at.
        device: Where to compute.
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


Result = dict[str, dict[str, float]]
"""By arm: the figures on the domain left out, and "known" on the sources."""


def measure(config: MfrConfig, run: Run) -> Findings:
    """Leave out each domain in each seed, train every arm and judge it there."""
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
    calls = [
        (config, run, recorded, seed, target) for seed in range(config.seeds) for target in targets
    ]
    found = in_processes(_unit, calls, "domains left out")
    units = {(seed, target): one for (_, _, _, seed, target), one in zip(calls, found, strict=True)}

    def over_seeds(arm: str, figure: str) -> list[float]:
        return [
            float(np.mean([units[seed, target][arm][figure] for target in targets]))
            for seed in range(config.seeds)
        ]

    source = (
        "SIMULATED: faces drawn from vectors, in four domains."
        if recorded is None
        else f"Photographs in {config.data}: {', '.join(targets)}; seeds differ in the division of "
        "people and the weights only."
    )
    return Findings(
        scope=f"{source} Small encoders trained here: rates say nothing about other ones.",
        not_scored=missed,
        metrics=[
            metric_over_seeds(f"{_title(figure, config)} of {arm}, unseen domain", "rate", values)
            for arm in ARMS
            for figure in FIGURES
            for values in [over_seeds(arm, figure)]
        ],
        claims=_claims(config, over_seeds),
        tables=[_arms_table(config, over_seeds), *_target_tables(config, targets, units)],
        figures=[
            bars_over_seeds(
                "unseen",
                "On the domain left out",
                f"{_title('TAR', config)}, mean over the domains left out.",
                {arm: over_seeds(arm, "TAR") for arm in ARMS},
                value_label="true acceptance rate",
            )
        ],
    )


# One domain left out


def _unit(
    config: MfrConfig, run: Run, recorded: list[Identities] | None, seed: int, target: str
) -> Result:
    return run.stage(  # type: ignore[no-any-return]
        f"{target}-{seed}", partial(_results, config, run.seed, recorded, seed, target)
    )


def _results(
    config: MfrConfig, run_seed: int, recorded: list[Identities] | None, index: int, target: str
) -> Result:
    seed = derive_seed(run_seed, "mfr", index)
    domains = recorded or list(
        procedural_domains(config.people, config.pictures, size=config.size, seed=seed).values()
    )
    domains = [replace(one, images=one.images.to(config.device)) for one in domains]
    divided = [one.divide(TRAINED_SHARE, seed) for one in domains if one.domain != target]
    (unseen,) = (one for one in domains if one.domain == target)
    sources, known = [one for one, _ in divided], [one for _, one in divided]
    own = derive_seed(seed, target)
    return {
        arm: _judged(config, encoder, unseen, known, own if index == 0 else None)
        for arm, encoder in _trained(config, sources, own).items()
    }


def _trained(config: MfrConfig, sources: Sequence[Identities], seed: int) -> dict[str, FaceEncoder]:
    """The encoder of every arm."""
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

    def going_on(make: Callable[[FaceEncoder], tuple[MetaLearner[Any], Any, int]]) -> FaceEncoder:
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
        MFR_ARM: going_on(lambda own: mfr(own, config.balance)),
        ONE: going_on(lambda own: mfr(own, 1.0)),
        AGGREGATION: going_on(
            lambda own: (DomainAggregation(FunctionalModel(own), criterion), sampling.batch, 1)
        ),
        MARGIN: going_on(
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


def _judged(
    config: MfrConfig,
    encoder: FaceEncoder,
    unseen: Identities,
    known: Sequence[Identities],
    seed: int | None,
) -> dict[str, float]:
    """The figures of one encoder; with a seed, the interval over people, too."""
    there = _compared(encoder, unseen)
    interval = {}
    if seed is not None:
        drawn = there.over_people(lambda one: one.tar(config.far).tar.value, seed=seed).interval
        interval = {"low": drawn.low, "high": drawn.high}
    return {
        **interval,
        "TAR": there.tar(config.far).tar.value,
        "rank-1": 1 - there.rank_1().value,
        "fold accuracy": there.accuracy(min(10, len(there.gallery))).mean,
        "known": float(np.mean([1 - _compared(encoder, one).rank_1().value for one in known])),
    }


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


# Claims and tables


OverSeeds = Callable[[str, str], list[float]]


def _title(figure: str, config: MfrConfig) -> str:
    return {"TAR": f"TAR at FAR {config.far:g}", "rank-1": "Rank-1"}.get(figure, "Fold accuracy")


def _claims(config: MfrConfig, over_seeds: OverSeeds) -> list[Claim]:
    def gain(name: str, sentence: str, worse: str, better: str = MFR_ARM) -> Claim:
        pairs = zip(over_seeds(better, "TAR"), over_seeds(worse, "TAR"), strict=True)
        where = f"on the domain left out, {_title('TAR', config)} is higher"
        return positive(name, f"{sentence}, {where}.", [high - low for high, low in pairs])

    return [
        gain(
            "mfr_beats_aggregation",
            "With a held-out domain in every step than with the same losses on all sources at once",
            AGGREGATION,
        ),
        gain(
            "mfr_beats_gamma_one",
            f"With a held-out domain (γ = {config.balance:g}) than without one (γ = 1)",
            ONE,
        ),
        gain("mfr_beats_cosface", "With MFR than with CosFace gone on with", MARGIN),
        gain("mfr_beats_base", "With MFR than before it", BASE),
        gain(
            "pairs_beat_classes",
            "With pair losses on all sources than with CosFace gone on with",
            MARGIN,
            AGGREGATION,
        ),
    ]


def _arms_table(config: MfrConfig, over_seeds: OverSeeds) -> Table:
    rows: list[Row] = [
        [arm, *row_over_seeds(*(over_seeds(arm, figure) for figure in (*FIGURES, "known")))]
        for arm in ARMS
    ]
    titles = [*(_title(figure, config) for figure in FIGURES), "rank-1, known domains"]
    return Table(
        name="arms",
        title="On domains that training did not see",
        columns=["arm", *(cell for title in titles for cell in (title, "low", "high"))],
        rows=rows,
        caption="Means over the domains left out and over seeds, 95 % Student-t intervals over "
        "seeds. known domains: people held out of the sources, among fewer people.",
    )


def _target_tables(
    config: MfrConfig, targets: Sequence[str], units: Mapping[tuple[int, str], Result]
) -> list[Table]:
    def gains(target: str, arm: str) -> list[float]:
        each = [units[seed, target] for seed in range(config.seeds)]
        return [one[MFR_ARM]["TAR"] - one[arm]["TAR"] for one in each]

    first: list[Row] = [
        [target, arm, *(units[0, target][arm][cell] for cell in ("TAR", "low", "high"))]
        for target in targets
        for arm in ARMS
    ]
    return [
        Table(
            name="targets",
            title="By the domain left out",
            columns=[
                "left out",
                *(
                    cell
                    for arm in (AGGREGATION, ONE, MARGIN)
                    for cell in (f"mfr less {arm}", "low", "high")
                ),
            ],
            rows=[
                [
                    target,
                    *row_over_seeds(*(gains(target, arm) for arm in (AGGREGATION, ONE, MARGIN))),
                ]
                for target in targets
            ],
            caption=f"Differences of {_title('TAR', config)}, paired by seed, 95 % Student-t "
            "intervals.",
        ),
        Table(
            name="people",
            title="The first seed, over people",
            columns=["left out", "arm", _title("TAR", config), "low", "high"],
            rows=first,
            caption="95 % intervals by drawing people with replacement.",
        ),
    ]


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
)
