"""MIAFdR: can a list of declared members be trusted, and does it name anybody?

"Membership Inference Attacks with False Discovery Rate Control", ICCV 2025. Every seed draws its
own records, its own split and its own models. Within a seed, calibration and test are split again
many times, so that the mean false discovery proportion is an expectation and not one draw.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from pydantic import Field

from sterling.claims import bounded_above, bounded_below, within
from sterling.errors import InputError, unknown_name
from sterling.guarantee import (
    Procedure,
    ResolutionWarning,
    benjamini_hochberg,
    exchangeability_p_value,
)
from sterling.guarantee.selector import PROCEDURES, SHIFT_LEVEL
from sterling.lm import TokenStats, token_stats
from sterling.lm.small_transformer import SmallTransformer
from sterling.measure import Scores, auc, error_curve, tpr_at_fpr
from sterling.privacy.author_facts import AuthorFacts, author_facts
from sterling.privacy.membership import (
    MembershipFDR,
    ShiftWarning,
    audit,
    min_k_plus_score,
    min_k_score,
    reference_score,
    select_over_stages,
    zlib_score,
)
from sterling.privacy.membership.battery import ATTACKS, attack_scores
from sterling.privacy.membership.lifelong import STAGE_RULES, StageRule
from sterling.privacy.membership.lira import lira_online
from sterling.privacy.membership.phi import phi
from sterling.privacy.models import ARCHITECTURES, Models, initialise
from sterling.privacy.records import (
    EMBEDDED,
    Records,
    embedded_records,
    read_records,
    simulated_records,
)
from sterling.privacy.training import Recipe, balanced_membership, train_many
from sterling.privacy.unlearning.descent import Descent, descend
from sterling.privacy.unlearning.examples import IGNORED
from sterling.privacy.unlearning.terms import mean_loss
from sterling.runs import Run, derive_seed, in_processes
from sterling.study import (
    Claim,
    Config,
    Figure,
    Findings,
    Metric,
    Paper,
    Row,
    Study,
    Table,
    claim_that_positive,
    metric_over_seeds,
    row_over_seeds,
)

__all__ = ["MIA_FDR_STUDY", "MiaFdrConfig"]

ALPHAS = (0.05, 0.10, 0.15, 0.20)  # the paper's
ALPHA = 0.10
BASE = "LiRA online"
SHOWN = ("LiRA online", "RMIA", "LiRA offline", "shadow classifier", "loss")
MARGIN = 0.01  # ours: theorem 1 leaves at most 1 / (n + 1) below alpha and nothing above
FLAGGED_SHARE = 0.9  # our bar for the shift diagnostic
SHOWN_RECORDS = 25
LEAST_RECORDS = 400
TOKEN_SHARE = 0.4  # K of Min-K on answers of three tokens: the one lowest
OTHER_RULES: dict[Procedure, str] = {
    "storey": "Storey's scaling",
    "by": "Benjamini-Yekutieli",
    "ebh": "e-values",
}


class MiaFdrConfig(Config):
    """Configuration of the study.

    Attributes:
        records: Data sets: "simulated", or what scikit-learn carries ("digits", ...). With a data
            folder, that folder alone.
        size: At most this many records of each.
        seeds: How many times everything is repeated.
        architecture: Of the target and its shadows: "softmax", "mlp" or "cnn".
        width: Hidden units or channels.
        surrogate: Architecture of the surrogates in the black-box setting.
        shadows: Shadow models, even.
        epochs: Passes over a model's records.
        batch_size: Records per step.
        learning_rate: Of stochastic gradient descent.
        resplits: Splits into calibration and test, per seed.
        stages: Stages of learning in the lifelong setting.
        authors: Invented authors, of five facts each, that the language model learns about.
        text_steps: Steps of its training; few enough that not every fact is learned by heart.
    """

    records: tuple[str, ...] = ("simulated", "digits")
    size: int = Field(default=4000, ge=LEAST_RECORDS)
    seeds: int = Field(default=5, ge=1)
    architecture: Literal["softmax", "mlp", "cnn"] = "mlp"
    width: int = Field(default=128, ge=1)
    surrogate: Literal["softmax", "mlp", "cnn"] = "softmax"
    shadows: int = Field(default=32, ge=6, multiple_of=2)
    epochs: int = Field(default=40, ge=1)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=0.1, gt=0)
    resplits: int = Field(default=200, ge=2)
    stages: int = Field(default=3, ge=1)
    authors: int = Field(default=400, ge=30, le=400)
    text_steps: int = Field(default=100, ge=1)


def measure(config: MiaFdrConfig, run: Run) -> Findings:
    """Attack one target per seed with every attack, declare members, and test the claims."""
    names = ("folder",) if config.data is not None else config.records
    for name in set(config.records) - {"simulated", *EMBEDDED}:
        raise unknown_name("records", name, ("simulated", *EMBEDDED))
    calls = [(config, run, name, seed) for name in names for seed in range(config.seeds)]
    units = in_processes(_one_unit, calls, "targets")
    texts = [
        run.stage(f"texts-{seed}", partial(_texts, config, run.seed, seed))
        for seed in range(config.seeds)
    ]
    _write_scores(units, run)
    simulated = [*sorted({unit.data for unit in units if unit.simulated}), "invented facts"]
    real = sorted({unit.data for unit in units if not unit.simulated})
    scope = "; ".join(
        [f"SIMULATED records: {', '.join(simulated)}"]
        + [f"real records: {', '.join(real)}"] * bool(real)
    )
    return Findings(
        scope=f"{scope}. Small targets ({config.architecture}, transformer) trained here: rates "
        "say nothing about other models.",
        not_scored=0,
        metrics=[*_metrics(units), *_text_metrics(texts)],
        claims=[*_claims(units), *_text_claims(texts)],
        tables=[
            _attack_table(units),
            _level_table(units),
            _rule_table(units),
            _stage_table(units),
            _declared_table(units[0]),
        ],
        figures=_figures(units),
    )


@dataclass(frozen=True, eq=False)
class Unit:
    """One target: a data set and a seed.

    Attributes:
        data: Name of the data set.
        simulated: Whether it is drawn from a formula.
        seed: Index of the seed.
        accuracy: Of the target on members and on non-members.
        ids: Records that may calibrate and test, (candidates,).
        member: The truth about them.
        scores: By attack, higher = more member.
        outcomes: Means over the resplits by attack and level: FDP, power, marginal error.
        rules: By procedure, at the level 0.1 on the base attack.
        mix: The base attack at a non-members' share of 0.9.
        grey_box: What :func:`_transfer` finds with shadows of the target's architecture.
        black_box: The same with surrogates of another architecture.
        shift: Calibration on the harder half of the non-members: FDP, share of resplits flagged.
        stages: By rule: mean FDP of all stages together, of the worst stage, power.
        memory: Share of first-stage members declared after each stage.
    """

    data: str
    simulated: bool
    seed: int
    accuracy: tuple[float, float]
    ids: NDArray[np.str_]
    member: NDArray[np.bool_]
    scores: dict[str, NDArray[np.float64]]
    outcomes: dict[str, dict[str, list[float]]]
    rules: dict[str, list[float]]
    mix: list[float]
    grey_box: dict[str, list[float]]
    black_box: dict[str, list[float]]
    shift: list[float]
    stages: dict[str, list[float]]
    memory: list[float]


def _records(config: MiaFdrConfig, name: str, seed: int) -> Records:
    if config.data is not None:
        records = read_records(config.data)
    elif name == "simulated":
        records = simulated_records(config.size, seed=seed)
    else:
        records = embedded_records(name)
    if len(records) < LEAST_RECORDS:
        raise InputError(
            f"{records.name}: {len(records)} records; give {LEAST_RECORDS} or more, so that every "
            "procedure can declare somebody"
        )
    return records.draw(config.size, np.random.default_rng(seed))


@dataclass(frozen=True, eq=False)
class Design:
    """Who was trained on what.

    Attributes:
        records: All records.
        target_members: (records,), a random half.
        shadow_members: (shadows, records), complementary pairs.
        auxiliary: (records,), a random third that belongs to the attacker.
        seed: That all of it and the models come from.
    """

    records: Records
    target_members: NDArray[np.bool_]
    shadow_members: NDArray[np.bool_]
    auxiliary: NDArray[np.bool_]
    seed: int

    def train(
        self, config: MiaFdrConfig, members: NDArray[np.bool_], architecture: str, role: str
    ) -> Models:
        """Train one model per row of `members`."""
        seeds = [
            derive_seed(self.seed, role, architecture, row) % 2**31 for row in range(len(members))
        ]
        return train_many(
            initialise(lambda: _network(config, architecture, self.records), seeds),
            torch.from_numpy(self.records.x),
            torch.from_numpy(self.records.y),
            members,
            _recipe(config),
            seeds=seeds,
        )


def _network(config: MiaFdrConfig, architecture: str, records: Records) -> torch.nn.Module:
    size = {} if architecture == "softmax" else {"width": config.width}
    return ARCHITECTURES[architecture](records.shape, records.classes, **size)


def _recipe(config: MiaFdrConfig) -> Recipe:
    return Recipe(
        epochs=config.epochs, batch_size=config.batch_size, learning_rate=config.learning_rate
    )


def _design(config: MiaFdrConfig, name: str, seed: int) -> Design:
    records = _records(config, name, seed)
    rng = np.random.default_rng((seed, 1))
    n = len(records)
    return Design(
        records,
        target_members=_half(n, rng),
        shadow_members=balanced_membership(config.shadows, n, rng),
        auxiliary=np.isin(np.arange(n), rng.permutation(n)[: n // 3]),
        seed=seed,
    )


def _half(n: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    return np.isin(np.arange(n), rng.permutation(n)[: n // 2])


def _one_unit(config: MiaFdrConfig, run: Run, name: str, index: int) -> Unit:
    seed = derive_seed(run.seed, "mia_fdr", name, index) % 2**31
    parts = {
        part: run.stage(f"{part}-{name}-{index}", partial(work, config, name, seed))
        for part, work in PARTS.items()
    }
    known = parts["attacks"]
    member = np.array(known["member"])
    scores = {attack: np.array(values) for attack, values in known["scores"].items()}
    return Unit(
        data=known["data"],
        simulated=known["simulated"],
        seed=index,
        accuracy=tuple(known["accuracy"]),
        ids=np.array(known["ids"]),
        member=member,
        scores=scores,
        **{field: known[field] for field in ("outcomes", "rules", "mix", "grey_box", "shift")},
        black_box=parts["black_box"],
        stages=parts["lifelong"]["rules"],
        memory=parts["lifelong"]["memory"],
    )


def _attacks(config: MiaFdrConfig, name: str, seed: int) -> dict[str, Any]:
    """The grey-box setting: shadows of the target's architecture."""
    design = _design(config, name, seed)
    target = design.train(config, design.target_members[None], config.architecture, "target")
    shadows = design.train(config, design.shadow_members, config.architecture, "shadow")
    everything = attack_scores(
        target,
        shadows,
        design.records,
        target_members=design.target_members,
        shadow_members=design.shadow_members,
        auxiliary=design.auxiliary,
        seed=seed,
    )
    free = ~design.auxiliary
    member = design.target_members[free]
    scores = {attack: values[free] for attack, values in everything.items()}
    logits = target.logits(torch.from_numpy(design.records.x))[0].numpy()
    right = logits.argmax(axis=1) == design.records.y
    rng = np.random.default_rng((seed, 2))
    splits = [_split(member, rng) for _ in range(config.resplits)]
    rare = [_split(member, rng, nonmember_share=0.9) for _ in range(config.resplits)]
    return {
        "data": design.records.name,
        "simulated": design.records.simulated,
        "accuracy": [
            float(right[design.target_members].mean()),
            float(right[~design.target_members].mean()),
        ],
        "ids": design.records.ids[free].tolist(),
        "member": member.tolist(),
        "scores": {attack: values.tolist() for attack, values in scores.items()},
        "outcomes": {
            attack: {f"{alpha:g}": _outcome(values, member, splits, alpha) for alpha in ALPHAS}
            for attack, values in scores.items()
        },
        "rules": {
            method: _outcome(scores[BASE], member, splits, ALPHA, method) for method in PROCEDURES
        },
        "mix": _outcome(scores[BASE], member, rare, ALPHA),
        "grey_box": _transfer(config, design, target, shadows),
        "shift": _shifted(scores["loss"], member, everything["difficulty"][free], splits),
    }


