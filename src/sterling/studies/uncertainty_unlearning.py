"""Deletion requests against confidence: can a request make a model over- or under-confident?

Qian et al., arXiv 2508.07458: a malicious unlearning request changes predictive uncertainty while
the labels stay. The paper's loss, solver and figures could not be established; equations, sizes and
schedules here are ours. Every effect is measured after exact retraining, never by the linear map
that the attack was planned with, and stands beside random deletions of the same number.
"""

import itertools
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from scipy import stats
from scipy.optimize import minimize_scalar
from sklearn.decomposition import PCA
from torch import Tensor, nn

from sterling.errors import InputError, unknown_name
from sterling.guarantee import LAC, calibrate_label_sets
from sterling.measure import (
    Rate,
    brier_score,
    calibration_error,
    mean_interval,
    negative_log_likelihood,
)
from sterling.privacy.convex import ConvexModel, fit_convex, with_bias
from sterling.privacy.forgetting_attacks import attack_area
from sterling.privacy.forgetting_attacks.uncertainty_request import (
    Aim,
    attack_loss,
    plan_by_queries,
    plan_request,
    plan_verified_request,
)
from sterling.privacy.models import initialise, mlp
from sterling.privacy.records import embedded_records
from sterling.privacy.request_audit import RequestAuditor
from sterling.privacy.training import Recipe, train_many
from sterling.privacy.unlearning import Descent, Examples, train_by_steps
from sterling.runs import Run, derive_seed, in_processes
from sterling.study import (
    Claim,
    Config,
    Figure,
    Findings,
    Metric,
    Paper,
    Study,
    Table,
    claim_that_positive,
    metric_of_rate,
    metric_over_seeds,
)

__all__ = ["UNCERTAINTY_UNLEARNING_STUDY", "UncertaintyUnlearningConfig"]

PROBLEMS = ("mixture", "digits")
DIRECTIONS: tuple[Literal["over"], Literal["under"]] = ("over", "under")
WHITE_BOX = "white box, own records"
ANY_RECORD = "white box, any record"
TARGETS = 10
SIGNS = {"over": 1.0, "under": -1.0}


class UncertaintyUnlearningConfig(Config):
    """Configuration of the study.

    Attributes:
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
    calls = [
        (config, run, problem, seed)
        for problem, seeds in zip(config.problems, config.seeds, strict=True)
        for seed in range(seeds)
    ]
    results = in_processes(_one_seed, calls, "seeds")
    cases: Cases = {}
    for call, result in zip(calls, results, strict=True):
        cases.setdefault(call[2], []).append(result)
    return Findings(
        scope="Softmax regression and small networks trained here, on a SIMULATED mixture and on "
        "8×8 handwritten digits (scikit-learn); the adversary knows what each arm says it knows.",
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
    if config.data is not None:
        raise InputError(f"--data {config.data}: this study reads embedded data only; leave it out")
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

Row = dict[str, float]
Case = dict[str, Any]
Cases = dict[str, list[Case]]


@dataclass(frozen=True, eq=False)
class _World:
    """One problem on one seed; no part shares a record with another."""

    model: ConvexModel
    owned: Tensor
    proxy: tuple[Tensor, Tensor]
    calibration: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]
    targets: Tensor
    target_labels: Tensor

    def aim(self, direction: Literal["over", "under", "flip"]) -> Aim:
        """The adversary's aim; nothing shall change on a part of the calibration data."""
        return Aim(direction, self.targets, self.target_labels, self.calibration[0][:100])

    def confidence(self, posteriors: Tensor) -> float:
        """Mean posterior of the labels that the model gave the targets."""
        return float(posteriors.gather(1, self.target_labels[:, None]).mean())


