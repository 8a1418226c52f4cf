"""MIAFdR: can a list of declared members be trusted, and does it name anybody?

"Membership Inference Attacks with False Discovery Rate Control", ICCV 2025. Every seed draws its
own records, its own split and its own models. Within a seed, calibration and test are split again
many times, so that the mean false discovery proportion is an expectation and not one draw.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from pydantic import Field

from sterling.claims import bounded_above, bounded_below, within
from sterling.errors import InputError, unknown_name
from sterling.guarantee import ResolutionWarning, benjamini_hochberg
from sterling.guarantee.selector import PROCEDURES, SCALES
from sterling.lm import TokenStats, token_stats
from sterling.lm.small_transformer import SmallTransformer
from sterling.measure import Scores, auc, error_curve, tpr_at_fpr
from sterling.privacy.author_facts import AuthorFacts, author_facts
from sterling.privacy.membership import MembershipFDR
from sterling.privacy.membership.battery import ATTACKS, attack_scores
from sterling.privacy.membership.lifelong import STAGE_RULES
from sterling.privacy.membership.lira import lira_online
from sterling.privacy.membership.phi import phi
from sterling.privacy.membership.resplits import (
    Outcome,
    Split,
    flagged_share,
    realised,
    realised_over_stages,
    split_records,
)
from sterling.privacy.membership.shadow_design import ShadowDesign, random_half
from sterling.privacy.membership.text_battery import TEXT_ATTACKS, text_attack_scores
from sterling.privacy.models import Models
from sterling.privacy.records import (
    EMBEDDED,
    Records,
    embedded_records,
    read_records,
    simulated_records,
)
from sterling.privacy.training import Recipe
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
DECLARING_SHARE = 0.05  # ours: with fewer lists that name anybody, an FDR says nothing
THINNED = 5  # of the classes that a shifted mix is poor in, one record in so many stays
SHOWN_RECORDS = 25
LEAST_RECORDS = 400
TOKEN_SHARE = 0.4  # K of Min-K on answers of three tokens: the one lowest
ONE_IN_TEN = "one member among ten records"
BY_SHADOW = "calibration scored by a shadow"
BLACK_BOX = "black-box surrogates"
BY_SURROGATE = "black-box surrogates, calibration scored by one"
HARDER = "calibration on harder records, loss"
MIX_APART = "shifted class mix, calibration per class, loss"
MIX_POOLED = "shifted class mix, one calibration, loss"


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
        {
            attack: Outcome(**outcome)
            for attack, outcome in run.stage(
                f"texts-{seed}", partial(_texts, config, run.seed, seed)
            ).items()
        }
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
        metrics=_metrics(units),
        claims=_claims(units, texts),
        tables=[
            _attack_table(units),
            _level_table(units),
            _setting_table(units, texts),
            _stage_table(units),
            _declared_table(units[0]),
        ],
        figures=_figures(units),
    )


# One target


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
        outcomes: Over the resplits, by ``_at(attack, alpha)``, by "rule ..." and by setting.
        flagged: By setting, share of the resplits in which the shift diagnostic refutes it.
        stages: By rule, what :func:`realised_over_stages` gives.
        memory: Share of first-stage members declared after each stage.
    """

    data: str
    simulated: bool
    seed: int
    accuracy: tuple[float, float]
    ids: NDArray[np.str_]
    member: NDArray[np.bool_]
    scores: dict[str, NDArray[np.float64]]
    outcomes: dict[str, Outcome]
    flagged: dict[str, float]
    stages: dict[str, dict[str, float]]
    memory: list[float]

    def scored(self, attack: str) -> Scores:
        """An attack's scores with the truth."""
        return Scores(self.scores[attack], self.member)


def _at(attack: str, alpha: float = ALPHA) -> str:
    return f"{attack} at {alpha:g}"


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