@dataclass(frozen=True, eq=False)
class Split:
    """Positions of calibration non-members and of the records in question."""

    calibration: NDArray[np.intp]
    test: NDArray[np.intp]


def _split(
    member: NDArray[np.bool_], rng: np.random.Generator, nonmember_share: float = 0.5
) -> Split:
    """Half of the non-members calibrate; the other half and some members are in question."""
    nonmembers = rng.permutation(np.flatnonzero(~member))
    half = len(nonmembers) // 2
    tested = nonmembers[half:]
    wanted = round(len(tested) * (1 - nonmember_share) / nonmember_share)
    members = rng.permutation(np.flatnonzero(member))[:wanted]
    return Split(nonmembers[:half], np.concatenate([tested, members]))


def _outcome(
    scores: NDArray[np.float64],
    member: NDArray[np.bool_],
    splits: Sequence[Split],
    alpha: float,
    method: Procedure = "bh",
    calibration_scores: NDArray[np.float64] | None = None,
) -> list[float]:
    """Means over the resplits of FDP, power and marginal error, and the standard error of FDP."""
    known = scores if calibration_scores is None else calibration_scores
    false, power, marginal = [], [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResolutionWarning)
        for split in splits:
            wrapper = MembershipFDR(method).calibrate(known[split.calibration])
            tested, truth = scores[split.test], member[split.test]
            outcome = audit(wrapper.select(tested, alpha), truth)
            false.append(outcome.fdp)
            power.append(outcome.power.value if outcome.power else 0.0)
            marginal.append(float((wrapper.p_values(tested[~truth]) <= alpha).mean()))
    error = float(np.std(false, ddof=1)) / math.sqrt(len(false))
    return [float(np.mean(false)), float(np.mean(power)), float(np.mean(marginal)), error]


