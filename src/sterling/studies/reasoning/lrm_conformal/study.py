"""Reasoning under a guarantee: do sets hold a right answer with valid reasoning as promised?

"Quantifying and Understanding Uncertainty in Large Reasoning Models" (arXiv 2604.13395). Its
configurations, models and numbers are not public: the samplers here are a simulated one, whose true
risk is known, a small transformer that is trained on sums with written steps, and solutions that
others recorded (`--data`). Shapley values are tested on examples of which a tenth teach a rule.
"""

from sterling.reasoning.recorded import read_recorded
from sterling.runs import Run
from sterling.studies.reasoning.lrm_conformal._cells import (
    ANSWERS,
    FIXED,
    RECORDED,
    SETS,
    SIMULATED,
    SOLVER,
    SYSTEMS,
    LrmConformalConfig,
    measure_recorded,
    measure_simulated,
    measure_solver,
)
from sterling.studies.reasoning.lrm_conformal._planted import attribute
from sterling.studies.registry import ENTRIES
from sterling.study import Claim, Column, Results, Study, Views, at_least, at_most

RECALL = 0.8


def measure(config: LrmConformalConfig, run: Run) -> Results:
    """Calibrate on all samplers; attribute."""
    grid = [{"repetition": index} for index in range(config.seeds)]
    rows = []
    if config.data is not None:
        read_recorded(config.data)  # refuses a folder of something else before anything is trained
        rows += run.map(measure_recorded, grid, config, seed="lrm_conformal/{repetition}")
    rows += run.map(measure_simulated, grid, config, seed="lrm_conformal/{repetition}")
    rows += run.map(measure_solver, grid, config, seed="lrm_conformal/{repetition}")
    rows += run.map(attribute, grid, config.permutations, seed="lrm_conformal/{repetition}")
    return Results.of(rows)


def claims(results: Results, config: LrmConformalConfig) -> list[Claim]:
    """The guarantee, what it costs, and what explains it."""
    drawn = results.series("solutions drawn", data=SOLVER)
    return [
        at_most(
            "risk_controlled",
            f"The risk exceeds {config.eps:g} on at most a share {config.delta:g} of calibration "
            "sets (true risk of the simulated sampler).",
            results.values("risk exceeded", data=SIMULATED, system=SETS),
            config.delta,
            paper="theorem: P(risk > ε) ≤ δ",
        ),
        results.series("risk", data=SIMULATED).lower(
            "reasoning_needs_its_own_calibration",
            "Sets calibrated on answers alone lack valid reasoning more often.",
            SETS,
            than=ANSWERS,
        ),
        drawn.lower(
            "fewer_solutions_drawn",
            "Reasoning sets draw fewer of the transformer's solutions than a certified fixed "
            "number.",
            SETS,
            than=FIXED,
        ),
        at_least(
            "planted_examples_found",
            f"The twenty largest Shapley values hold {RECALL:g} or more of the twenty examples "
            "that teach the rule.",
            results.values("recall of planted examples"),
            RECALL,
        ),
        at_least(
            "teaching_step_found",
            "In nine of ten of these examples the step with the rule gets more than the other.",
            results.values("teaching step ahead"),
            0.9,
        ),
    ]


def views(results: Results, config: LrmConformalConfig) -> Views:
    """Systems by sampler, difficulty, and attribution."""
    samplers = [SIMULATED, SOLVER] + [RECORDED] * (config.data is not None)
    measured = ("risk", "risk exceeded", "solutions in a set", "solutions drawn")
    tables = [
        results.table(
            data,
            data.capitalize(),
            "system",
            [Column(name, name, {"data": data}) for name in measured],
            order=SYSTEMS,
            caption=f"Risk: share of sets without a valid trace to the right answer; at most "
            f"{config.recorded_eps if data == RECORDED else config.eps:g} is asked for, with "
            f"confidence {1 - config.delta:g}. Exceeded: share of calibration sets after which the "
            "risk on the other questions was larger; beside the sampler whose risk is known, that "
            "is also noise of the other questions, which are few.",
        )
        for data in samplers
    ]
    bars = results.bars(
        "drawn",
        "Solutions drawn by the small transformer",
        "At risks that the first table gives; 95 % intervals over repetitions.",
        "solutions drawn",
        order=SYSTEMS,
        value_label="solutions drawn",
        data=SOLVER,
    )
    metrics = [
        results.metric("risk, simulated sampler", "risk", "share", data=SIMULATED, system=SETS),
        results.metric("risk, small transformer", "risk", "share", data=SOLVER, system=SETS),
        results.metric(
            "right answers of the small transformer", "right answers", "share", data=SOLVER
        ),
        results.metric(
            "of them with valid steps, share of all",
            "right answers with valid steps",
            "share",
            data=SOLVER,
        ),
        results.metric(
            "abstained, small transformer", "abstained", "share", data=SOLVER, system=SETS
        ),
        *(
            results.metric(name, name, unit)
            for name, unit in (
                ("recall of planted examples", "share"),
                ("examples kept", "share"),
                ("risk of the subset", "share"),
                ("subset certified", "share"),
                ("models trained", "count"),
            )
        ),
        *(
            results.metric(
                f"risk of {level} products",
                "risk by difficulty",
                "share",
                data=SOLVER,
                level=level,
            )
            for level in results.select("risk by difficulty").names("level")
        ),
    ]
    return Views(metrics, tables, [bars])


def scope(config: LrmConformalConfig) -> str:
    """Return the scope of the figures."""
    text = (
        "SIMULATED sampler; sums that a transformer trained here solves in two written steps; "
        "planted regression examples."
    )
    if config.data is not None:
        text += f" Real solutions that others recorded: {config.data.name}."
    return text


STUDY = Study(
    ENTRIES["lrm_conformal"],
    presets={
        "smoke": LrmConformalConfig(
            seeds=2,
            resplits=3,
            calibration=60,
            questions=90,
            solutions=4,
            points=3,
            examples=100,
            steps=20,
            width=16,
            permutations=4,
        ),
        "quick": LrmConformalConfig(),
        "paper": LrmConformalConfig(
            calibration=1500, questions=1600, points=25, width=256, steps=20_000, resplits=8
        ),
    },
    measure=measure,
    claims=claims,
    views=views,
    scope=scope,
    repetitions="seeds",
)
