"""Deletion requests against confidence: can a request make a model over- or under-confident?

Qian et al., arXiv 2508.07458: a malicious deletion request changes predictive uncertainty while the
labels stay. The paper's loss, solver and figures could not be established; equations, sizes and
schedules here are ours. Every effect is measured after exact retraining, never by the linear map
that the attack was planned with, and compared with random deletions of the same number.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import Field
from torch import Tensor

from sterling.errors import InputError, unknown_name
from sterling.measure import Rate
from sterling.privacy.unlearning_attacks import attack_area
from sterling.privacy.unlearning_attacks.deletion_audit import DeletionAuditor
from sterling.runs import Cell, Row, Run
from sterling.studies.privacy.uncertainty_unlearning._claims import (
    AUDIT_AREA,
    CLUSTERS,
    DIRECTIONS,
    SETS,
    SINGLE_AUDIT,
    SUCCESS,
    claims,
    gain_in,
    views,
)
from sterling.studies.privacy.uncertainty_unlearning._effects import network_effects
from sterling.studies.privacy.uncertainty_unlearning._repetition import (
    TARGETS,
    Repetition,
    digit_features,
    folder_features,
    mixture_features,
    records_needed,
)
from sterling.studies.privacy.uncertainty_unlearning._requests import (
    ANY_RANDOM,
    ANY_RECORD,
    WHITE_BOX,
    baseline,
    harmless_clusters,
    plan_requests,
    random_requests,
)
from sterling.studies.registry import ENTRIES
from sterling.study import Config, Results, Study, row

FEATURES = {"mixture": mixture_features, "digits": digit_features}
DESCRIBED = {
    "mixture": "a SIMULATED mixture",
    "digits": "8×8 handwritten digits (scikit-learn)",
}
SIGNS = {"over": 1.0, "under": -1.0}


class UncertaintyUnlearningConfig(Config):
    """Configuration of the study.

    Attributes:
        data: Folder of images or a table (see ``read_records``); replaces the problems. A small
            network trained on records of its own gives the features.
        problems: "mixture" (three classes in the plane, quadratic features) and "digits" (20
            principal components of 8×8 digits).
        seeds: Repetitions of each problem with other records, adversaries and targets.
        records: Number of training records.
        owned: Share of them that the adversary owns.
        budget: Number of records that a request deletes.
        ridge: Ridge penalty of the softmax regression, on the sum of the losses.
        random_draws: Random deletions that effects are compared with.
        queries: Queries of the black-box attacks without a surrogate.
        networks: Members of the ensembles; 0 leaves ensembles and MC-dropout out.
        research_use: Must be true: the study plans attacks, on models trained here. The smoke
            preset has it set, on a simulated mixture.
    """

    problems: tuple[str, ...] = tuple(FEATURES)
    seeds: tuple[int, ...] = (20, 7)
    records: int = Field(default=600, ge=60)
    owned: float = Field(default=0.1, gt=0, le=1)
    budget: int = Field(default=30, ge=3)
    ridge: float = Field(default=1.0, gt=0)
    random_draws: int = Field(default=20, ge=5)
    queries: int = Field(default=200, ge=20)
    networks: int = Field(default=6, ge=0)
    research_use: bool = False

    @property
    def repetitions(self) -> dict[str, int]:
        """Number of repetitions by problem."""
        if self.data is not None:
            return {self.data.name: self.seeds[-1]}
        if len(self.seeds) != len(self.problems):
            raise InputError(
                f"seeds {self.seeds}: give one number per problem, {len(self.problems)}"
            )
        return dict(zip(self.problems, self.seeds, strict=True))


def measure(config: UncertaintyUnlearningConfig, run: Run) -> Results:
    """Attack every problem in every repetition."""
    _check(config)
    grid = [
        {"problem": problem, "repetition": repetition}
        for problem, count in config.repetitions.items()
        for repetition in range(count)
    ]
    rows = run.map(attack, grid, config, seed="uncertainty/{problem}/{repetition}")
    return Results.of([*rows, *_audit_areas(Results.of(rows))])


def _check(config: UncertaintyUnlearningConfig) -> None:
    if not config.research_use:
        raise InputError(
            "research_use false: this study plans attacks by deletion requests; give "
            "--research-use for research on models trained here"
        )
    for problem in config.problems:
        if problem not in FEATURES:
            raise unknown_name("problem", problem, FEATURES)
    if config.budget > config.owned * config.records:
        raise InputError(
            f"budget {config.budget}: the adversary owns {int(config.owned * config.records)} "
            "records; lower the budget or raise owned"
        )


def _draw(config: UncertaintyUnlearningConfig, problem: str, seed: int) -> Repetition:
    rng = np.random.default_rng(seed)
    n = records_needed(config.records)
    if config.data is not None:
        features, labels = folder_features(config.data, n, seed)
    else:
        features, labels = FEATURES[problem](n, rng)
    return Repetition.of(
        features, labels, records=config.records, owned=config.owned, ridge=config.ridge, rng=rng
    )


def attack(config: UncertaintyUnlearningConfig, cell: Cell) -> list[Row]:
    """Measure every request's effects, and those of random deletions, in one repetition."""
    seed, budget = cell.seed, config.budget
    drawn = _draw(config, str(cell.point["problem"]), seed)
    rng = np.random.default_rng(seed + 1)
    auditor = DeletionAuditor.of(drawn.model, seed=seed)

    def effects(requests: Sequence[Tensor]) -> list[dict[str, float]]:
        changes = drawn.watched.effects(drawn.model, requests)
        return [
            {**change, "audit": auditor.z_score(rows)}
            for change, rows in zip(changes, requests, strict=True)
        ]

    at_random = random_requests(drawn, budget, config.random_draws, rng)
    clusters = harmless_clusters(drawn.model, budget, rng)
    found: list[Row] = [
        row(SINGLE_AUDIT, auditor.z_score(rows), system=CLUSTERS, draw=draw)
        for draw, rows in enumerate(clusters)
    ]
    references = {system: effects(requests) for system, requests in at_random.items()}
    for system, draws in references.items():
        found += [
            row(SINGLE_AUDIT, each["audit"], system=system, draw=draw)
            for draw, each in enumerate(draws)
        ]
        found += [
            row(figure, value, direction="neither", system=system)
            for figure, value in _means(draws).items()
        ]
    removals = {"random": at_random[ANY_RANDOM][0]}
    for direction in DIRECTIONS:
        asked = plan_requests(
            drawn,
            direction,
            budget=budget,
            queries=config.queries,
            research_use=config.research_use,
            seed=seed,
        )
        removals[direction] = asked[ANY_RECORD]
        for system, change in zip(asked, effects(list(asked.values())), strict=True):
            rows = _effect_rows(change, references[baseline(system)], SIGNS[direction])
            found += [{**each, "direction": direction, "system": system} for each in rows]
    if config.networks:
        by_kind = network_effects(drawn.model, drawn.watched, removals, config.networks, seed)
        found += [
            row(
                gain_in("confidence"),
                SIGNS[direction] * (changes[direction] - changes["random"]),
                direction=direction,
                system=kind,
            )
            for kind, changes in by_kind.items()
            for direction in DIRECTIONS
        ]
    return found


