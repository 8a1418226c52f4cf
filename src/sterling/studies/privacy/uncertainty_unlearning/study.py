"""Deletion requests against confidence: can a request make a model over- or under-confident?

Qian et al., arXiv 2508.07458: a malicious unlearning request changes predictive uncertainty while
the labels stay. The paper's loss, solver and figures could not be established; equations, sizes and
schedules here are ours. Every effect is measured after exact retraining, never by the linear map
that the attack was planned with, and stands beside random deletions of the same number.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from sterling.errors import InputError, unknown_name
from sterling.measure import Rate
from sterling.privacy.targets.convex import ConvexModel
from sterling.privacy.unlearning_attacks import attack_area
from sterling.privacy.unlearning_attacks.deletion_audit import DeletionAuditor
from sterling.privacy.unlearning_attacks.deletion_requests import (
    SoftSetSize,
    attack_loss,
    plan_by_queries,
    plan_deletions,
    plan_verified_deletions,
)
from sterling.runs import Run, derive_seed
from sterling.scale.backends import in_processes
from sterling.studies.privacy.uncertainty_unlearning._effects import EFFECTS, network_effects
from sterling.studies.privacy.uncertainty_unlearning._worlds import (
    TARGETS,
    RequestWorld,
    check_folder,
    digit_features,
    folder_features,
    mixture_features,
    records_needed,
)
from sterling.study import (
    Claim,
    Config,
    Figure,
    Findings,
    Metric,
    Row,
    Study,
    Table,
    bounded_above,
    bounded_below,
    matrix,
    metric_of_rate,
    metric_over_seeds,
    more_often,
    positive,
    within,
)

FEATURES = {"mixture": mixture_features, "digits": digit_features}
PROBLEMS = tuple(FEATURES)
DESCRIBED = {
    "mixture": "a SIMULATED mixture",
    "digits": "8×8 handwritten digits (scikit-learn)",
}
DIRECTIONS: tuple[Literal["over"], Literal["under"]] = ("over", "under")
WHITE_BOX = "white box, own records"
ANY_RECORD = "white box, any record"
SET_SIZE = "set size, any record"
COVERAGE, COVERAGE_MARGIN = 0.9, 0.02  # the margin is ours
SIGNS = {"over": 1.0, "under": -1.0}


class UncertaintyUnlearningConfig(Config):
    """Configuration of the study.

    Attributes:
        data: Folder of images or a table (see ``read_records``); replaces the problems. A small
            network trained on records of its own gives the features.
        problems: "mixture" (three classes in the plane, quadratic features) and "digits" (20
            principal components of 8×8 digits).
        seeds: Repetitions of each problem with other records, adversaries and targets.
        records: Training records n.
        owned: Share of them that the adversary owns.
        budget: Records B that it asks to delete.
        ridge: Of the softmax regression, on the sum of the losses.
        random_draws: Random deletions that effects are compared with.
        queries: Of the black-box attacks without a surrogate.
        networks: Members of the ensembles; 0 leaves ensembles and MC-dropout out.
        research_use: Must be true: the study plans attacks, on models trained here. The smoke
            preset has it set, on a simulated mixture.
    """

    problems: tuple[str, ...] = PROBLEMS
    seeds: tuple[int, ...] = (20, 7)
    records: int = Field(default=600, ge=60)
    owned: float = Field(default=0.1, gt=0, le=1)
    budget: int = Field(default=30, ge=3)
    ridge: float = Field(default=1.0, gt=0)
    random_draws: int = Field(default=20, ge=5)
    queries: int = Field(default=200, ge=20)
    networks: int = Field(default=6, ge=0)
    research_use: bool = False


def measure(config: UncertaintyUnlearningConfig, run: Run) -> Findings:
    """Attack every problem on every seed, and test the claims."""
    _check(config)
    seeds = dict(zip(config.problems, config.seeds, strict=True))
    if config.data is not None:
        seeds = {config.data.name: config.seeds[-1]}
    calls = [(config, run, name, seed) for name, count in seeds.items() for seed in range(count)]
    results = in_processes(_one_seed, calls, "seeds")
    cases: Cases = {}
    for call, result in zip(calls, results, strict=True):
        cases.setdefault(call[2], []).append(result)
    return Findings(
        scope="Softmax regression and small networks trained here, on "
        f"{' and '.join(DESCRIBED.get(name, f'real records: {name}') for name in seeds)}; the "
        "adversary knows what each arm says it knows.",
        not_scored=0,
        metrics=_metrics(cases),
        claims=_claims(cases),
        tables=_tables(cases),
        figures=_figures(cases),
    )


def _check(config: UncertaintyUnlearningConfig) -> None:
    if not config.research_use:
        raise InputError(
            "research_use false: this study plans attacks by deletion requests; give "
            "--research-use for research on models trained here"
        )
    if config.data is not None:  # refused here, before processes start
        check_folder(config.data, records_needed(config.records))
    for problem in config.problems:
        if problem not in PROBLEMS:
            raise unknown_name("problem", problem, PROBLEMS)
    if len(config.seeds) != len(config.problems):
        raise InputError(
            f"seeds {config.seeds}: give one number per problem, {len(config.problems)}"
        )
    if config.budget > config.owned * config.records:
        raise InputError(
            f"budget {config.budget}: the adversary owns {int(config.owned * config.records)} "
            "records; lower the budget or raise owned"
        )


# One seed

Figures = dict[str, float]
Case = dict[str, Any]
Cases = dict[str, list[Case]]


def _world(config: UncertaintyUnlearningConfig, problem: str, seed: int) -> RequestWorld:
    rng = np.random.default_rng(seed)
    n = records_needed(config.records)
    if config.data is not None:
        features, labels = folder_features(config.data, n, seed)
    else:
        features, labels = FEATURES[problem](n, rng)
    return RequestWorld.of(
        features, labels, records=config.records, owned=config.owned, ridge=config.ridge, rng=rng
    )


def _one_seed(config: UncertaintyUnlearningConfig, run: Run, problem: str, index: int) -> Case:
    seed = derive_seed(run.seed, "uncertainty", problem, index) % 2**31
    result: Case = run.stage(f"{problem}-{index}", lambda: _attack(config, problem, seed))
    return result


def _attack(config: UncertaintyUnlearningConfig, problem: str, seed: int) -> Case:
    """Rows of figures: ``{"random": {...}, direction: {arm: row}}``."""
    world = _world(config, problem, seed)
    rng = np.random.default_rng(seed + 1)
    auditor = DeletionAuditor.of(world.model, seed=seed)
    everything = torch.arange(config.records)
    random = {
        name: [
            candidates[torch.from_numpy(rng.permutation(len(candidates))[: config.budget])]
            for _ in range(config.random_draws)
        ]
        for name, candidates in (("own", world.owned), ("any", everything))
    }

    def effects(requests: Sequence[Tensor]) -> list[Figures]:
        changes = world.watched.effects(world.model, requests)
        return [
            {**change, "audit": auditor.z_score(rows)}
            for change, rows in zip(changes, requests, strict=True)
        ]

    case: Case = {"random": {name: effects(draws) for name, draws in random.items()}}
    case["cluster audit"] = [
        auditor.z_score(rows) for rows in _clusters(world.model, config.budget, rng)
    ]
    requests: dict[str, dict[str, Tensor]] = {}
    for direction in DIRECTIONS:
        asked = requests[direction] = _requests(config, world, direction, seed)
        case[direction] = dict(zip(asked, effects(list(asked.values())), strict=True))
    if config.networks:
        removals = {"random": random["any"][0]} | {
            direction: requests[direction][ANY_RECORD] for direction in DIRECTIONS
        }
        case["networks"] = network_effects(
            world.model, world.watched, removals, config.networks, seed
        )
    return case


def _clusters(model: ConvexModel, budget: int, rng: np.random.Generator) -> list[Tensor]:
    """Ten harmless requests that a user might make: a record and those nearest to it."""
    starts = torch.from_numpy(rng.choice(len(model.features), 10, replace=False))
    distance = torch.cdist(model.features[starts], model.features)
    return list(distance.topk(budget, largest=False).indices)


def _requests(
    config: UncertaintyUnlearningConfig,
    world: RequestWorld,
    direction: Literal["over", "under"],
    seed: int,
) -> dict[str, Tensor]:
    """What each arm asks to delete, as rows of the training set."""
    aim, model, owned, budget = world.aim(direction), world.model, world.owned, config.budget
    allowed = config.research_use
    everything = torch.arange(len(model.features))
    before = model.logits(aim.reference)

    def observe(chosen: Tensor) -> float:
        """The service retrains and answers the adversary's questions."""
        return float(attack_loss(model.without(owned[chosen]).logits, before, aim))

    def by_queries(estimator: Literal["NES", "SPSA"]) -> Tensor:
        rng = torch.Generator().manual_seed(seed)
        return owned[
            plan_by_queries(
                observe,
                len(owned),
                budget,
                rng,
                research_use=allowed,
                estimator=estimator,
                queries=config.queries,
            )
        ]

    surrogates, rows = world.surrogates(seed)
    losses = F.cross_entropy(
        model.logits(model.features[owned]), model.labels[owned], reduction="none"
    )
    distance = torch.cdist(model.features[owned], world.watched.targets).amin(1)
    sizes = SoftSetSize(*world.watched.calibration, alpha=world.watched.alpha)
    return {
        WHITE_BOX: plan_verified_deletions(model, owned, aim, budget, research_use=allowed),
        ANY_RECORD: plan_verified_deletions(model, everything, aim, budget, research_use=allowed),
        SET_SIZE: plan_verified_deletions(
            model, everything, world.aim(direction, sizes), budget, research_use=allowed
        ),
        "white box, capped to a third": plan_verified_deletions(
            model, owned, aim, budget // 3, research_use=allowed
        ),
        "first order": owned[
            plan_deletions([model], [owned], aim, budget, research_use=allowed, order="first")
        ],
        "surrogates": owned[plan_deletions(surrogates, rows, aim, budget, research_use=allowed)],
        "NES queries": by_queries("NES"),
        "SPSA queries": by_queries("SPSA"),
        "label attack, any record": plan_verified_deletions(
            model, everything, world.aim("flip"), budget, research_use=allowed
        ),
        "largest loss": owned[losses.topk(budget).indices],
        "closest to targets": owned[distance.topk(budget, largest=False).indices],
    }