def _one_unit(config: MiaFdrConfig, run: Run, name: str, index: int) -> Unit:
    seed = derive_seed(run.seed, "mia_fdr", name, index) % 2**31
    known, hidden, lifelong = (
        run.stage(f"{part}-{name}-{index}", partial(work, config, name, seed))
        for part, work in PARTS.items()
    )
    outcomes = {**known["outcomes"], **hidden["outcomes"]}
    return Unit(
        data=known["data"],
        simulated=known["simulated"],
        seed=index,
        accuracy=tuple(known["accuracy"]),
        ids=np.array(known["ids"]),
        member=np.array(known["member"]),
        scores={attack: np.array(values) for attack, values in known["scores"].items()},
        outcomes={setting: Outcome(**outcome) for setting, outcome in outcomes.items()},
        flagged={**known["flagged"], **hidden["flagged"]},
        stages=lifelong["rules"],
        memory=lifelong["memory"],
    )


def _trained(
    config: MiaFdrConfig, design: ShadowDesign, members: NDArray[np.bool_], kind: str, role: str
) -> Models:
    size = {} if kind == "softmax" else {"width": config.width}
    start = design.start(len(members), kind, f"{role}/{kind}", **size)
    return design.train(start, members, _recipe(config), f"{role}/{kind}")


def _recipe(config: MiaFdrConfig) -> Recipe:
    return Recipe(
        epochs=config.epochs, batch_size=config.batch_size, learning_rate=config.learning_rate
    )


def _attacks(config: MiaFdrConfig, name: str, seed: int) -> dict[str, Any]:
    """The grey-box setting: shadows of the target's architecture."""
    design = ShadowDesign.draw(_records(config, name, seed), config.shadows, seed)
    records, free = design.records, ~design.auxiliary
    target = _trained(config, design, design.target_members[None], config.architecture, "target")
    shadows = _trained(config, design, design.shadow_members, config.architecture, "shadow")
    everything = attack_scores(
        target,
        shadows,
        records,
        target_members=design.target_members,
        shadow_members=design.shadow_members,
        auxiliary=design.auxiliary,
        seed=seed,
    )
    scores = {attack: values[free] for attack, values in everything.items()}
    member, labels = design.target_members[free], records.y[free]
    logits = target.logits(torch.from_numpy(records.x))[0].numpy()
    right = logits.argmax(axis=1) == records.y
    rng = np.random.default_rng((seed, 2))
    splits = [split_records(member, rng) for _ in range(config.resplits)]
    rare = [split_records(member, rng, nonmember_share=0.9) for _ in range(config.resplits)]
    hardness = scores["difficulty"] - scores["loss"]  # the mean loss of the references
    harder = [_harder_half(split, hardness) for split in splits]
    mixed = [_shifted_mix(split, labels, _easy(scores["loss"], member, labels)) for split in splits]
    base, loss = scores[BASE], scores["loss"]
    outcomes = {
        **{
            _at(attack, alpha): realised(values, member, splits, alpha)
            for attack, values in scores.items()
            for alpha in ALPHAS
        },
        **{f"rule {rule}": realised(base, member, splits, ALPHA, rule) for rule in PROCEDURES},
        ONE_IN_TEN: realised(base, member, rare, ALPHA),
        HARDER: realised(loss, member, harder, ALPHA),
        MIX_APART: realised(loss, member, mixed, ALPHA, groups=labels, smooth=True),
        MIX_POOLED: realised(loss, member, mixed, ALPHA, smooth=True),
    }
    transfer = _transfer(config, design, target, shadows)
    return {
        "data": records.name,
        "simulated": records.simulated,
        "accuracy": [
            float(right[design.target_members].mean()),
            float(right[~design.target_members].mean()),
        ],
        "ids": records.ids[free].tolist(),
        "member": member.tolist(),
        "scores": {attack: values.tolist() for attack, values in scores.items()},
        "outcomes": {
            **{setting: asdict(outcome) for setting, outcome in outcomes.items()},
            BY_SHADOW: transfer["surrogate"],
        },
        "flagged": {
            HARDER: flagged_share(loss, loss, member, harder),
            BY_SHADOW: transfer["flagged"],
        },
    }


def _harder_half(split: Split, hardness: NDArray[np.float64]) -> Split:
    own = split.calibration
    return Split(own[hardness[own] >= np.median(hardness[own])], split.test)