def _shifted(
    scores: NDArray[np.float64],
    member: NDArray[np.bool_],
    difficulty: NDArray[np.float64],
    splits: Sequence[Split],
) -> list[float]:
    """Calibrate on those calibration records that the references find hard: FDP, share flagged."""
    hardness = difficulty - scores  # the mean loss of the references
    false, flagged = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResolutionWarning)
        warnings.simplefilter("ignore", ShiftWarning)
        for split in splits:
            own = split.calibration
            hard = own[hardness[own] >= np.median(hardness[own])]
            wrapper = MembershipFDR().calibrate(scores[hard])
            truth = member[split.test]
            tested = scores[split.test]
            false.append(audit(wrapper.select(tested, ALPHA), truth).fdp)
            flagged.append(wrapper.diagnose(tested[~truth]) < SHIFT_LEVEL)
    return [float(np.mean(false)), float(np.mean(flagged))]


def _transfer(
    config: MiaFdrConfig, design: Design, target: Models, surrogates: Models
) -> dict[str, list[float]]:
    """The base attack, calibrated on scores of the target and on scores of a surrogate.

    The first surrogate plays the target for the calibration records, as it must where the target
    cannot be asked about them; its pair is left out, so both scores come from the same references.

    Returns:
        Outcomes by who scored the calibration records; last the share of resplits in which the
        shift diagnostic tells the surrogate's scores from the target's on known non-members.
    """
    x, y = torch.from_numpy(design.records.x), design.records.y
    odds, others = phi(target.logits(x)[0].numpy(), y), phi(surrogates.logits(x).numpy(), y)
    by_target = lira_online(odds, others[2:], design.shadow_members[2:])
    by_surrogate = lira_online(others[0], others[2:], design.shadow_members[2:])
    # Non-members of the surrogate, too, so that either model may score the calibration records.
    free = ~design.auxiliary & ~design.shadow_members[0]
    member = design.target_members[free]
    rng = np.random.default_rng((design.seed, 3))
    splits = [_split(member, rng) for _ in range(config.resplits)]
    mine, theirs = by_target[free], by_surrogate[free]
    flagged = np.mean(
        [
            exchangeability_p_value(
                theirs[split.calibration], mine[split.test[~member[split.test]]]
            )
            < SHIFT_LEVEL
            for split in splits
        ]
    )
    return {
        "target": _outcome(mine, member, splits, ALPHA),
        "surrogate": _outcome(mine, member, splits, ALPHA, calibration_scores=theirs),
        "flagged": [float(flagged)],
    }