# Claims


def _deviations(case: Case, direction: str, arm: str, figure: str = "confidence") -> float:
    """How many deviations of random deletion an arm moved a figure the way it wanted."""
    drawn = case["random"]["any" if "any record" in arm else "own"]
    values = np.array([row[figure] for row in drawn])
    moved = case[direction][arm][figure] - values.mean()
    return float(SIGNS[direction] * moved / values.std(ddof=1))


def _gain(case: Case, direction: str, arm: str, figure: str = "confidence") -> float:
    """How far an arm moved a figure the way it wanted, beyond the mean random deletion."""
    drawn = case["random"]["any" if "any record" in arm else "own"]
    random = float(np.mean([row[figure] for row in drawn]))
    return SIGNS[direction] * (float(case[direction][arm][figure]) - random)


def _both(case: Case, arm: str, figure: str = "confidence") -> float:
    """The mean gain over both directions."""
    return float(np.mean([_gain(case, direction, arm, figure) for direction in DIRECTIONS]))


def _claims(cases: Cases) -> list[Claim]:
    every = [case for rows in cases.values() for case in rows]

    def over_directions(arm: str, figure: str) -> list[float]:
        return [float(np.mean([case[d][arm][figure] for d in DIRECTIONS])) for case in every]

    def more_flips(case: Case) -> float:
        arms = ("label attack, any record", ANY_RECORD)
        more, fewer = (sum(case[d][arm]["flips"] for d in DIRECTIONS) for arm in arms)
        return float(more - fewer) / len(DIRECTIONS)

    def network_gain(case: Case, kind: str) -> float:
        own = case["networks"][kind]
        return float(np.mean([SIGNS[d] * (own[d] - own["random"]) for d in DIRECTIONS]))

    claims = [
        _sign_claim(cases[problem], problem, direction, arm)
        for problem in cases
        for direction in DIRECTIONS
        for arm in (ANY_RECORD, WHITE_BOX)
    ]
    claims += [
        bounded_above(
            "labels_stay",
            "The white-box requests flip at most 1 % of the targets' labels.",
            _flips(every, (WHITE_BOX, ANY_RECORD)),
            0.01,
            paper="label predictions kept",
        ),
        within(
            "clean_accuracy_stays",
            "Clean accuracy changes by less than one point on average.",
            over_directions(ANY_RECORD, "accuracy"),
            -0.01,
            0.01,
        ),
        within(
            "coverage_stays",
            "Conformal sets calibrated again after the request still cover 90 %, to within 2 "
            "points.",
            over_directions(ANY_RECORD, "coverage after"),
            COVERAGE - COVERAGE_MARGIN,
            COVERAGE + COVERAGE_MARGIN,
            paper="by theory",
        ),
    ]
    for arm, words in (
        ("surrogates", "planned on surrogate models"),
        ("NES queries", "planned by NES from the service's answers"),
        ("first order", "planned with the first-order unlearner"),
    ):
        claims.append(
            positive(
                f"{arm.replace(' ', '_').lower()}_transfer",
                f"A request {words} moves confidence further than random deletion.",
                [_both(case, arm) for case in every],
                paper="transfers in the black-box setting" if arm == "surrogates" else None,
            )
        )
    claims += [
        positive(
            "labels_flip_under_the_label_attack_only",
            "The label attack flips more target labels than the uncertainty attack.",
            [more_flips(case) for case in every],
        ),
        positive(
            "calibration_error_rises",
            "Making the model over-confident about the targets raises the calibration error on "
            "clean test data beyond random deletion.",
            [_gain(case, "over", ANY_RECORD, "calibration error") for case in every],
            paper="large rise of ECE on CIFAR-10",
        ),
        positive(
            "sets_move_though_coverage_stays",
            "The over-confidence attack makes recalibrated conformal sets of the targets smaller, "
            "the under-confidence attack larger, than random deletion does.",
            [-_both(case, ANY_RECORD, "target set size") for case in every],
        ),
        positive(
            "set_size_attack_moves_sets",
            "A request planned on the soft size of conformal sets moves the recalibrated sets of "
            "the targets the way it wants, beyond random deletion.",
            [-_both(case, SET_SIZE, "target set size") for case in every],
        ),
        positive(
            "set_size_objective_beats_margin",
            "It moves them further than the request planned on the margin does.",
            [
                _both(case, ANY_RECORD, "target set size")
                - _both(case, SET_SIZE, "target set size")
                for case in every
            ],
        ),
        positive(
            "recalibration_does_not_undo_it",
            "After recalibration by a temperature more than half of the effect is left.",
            [
                _both(case, ANY_RECORD, "recalibrated confidence") - 0.5 * _both(case, ANY_RECORD)
                for case in every
            ],
            paper="known defences do not help",
        ),
        positive(
            "sharding_does_not_stop_it",
            "The request moves the confidence of SISA's ensemble too, beyond random deletion.",
            [_both(case, ANY_RECORD, "sharded confidence") for case in every],
            paper="known defences do not help",
        ),
        positive(
            "a_cap_lowers_it",
            "Capping deletions per account to a third lowers the effect.",
            [
                _both(case, WHITE_BOX) - _both(case, "white box, capped to a third")
                for case in every
            ],
        ),
    ]
    if all("networks" in case for case in every):
        claims += [
            positive(
                f"{kind.lower().replace('-', '_')}_moves_too",
                f"Requests planned on the convex model move {words} retrained without them, "
                "further than a random request.",
                [network_gain(case, kind) for case in every],
            )
            for kind, words in (
                ("ensemble", "an ensemble of networks"),
                ("MC-dropout", "a network with MC-dropout"),
            )
        ]
    claims += [_audit_claim(every, arm) for arm in (ANY_RECORD, WHITE_BOX)]
    return claims