def _world(config: UncertaintyUnlearningConfig, problem: str, seed: int) -> _World:
    rng = np.random.default_rng(seed)
    sizes = {"training": config.records, "calibration": 300, "test": 400, "proxy": 480}
    features, labels = (_mixture if problem == "mixture" else _digits)(sum(sizes.values()), rng)
    cuts = np.cumsum([0, *sizes.values()])
    parts = [(features[low:high], labels[low:high]) for low, high in itertools.pairwise(cuts)]
    model = fit_convex(*parts[0], int(labels.max()) + 1, config.ridge)
    # The targets are the unseen inputs about which the model is neither sure nor lost.
    confidence, label = model.posteriors(parts[2][0]).max(1)
    rows = (confidence - 0.65).abs().argsort()[:TARGETS]
    owned = np.sort(rng.choice(config.records, int(config.owned * config.records), replace=False))
    return _World(
        model,
        torch.from_numpy(owned),
        parts[3],
        parts[1],
        parts[2],
        parts[2][0][rows],
        label[rows],
    )


def _mixture(n: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    labels = rng.integers(3, size=n)
    centres = 2.0 * np.stack([np.cos(2.1 * np.arange(3)), np.sin(2.1 * np.arange(3))], 1)
    x = centres[labels] + rng.normal(size=(n, 2)) * 1.2
    quadratic = np.stack([x[:, 0], x[:, 1], x[:, 0] ** 2, x[:, 1] ** 2, x[:, 0] * x[:, 1]], 1)
    return with_bias(torch.from_numpy(quadratic / 2)), torch.from_numpy(labels)


def _digits(n: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    records = embedded_records("digits").draw(n, rng)
    if len(records) < n:
        raise InputError(f"records: digits has {len(records)}, {n} are needed; ask for fewer")
    components = PCA(20, svd_solver="full").fit_transform(records.x.astype(np.float64))
    return with_bias(torch.from_numpy(components / 3)), torch.from_numpy(records.y)


def _one_seed(config: UncertaintyUnlearningConfig, run: Run, problem: str, index: int) -> Case:
    seed = derive_seed(run.seed, "uncertainty", problem, index) % 2**31
    result: Case = run.stage(f"{problem}-{index}", lambda: _attack(config, problem, seed))
    return result


def _attack(config: UncertaintyUnlearningConfig, problem: str, seed: int) -> Case:
    """Rows of figures: ``{"random": {...}, direction: {arm: row}}``."""
    world = _world(config, problem, seed)
    rng = np.random.default_rng(seed + 1)
    auditor = RequestAuditor.of(world.model, seed=seed)
    everything = torch.arange(config.records)
    random = {
        name: [
            candidates[torch.from_numpy(rng.permutation(len(candidates))[: config.budget])]
            for _ in range(config.random_draws)
        ]
        for name, candidates in (("own", world.owned), ("any", everything))
    }
    case: Case = {
        "random": {
            name: [_effect(world, auditor, rows) for rows in draws]
            for name, draws in random.items()
        }
    }
    case["cluster audit"] = [
        auditor.z_score(rows) for rows in _clusters(world.model, config.budget, rng)
    ]
    requests: dict[str, dict[str, Tensor]] = {}
    for direction in DIRECTIONS:
        requests[direction] = _requests(config, world, direction, seed)
        case[direction] = {
            arm: _effect(world, auditor, rows) for arm, rows in requests[direction].items()
        }
    if config.networks:
        case["networks"] = _networks(config, world, requests, random["any"][0], seed)
    return case


def _clusters(model: ConvexModel, budget: int, rng: np.random.Generator) -> list[Tensor]:
    """Ten harmless requests that a user might make: a record and those nearest to it."""
    starts = torch.from_numpy(rng.choice(len(model.features), 10, replace=False))
    distance = torch.cdist(model.features[starts], model.features)
    return list(distance.topk(budget, largest=False).indices)


def _requests(
    config: UncertaintyUnlearningConfig,
    world: _World,
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
        after = model.without(owned[chosen])
        logits = after.logits(aim.targets)
        return float(attack_loss(logits, before, after.logits(aim.reference), aim))

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

    surrogates, rows = _surrogates(world, config.ridge, seed)
    losses = F.cross_entropy(
        model.logits(model.features[owned]), model.labels[owned], reduction="none"
    )
    distance = torch.cdist(model.features[owned], world.targets).amin(1)
    return {
        WHITE_BOX: plan_verified_request(model, owned, aim, budget, research_use=allowed),
        ANY_RECORD: plan_verified_request(model, everything, aim, budget, research_use=allowed),
        "white box, capped to a third": plan_verified_request(
            model, owned, aim, budget // 3, research_use=allowed
        ),
        "first order": owned[
            plan_request([model], [owned], aim, budget, research_use=allowed, order="first")
        ],
        "surrogates": owned[plan_request(surrogates, rows, aim, budget, research_use=allowed)],
        "NES queries": by_queries("NES"),
        "SPSA queries": by_queries("SPSA"),
        "label attack, any record": plan_verified_request(
            model, everything, world.aim("flip"), budget, research_use=allowed
        ),
        "largest loss": owned[losses.topk(budget).indices],
        "closest to targets": owned[distance.topk(budget, largest=False).indices],
    }


def _surrogates(world: _World, ridge: float, seed: int) -> tuple[list[ConvexModel], list[Tensor]]:
    """Three models of the adversary's own records and resampled public ones."""
    rng = np.random.default_rng(seed + 2)
    own, own_labels = world.model.features[world.owned], world.model.labels[world.owned]
    features, labels = world.proxy
    size = len(world.model.features) - len(world.owned)
    models = []
    for _ in range(3):
        rows = torch.from_numpy(rng.integers(len(features), size=size))
        models.append(
            fit_convex(
                torch.cat([own, features[rows]]),
                torch.cat([own_labels, labels[rows]]),
                world.model.classes,
                ridge,
            )
        )
    return models, [torch.arange(len(own))] * 3


def _effect(world: _World, auditor: RequestAuditor, rows: Tensor) -> Row:
    """What exactly retraining without some records does."""
    after = world.model.without(rows)
    features, labels = world.test
    figures: Row = {}
    scored = {}
    for name, model in (("before", world.model), ("after", after)):
        p = model.posteriors(features).numpy()
        truth = labels.numpy()
        calibrated = model.posteriors(world.calibration[0]).numpy()
        rule = calibrate_label_sets(calibrated, world.calibration[1].numpy(), 0.1, LAC())
        temperature = _temperature(model.logits(world.calibration[0]), world.calibration[1])
        scored[name] = {
            "confidence": world.confidence(model.posteriors(world.targets)),
            "recalibrated confidence": world.confidence(
                (model.logits(world.targets) / temperature).softmax(1)
            ),
            "accuracy": float((p.argmax(1) == truth).mean()),
            "calibration error": calibration_error(p, truth),
            "Brier score": brier_score(p, truth),
            "log-likelihood loss": negative_log_likelihood(p, truth),
            "coverage": float(rule.sets(p)[np.arange(len(truth)), truth].mean()),
            "target set size": float(
                rule.sets(model.posteriors(world.targets).numpy()).sum(1).mean()
            ),
        }
    figures = {name: scored["after"][name] - scored["before"][name] for name in scored["after"]}
    answers = after.logits(world.targets).argmax(1)
    return {
        **figures,
        "coverage after": scored["after"]["coverage"],
        "flips": float((answers != world.target_labels).sum()),
        "sharded confidence": world.confidence(_sharded(world, rows))
        - world.confidence(_sharded(world, rows[:0])),
        "audit": auditor.z_score(rows),
    }


def _temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature with the least loss (Guo et al., ICML 2017)."""

    def loss(log_temperature: float) -> float:
        return float(F.cross_entropy(logits / np.exp(log_temperature), labels))

    return float(np.exp(minimize_scalar(loss, bounds=(-2.0, 2.0), method="bounded").x))


def _sharded(world: _World, removed: Tensor, shards: int = 5) -> Tensor:
    """Target posteriors of SISA with one slice: the mean over models of a fifth of the data."""
    model = world.model
    keep = torch.ones(len(model.features), dtype=torch.bool)
    keep[removed] = False
    posteriors = []
    for shard in range(shards):
        rows = keep.nonzero()[:, 0]
        rows = rows[rows % shards == shard]
        part = fit_convex(model.features[rows], model.labels[rows], model.classes, model.ridge)
        posteriors.append(part.posteriors(world.targets))
    return torch.stack(posteriors).mean(0)


def _networks(
    config: UncertaintyUnlearningConfig,
    world: _World,
    requests: dict[str, dict[str, Tensor]],
    random: Tensor,
    seed: int,
) -> dict[str, Row]:
    """Change of target confidence of networks retrained without each request."""
    removals = {"none": random[:0], "random": random} | {
        direction: requests[direction][ANY_RECORD] for direction in DIRECTIONS
    }
    model = world.model
    x, y, d = model.features[:, :-1].float(), model.labels, model.features.shape[1] - 1
    targets, members = world.targets[:, :-1].float(), config.networks
    membership = np.ones((len(removals) * members, len(x)), dtype=np.bool_)
    for index, rows in enumerate(removals.values()):
        membership[index * members : (index + 1) * members, rows.numpy()] = False
    seeds = [seed + member for _ in removals for member in range(members)]
    start = initialise(lambda: mlp((d,), model.classes, width=32), seeds)
    trained = train_many(start, x, y, membership, Recipe(epochs=30), seeds=seeds)
    answers = trained.logits(targets).softmax(2).double()
    mean = answers.view(len(removals), members, *answers.shape[1:]).mean(1)
    ensemble = {name: world.confidence(p) for name, p in zip(removals, mean, strict=True)}
    dropout = {}
    for index, name in enumerate(removals):
        kept = Examples(x, y, torch.arange(len(x))).select(
            torch.from_numpy(membership[index * members])
        )
        p = _dropout_posteriors(kept, targets, model.classes, seed)
        dropout[name] = world.confidence(p.double())
    return {
        kind: {name: values[name] - values["none"] for name in removals if name != "none"}
        for kind, values in (("ensemble", ensemble), ("MC-dropout", dropout))
    }


def _dropout_posteriors(
    kept: Examples, targets: Tensor, classes: int, seed: int, passes: int = 50
) -> Tensor:
    """Mean posterior over dropout masks (Gal and Ghahramani, ICML 2016)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(
            nn.Linear(kept.inputs.shape[1], 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, classes)
        )
        trained = train_by_steps(Descent(300, 5e-3))(network, kept, seed).train()
        with torch.no_grad():
            answers = [trained(targets).softmax(1) for _ in range(passes)]
    return torch.stack(answers).mean(0)


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
    claims = [
        _sign_claim(cases[problem], problem, direction, arm)
        for problem in cases
        for direction in DIRECTIONS
        for arm in (ANY_RECORD, WHITE_BOX)
    ]
    claims += [_labels_stay(every), _accuracy_stays(every)]
    for arm, words in (
        ("surrogates", "planned on surrogate models"),
        ("NES queries", "planned by NES from the service's answers"),
        ("first order", "planned with the first-order unlearner"),
    ):
        claims.append(
            claim_that_positive(
                f"{arm.replace(' ', '_').lower()}_transfer",
                f"A request {words} moves confidence further than random deletion.",
                [_both(case, arm) for case in every],
                paper="transfers in the black-box setting" if arm == "surrogates" else None,
            )
        )
    claims += [
        claim_that_positive(
            "labels_flip_under_the_label_attack_only",
            "The label attack flips more target labels than the uncertainty attack.",
            [
                float(
                    np.mean(
                        [
                            case[d]["label attack, any record"]["flips"]
                            - case[d][ANY_RECORD]["flips"]
                            for d in DIRECTIONS
                        ]
                    )
                )
                for case in every
            ],
        ),
        claim_that_positive(
            "calibration_error_rises",
            "Making the model over-confident about the targets raises the calibration error on "
            "clean test data beyond random deletion.",
            [_gain(case, "over", ANY_RECORD, "calibration error") for case in every],
            paper="large rise of ECE on CIFAR-10",
        ),
        _coverage_stays(every),
        claim_that_positive(
            "sets_move_though_coverage_stays",
            "The over-confidence attack makes recalibrated conformal sets of the targets smaller, "
            "the under-confidence attack larger, than random deletion does.",
            [-_both(case, ANY_RECORD, "target set size") for case in every],
        ),
        claim_that_positive(
            "recalibration_does_not_undo_it",
            "After recalibration by a temperature more than half of the effect is left.",
            [
                _both(case, ANY_RECORD, "recalibrated confidence") - 0.5 * _both(case, ANY_RECORD)
                for case in every
            ],
            paper="known defences do not help",
        ),
        claim_that_positive(
            "sharding_does_not_stop_it",
            "The request moves the confidence of SISA's ensemble too, beyond random deletion.",
            [_both(case, ANY_RECORD, "sharded confidence") for case in every],
            paper="known defences do not help",
        ),
        claim_that_positive(
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
            claim_that_positive(
                f"{kind.lower().replace('-', '_')}_moves_too",
                f"Requests planned on the convex model move {words} retrained without them, "
                "further than a random request.",
                [
                    float(
                        np.mean(
                            [
                                SIGNS[d]
                                * (case["networks"][kind][d] - case["networks"][kind]["random"])
                                for d in DIRECTIONS
                            ]
                        )
                    )
                    for case in every
                ],
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
    n = len(cases)
    p = float(stats.binomtest(successes, n, alternative="greater").pvalue)
    interval = Rate(successes, n).interval()
    return Claim(
        id=f"{direction}_confidence_{problem}_{'any' if arm == ANY_RECORD else 'own'}",
        claim=f"{direction.capitalize()}-confidence on {problem}, {arm}: target confidence moves "
        "by at least 3 standard deviations of random deletion, and no label flips.",
        measured=successes / n,
        low=interval.low,
        high=interval.high,
        holds=p < 0.01 if n >= 7 else None,
        test=f"share of {n} seeds, exact interval; one-sided sign test, p = {p:.2g}, below 0.01 "
        "(7 seeds or more)",
    )


def _labels_stay(cases: list[Case]) -> Claim:
    flips = sum(
        int(case[direction][arm]["flips"])
        for case in cases
        for direction in DIRECTIONS
        for arm in (WHITE_BOX, ANY_RECORD)
    )
    rate = Rate(flips, 4 * TARGETS * len(cases))
    interval = rate.interval()
    return Claim(
        id="labels_stay",
        claim="The white-box requests flip fewer than 1 % of the targets' labels.",
        paper="label predictions kept",
        measured=rate.value,
        low=interval.low,
        high=interval.high,
        holds=rate.upper_limit() < 0.01 if rate.trials >= 300 else None,
        test=f"{rate.errors} of {rate.trials} labels; exact one-sided 95 % limit below 1 %; labels "
        "of one seed are not independent",
    )


def _accuracy_stays(cases: list[Case]) -> Claim:
    changes = [
        float(np.mean([case[d][ANY_RECORD]["accuracy"] for d in DIRECTIONS])) for case in cases
    ]
    interval = mean_interval(changes) if len(changes) > 1 else None
    return Claim(
        id="clean_accuracy_stays",
        claim="Clean accuracy changes by less than one point on average.",
        measured=float(np.mean(changes)),
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        holds=interval.low > -0.01 and interval.high < 0.01 if interval else None,
        test=f"{len(changes)} seeds; 95 % Student-t interval within (-0.01, 0.01)",
    )


def _coverage_stays(cases: list[Case]) -> Claim:
    covered = [
        float(np.mean([case[d][ANY_RECORD]["coverage after"] for d in DIRECTIONS]))
        for case in cases
    ]
    interval = mean_interval(covered) if len(covered) > 1 else None
    return Claim(
        id="coverage_stays",
        claim="Conformal sets calibrated again after the request still cover at least 90 %.",
        paper="by theory",
        measured=float(np.mean(covered)),
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        holds=interval.high >= 0.9 if interval else None,
        test=f"{len(covered)} seeds; 95 % Student-t interval of the mean coverage reaches 0.9",
    )


def _attack_audits(cases: list[Case], arm: str) -> list[float]:
    return [case[d][arm]["audit"] for case in cases for d in DIRECTIONS]


def _audit_claim(cases: list[Case], arm: str) -> Claim:
    name = "any" if arm == ANY_RECORD else "own"
    random = [row["audit"] for case in cases for row in case["random"][name]]
    area = attack_area(_attack_audits(cases, arm), random)
    return Claim(
        id=f"audit_detects_{'any' if arm == ANY_RECORD else 'own'}",
        claim=f"The request audit tells attacks ({arm}) from random requests with an area above "
        "0.9.",
        measured=area.value,
        low=area.interval.low,
        high=area.interval.high,
        holds=area.interval.low > 0.9,
        test=f"{area.method}, 95 % interval above 0.9; batches of one seed share a model",
    )


def _metrics(cases: Cases) -> list[Metric]:
    metrics = []
    for problem, rows in cases.items():
        for direction in DIRECTIONS:
            for arm in (ANY_RECORD, WHITE_BOX):
                changes = [case[direction][arm]["confidence"] for case in rows]
                name = f"change of target confidence, {direction}, {arm} ({problem})"
                metrics.append(metric_over_seeds(name, "probability", changes))
        flips = sum(int(case[d][ANY_RECORD]["flips"]) for case in rows for d in DIRECTIONS)
        rate = Rate(flips, 2 * TARGETS * len(rows))
        metrics.append(metric_of_rate(f"labels flipped, {ANY_RECORD} ({problem})", rate))
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


TABLE_FIGURES = (
    "confidence",
    "recalibrated confidence",
    "sharded confidence",
    "flips",
    "accuracy",
    "calibration error",
    "Brier score",
    "log-likelihood loss",
    "coverage",
    "target set size",
    "audit",
)


def _tables(cases: Cases) -> list[Table]:
    tables = []
    for problem, rows in cases.items():
        body: list[list[str | int | float | None]] = []
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
    columns = [(problem, direction) for problem in cases for direction in DIRECTIONS]
    arms = list(next(iter(cases.values()))[0]["over"])
    return [
        Figure(
            name="deviations",
            title="How far each request moves confidence",
            kind="matrix",
            caption="In standard deviations of random deletion, the way the adversary wants; means "
            "over seeds, after exact retraining.",
            data={
                "rows": arms,
                "columns": [f"{problem}, {direction}" for problem, direction in columns],
                "values": [
                    [
                        float(np.mean([_deviations(case, d, arm) for case in cases[problem]]))
                        for problem, d in columns
                    ]
                    for arm in arms
                ],
                "centre": 0.0,
                "value_label": "standard deviations of random deletion",
            },
        )
    ]


UNCERTAINTY_UNLEARNING_STUDY = Study(
    name="uncertainty_unlearning",
    summary="Deletion requests that make a model over- or under-confident and keep its labels.",
    domain="privacy",
    paper=Paper(
        key="qian2025uncertainty",
        title="Towards Unveiling Predictive Uncertainty Vulnerabilities in the Context of the "
        "Right to Be Forgotten",
        authors=("Qian, Wei", "Zhao, Chenxu", "Li, Yangyi", "Ye, Wenqian", "Huai, Mengdi"),
        venue="arXiv 2508.07458",
        year=2025,
    ),
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