def _easy(
    scores: NDArray[np.float64], member: NDArray[np.bool_], labels: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Records of that half of the classes whose non-members score higher, hence look like members.

    It depends on the class alone, so within a class calibration and test stay exchangeable.
    """
    classes = np.unique(labels)
    means = np.array([scores[(labels == one) & ~member].mean() for one in classes])
    return np.isin(labels, classes[means > np.median(means)])


def _shifted_mix(split: Split, labels: NDArray[np.int64], easy: NDArray[np.bool_]) -> Split:
    """Calibration is poor in records of the easy classes, the records in question in the others."""

    def thinned(rows: NDArray[np.intp], poor: NDArray[np.bool_]) -> NDArray[np.intp]:
        return np.concatenate([rows[~poor[rows]], rows[poor[rows]][::THINNED]])

    own, tested = thinned(split.calibration, easy), thinned(split.test, ~easy)
    return Split(own, tested[np.isin(labels[tested], labels[own])])


def _transfer(
    config: MiaFdrConfig, design: ShadowDesign, target: Models, surrogates: Models
) -> dict[str, Any]:
    """The base attack, calibrated on scores of the target and on scores of a surrogate.

    The first surrogate plays the target for the calibration records, as it must where the target
    cannot be asked about them; its pair is left out, so both scores come from the same references.

    Returns:
        Outcomes by who scored the calibration records, "target" and "surrogate"; "flagged", the
        share of resplits in which the diagnostic tells the surrogate's scores from the target's.
    """
    x, y = torch.from_numpy(design.records.x), design.records.y
    odds, others = phi(target.logits(x)[0].numpy(), y), phi(surrogates.logits(x).numpy(), y)
    # Non-members of the surrogate, too, so that either model may score the calibration records.
    free = ~design.auxiliary & ~design.shadow_members[0]
    mine, theirs = (
        lira_online(own, others[2:], design.shadow_members[2:])[free] for own in (odds, others[0])
    )
    member = design.target_members[free]
    rng = np.random.default_rng((design.seed, 3))
    splits = [split_records(member, rng) for _ in range(config.resplits)]
    return {
        "target": asdict(realised(mine, member, splits, ALPHA)),
        "surrogate": asdict(realised(mine, member, splits, ALPHA, calibration_scores=theirs)),
        "flagged": flagged_share(theirs, mine, member, splits),
    }


def _black_box(config: MiaFdrConfig, name: str, seed: int) -> dict[str, Any]:
    """The black-box setting: surrogates of another architecture."""
    design = ShadowDesign.draw(_records(config, name, seed), config.shadows, seed)
    target = _trained(config, design, design.target_members[None], config.architecture, "target")
    surrogates = _trained(config, design, design.shadow_members, config.surrogate, "surrogate")
    transfer = _transfer(config, design, target, surrogates)
    return {
        "outcomes": {BLACK_BOX: transfer["target"], BY_SURROGATE: transfer["surrogate"]},
        "flagged": {BY_SURROGATE: transfer["flagged"]},
    }


def _lifelong(config: MiaFdrConfig, name: str, seed: int) -> dict[str, Any]:
    """Records arrive in stages; after each the base attack is calibrated and run anew.

    In question after a stage are records that have arrived by then, half of them members.
    """
    design = ShadowDesign.draw(_records(config, name, seed), config.shadows, seed)
    records, member = design.records, design.target_members
    rng = np.random.default_rng((seed, 4))
    arrival = rng.permutation(np.arange(len(records)) % config.stages)
    members = np.concatenate([member[None], design.shadow_members])
    size = {} if config.architecture == "softmax" else {"width": config.width}
    models = design.start(len(members), config.architecture, "lifelong", **size)
    scores = []
    for stage in range(config.stages):
        models = design.train(models, members & (arrival == stage), _recipe(config), "lifelong")
        odds = phi(models.logits(torch.from_numpy(records.x)).numpy(), records.y)
        scores.append(lira_online(odds[0], odds[1:], members[1:]))
    splits = []
    for _ in range(max(2, config.resplits // 5)):
        whole = split_records(member, rng)
        splits.append(
            [
                Split(*(rows[arrival[rows] <= stage] for rows in (whole.calibration, whole.test)))
                for stage in range(config.stages)
            ]
        )

    def remembered(values: NDArray[np.float64], split: Split) -> float:
        """Share of first-stage members that are declared, tested with all that have arrived."""
        first = member[split.test] & (arrival[split.test] == 0)
        p = MembershipFDR().calibrate(values[split.calibration]).p_values(values[split.test])
        return float(benjamini_hochberg(p, ALPHA)[first].mean())

    return {
        "rules": {
            rule: realised_over_stages(scores, member, splits, ALPHA, rule) for rule in STAGE_RULES
        },
        "memory": [
            float(np.mean([remembered(values, split[stage]) for split in splits]))
            for stage, values in enumerate(scores)
        ],
    }


PARTS: dict[str, Callable[[MiaFdrConfig, str, int], Any]] = {
    "attacks": _attacks,
    "black_box": _black_box,
    "lifelong": _lifelong,
}


def _texts(config: MiaFdrConfig, run_seed: int, index: int) -> dict[str, dict[str, float]]:
    """The attacks on language models: a small transformer learns half of some invented facts.

    A third of the facts is the attacker's, who trains a reference on them. Half of the other
    non-members calibrate.
    """
    seed = derive_seed(run_seed, "mia_fdr", "texts", index) % 2**31
    facts = author_facts(config.authors, seed=seed)
    n = len(facts.examples)
    rng = np.random.default_rng(seed)
    learned = random_half(n, rng)
    auxiliary = np.isin(np.arange(n), rng.permutation(n)[: n // 3])
    target, reference = (
        _token_stats(config, facts, own, derive_seed(seed, role) % 2**31)
        for role, own in (("target", learned), ("reference", auxiliary))
    )
    sentences = [facts.text(row) for row in facts.examples.inputs]
    member = learned[~auxiliary]
    splits = [split_records(member, rng) for _ in range(config.resplits)]
    return {
        attack: asdict(realised(values[~auxiliary], member, splits, ALPHA))
        for attack, values in text_attack_scores(
            target, reference, sentences, share=TOKEN_SHARE
        ).items()
    }


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
                "group": unit.scored(attack).group,
                "label": unit.member,
                "value": values,
            }
        )
        for unit in units
        for attack, values in unit.scores.items()
    ]
    pl.concat(frames).write_parquet(run.folder / "scores.parquet")


# Claims


def _fdr(outcomes: Sequence[Outcome]) -> list[float]:
    """False discovery rates; none at all where too few lists declare anybody to judge them."""
    declaring = float(np.mean([outcome.declaring for outcome in outcomes]))
    return [outcome.fdr for outcome in outcomes] if declaring >= DECLARING_SHARE else []


def _at_most(
    claim_id: str, claim: str, parts: Mapping[str, Sequence[float]], *, paper: str | None = None
) -> Claim:
    """A claim that a false discovery rate is at most ``ALPHA`` in every part."""
    sentence = f"{claim} has a false discovery rate of at most {ALPHA:.0%}."
    return bounded_above(claim_id, sentence, parts, ALPHA, paper=paper, over="targets")


def _claims(units: Sequence[Unit], texts: Sequence[dict[str, Outcome]]) -> list[Claim]:
    def each(setting: str) -> list[Outcome]:
        return [unit.outcomes[setting] for unit in units]

    def fdr(settings: Mapping[str, str]) -> dict[str, list[float]]:
        return {title: _fdr(each(setting)) for title, setting in settings.items()}

    def stages(rule: str, figure: str) -> list[float]:
        own = [unit.stages[rule] for unit in units]
        declaring = np.mean([one["declaring"] for one in own])
        return [one[figure] for one in own] if declaring >= DECLARING_SHARE else []

    def gains(figure: Callable[[Scores], float]) -> list[float]:
        return [figure(unit.scored(BASE)) - figure(unit.scored("loss")) for unit in units]

    def power(rule: str) -> list[float]:
        return [outcome.power for outcome in each(f"rule {rule}")]

    marginal = {
        BASE: [outcome.marginal_error for outcome in each(_at(BASE))],
        MIX_APART: [outcome.marginal_error for outcome in each(MIX_APART)],
    }
    return [
        _at_most(
            "fdr_every_attack",
            "The list declared by every attack",
            fdr({attack: _at(attack) for attack in ATTACKS}),
            paper="FDR below alpha at every alpha; LiRA at alpha 0.15: 0.145",
        ),
        _at_most(
            "fdr_language_models",
            "The list declared by every attack on a language model",
            {attack: _fdr([found[attack] for found in texts]) for attack in TEXT_ATTACKS},
        ),
        _at_most(
            "fdr_every_rule",
            f"The list declared by {BASE} and every procedure",
            fdr({rule: f"rule {rule}" for rule in PROCEDURES}),
        ),
        _at_most(
            "fdr_other_settings",
            f"The list declared by {BASE} with few members in question, with surrogates of another "
            "architecture, or with calibration scored by a shadow of the target's own",
            fdr({name: name for name in (ONE_IN_TEN, BLACK_BOX, BY_SHADOW)}),
            paper="black-box setting: FDR below alpha",
        ),
        _at_most(
            "black_box_transfer",
            "With calibration scored by a surrogate of another architecture (which assumes "
            "surrogate = target), the list",
            fdr({BY_SURROGATE: BY_SURROGATE}),
        ),
        _at_most(
            "lifelong_each_stage",
            "When records arrive in stages, the worst stage",
            {"stage": stages("stage", "worst stage")},
        ),
        _at_most(
            "lifelong_all_claims",
            "The list of all stages together, by every rule that promises it,",
            {rule: stages(rule, "all claims") for rule in STAGE_RULES if rule != "stage"},
        ),
        within(
            "marginal_error",
            f"A non-member has p <= {ALPHA:g} with probability {ALPHA:g}, to within {MARGIN:g}: "
            f"under {BASE}, and under the loss attack calibrated per class where the class mix "
            "shifts.",
            marginal,
            ALPHA - MARGIN,
            ALPHA + MARGIN,
            paper="theorem 1: at most alpha",
            over="targets",
        ),
        claim_that_positive(
            "shifted_mix_breaks_one_calibration",
            "Where the class mix shifts, one calibration for all classes calls non-members of the "
            "loss attack members more often than calibration per class (p <= alpha).",
            [
                pooled.marginal_error - apart.marginal_error
                for pooled, apart in zip(each(MIX_POOLED), each(MIX_APART), strict=True)
            ],
        ),
        bounded_below(
            "shifted_calibration_is_flagged",
            "Calibration on the harder half of the non-members is flagged by the shift diagnostic "
            f"in at least {FLAGGED_SHARE:.0%} of the resplits.",
            [unit.flagged[HARDER] for unit in units],
            FLAGGED_SHARE,
            over="targets",
        ),
        claim_that_positive(
            "lira_declares_members",
            f"{BASE} declares members at alpha = {ALPHA:g} (its power is above 0).",
            [outcome.power for outcome in each(_at(BASE))],
        ),
        bounded_below(
            "lira_beats_loss",
            "LiRA online has a larger area under the ROC curve than the loss attack, and finds "
            "more members at 1 % false positives (differences).",
            {
                "area": gains(lambda scores: auc(scores).value),
                "TPR at 1 % FPR": gains(lambda scores: tpr_at_fpr(scores, 0.01).rate.value),
            },
            0.0,
            over="targets",
        ),
        bounded_below(
            "scaling_has_more_power",
            "Scaling p-values by an estimate of the non-members' share declares no fewer members "
            "than the paper's rule, whichever the estimate (difference of powers).",
            {
                rule: [a - b for a, b in zip(power(rule), power("bh"), strict=True)]
                for rule in SCALES
            },
            0.0,
            paper="PTDI: higher power than unscaled Benjamini-Hochberg",
            over="targets",
        ),
    ]


# What the report shows


def _by_data(units: Sequence[Unit]) -> dict[str, list[Unit]]:
    found: dict[str, list[Unit]] = {}
    for unit in units:
        found.setdefault(unit.data, []).append(unit)
    return found


def _metrics(units: Sequence[Unit]) -> list[Metric]:
    metrics = []
    for data, own in _by_data(units).items():
        figures: dict[tuple[str, str], list[float]] = {
            ("accuracy on members", "rate"): [unit.accuracy[0] for unit in own],
            ("accuracy on non-members", "rate"): [unit.accuracy[1] for unit in own],
        }
        for attack in SHOWN:
            outcomes = [unit.outcomes[_at(attack)] for unit in own]
            scored = [unit.scored(attack) for unit in own]
            figures |= {
                (f"AUC of {attack}", "area"): [auc(each).value for each in scored],
                (f"TPR at 1 % FPR of {attack}", "rate"): [
                    tpr_at_fpr(each, 0.01).rate.value for each in scored
                ],
                (f"FDR of {attack} at alpha {ALPHA:g}", "rate"): [o.fdr for o in outcomes],
                (f"power of {attack} at alpha {ALPHA:g}", "rate"): [o.power for o in outcomes],
            }
        for setting in own[0].flagged:
            figures[f"share of resplits flagged: {setting}", "rate"] = [
                unit.flagged[setting] for unit in own
            ]
        metrics += [
            metric_over_seeds(f"{name}, {data}", unit, values)
            for (name, unit), values in figures.items()
        ]
    return metrics


def _attack_table(units: Sequence[Unit]) -> Table:
    rows: list[Row] = []
    for data, own in _by_data(units).items():
        for attack in ATTACKS:
            scored = [unit.scored(attack) for unit in own]
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


OUTCOME_COLUMNS = ["FDR", "low", "high", "power", "marginal error", "declaring"]


def _outcome_row(outcomes: Sequence[Outcome]) -> Row:
    """Cells for ``OUTCOME_COLUMNS``."""
    rest = [(one.power, one.marginal_error, one.declaring) for one in outcomes]
    return [*row_over_seeds([one.fdr for one in outcomes]), *np.mean(rest, axis=0).tolist()]


OUTCOME_CAPTION = (
    "Means over resplits and seeds, the FDR with its 95 % Student-t interval over seeds; "
    "declaring: share of resplits in which anybody is declared."
)


def _level_table(units: Sequence[Unit]) -> Table:
    return Table(
        name="levels",
        title="Realised false discovery rate and power",
        columns=["data", "attack", "alpha", "bound", *OUTCOME_COLUMNS],
        rows=[
            [
                *(data, attack, alpha, alpha / 2),
                *_outcome_row([unit.outcomes[_at(attack, alpha)] for unit in own]),
            ]
            for data, own in _by_data(units).items()
            for attack in ATTACKS
            for alpha in ALPHAS
        ],
        caption="Half of the records in question are non-members, so the bound is alpha / 2. "
        + OUTCOME_CAPTION,
    )


def _setting_table(units: Sequence[Unit], texts: Sequence[dict[str, Outcome]]) -> Table:
    levels = {_at(attack, alpha) for attack in ATTACKS for alpha in ALPHAS}
    settings = [setting for setting in units[0].outcomes if setting not in levels]
    rows: list[Row] = [
        [data, setting, *_outcome_row([unit.outcomes[setting] for unit in own])]
        for data, own in _by_data(units).items()
        for setting in settings
    ]
    rows += [
        ["invented facts", attack, *_outcome_row([found[attack] for found in texts])]
        for attack in TEXT_ATTACKS
    ]
    return Table(
        name="settings",
        title=f"Procedures and settings at alpha {ALPHA:g}",
        columns=["data", "setting", *OUTCOME_COLUMNS],
        rows=rows,
        caption=f"{BASE} where no attack is named. A shifted class mix: calibration keeps one "
        f"record in {THINNED} of the classes whose non-members look most like members, the records "
        f"in question keep one in {THINNED} of the others. {OUTCOME_CAPTION}",
    )


def _stage_table(units: Sequence[Unit]) -> Table:
    figures = ("all claims", "worst stage", "power", "declaring")
    return Table(
        name="stages",
        title=f"Lifelong setting, {BASE} at alpha {ALPHA:g}",
        columns=["data", "rule", "FDR of all claims", "FDR of the worst stage", *figures[2:]],
        rows=[
            [
                data,
                rule,
                *(float(np.mean([unit.stages[rule][name] for unit in own])) for name in figures),
            ]
            for data, own in _by_data(units).items()
            for rule in STAGE_RULES
        ],
        caption="stage: each stage at alpha, which promises nothing for all claims together. "
        "spending: stage s at alpha / 2^s. LORD++ and SAFFRON assume independent p-values. Without "
        "discoveries the levels of the last three soon fall below 1 / (n + 1), the least p-value "
        "there is: then nobody more is declared.",
    )


def _declared_table(unit: Unit) -> Table:
    split = split_records(unit.member, np.random.default_rng(unit.seed))
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
    promise = wrapper.guarantee(ALPHA)
    return Table(
        name="declared",
        title=f"The declared list, first target: {int(mask.sum())} of {len(mask)} records",
        columns=["record", "score", "adjusted p", "declared", "truth"],
        rows=[
            [
                str(unit.ids[split.test][row]),
                float(tested[row]),
                float(adjusted[row]),
                "member" if mask[row] else "-",
                "member" if unit.member[split.test][row] else "NON-MEMBER",
            ]
            for row in order
        ],
        caption=f"{BASE}, highest scores first, at most {SHOWN_RECORDS} shown. {promise.statement} "
        + " ".join(f"{name}: {text}." for name, text in promise.rows()[1:]),
    )


def _figures(units: Sequence[Unit]) -> list[Figure]:
    data, own = next(iter(_by_data(units).items()))
    grid = np.geomspace(1 / (~own[0].member).sum(), 1, 80)

    def lines(
        name: str,
        title: str,
        caption: str,
        x: Sequence[float],
        series: Mapping[str, Sequence[float | None]],
        labels: tuple[str, str],
        *,
        log: bool = False,
    ) -> Figure:
        axes = {"x": list(x), "series": dict(series), "x_label": labels[0], "y_label": labels[1]}
        return Figure(
            name=name,
            title=f"{title}, {data}",
            kind="lines",
            caption=caption,
            data={**axes, "log": True} if log else axes,
        )

    def over_levels(figure: Callable[[Outcome], float]) -> dict[str, list[float]]:
        return {
            attack: [
                float(np.mean([figure(unit.outcomes[_at(attack, alpha)]) for unit in own]))
                for alpha in ALPHAS
            ]
            for attack in SHOWN
        }

    bars = {
        attack: row_over_seeds([unit.outcomes[_at(attack)].fdr for unit in units])
        for attack in ATTACKS
    }
    halves = [alpha / 2 for alpha in ALPHAS]
    return [
        lines(
            "roc",
            "ROC curves on logarithmic axes",
            "Mean over seeds of the true positive rate. The left end is one non-member.",
            grid.tolist(),
            {
                **{attack: _roc([unit.scored(attack) for unit in own], grid) for attack in SHOWN},
                "chance": grid.tolist(),
            },
            ("false positive rate", "true positive rate"),
            log=True,
        ),
        lines(
            "fdr",
            "Realised false discovery rate",
            "Means over resplits and seeds. Theorem 2 keeps every line below alpha / 2.",
            ALPHAS,
            {**over_levels(lambda outcome: outcome.fdr), "alpha / 2": halves},
            ("alpha", "false discovery rate"),
        ),
        lines(
            "power",
            "Power",
            "Share of the members that are declared. Means over resplits and seeds.",
            ALPHAS,
            over_levels(lambda outcome: outcome.power),
            ("alpha", "power"),
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
        lines(
            "memory",
            "First-stage members declared after each stage",
            "Each stage tested at alpha on its own. Means over resplits and seeds.",
            range(1, len(own[0].memory) + 1),
            {BASE: np.mean([unit.memory for unit in own], axis=0).tolist()},
            ("stage", "share declared"),
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