def _sign_claim(cases: list[Case], problem: str, direction: str, arm: str) -> Claim:
    successes = sum(
        _deviations(case, direction, arm) >= 3 and case[direction][arm]["flips"] == 0
        for case in cases
    )
    return more_often(
        f"{direction}_confidence_{problem}_{'any' if arm == ANY_RECORD else 'own'}",
        f"{direction.capitalize()}-confidence on {problem}, {arm}: target confidence moves by at "
        "least 3 standard deviations of random deletion, and no label flips.",
        Rate(successes, len(cases)),
        level=0.01,
    )


def _flips(cases: list[Case], arms: tuple[str, ...]) -> Rate:
    """Labels of targets that changed, over both directions; those of a seed are dependent."""
    flips = sum(int(case[d][arm]["flips"]) for case in cases for d in DIRECTIONS for arm in arms)
    return Rate(flips, len(DIRECTIONS) * len(arms) * TARGETS * len(cases))


def _attack_audits(cases: list[Case], arm: str) -> list[float]:
    return [case[d][arm]["audit"] for case in cases for d in DIRECTIONS]


def _audit_claim(cases: list[Case], arm: str) -> Claim:
    name = "any" if arm == ANY_RECORD else "own"
    random = [row["audit"] for case in cases for row in case["random"][name]]
    return bounded_below(
        f"audit_detects_{name}",
        f"The request audit tells attacks ({arm}) from random requests with an area of 0.9 or more "
        "(batches of one seed share a model).",
        attack_area(_attack_audits(cases, arm), random),
        0.9,
    )


