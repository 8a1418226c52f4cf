"""Tables and figures of the study."""

from sterling.gaze.point_rewards import REWARDS
from sterling.studies.gaze.pre_map._cells import (
    AFTER_ASKED,
    AP,
    ASKED,
    C_GRPO,
    CEILING,
    CENTRE,
    OTHERS,
    POOLED,
    RANDOM,
    RECIPES,
    SALIENCY,
    TRUTH,
    PreMapConfig,
)
from sterling.study import Column, Results, Table, Views
from sterling.study.evidence import metric_of_mean


def views(results: Results, config: PreMapConfig) -> Views:
    """Answers and maps of all systems, training curves, and viewers of real gaze."""
    order = [C_GRPO, AFTER_ASKED, AP, *RECIPES, ASKED, POOLED, SALIENCY, CENTRE, RANDOM]
    order += ["pooled density", OTHERS, TRUTH]
    order = list(dict.fromkeys(order))
    metrics = [
        results.metric(f"{metric}, {system}", metric, unit, system=system)
        for metric, unit in (("NSS", "z-score"), ("profile gap", "z-score"), ("CC", "correlation"))
        for system in order
        if results.values(metric, system=system)
    ]
    # Twenty repetitions could hardly decide it, so it is shown and not claimed.
    difference = results.series("NSS").gain(AP, C_GRPO)
    metrics.append(metric_of_mean("NSS, AP less GRPO", "z-score", difference, "repetitions"))
    answers = results.table(
        "answers",
        "Answers of ten points",
        "system",
        [
            Column("NSS", "NSS", show="interval"),
            Column("CC", "CC"),
            Column("SIM", "SIM"),
            Column("KLD", "KLD"),
            Column("profile gap", "profile gap", show="interval"),
            Column("spread ratio", "spread ratio"),
            Column("ten points", "format rate"),
        ],
        order=order,
        caption="Means over repetitions, NSS and gap with 95 % intervals. Every answer is blurred "
        "with 3 % of the width and scored alone against "
        + (
            "the known density of the asked profile"
            if config.data is None
            else "the asked viewer's fixations"
        )
        + "; an answer that cannot be read is a uniform map. KLD in nats with the ε of "
        "MIT/Tübingen: ten points leave most of a frame without mass, so it is large. Profile "
        "gap: NSS for the asked profile less that for others. Baselines: ten points drawn from "
        "their density.",
    )
    maps = results.table(
        "maps",
        "Baselines as whole maps",
        "system",
        [Column(name, f"{name} of the map") for name in ("NSS", "CC", "KLD", "profile gap")],
        order=order,
        caption="The same densities before points are drawn from them: what an answer of ten "
        "points costs.",
    )
    rewards = [
        results.lines(
            f"reward_{name}",
            f"Training: {name} reward",
            "Mean reward of sampled answers, five steps each. The spatial reward falls as its "
            "tolerance narrows, not because answers get worse.",
            f"reward: {name}",
            x="step",
            labels=("step", f"{name} reward"),
        )
        for name in REWARDS
    ]
    bars = results.bars(
        "nss",
        "NSS of answers",
        "Means over repetitions with 95 % intervals; higher is better.",
        "NSS",
        order=order,
        value_label="NSS",
    )
    tables = [answers, maps]
    if config.data is not None:
        tables.append(_viewers(results, [*order, CEILING]))
    return Views(metrics, tables, [bars, *rewards])


def _viewers(results: Results, order: list[str]) -> Table:
    return results.table(
        "viewers",
        "Answers for a viewer at that viewer's fixations",
        "system",
        [
            Column("NSS", "viewer's NSS", show="interval"),
            Column("own less others", "viewer's gap", show="interval"),
            Column("over pooled SFT", f"gain over {POOLED}", show="interval"),
            Column("over centre bias", f"gain over {CENTRE}", show="interval"),
        ],
        order=order,
        caption="Means over frames and viewers with 95 % intervals clustered by both. Last row: "
        "the map of all other viewers' fixations on the frame, the human ceiling.",
    )
