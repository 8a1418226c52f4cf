"""Dropping stragglers: what does it save, and what does it cost?

"A Hybrid Solution to improve Iteration Efficiency in the Distributed Learning" (arXiv 1411.6358,
2014), of which the abstract alone could be read: problems, laws of delay, sizes and bars are ours.
Loss is shown against time and against gradients used, never at equal numbers of steps alone. Most
runs are on a virtual clock; those on Ray have workers that sleep for their delays, so that few
cores do.
"""

from dataclasses import replace

from sterling.runs import Run, inline
from sterling.scale.ray_workers import local_cluster
from sterling.studies.registry import ENTRIES
from sterling.studies.scale.partial_sgd._training import (
    ALL,
    AXES,
    EIGHTH,
    FAIR,
    GOAL,
    LAWS,
    QUARTER,
    RATIO,
    RAY,
    REAL,
    RULES,
    TWENTIETH,
    VIRTUAL,
    PartialSgdConfig,
    seconds_on_ray,
    virtual_clock,
)
from sterling.study import Claim, Column, Results, Study, Views, at_least, at_most, positive, within

FORMULA = 0.02  # ours: how far means may be from what theory says
LOST = 0.1  # ours: share by which a killed worker may raise the loss


def measure(config: PartialSgdConfig, run: Run) -> Results:
    """Run every rule under every law in every repetition, some of it on Ray."""
    virtual, real = (
        [{"repetition": index} for index in range(count)]
        for count in (config.seeds, config.real_seeds)
    )
    seed = "partial_sgd/{repetition}"
    rows = run.map(virtual_clock, virtual, config, seed=seed)
    with local_cluster():  # one repetition at a time, or they would slow each other down
        rows += replace(run, backend=inline).map(seconds_on_ray, real, config, seed=seed)
    return Results.of(rows)


def claims(results: Results, config: PartialSgdConfig) -> list[Claim]:
    """Test the savings and costs of dropping stragglers, and the report of dropped shards."""
    straggler = results.select(shards="unlike", law="straggler")
    lost = straggler.series("loss left on shard 0")
    alike = results.select(shards="alike", law="spikes")
    return [
        *(
            positive(
                f"shorter_{law.replace(' ', '_')}",
                f"Under {law}, dropping a quarter of the results shortens the time to the same "
                "loss, where shards are alike (share of the time that is saved).",
                results.values("time saved", shards="alike", law=law, system=QUARTER),
                paper="reported in the abstract, without figures here",
            )
            for law in LAWS
        ),
        positive(
            "shorter_thousand",
            f"So does dropping one in twenty of {config.many} machines, of which one in a "
            "hundred is late in each step.",
            results.values("time saved", shards="many", system=TWENTIETH),
        ),
        alike.series("log excess").higher(
            "equal_steps_cost",
            "At equal steps dropping a quarter ends at a higher loss than waiting for all "
            "(difference of the logarithms of what is above the least loss).",
            QUARTER,
            than=ALL,
        ),
        within(
            "variance_formula",
            "Means over three in four of alike shards vary as (S²/γ)(1 - γ/M) says, to within 5 %.",
            results.values("variance over formula"),
            0.95,
            1.05,
        ),
        within(
            "order_statistic",
            f"Steps take what the order statistic of exponential delays says, to within "
            f"{FORMULA:.0%}.",
            results.values("step over order statistic"),
            1 - FORMULA,
            1 + FORMULA,
        ),
        lost.higher(
            "straggler_data_lost",
            "What a machine that is slow for good alone holds is learned worse where one in eight "
            "is dropped (difference in the share of its first loss that is left).",
            EIGHTH,
            than=ALL,
        ),
        at_least(
            "straggler_named",
            "A warning names that machine, and none is given where all are waited for.",
            results.rate("straggler named") or [],
            0.5,
        ),
        lost.lower(
            "fairness_mends",
            "Waiting for a shard that was not used for five steps lowers that share.",
            FAIR,
            than=EIGHTH,
        ),
        positive(
            "fairness_is_shorter",
            "And equal steps still take less time than waiting for all (share that is saved).",
            straggler.values("seconds saved", system=FAIR),
        ),
        at_least(
            "killed_is_reported",
            "On Ray a worker that is killed is started anew and named; killed again it is named "
            "as crashed, and training goes on without it.",
            results.rate("killed worker reported") or [],
            0.5,
        ),
        at_most(
            "killed_costs_little",
            "Where shards are alike, the loss without a killed worker is at most a tenth higher.",
            results.values("loss after a crash"),
            1 + LOST,
        ),
    ]


