"""CardiacMind: do process rewards make reasoning about the heart better, and can they be gamed?

CardiacMind (arXiv 2601.08440) rewards the quantity, the quality and the semantics of diagnostic
steps. Its formulas, templates and data are not public: those here are ours. Fourteen texts, one of
them honest, are scored by the rewards; then a small transformer that reads schematic pictures of
synthetic patients is trained by accuracy alone and with each process reward.
"""

from sterling.reasoning import EXPLOITS
from sterling.reasoning.gaming import HONEST, TOTAL
from sterling.runs import Run
from sterling.studies.reasoning.cardiacmind._cells import (
    ABNORMAL,
    ACCURACY,
    ALL,
    GATED,
    IMITATED,
    PLAIN,
    QUALITY,
    QUANTITY,
    SEMANTICS,
    SEPARATELY,
    CardiacMindConfig,
    measure_repetition,
    real_patients,
)
from sterling.studies.registry import ENTRIES
from sterling.study import Claim, Column, Metric, Results, Study, Views, at_least

SYSTEMS = (IMITATED, ACCURACY, QUANTITY, QUALITY, SEMANTICS, ALL, SEPARATELY)
MARGIN = 0.1  # ours: the smallest lead of the honest text that training can be trusted with
REAL = "AUC of abnormal wall motion"
METHOD = "DeLong on the logit scale"


def measure(config: CardiacMindConfig, run: Run) -> Results:
    """Train and test policies in every repetition; then real patients, where there are some."""
    rows = []
    if config.data is not None:  # refuses a folder of something else before anything is trained
        rows += run.map(real_patients, [{"repetition": 0}], config, seed="real")
    grid = [{"repetition": index} for index in range(config.seeds)]
    rows += run.map(measure_repetition, grid, config, seed="cardiacmind/{repetition}")
    left_out = sum(row["value"] for row in rows if row["metric"] == "left out")
    return Results.of(rows, not_scored=int(left_out))


def claims(results: Results, _: CardiacMindConfig) -> list[Claim]:
    """Test the reward of exploits, and the effect of process rewards on a policy."""
    coverage = results.series("step coverage")
    made_up = results.series("hallucinated values")
    reward = results.series("reward")
    return [
        at_least(
            "honest_case_wins",
            "In the gated sum the full correct reasoning leads the best exploit by 0.1 or more in "
            "every case (worst case of each repetition).",
            results.values("smallest margin", form=GATED),
            MARGIN,
        ),
        results.series("margin", by="form").higher(
            "gate_widens_the_margin",
            "The gate widens the lead of the correct reasoning over the best exploit.",
            GATED,
            than=PLAIN,
        ),
        coverage.higher(
            "quality_raises_coverage",
            "PQlR raises the share of the template that is covered with right values, over "
            "accuracy alone.",
            QUALITY,
            than=ACCURACY,
            paper="abstract: PQlR promotes evidence across views and modalities",
        ),
        made_up.lower(
            "quality_lowers_hallucination",
            "PQlR lowers the share of stated values that are made up, below accuracy alone.",
            QUALITY,
            than=ACCURACY,
        ),
        coverage.higher(
            "all_raise_coverage",
            "All process rewards with the gate raise the coverage over accuracy alone.",
            ALL,
            than=ACCURACY,
        ),
        made_up.lower(
            "all_lower_hallucination",
            "All process rewards with the gate lower the share of values that are made up.",
            ALL,
            than=ACCURACY,
        ),
        reward.higher(
            "rewards_are_learnt",
            "Training by the full reward raises it above imitation.",
            ALL,
            than=IMITATED,
        ),
    ]


