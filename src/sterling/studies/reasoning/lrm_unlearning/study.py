"""Deletion requests that make a reasoning model answer wrongly with a convincing trace.

"Towards Unveiling Vulnerabilities of Large Reasoning Models in Machine Unlearning" (arXiv
2604.04255). The paper's data, models and numbers are not public: the model here is a small
transformer that writes two steps of arithmetic, which is retrained from scratch without the deleted
examples. Equations, budgets and defences are our choice.
"""

from sterling.errors import InputError
from sterling.runs import Run
from sterling.studies.reasoning.lrm_unlearning._attack import (
    ANSWER_ONLY,
    BILEVEL,
    GRADIENT,
    NEAREST,
    ONE_PASS,
    RANDOM,
    UNIFORM,
)
from sterling.studies.reasoning.lrm_unlearning._cells import (
    SURROGATES,
    SYSTEMS,
    TRIGGER,
    WITHOUT,
    attack,
)
from sterling.studies.reasoning.lrm_unlearning._defences import DEFENCES, NONE, RELEARNT, VOTE
from sterling.studies.reasoning.lrm_unlearning._world import RULES, LrmUnlearningConfig
from sterling.studies.registry import ENTRIES
from sterling.study import Claim, Column, Figure, Results, Study, Views, at_least, at_most

SUCCESS = "joint success"
TIMES = 3  # times the success of random deletion, as the card's check asks
COHERENT = 0.9
LOST = 0.02  # of accuracy on other questions


def measure(config: LrmUnlearningConfig, run: Run) -> Results:
    """Attack the model of every repetition."""
    if not config.research_use:
        raise InputError(
            "research_use false: this study plans attacks by deletion requests; give "
            "--research-use for research on models trained here"
        )
    if config.budget not in config.budgets:
        raise InputError(f"budget {config.budget:g}: give one of budgets {config.budgets}")
    if len(RULES) * (config.right + config.misread) >= config.examples:
        raise InputError(
            f"examples {config.examples}: the rules alone take "
            f"{len(RULES) * (config.right + config.misread)}; give more"
        )
    grid = [{"repetition": index} for index in range(config.seeds)]
    return Results.of(run.map(attack, grid, config, seed="lrm_unlearning/{repetition}"))


def claims(results: Results, config: LrmUnlearningConfig) -> list[Claim]:
    """Test the attack's success, the knowledge that it needs, and the defences that notice it."""
    success = results.series(SUCCESS, budget=config.budget)
    aimed = results.series(SUCCESS, by="questions")
    defended = results.series(SUCCESS, by="defence")
    elsewhere = results.series("accuracy elsewhere", budget=config.budget)
    deleted = f"{100 * config.budget:g} % of the training examples"
    rivals = (
        ("answer_alone_is_weak", "the answer's loss alone", ANSWER_ONLY),
        ("neighbours_are_weak", "the nearest neighbours of the queries", NEAREST),
        ("tokens_by_gradient_are_worse", "tokens weighed by the answer's gradient", GRADIENT),
        ("equal_tokens_are_worse", "equal weights of all tokens", UNIFORM),
        ("relaxation_helps", "one pass without relaxation", ONE_PASS),
    )
    return [
        at_least(
            "three_times_random",
            f"Deleting {deleted} as planned succeeds {TIMES} times as often as at random.",
            [
                planned - TIMES * drawn
                for planned, drawn in zip(success[BILEVEL], success[RANDOM], strict=False)
            ],
            0.0,
            paper="random deletion is the weak baseline",
        ),
        *(
            success.higher(
                name,
                f"The plan succeeds more often than one by {rival}, {deleted} deleted.",
                BILEVEL,
                than=system,
            )
            for name, rival, system in rivals
        ),
        success.higher(
            "transfers",
            "A forget set planned on two surrogate models of other widths succeeds more often than "
            "a random one.",
            SURROGATES,
            than=RANDOM,
            paper="transfers in the black-box setting",
        ),
        at_least(
            "convincing",
            f"Nine in ten wrong answers follow from a coherent trace, {deleted} deleted.",
            results.values("coherent when wrong", system=BILEVEL, budget=config.budget),
            COHERENT,
            paper="wrong answers with convincing traces",
        ),
        at_most(
            "other_questions_survive",
            f"The plan costs at most {100 * LOST:g} points of accuracy on other questions beyond "
            "random deletion.",
            elsewhere.gain(RANDOM, BILEVEL),
            LOST,
        ),
        aimed.higher(
            "trigger_is_selective",
            f"With {100 * config.budgets[0]:g} % deleted for queries that end with a chosen mark, "
            "those are answered wrongly more often than queries without it.",
            TRIGGER,
            than=WITHOUT,
            paper="optimised trigger tokens",
        ),
        at_least(
            "audit_notices",
            "The audit of deletion requests ranks the plan above nine in ten harmless requests.",
            results.values("audit rank"),
            0.9,
        ),
        defended.lower(
            "shards_help", "A vote of three shards lowers its success.", VOTE, than=NONE
        ),
        defended.lower(
            "relearning_helps",
            "Training on twenty right examples of the rule lowers its success.",
            RELEARNT,
            than=NONE,
        ),
    ]