def _black_box(config: MiaFdrConfig, name: str, seed: int) -> dict[str, list[float]]:
    """The black-box setting: surrogates of another architecture."""
    design = _design(config, name, seed)
    target = design.train(config, design.target_members[None], config.architecture, "target")
    surrogates = design.train(config, design.shadow_members, config.surrogate, "surrogate")
    return _transfer(config, design, target, surrogates)


def _lifelong(config: MiaFdrConfig, name: str, seed: int) -> dict[str, Any]:
    """Records arrive in stages; after each the base attack is calibrated and run anew.

    In question after a stage are records that have arrived by then, half of them members.
    """
    design = _design(config, name, seed)
    records, member = design.records, design.target_members
    rng = np.random.default_rng((seed, 4))
    arrival = rng.permutation(np.arange(len(records)) % config.stages)
    members = np.concatenate([member[None], design.shadow_members])
    seeds = [derive_seed(seed, "lifelong", row) % 2**31 for row in range(len(members))]
    models = initialise(lambda: _network(config, config.architecture, records), seeds)
    x, y = torch.from_numpy(records.x), torch.from_numpy(records.y)
    scores = []
    for stage in range(config.stages):
        models = train_many(
            models, x, y, members & (arrival == stage), _recipe(config), seeds=seeds
        )
        odds = phi(models.logits(x).numpy(), records.y)
        scores.append(lira_online(odds[0], odds[1:], members[1:]))
    splits = []
    for _ in range(max(2, config.resplits // 5)):
        whole = _split(member, rng)
        splits.append(
            [
                Split(*(rows[arrival[rows] <= stage] for rows in (whole.calibration, whole.test)))
                for stage in range(config.stages)
            ]
        )
    memory = [
        float(
            np.mean([_remembered(scores[stage], member, split[stage], arrival) for split in splits])
        )
        for stage in range(config.stages)
    ]
    rules = {rule: _stage_outcome(scores, member, splits, rule) for rule in STAGE_RULES}
    return {"rules": rules, "memory": memory}


def _stage_p(scores: NDArray[np.float64], split: Split) -> NDArray[np.float64]:
    return MembershipFDR().calibrate(scores[split.calibration]).p_values(scores[split.test])


def _stage_outcome(
    scores: Sequence[NDArray[np.float64]],
    member: NDArray[np.bool_],
    splits: Sequence[Sequence[Split]],
    rule: StageRule,
) -> list[float]:
    """Mean FDP of the claims of all stages together, of the worst stage, and mean power."""
    together, apart, power = [], [], []
    for split in splits:
        p = [_stage_p(values, part) for values, part in zip(scores, split, strict=True)]
        masks = select_over_stages(p, ALPHA, rule, calibration=[len(s.calibration) for s in split])
        truth = [member[part.test] for part in split]
        outcome = audit(np.concatenate(masks), np.concatenate(truth))
        together.append(outcome.fdp)
        power.append(outcome.power.value if outcome.power else 0.0)
        apart.append([audit(m, t).fdp for m, t in zip(masks, truth, strict=True)])
    return [float(np.mean(together)), float(np.mean(apart, axis=0).max()), float(np.mean(power))]


def _remembered(
    scores: NDArray[np.float64],
    member: NDArray[np.bool_],
    split: Split,
    arrival: NDArray[np.intp],
) -> float:
    """Share of the first stage's members that are declared, tested with all that have arrived."""
    first = member[split.test] & (arrival[split.test] == 0)
    return float(benjamini_hochberg(_stage_p(scores, split), ALPHA)[first].mean())


def _texts(config: MiaFdrConfig, run_seed: int, index: int) -> dict[str, dict[str, float]]:
    """The attacks on language models: a small transformer learns half of some invented facts.

    A third of the facts is the attacker's, who trains a reference on them. Half of the other
    non-members calibrate.
    """
    seed = derive_seed(run_seed, "mia_fdr", "texts", index) % 2**31
    facts = author_facts(config.authors, seed=seed)
    n = len(facts.examples)
    rng = np.random.default_rng(seed)
    learned = _half(n, rng)
    auxiliary = np.isin(np.arange(n), rng.permutation(n)[: n // 3])
    target, reference = (
        _token_stats(config, facts, own, derive_seed(seed, role) % 2**31)
        for role, own in (("target", learned), ("reference", auxiliary))
    )
    sentences = [facts.text(row) for row in facts.examples.inputs]
    scores = {
        "Min-K": min_k_score(target, share=TOKEN_SHARE),
        "Min-K++": min_k_plus_score(target, share=TOKEN_SHARE),
        "zlib": zlib_score(target, sentences),
        "reference": reference_score(target, reference),
    }
    free = ~auxiliary
    member = learned[free]
    splits = [_split(member, rng) for _ in range(config.resplits)]
    found = {}
    for attack, tensor in scores.items():
        values = tensor.double().numpy()[free]
        fdp, power, _, _ = _outcome(values, member, splits, ALPHA)
        found[attack] = {"fdp": fdp, "power": power, "auc": auc(Scores(values, member)).value}
    return found


def _token_stats(
    config: MiaFdrConfig, facts: AuthorFacts, own: NDArray[np.bool_], seed: int
) -> TokenStats:
    """Train a transformer on some facts, and what it then says about all of them."""
    examples = facts.examples
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        start = SmallTransformer(len(facts.vocabulary), context=examples.inputs.shape[1])
    known = examples.select(torch.from_numpy(own))
    model = descend(
        start,
        lambda student, batch, _: mean_loss(student(batch.inputs), batch.labels),
        known,
        known,
        torch.Generator().manual_seed(seed),
        Descent(steps=config.text_steps, learning_rate=2e-3),
    )
    with torch.no_grad():
        logits = model(examples.inputs)
    return token_stats(logits, examples.labels, examples.labels != IGNORED)


def _text_claims(texts: Sequence[dict[str, dict[str, float]]]) -> list[Claim]:
    return [
        _at_most(
            f"fdr_{attack.lower().replace('+', 'p').replace('-', '_')}",
            f"Declared by {attack} on a language model, a false discovery rate of at most "
            f"{ALPHA:.0%}.",
            [found[attack]["fdp"] for found in texts],
        )
        for attack in texts[0]
    ]


def _text_metrics(texts: Sequence[dict[str, dict[str, float]]]) -> list[Metric]:
    return [
        metric_over_seeds(
            f"{title} of {attack}, invented facts", unit, [found[attack][key] for found in texts]
        )
        for attack in texts[0]
        for key, title, unit in (
            ("auc", "AUC", "area"),
            ("fdp", f"FDR at alpha {ALPHA:g}", "rate"),
            ("power", f"power at alpha {ALPHA:g}", "rate"),
        )
    ]


PARTS: dict[str, Callable[[MiaFdrConfig, str, int], Any]] = {
    "attacks": _attacks,
    "black_box": _black_box,
    "lifelong": _lifelong,
}


def _write_scores(units: Sequence[Unit], run: Run) -> None:
    """Every score of every candidate record, ``scores.parquet``; label: whether it is a member."""
    frames = [
        pl.DataFrame(
            {
                "system": [f"{attack}, {unit.data}"] * len(unit.ids),
                "seed": [unit.seed] * len(unit.ids),
                "set": ["test"] * len(unit.ids),
                "item": unit.ids,
                "subject": unit.ids,
                "group": _scored(unit, attack).group,
                "label": unit.member,
                "value": values,
            }
        )
        for unit in units
        for attack, values in unit.scores.items()
    ]
    pl.concat(frames).write_parquet(run.folder / "scores.parquet")


def _at_most(
    claim_id: str, claim: str, values: Sequence[float], *, paper: str | None = None
) -> Claim:
    """A claim that a false discovery rate is at most ``ALPHA``."""
    return bounded_above(claim_id, claim, values, ALPHA, paper=paper, over="targets")


def _claims(units: Sequence[Unit]) -> list[Claim]:
    def outcomes(attack: str, position: int) -> list[float]:
        return [unit.outcomes[attack][f"{ALPHA:g}"][position] for unit in units]

    def rules(method: Procedure, position: int = 0) -> list[float]:
        return [unit.rules[method][position] for unit in units]

    def gains(figure: Callable[[Scores], float]) -> list[float]:
        return [figure(_scored(unit, BASE)) - figure(_scored(unit, "loss")) for unit in units]

    return [
        *(
            _at_most(
                f"fdr_{attack.lower().replace(' ', '_')}",
                f"Declared by {attack}, a false discovery rate of at most {ALPHA:.0%}.",
                outcomes(attack, 0),
                paper="FDR below alpha at every alpha; LiRA at alpha 0.15: 0.145",
            )
            for attack in ATTACKS
        ),
        within(
            "marginal_error",
            f"A non-member has p <= {ALPHA:g} under {BASE} with probability {ALPHA:g}, to within "
            f"{MARGIN:g}.",
            outcomes(BASE, 2),
            ALPHA - MARGIN,
            ALPHA + MARGIN,
            paper="theorem 1: at most alpha",
            over="targets",
        ),
        claim_that_positive(
            "lira_declares_members",
            f"{BASE} declares members at alpha = {ALPHA:g} (its power is above 0).",
            outcomes(BASE, 1),
        ),
        claim_that_positive(
            "lira_beats_loss_auc",
            "LiRA online has a larger area under the ROC curve than the loss attack.",
            gains(lambda scores: auc(scores).value),
        ),
        claim_that_positive(
            "lira_beats_loss_tpr",
            "LiRA online finds more members at 1 % false positives than the loss attack.",
            gains(lambda scores: tpr_at_fpr(scores, 0.01).rate.value),
        ),
        *(
            _at_most(
                f"fdr_rule_{method}",
                f"With {title}, {BASE} has a false discovery rate of at most {ALPHA:.0%}.",
                rules(method),
            )
            for method, title in OTHER_RULES.items()
        ),
        claim_that_positive(
            "storey_has_more_power",
            "Storey's scaling declares more members than the paper's rule.",
            [a - b for a, b in zip(rules("storey", 1), rules("bh", 1), strict=True)],
        ),
        _at_most(
            "fdr_few_members",
            f"With one member among ten records, {BASE} has a false discovery rate of at most "
            f"{ALPHA:.0%}.",
            [unit.mix[0] for unit in units],
        ),
        _at_most(
            "lifelong_each_stage",
            "When records arrive in stages, the worst stage has a false discovery rate of at most "
            f"{ALPHA:.0%}.",
            [unit.stages["stage"][1] for unit in units],
        ),
        *(
            _at_most(
                f"lifelong_{rule}",
                f"The claims of all stages together, by {title}, have a false discovery rate of at "
                f"most {ALPHA:.0%}.",
                [unit.stages[rule][0] for unit in units],
            )
            for rule, title in (
                ("spending", "spending alpha over stages"),
                ("lord", "LORD++"),
                ("saffron", "SAFFRON"),
                ("e_lond", "e-LOND"),
            )
        ),
        _at_most(
            "black_box",
            "With surrogates of another architecture and calibration scored by the target, the "
            f"false discovery rate is at most {ALPHA:.0%}.",
            [unit.black_box["target"][0] for unit in units],
            paper="black-box setting: FDR below alpha",
        ),
        _at_most(
            "grey_box_transfer",
            "With calibration scored by a shadow of the target's own architecture, the false "
            f"discovery rate is at most {ALPHA:.0%}.",
            [unit.grey_box["surrogate"][0] for unit in units],
        ),
        _at_most(
            "black_box_transfer",
            "With calibration scored by a surrogate of another architecture (which assumes "
            f"surrogate = target), the false discovery rate is at most {ALPHA:.0%}.",
            [unit.black_box["surrogate"][0] for unit in units],
        ),
        bounded_below(
            "shifted_calibration_is_flagged",
            "Calibration on the harder half of the non-members is flagged by the shift diagnostic "
            f"in at least {FLAGGED_SHARE:.0%} of the resplits.",
            [unit.shift[1] for unit in units],
            FLAGGED_SHARE,
            over="targets",
        ),
    ]


def _scored(unit: Unit, attack: str) -> Scores:
    return Scores(unit.scores[attack], unit.member)


def _by_data(units: Sequence[Unit]) -> dict[str, list[Unit]]:
    found: dict[str, list[Unit]] = {}
    for unit in units:
        found.setdefault(unit.data, []).append(unit)
    return found


def _metrics(units: Sequence[Unit]) -> list[Metric]:
    metrics = []
    for data, own in _by_data(units).items():
        metrics += [
            metric_over_seeds(f"accuracy on members, {data}", "rate", [u.accuracy[0] for u in own]),
            metric_over_seeds(
                f"accuracy on non-members, {data}", "rate", [u.accuracy[1] for u in own]
            ),
        ]
        for attack in SHOWN:
            points = [tpr_at_fpr(_scored(unit, attack), 0.01) for unit in own]
            outcome = [unit.outcomes[attack][f"{ALPHA:g}"] for unit in own]
            metrics += [
                metric_over_seeds(
                    f"AUC of {attack}, {data}",
                    "area",
                    [auc(_scored(unit, attack)).value for unit in own],
                ),
                metric_over_seeds(
                    f"TPR at 1 % FPR of {attack}, {data}", "rate", [p.rate.value for p in points]
                ),
                metric_over_seeds(
                    f"FDR of {attack} at alpha {ALPHA:g}, {data}", "rate", [o[0] for o in outcome]
                ),
                metric_over_seeds(
                    f"power of {attack} at alpha {ALPHA:g}, {data}", "rate", [o[1] for o in outcome]
                ),
            ]
        told_apart = [(u.grey_box["flagged"][0], u.black_box["flagged"][0]) for u in own]
        metrics.append(
            metric_over_seeds(
                f"FDR of loss with a shifted calibration, {data}",
                "rate",
                [unit.shift[0] for unit in own],
            )
        )
        metrics += [
            metric_over_seeds(
                f"share of resplits in which calibration scored by {who} is told apart, {data}",
                "rate",
                [shares[row] for shares in told_apart],
            )
            for row, who in enumerate(("a shadow", "a black-box surrogate"))
        ]
    return metrics


def _attack_table(units: Sequence[Unit]) -> Table:
    rows: list[Row] = []
    for data, own in _by_data(units).items():
        for attack in ATTACKS:
            scored = [_scored(unit, attack) for unit in own]
            row: Row = [data, attack, *row_over_seeds([auc(each).value for each in scored])]
            for fpr in (0.01, 0.001):
                points = [tpr_at_fpr(each, fpr) for each in scored]
                row += row_over_seeds([point.rate.value for point in points])
                row.append("yes" if all(point.resolved for point in points) else "no")
            rows.append(row)
    return Table(
        name="attacks",
        title="Every attack, before any declaration",
        columns=[
            *("data", "attack", "AUC", "low", "high"),
            *("TPR at 1 % FPR", "low", "high", "resolved"),
            *("TPR at 0.1 % FPR", "low", "high", "resolved"),
        ],
        rows=rows,
        caption="Means over seeds with 95 % Student-t intervals. Not resolved: fewer than 1/FPR "
        "non-members, so that the point is read at no false positive at all.",
    )


def _level_table(units: Sequence[Unit]) -> Table:
    rows: list[Row] = []
    for data, own in _by_data(units).items():
        for attack in ATTACKS:
            for alpha in ALPHAS:
                each = np.array([unit.outcomes[attack][f"{alpha:g}"] for unit in own])
                fdp, power, marginal, _ = each.mean(axis=0).tolist()
                error = (
                    float(each[:, 0].std(ddof=1)) / math.sqrt(len(own)) if len(own) > 1 else None
                )
                rows.append([data, attack, alpha, alpha / 2, fdp, error, power, marginal])
    return Table(
        name="levels",
        title="Realised false discovery rate and power",
        columns=["data", "attack", "alpha", "bound", "FDR", "s.e.", "power", "marginal error"],
        rows=rows,
        caption="Half of the records in question are non-members, so the bound is alpha / 2. Means "
        "over resplits and seeds; s.e. over seeds. An FDR of 0 with a power of 0: nobody declared.",
    )


def _rule_table(units: Sequence[Unit]) -> Table:
    rows: list[Row] = []
    for data, own in _by_data(units).items():
        outcomes: dict[str, list[list[float]]] = {
            **{str(method): [unit.rules[method] for unit in own] for method in PROCEDURES},
            "bh, one member among ten": [unit.mix for unit in own],
            "bh, calibration scored by a shadow": [unit.grey_box["surrogate"] for unit in own],
            "bh, black-box surrogates": [unit.black_box["target"] for unit in own],
            "bh, black-box, calibration scored by a surrogate": [
                unit.black_box["surrogate"] for unit in own
            ],
        }
        rows += [
            [data, title, *np.mean(values, axis=0)[:2].tolist()]
            for title, values in outcomes.items()
        ]
    return Table(
        name="rules",
        title=f"Procedures and settings, {BASE} at alpha {ALPHA:g}",
        columns=["data", "procedure", "FDR", "power"],
        rows=rows,
        caption="Means over resplits and seeds.",
    )


def _stage_table(units: Sequence[Unit]) -> Table:
    rows: list[Row] = []
    for data, own in _by_data(units).items():
        rows += [
            [data, rule, *np.mean([unit.stages[rule] for unit in own], axis=0).tolist()]
            for rule in STAGE_RULES
        ]
    return Table(
        name="stages",
        title=f"Lifelong setting, {BASE} at alpha {ALPHA:g}",
        columns=["data", "rule", "FDR of all claims", "FDR of the worst stage", "power"],
        rows=rows,
        caption="stage: each stage at alpha, which promises nothing for all claims together. "
        "spending: stage s at alpha / 2^s. LORD++ and SAFFRON assume independent p-values. Without "
        "discoveries the levels of the last three soon fall below 1 / (n + 1), the least p-value "
        "there is: then nobody more is declared.",
    )


def _declared_table(unit: Unit) -> Table:
    rng = np.random.default_rng(unit.seed)
    split = _split(unit.member, rng)
    scores = unit.scores[BASE]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResolutionWarning)
        wrapper = MembershipFDR().calibrate(
            scores[split.calibration],
            ids=unit.ids[split.calibration],
            members=unit.ids[unit.member],
        )
        tested = scores[split.test]
        mask = wrapper.select(tested, ALPHA, ids=unit.ids[split.test])
    adjusted = wrapper.adjusted_p_values(tested)
    order = np.argsort(-tested)[: min(SHOWN_RECORDS, max(int(mask.sum()), 5))]
    rows: list[Row] = [
        [
            str(unit.ids[split.test][row]),
            float(tested[row]),
            float(adjusted[row]),
            "member" if mask[row] else "-",
            "member" if unit.member[split.test][row] else "NON-MEMBER",
        ]
        for row in order
    ]
    promise = wrapper.guarantee(ALPHA)
    return Table(
        name="declared",
        title=f"The declared list, first target: {int(mask.sum())} of {len(mask)} records",
        columns=["record", "score", "adjusted p", "declared", "truth"],
        rows=rows,
        caption=f"{BASE}, highest scores first, at most {SHOWN_RECORDS} shown. {promise.statement} "
        + " ".join(f"{name}: {text}." for name, text in promise.rows()[1:]),
    )


def _figures(units: Sequence[Unit]) -> list[Figure]:
    data, own = next(iter(_by_data(units).items()))
    grid = np.geomspace(1 / (~own[0].member).sum(), 1, 80)

    def over_levels(position: int) -> dict[str, list[float]]:
        return {
            attack: [
                float(np.mean([unit.outcomes[attack][f"{alpha:g}"][position] for unit in own]))
                for alpha in ALPHAS
            ]
            for attack in SHOWN
        }

    bars = {
        attack: row_over_seeds([unit.outcomes[attack][f"{ALPHA:g}"][0] for unit in units])
        for attack in ATTACKS
    }
    return [
        Figure(
            name="roc",
            title=f"ROC curves on logarithmic axes, {data}",
            kind="lines",
            caption="Mean over seeds of the true positive rate. The left end is one non-member.",
            data={
                "x": grid.tolist(),
                "series": {
                    **{attack: _roc([_scored(u, attack) for u in own], grid) for attack in SHOWN},
                    "chance": grid.tolist(),
                },
                "x_label": "false positive rate",
                "y_label": "true positive rate",
                "log": True,
            },
        ),
        Figure(
            name="fdr",
            title=f"Realised false discovery rate, {data}",
            kind="lines",
            caption="Means over resplits and seeds. Theorem 2 keeps every line below alpha / 2.",
            data={
                "x": list(ALPHAS),
                "series": {**over_levels(0), "alpha / 2": [alpha / 2 for alpha in ALPHAS]},
                "x_label": "alpha",
                "y_label": "false discovery rate",
            },
        ),
        Figure(
            name="power",
            title=f"Power, {data}",
            kind="lines",
            caption="Share of the members that are declared. Means over resplits and seeds.",
            data={
                "x": list(ALPHAS),
                "series": over_levels(1),
                "x_label": "alpha",
                "y_label": "power",
            },
        ),
        Figure(
            name="fdr_by_attack",
            title=f"False discovery rate at alpha {ALPHA:g}, all data",
            kind="bars",
            caption="Means over all targets with 95 % Student-t intervals.",
            data={
                "names": list(bars),
                "values": [row[0] for row in bars.values()],
                "low": [row[0] if row[1] is None else row[1] for row in bars.values()],
                "high": [row[0] if row[2] is None else row[2] for row in bars.values()],
                "value_label": "false discovery rate",
            },
        ),
        Figure(
            name="memory",
            title=f"First-stage members declared after each stage, {data}",
            kind="lines",
            caption="Each stage tested at alpha on its own. Means over resplits and seeds.",
            data={
                "x": list(range(1, len(own[0].memory) + 1)),
                "series": {BASE: np.mean([unit.memory for unit in own], axis=0).tolist()},
                "x_label": "stage",
                "y_label": "share declared",
            },
        ),
    ]


def _roc(scored: Sequence[Scores], grid: NDArray[np.float64]) -> list[float | None]:
    """Mean true positive rate at each false positive rate of a grid; None where it is 0."""
    rates = []
    for each in scored:
        curve = error_curve(each)
        # The least strict point whose FPR is still at most the wanted one; FPR falls along a curve.
        points = np.searchsorted(-curve.apcer, -grid, side="left")
        rates.append(1 - curve.bpcer[points])
    return [float(rate) if rate > 0 else None for rate in np.mean(rates, axis=0)]


MIA_FDR_STUDY = Study(
    name="mia_fdr",
    summary="Membership inference whose declared members are mostly right, with a bound.",
    domain="privacy",
    paper=Paper(
        key="zhao2025membership",
        title="Membership Inference Attacks with False Discovery Rate Control",
        authors=("Zhao, Chenxu", "Qian, Wei", "Chen, Aobo", "Huai, Mengdi"),
        venue="IEEE/CVF International Conference on Computer Vision",
        year=2025,
    ),
    presets={
        "smoke": MiaFdrConfig(
            records=("simulated",),
            size=600,
            seeds=2,
            width=32,
            shadows=6,
            epochs=8,
            resplits=10,
            stages=2,
            authors=60,
            text_steps=20,
        ),
        "quick": MiaFdrConfig(),
        "paper": MiaFdrConfig(
            size=50_000, architecture="cnn", width=64, surrogate="mlp", shadows=64
        ),
    },
    measure=measure,
)