def views(results: Results, config: CardiacMindConfig) -> Views:
    """The gaming matrix, the ablation, and real patients."""
    components = results.select("earned", form=GATED).names("component")
    columns = [Column(name, "earned", {"form": GATED, "component": name}) for name in components]
    plain = Column("total, plain sum", "earned", {"form": PLAIN, "component": TOTAL})
    caption = (
        "SYNTHETIC cases, not for clinical use. Means over cases and repetitions; 'N correct "
        "steps' is the honest text. The plain sum is the one without the gate."
    )
    gaming = results.table(
        "gaming",
        "Reward of each text",
        "exploit",
        [*columns, plain],
        order=list(EXPLOITS),
        headings=["text"],
        caption=caption,
    )
    picture = results.matrix(
        "gaming matrix",
        "Reward of each text",
        caption,
        rows="exploit",
        columns=[*columns, plain],
        order=list(EXPLOITS),
        value_label="earned",
        centre=0.5,
    )
    measured = (
        "macro F1", "step coverage", "hallucinated values", "quantity", "quality", "reward", "steps"
    )  # fmt: skip
    ablation = results.table(
        "ablation",
        "Policies by the reward that trained them",
        "system",
        [
            Column(
                name, name, show="mean" if name in ("quantity", "quality", "steps") else "interval"
            )
            for name in measured
        ],
        order=SYSTEMS,
        headings=["trained by"],
        caption="SYNTHETIC cases, not for clinical use. All start from one imitation. Coverage: "
        "share of the template stated with right values. Hallucinated: share of the stated values "
        "that err by more than the tolerance. Normalised one by one: GDPO, without the gate.",
    )
    bars = [
        results.bars(
            name,
            f"{name.capitalize()} by reward",
            f"{meaning}. SYNTHETIC cases, not for clinical use; 95 % intervals over repetitions.",
            name,
            order=SYSTEMS,
            value_label=name,
        )
        for name, meaning in (
            ("step coverage", "Share of the template stated with right values; higher is better"),
            ("hallucinated values", "Share of stated values that are made up; lower is better"),
        )
    ]
    metrics = [
        results.metric(
            f"{HONEST}, total", "earned", "reward", form=GATED, exploit=HONEST, component=TOTAL
        ),
        results.metric("margin of the correct reasoning", "margin", "reward", form=GATED),
        results.metric("margin in the plain sum", "margin", "reward", form=PLAIN),
        *(
            results.metric(f"{metric}, {system}", metric, "share", system=system)
            for metric in ("macro F1", "step coverage", "hallucinated values")
            for system in SYSTEMS
        ),
        *(_real(results) if config.data else []),
    ]
    return Views(metrics, [gaming, ablation], [picture, *bars])


def _real(results: Results) -> list[Metric]:
    """AUC on real patients with its interval."""
    found = results.estimate(REAL, METHOD)
    patients = int(sum(results.values("patients")))
    abnormal = int(sum(results.values("patients with abnormal wall motion")))
    name = (
        f"real patients: AUC of a template's support for a wall motion index of {ABNORMAL} or more "
        f"({abnormal} of {patients})"
    )
    if found is None or found.interval is None:
        return [Metric(name=name, value=None, n=patients, unit="AUC")]
    return [
        Metric(
            name=name,
            value=found.value,
            low=found.interval.low,
            high=found.interval.high,
            n=patients,
            unit="AUC",
        )
    ]


def scope(config: CardiacMindConfig) -> str:
    """Return the scope of the figures."""
    text = (
        "SIMULATED: synthetic cases and schematic pictures, drawn from illustrative templates that "
        "no clinician has reviewed. Synthetic, not for clinical use."
    )
    if config.data is not None:
        text += (
            " One check, of a template's support, is on real measurements after heart attacks (UCI "
            "Echocardiogram, CC BY 4.0), not on pictures."
        )
    return text


STUDY = Study(
    ENTRIES["cardiacmind"],
    presets={
        "smoke": CardiacMindConfig(
            encoder_cases=100,
            encoder_steps=25,
            train_cases=40,
            test_cases=30,
            gaming_cases=8,
            imitation_steps=20,
            reward_steps=2,
            prompts=4,
            group=4,
            width=16,
            layers=1,
            seeds=2,
        ),
        "quick": CardiacMindConfig(),
        "paper": CardiacMindConfig(
            encoder_cases=4000,
            encoder_steps=2000,
            train_cases=4000,
            test_cases=2000,
            gaming_cases=300,
            imitation_steps=1000,
            reward_steps=1000,
            prompts=32,
            group=8,
            width=256,
            layers=6,
            learning_rate=2e-4,
            seeds=20,
        ),
    },
    measure=measure,
    claims=claims,
    views=views,
    scope=scope,
    repetitions="seeds",
)