def views(results: Results, config: PartialSgdConfig) -> Views:
    """Every rule under every law, Ray and the virtual clock, and loss over time."""
    metrics = [
        results.metric(
            f"seconds to the goal, {law}, {rule}",
            "seconds to the goal",
            "virtual seconds",
            shards="alike",
            law=law,
            system=rule,
        )
        for law in LAWS
        for rule in (ALL, QUARTER)
    ]
    # Seconds of a real clock are shown and never tested: another load gives others.
    metrics += [
        results.metric(
            "share of the time saved on Ray", "time saved", "share", clock=RAY, system=QUARTER
        ),
        results.metric(
            "a step on Ray without any delay", "seconds of a step without delay", "seconds"
        ),
        *(
            results.metric(f"time on Ray over virtual time, {name}", RATIO, "ratio", system=name)
            for name in REAL
        ),
    ]
    rules = results.table(
        "rules",
        "Rules under laws of delay",
        ("shards", "law", "system"),
        [
            Column("runs that arrived", "arrived", show="sum"),
            Column("s to the goal", "seconds to the goal", show="interval"),
            Column("s in all", "seconds", show="interval"),
            Column("gradients used", "gradients"),
            Column("late", "late"),
            Column("excess at the end", "excess"),
            Column("worst shard's loss", "worst shard's loss"),
            Column("runs with a warning", "warned", show="sum"),
        ],
        order=("alike", "unlike"),
        headings=("shards", "law", "rule"),
        caption=f"Virtual seconds, means over {config.seeds} repetitions with 95 % intervals. The "
        f"goal: {GOAL:.0%} of the first loss above the least is left; who does not arrive counts "
        "with the whole time. Excess: that share at the end of as many steps.",
    )
    real = results.table(
        "ray",
        "On Ray, and on the virtual clock",
        "system",
        [
            Column("s on Ray", "seconds", {"clock": RAY}, "interval"),
            Column("s virtual", "seconds", {"clock": VIRTUAL}, "interval"),
            Column("s to the goal on Ray", "seconds to the goal", {"clock": RAY}, "interval"),
        ],
        order=REAL,
        headings=["rule"],
        caption="Workers sleep for their spikes; all of them share this machine's cores. A step "
        "without any delay: see the metrics.",
    )
    figures = [
        results.lines(
            f"loss_over_{axis}",
            f"Loss over {label}",
            "Share of the first loss above the least that is left; alike shards, spikes, the "
            "first repetition. Lower is better.",
            f"excess over {axis}",
            x="at",
            labels=(label, "excess loss left"),
            log=True,
        )
        for axis, label in AXES.items()
    ]
    left = results.bars(
        "straggler_shard",
        "Loss of the shard that the straggler alone holds",
        "Its loss at the end, unlike shards, worker 0 slow for good; means over repetitions.",
        "loss of shard 0",
        order=list(RULES),
        value_label="loss of shard 0",
        shards="unlike",
        law="straggler",
    )
    return Views(metrics, [rules, real], [*figures, left])


def scope(_: PartialSgdConfig) -> str:
    """Return the scope of the figures."""
    return (
        "SIMULATED: linear regression on drawn data, delays drawn by law; on a virtual clock, and "
        "on Ray with workers that sleep for their delays on one machine."
    )


STUDY = Study(
    ENTRIES["partial_sgd"],
    presets={
        "smoke": PartialSgdConfig(
            seeds=2,
            workers=4,
            steps=45,
            many=40,
            many_steps=45,
            draws=20,
            real_seeds=1,
            real_steps=3,
        ),
        "quick": PartialSgdConfig(),
        "paper": PartialSgdConfig(seeds=20, workers=32, steps=400, real_seeds=20, real_steps=100),
    },
    measure=measure,
    claims=claims,
    views=views,
    scope=scope,
    no_data="its problems are drawn here, so that the least loss is known",
    repetitions="seeds",
)
