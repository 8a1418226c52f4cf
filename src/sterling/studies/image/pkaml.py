"""PKAML: does a learner trained for one number of shots fail at others, and what mends it?

Qin et al., "Prior-Knowledge and Attention-based Meta-Learning for Few-Shot Learning"
(Knowledge-Based Systems 213, 2021). The paper names task over-fitting and a metric, cross-entropy
across tasks. The metric's formula could not be established: `tof_gap`, `cet_proxy` and `cet_loss`
are ours.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import stats

from sterling.adapt import cet_loss, cet_proxy, tof_gap
from sterling.adapt.attention import Form
from sterling.runs import Row
from sterling.studies.image._few_shot import few_shot_study, maml_on_maps, maml_on_pictures
from sterling.studies.image._few_shot_data import PAPER, PAPER_PRIOR, SMOKE, PriorConfig
from sterling.studies.image._few_shot_systems import Systems, Trained
from sterling.studies.registry import ENTRIES
from sterling.study import Claim, Column, Figure, Results, Views, positive, row

MAML, PRIOR, PKAML = "MAML", "prior knowledge", "PKAML"
LEARNERS = (MAML, PRIOR, PKAML)
MIXED = "mixed"
GAP, OWN_LEAD = "mean tof_gap", "lead at the own number of shots"
MIXED_GAIN, AGREEMENT = "gap closed by mixed shots", "rank correlation of tof_gap and cet_loss"

Floats = NDArray[np.float64]


class PkamlConfig(PriorConfig):
    """Configuration of the study; fields in common are `FewShotConfig`'s and `PriorConfig`'s.

    Attributes:
        across: Numbers of shots that learners are trained for and tested at; `shots` is not used.
        attention: "softmax" lets channels compete, "sigmoid" does not.
    """

    across: tuple[int, ...] = Field(default=(1, 5, 9), min_length=2)
    attention: Form = "sigmoid"


def systems(config: PkamlConfig) -> Systems:
    """Every learner, trained for each number of shots and for all of them by turns."""
    learners = {
        MAML: maml_on_pictures(config),
        PRIOR: maml_on_maps(config),
        PKAML: maml_on_maps(config, config.attention),
    }
    trained = {**{str(shots): (shots,) for shots in config.across}, MIXED: config.across}
    return {
        f"{learner}, {name}": replace(
            system, shots=shots, finish=partial(across_shots, config.across, learner, name)
        )
        for learner, system in learners.items()
        for name, shots in trained.items()
    }


def across_shots(across: Sequence[int], learner: str, name: str, trained: Trained) -> list[Row]:
    """Accuracy and cross-entropy of a learner trained for `name` at every number of shots."""
    rows = []
    for shots in across:
        tested = trained.test(trained.learner, shots)
        for metric, by_step in (
            ("accuracy", tested.accuracy),
            ("cross-entropy", tested.cross_entropy),
        ):
            value = float(by_step[:, trained.step].mean())
            rows.append(row(metric, value, system=learner, trained=name, tested=shots))
    return rows


def derived(results: Results, config: PkamlConfig) -> Iterator[Row]:
    """Summarise each repetition's matrices of accuracy and cross-entropy, trained by tested."""
    trained = [*map(str, config.across), MIXED]
    for repetition in range(config.seeds):
        for learner in LEARNERS:
            own = results.select(system=learner, repetition=repetition)
            accuracy, loss = (
                own.select(metric).frame["value"].to_numpy().reshape(len(trained), -1)
                for metric in ("accuracy", "cross-entropy")
            )
            for each in matrix_rows(accuracy, loss, trained):
                yield {"repetition": repetition, "system": learner, **each}


def matrix_rows(accuracy: Floats, loss: Floats, trained: Sequence[str]) -> list[Row]:
    """Measures of task over-fitting.

    Args:
        accuracy: In each row that of a learner trained for one number of shots, in each column
            tested at one; the last row is trained on all numbers.
        loss: Cross-entropy, likewise.
        trained: Names of the rows.
    """
    gaps = tof_gap(accuracy)
    square = accuracy[:-1]
    others = (square.sum(axis=0) - square.diagonal()) / (len(square) - 1)
    losses = cet_loss(loss)
    told_apart = bool(np.ptp(gaps) and np.ptp(losses))  # a constant has no rank correlation
    measures = (("tof_gap", gaps), ("cet_proxy", cet_proxy(accuracy)), ("cet_loss", losses))
    return [
        *(
            row(metric, value, trained=name)
            for metric, values in measures
            for name, value in zip(trained, values.tolist(), strict=True)
        ),
        row("accuracy", accuracy.mean()),
        row(GAP, gaps[:-1].mean()),
        row(OWN_LEAD, (square.diagonal() - others).mean()),
        row(MIXED_GAIN, gaps[:-1].mean() - gaps[-1]),
        row(AGREEMENT, stats.spearmanr(gaps, losses).statistic if told_apart else None),
    ]