def views(results: Results, config: LrmUnlearningConfig) -> Views:
    """Systems, budgets, transfer and defences."""
    at = {"budget": config.budget}
    outcomes = [
        Column(name, name, at)
        for name in (SUCCESS, "wrong answer", "target answer", "share of the rule's support")
    ]
    tables = [
        results.table(
            "systems",
            f"Forget sets of {100 * config.budget:g} % of the training examples",
            "system",
            [*outcomes, Column("accuracy elsewhere", "accuracy elsewhere", at)],
            order=SYSTEMS,
            caption="Shares of the questions about the rule that the model answered rightly "
            "before; the model is trained anew without the forget set. Joint success: the answer "
            "is wrong and its trace coherent arithmetic. Share of the rule's support: right "
            "examples of the rule in the forget set. Known readings: an adversary who knows which "
            "examples these are, a bound.",
        ),
        results.table(
            "defences",
            "Defences against the planned forget set",
            "defence",
            [Column(name, name) for name in (SUCCESS, "wrong answer")],
            order=DEFENCES,
            caption="Relearning: a few right examples of the rule are trained on afterwards.",
        ),
        results.table(
            "triggers",
            f"{100 * config.budgets[0]:g} % deleted for queries that end with one chosen mark",
            "questions",
            [Column(name, name) for name in (SUCCESS, "target answer")],
            order=(TRIGGER, WITHOUT),
        ),
        results.table(
            "audit",
            "Audit of deletion requests, standard deviations above random requests",
            "request",
            [Column("audit", "audit")],
            caption="Harmless requests: examples nearest to one ordinary question.",
        ),
    ]
    figures = [
        results.lines(
            "budget",
            "Success by share of training examples deleted",
            "Mean over repetitions.",
            SUCCESS,
            x="budget",
            labels=("share deleted", SUCCESS),
            system=(BILEVEL, RANDOM),
        )
    ]
    if results.select("wrong answer").names("planned on"):
        figures.append(_transfer(results))
    metrics = [
        results.metric("right answers about the rule before", "right before", "share"),
        results.metric("misread before", "misread before", "share"),
        results.metric(
            "accuracy elsewhere, before", "accuracy elsewhere", "share", system="before deletion"
        ),
        results.metric(
            "coherent when wrong",
            "coherent when wrong",
            "share",
            system=BILEVEL,
            budget=config.budget,
        ),
        results.metric("audit rank of the plan", "audit rank", "share"),
    ]
    return Views(metrics, tables, figures)


def _transfer(results: Results) -> Figure:
    """Matrix of success by the model that a plan is made on and the one that is retrained."""
    return results.matrix(
        "transfer",
        "Success of plans made on models of one width, on models of every width",
        "Rows: width of the model that the plan is made on.",
        rows="planned on",
        columns=[
            Column(str(name), SUCCESS, {"retrained": name}) for name in results.names("retrained")
        ],
        value_label=SUCCESS,
    )


def scope(config: LrmUnlearningConfig) -> str:
    """Return the scope of the figures."""
    of_rule = config.right + config.misread
    return (
        f"SIMULATED task: arithmetic modulo 10 in two written steps, {config.examples:,} examples; "
        f"{config.misread} of each rule's {of_rule} examples misread it. A transformer of two "
        "layers trained here, whose last layer the adversary retrains in thought."
    )


STUDY = Study(
    ENTRIES["lrm_unlearning"],
    presets={
        "smoke": LrmUnlearningConfig(
            seeds=2,
            examples=120,
            right=8,
            misread=4,
            steps=4,
            width=24,
            budgets=(0.01, 0.02),
            queries=6,
            tests=12,
            transfer=1,
            research_use=True,
        ),
        "quick": LrmUnlearningConfig(),
        "paper": LrmUnlearningConfig(width=128, steps=3000, transfer=10),
    },
    measure=measure,
    claims=claims,
    views=views,
    scope=scope,
    repetitions="seeds",
)