def _means(draws: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {figure: float(np.mean([each[figure] for each in draws])) for figure in draws[0]}


def _effect_rows(
    change: Mapping[str, float], draws: Sequence[Mapping[str, float]], sign: float
) -> list[Row]:
    """Effects of a request, and how far each goes the adversary's way beyond random deletion."""
    gains = {figure: sign * (change[figure] - mean) for figure, mean in _means(draws).items()}
    spread = np.std([each["confidence"] for each in draws], ddof=1)
    deviations = gains["confidence"] / float(spread)
    gains[SETS] *= -1
    return [
        *(row(figure, value) for figure, value in change.items()),
        *(row(gain_in(figure), gain) for figure, gain in gains.items()),
        row("deviations", deviations),
        row("labels flipped", Rate(int(change["flips"]), TARGETS)),
        row(SUCCESS, Rate(int(deviations >= 3 and change["flips"] == 0), 1)),
    ]


def _audit_areas(results: Results) -> list[Row]:
    """The request audit over all repetitions: attacks against random and harmless requests."""

    def audits(metric: str, system: str, **at: str) -> list[float]:
        return results.select(metric, system=system, **at).frame["value"].to_list()

    rows = [
        row(
            AUDIT_AREA,
            attack_area(audits("audit", system), audits(SINGLE_AUDIT, baseline(system))),
            system=system,
        )
        for system in (ANY_RECORD, WHITE_BOX)
    ]
    for problem in results.names("problem"):
        attacks = audits("audit", ANY_RECORD, problem=problem)
        area = attack_area(attacks, audits(SINGLE_AUDIT, CLUSTERS, problem=problem))
        rows.append(row(AUDIT_AREA, area, system=CLUSTERS, problem=problem))
    return rows


def scope(config: UncertaintyUnlearningConfig) -> str:
    """Say what the figures hold for."""
    data = (DESCRIBED.get(name, f"real records: {name}") for name in config.repetitions)
    return (
        f"Softmax regression and small networks trained here, on {' and '.join(data)}; the "
        "adversary knows what the name of each request says."
    )


STUDY = Study(
    ENTRIES["uncertainty_unlearning"],
    presets={
        "smoke": UncertaintyUnlearningConfig(
            problems=("mixture",),
            seeds=(2,),
            records=200,
            budget=9,
            random_draws=5,
            queries=20,
            networks=2,
            research_use=True,
        ),
        "quick": UncertaintyUnlearningConfig(),
        "paper": UncertaintyUnlearningConfig(seeds=(50, 20), random_draws=100, queries=1000),
    },
    measure=measure,
    claims=lambda results, config: claims(results, config.repetitions),
    views=views,
    scope=scope,
    not_sequential="each problem has its own number of repetitions",
)
