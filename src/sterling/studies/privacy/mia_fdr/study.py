"""MIAFdR: can a list of declared members be trusted, and does it name anybody?

"Membership Inference Attacks with False Discovery Rate Control", ICCV 2025. Every seed draws its
own records, its own split and its own models. Within a seed, calibration and test are split again
many times, so that the mean false discovery proportion is an expectation and not one draw.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from sterling.errors import InputError, unknown_name
from sterling.guarantee.selector import PROCEDURES, SCALES
from sterling.lm import TokenStats, token_stats
from sterling.lm.small_transformer import SmallTransformer
from sterling.measure import Scores, auc, tpr_at_fpr
from sterling.privacy.data.author_facts import AuthorFacts, author_facts
from sterling.privacy.data.records import (
    EMBEDDED,
    Records,
    embedded_records,
    read_records,
    simulated_records,
)
from sterling.privacy.membership.lifelong import STAGE_RULES
from sterling.privacy.membership.registry import ATTACKS, TEXT_ATTACKS, text_attack_scores
from sterling.privacy.membership.shadow_design import random_half
from sterling.privacy.targets.training import Recipe
from sterling.privacy.unlearning.descent import Descent, descend
from sterling.privacy.unlearning.examples import IGNORED
from sterling.privacy.unlearning.losses import mean_loss
from sterling.runs import Run, derive_seed
from sterling.scale.backends import in_processes
from sterling.studies.privacy.mia_fdr._audit_report import (
    AuditedTarget,
    attack_table,
    audit_figures,
    audit_metrics,
    declared_table,
    level_table,
    setting_table,
    stage_table,
    write_scores,
)
from sterling.studies.privacy.mia_fdr._resplits import Outcome, realised, split_records
from sterling.studies.privacy.mia_fdr._target_audit import (
    ALPHA,
    BASE,
    BLACK_BOX,
    BY_SHADOW,
    BY_SURROGATE,
    HARDER,
    MIX_APART,
    MIX_POOLED,
    ONE_IN_TEN,
    PARTS,
    AuditPlan,
    at_level,
)
from sterling.study import (
    Claim,
    Config,
    Findings,
    Study,
    bounded_above,
    bounded_below,
    positive,
    within,
)

MARGIN = 0.01  # ours: theorem 1 leaves at most 1 / (n + 1) below alpha and nothing above
FLAGGED_SHARE = 0.9  # our bar for the shift diagnostic
DECLARING_SHARE = 0.05  # ours: with fewer lists that name anybody, an FDR says nothing
LEAST_RECORDS = 400
TOKEN_SHARE = 0.4  # K of Min-K on answers of three tokens: the one lowest


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
    write_scores(units, run)
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
        metrics=audit_metrics(units),
        claims=_claims(units, texts),
        tables=[
            attack_table(units),
            level_table(units),
            setting_table(units, texts),
            stage_table(units),
            declared_table(units[0]),
        ],
        figures=audit_figures(units),
    )


# One target


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


def _plan(config: MiaFdrConfig) -> AuditPlan:
    return AuditPlan(
        architecture=config.architecture,
        width=config.width,
        surrogate=config.surrogate,
        shadows=config.shadows,
        recipe=Recipe(
            epochs=config.epochs, batch_size=config.batch_size, learning_rate=config.learning_rate
        ),
        resplits=config.resplits,
        stages=config.stages,
    )


def _part(config: MiaFdrConfig, part: str, name: str, seed: int) -> dict[str, Any]:
    return PARTS[part](_plan(config), _records(config, name, seed), seed)


def _one_unit(config: MiaFdrConfig, run: Run, name: str, index: int) -> AuditedTarget:
    seed = derive_seed(run.seed, "mia_fdr", name, index) % 2**31
    known, hidden, lifelong = (
        run.stage(
            f"{part}-{name}-{index}",
            partial(_part, config, part, name, seed),
        )
        for part in PARTS
    )
    outcomes = {**known["outcomes"], **hidden["outcomes"]}
    return AuditedTarget(
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


# Claims


def _fdr(outcomes: Sequence[Outcome]) -> list[float]:
    """False discovery rates; none at all where too few lists declare anybody to judge them."""
    declaring = float(np.mean([outcome.declaring for outcome in outcomes]))
    return [outcome.fdr for outcome in outcomes] if declaring >= DECLARING_SHARE else []


def _at_most(
    claim_id: str,
    claim: str,
    rates: Sequence[float] | Mapping[str, Sequence[float]],
    *,
    paper: str | None = None,
) -> Claim:
    """A claim that a false discovery rate, or every one of several, is at most ``ALPHA``."""
    sentence = f"{claim} has a false discovery rate of at most {ALPHA:.0%}."
    return bounded_above(claim_id, sentence, rates, ALPHA, paper=paper, over="targets")


def _claims(units: Sequence[AuditedTarget], texts: Sequence[dict[str, Outcome]]) -> list[Claim]:
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
        BASE: [outcome.marginal_error for outcome in each(at_level(BASE))],
        MIX_APART: [outcome.marginal_error for outcome in each(MIX_APART)],
    }
    return [
        _at_most(
            "fdr_every_attack",
            "The list declared by every attack",
            fdr({attack: at_level(attack) for attack in ATTACKS}),
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
            _fdr(each(BY_SURROGATE)),
        ),
        _at_most(
            "lifelong_each_stage",
            "When records arrive in stages, the worst stage",
            stages("stage", "worst stage"),
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
        positive(
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
        positive(
            "lira_declares_members",
            f"{BASE} declares members at alpha = {ALPHA:g} (its power is above 0).",
            [outcome.power for outcome in each(at_level(BASE))],
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


MIA_FDR_STUDY = Study(
    name="mia_fdr",
    summary="Membership inference whose declared members are mostly right, with a bound.",
    domain="privacy",
    cite="zhao2025membership",
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