def claims(results: Results, _: PkamlConfig) -> list[Claim]:
    """The paper's claims, and ours about the measures that stand for its metric."""
    accuracy = results.series("accuracy")
    return [
        positive(
            "maml_over_fits_to_its_shots",
            "MAML trained for the tested number of shots is more accurate than MAML trained for "
            "another (mean over numbers).",
            results.values(OWN_LEAD, system=MAML),
            paper="task over-fitting: poor generalisation across numbers of shots",
        ),
        results.series(GAP).lower(
            "prior_knowledge_and_attention_mend_it",
            "The mean gap (tof_gap) of PKAML is smaller than MAML's (difference).",
            PKAML,
            than=MAML,
            paper="task over-fitting is greatly alleviated",
        ),
        positive(
            "mixed_shots_mend_it",
            "MAML trained on all numbers of shots has a smaller gap than the mean of those trained "
            "on one (difference).",
            results.values(MIXED_GAIN, system=MAML),
        ),
        accuracy.higher(
            "prior_knowledge_adds",
            "On a frozen representation MAML is more accurate, over all numbers of shots.",
            PRIOR,
            than=MAML,
        ),
        accuracy.higher(
            "attention_adds",
            "PKAML is more accurate than prior knowledge without attention, over all numbers.",
            PKAML,
            than=PRIOR,
        ),
        positive(
            "loss_across_tasks_follows_the_gap",
            "Among MAML's rows, a larger gap goes with a larger cross-entropy across tasks "
            "(cet_loss; Spearman's rank correlation).",
            results.values(AGREEMENT, system=MAML),
        ),
    ]


def views(results: Results, config: PkamlConfig) -> Views:
    """Every learner at every number of shots."""
    tested = [Column(f"at {shots}", "accuracy", {"tested": shots}) for shots in config.across]
    table = results.table(
        "across shots",
        "Trained for one number of shots, tested at others",
        ("system", "trained"),
        [
            *tested,
            Column("tof_gap", "tof_gap", show="interval"),
            Column("cet_proxy", "cet_proxy"),
            Column("cet_loss", "cet_loss"),
        ],
        headings=("learner", "trained at"),
        caption="Means over repetitions, the gap with its 95 % interval. All three measures are "
        "ours and small is good; the proxies are in nats.",
    )
    figures = [_below_best(results.select(system=name), name, tested) for name in LEARNERS]
    metrics = [
        results.metric(f"accuracy across shots: {name}", "accuracy", "rate", system=name)
        for name in LEARNERS
    ]
    return Views(metrics, [table], figures)


def _below_best(results: Results, learner: str, tested: Sequence[Column]) -> Figure:
    figure = results.matrix(
        f"across shots: {learner}",
        f"{learner}: trained at, tested at",
        "Accuracy below the best of its column, by the number of shots of training (rows) and of "
        "test (columns), means over repetitions.",
        rows="trained",
        columns=tested,
        value_label="accuracy below the best",
    )
    means = np.array(figure.data["values"])
    values = (means - means.max(axis=0)).tolist()
    return figure.model_copy(update={"data": {**figure.data, "values": values}})


STUDY = few_shot_study(
    ENTRIES["pkaml"],
    presets={
        "smoke": PkamlConfig(
            **{**SMOKE, "iterations": 2}, across=(1, 2), prior_width=4, prior_steps=3
        ),
        "quick": PkamlConfig(
            size=16, iterations=50, validation_tasks=20, test_tasks=40, prior_steps=200, seeds=4
        ),
        "paper": PkamlConfig(**PAPER, **PAPER_PRIOR, across=(1, 3, 5, 7, 9)),
    },
    systems=systems,
    claims=claims,
    views=views,
    derived=derived,
    note=" The formula of the paper's metric (CET) could not be established; what stands for it "
    "is ours.",
)