def _metrics(cases: Cases) -> list[Metric]:
    metrics = []
    for problem, rows in cases.items():
        for direction in DIRECTIONS:
            for arm in (ANY_RECORD, WHITE_BOX):
                changes = [case[direction][arm]["confidence"] for case in rows]
                name = f"change of target confidence, {direction}, {arm} ({problem})"
                metrics.append(metric_over_seeds(name, "probability", changes))
        flipped = _flips(rows, (ANY_RECORD,))
        metrics.append(metric_of_rate(f"labels flipped, {ANY_RECORD} ({problem})", flipped))
        clusters = [z for case in rows for z in case["cluster audit"]]
        area = attack_area(_attack_audits(rows, ANY_RECORD), clusters)
        metrics.append(
            Metric(
                name=f"area of the audit, {ANY_RECORD} against harmless clusters ({problem})",
                value=area.value,
                low=area.interval.low,
                high=area.interval.high,
                n=len(clusters),
                unit="area",
            )
        )
    return metrics


TABLE_FIGURES = (*EFFECTS, "audit")


def _tables(cases: Cases) -> list[Table]:
    tables = []
    for problem, rows in cases.items():
        body: list[Row] = []
        for direction in DIRECTIONS:
            for arm in rows[0][direction]:
                values = [
                    float(np.mean([case[direction][arm][figure] for case in rows]))
                    for figure in TABLE_FIGURES
                ]
                deviations = float(np.mean([_deviations(case, direction, arm) for case in rows]))
                body.append([f"{direction}: {arm}", deviations, *values])
        for name in ("own", "any"):
            values = [
                float(np.mean([row[figure] for case in rows for row in case["random"][name]]))
                for figure in TABLE_FIGURES
            ]
            body.append([f"random, {name} records", 0.0, *values])
        tables.append(
            Table(
                name=problem,
                title=f"What each request does: {problem}",
                columns=["request", "deviations of random", *TABLE_FIGURES],
                rows=body,
                caption="Means over seeds, after exact retraining, as changes from the model "
                "before; flips: labels of the 10 targets; audit: z-score of the batch.",
            )
        )
    return tables


def _figures(cases: Cases) -> list[Figure]:
    columns = {
        f"{problem}, {direction}": (problem, direction)
        for problem in cases
        for direction in DIRECTIONS
    }

    def mean_deviations(arm: str, column: str) -> float:
        problem, direction = columns[column]
        return float(np.mean([_deviations(case, direction, arm) for case in cases[problem]]))

    return [
        matrix(
            "deviations",
            "How far each request moves confidence",
            "In standard deviations of random deletion, the way the adversary wants; means over "
            "seeds, after exact retraining.",
            list(next(iter(cases.values()))[0]["over"]),
            list(columns),
            mean_deviations,
            value_label="standard deviations of random deletion",
        )
    ]


UNCERTAINTY_UNLEARNING_STUDY = Study(
    name="uncertainty_unlearning",
    summary="Deletion requests that make a model over- or under-confident and keep its labels.",
    domain="privacy",
    cite="qian2025uncertainty",
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
)
