"""Claims, metrics, tables and figures of `sterling face evaluate`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sterling.face.evaluation.evaluate import SCORES_FILE, Evaluation, SystemScores
from sterling.face.evaluation.intervals import Figure as Measured
from sterling.face.evaluation.intervals import (
    bpcer_figure,
    error_figures,
    events_figure,
    species_figures,
)
from sterling.face.evaluation.requirement import Requirement
from sterling.face.evaluation.worst_errors import MOST
from sterling.face.pad import DetectorBase
from sterling.guarantee import Guarantee
from sterling.measure import BONA_FIDE, Interval, Rate, Threshold, clustered_interval
from sterling.study import (
    Claim,
    Figure,
    Findings,
    Metric,
    Table,
    TableRow,
    at_least,
    at_most,
    bars_of_table,
    metric_of_rate,
)

ERRORS_FILE = "errors.json"
NO_USE = 0.5
"""Error rate above which a decision is worse than a coin. Our choice."""


@dataclass(frozen=True)
class Views:
    """Views that were asked for beside the rates.

    Attributes:
        tables: Further tables.
        figures: Further figures.
        errors: Whether `ERRORS_FILE` lies in the run folder.
    """

    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()
    errors: bool = False


def evaluation_findings(
    evaluation: Evaluation,
    *,
    scope: str,
    facts: Mapping[str, Any],
    requirements: Sequence[Requirement] = (),
    further: Sequence[Claim] = (),
    views: Views | None = None,
) -> Findings:
    """Report an evaluation, of a detector or of scores alike.

    Args:
        evaluation: The evaluation.
        scope: Presentations that the figures hold for.
        facts: Facts known of the item under test, by name.
        requirements: Bars that were asked for.
        further: Claims of the caller.
        views: Further tables and figures; None for none.
    """
    main, shown = evaluation.systems[0], views or Views()
    guarantee = evaluation.chosen.guarantee
    return Findings(
        scope=scope,
        not_scored=evaluation.scored.not_scored,
        metrics=_metrics(evaluation),
        claims=[*evaluation_claims(evaluation, requirements), *further],
        tables=[
            rates_table(main),
            *([_systems_table(evaluation.systems)] if len(evaluation.systems) > 1 else []),
            *([_moved_table(evaluation)] if evaluation.moved() else []),
            *_cameras_tables(evaluation),
            *([reasons_table(evaluation.scored.reasons)] if evaluation.scored.reasons else []),
            *([_guarantee_table(guarantee)] if guarantee else []),
            _facts_table(facts, evaluation.chosen.threshold),
            *shown.tables,
        ],
        figures=[
            _det(evaluation.systems),
            _species_figure(main),
            *([_gallery()] if shown.errors else []),
            *shown.figures,
        ],
    )


def evaluation_claims(evaluation: Evaluation, requirements: Sequence[Requirement]) -> list[Claim]:
    """Return what was promised and required, and what makes the threshold useless.

    Promised is the bound of the threshold's guarantee; an assumption of it that a check found unmet
    or could not decide is a claim of its own. Without being asked, three things are claimed only
    where their interval shows that they do not hold: that attacks of every species are rejected
    more often than accepted, that bona fides are accepted more often than rejected, and that no
    error rate lies above its interval on the presentations that chose the threshold.
    """
    main, guarantee = evaluation.systems[0], evaluation.chosen.guarantee
    alarms = [
        at_most(
            "attacks_rejected",
            "Attacks of every species are rejected more often than accepted.",
            {name: one.estimate() for name, one in species_figures(main.errors).items()},
            NO_USE,
        ),
        at_most(
            "bona_fides_accepted",
            "Bona fides are accepted more often than rejected.",
            bpcer_figure(main.errors).estimate(),
            NO_USE,
        ),
        *(
            at_most(
                f"threshold_carries_over_{name}",
                f"The threshold carries over: the {_rate_name(name)} is no higher than on the "
                "presentations that chose it.",
                here.estimate(),
                there.interval.high,
            )
            for name, (here, there) in evaluation.moved().items()
            if there.interval.high < 1
        ),
    ]
    return [
        *([*assumption_claims(guarantee), bpcer_claim(guarantee, main)] if guarantee else []),
        *(_required(evaluation, one) for one in requirements),
        *(claim for claim in alarms if claim.verdict == "does not hold"),
    ]


def bpcer_claim(guarantee: Guarantee, system: SystemScores) -> Claim:
    """Claim that the test captures, which did not choose the threshold, keep its bound."""
    bpcer = bpcer_figure(system.errors).estimate()
    return at_most("bpcer_bound", guarantee.statement, bpcer, guarantee.level)


def assumption_claims(guarantee: Guarantee) -> list[Claim]:
    """Claim each assumption that was checked and not found met."""
    return [
        Claim(
            id=f"assumption_{number}",
            claim=f"Assumption of the guarantee: {one.text}.",
            estimand=str(one.checked),
            measured=None,
            bar="met",
            verdict="undecided" if one.met is None else "does not hold",
        )
        for number, one in enumerate(guarantee.assumptions, start=1)
        if one.checked is not None and not one.met
    ]


def _required(evaluation: Evaluation, requirement: Requirement) -> Claim:
    compare = at_most if requirement.at_most else at_least
    measured = evaluation.measured(requirement.metric)
    sentence = f"Required: {requirement}."
    if list(measured) == [requirement.metric]:
        return compare(str(requirement), sentence, measured[requirement.metric], requirement.bar)
    return compare(str(requirement), sentence, measured, requirement.bar)


def headlines(evaluation: Evaluation) -> dict[str, Measured]:
    """Return the headline figures by their name for people."""
    main = evaluation.systems[0]
    names = {
        "apcer": f"APCER of the worst species ({main.errors.worst})",
        "bpcer": "BPCER",
        "acer": "ACER (for comparison with papers)",
        "auc": "AUC",
    }
    return {names[name]: figure for name, figure in main.figures.items()}


def _metrics(evaluation: Evaluation) -> list[Metric]:
    return [
        *(
            Metric(
                name=name,
                value=figure.value,
                low=figure.interval.low,
                high=figure.interval.high,
                n=figure.units,
                unit=f"{'area' if name == 'AUC' else 'rate'}, {figure.unit}",
            )
            for name, figure in headlines(evaluation).items()
        ),
        *(
            metric_of_rate(
                "BPNRR (no score)" if name == BONA_FIDE else f"APNRR of {name} (no score)", rate
            )
            for name, rate in evaluation.scored.non_responses.items()
        ),
    ]


def _rate_name(name: str) -> str:
    return "BPCER" if name == BONA_FIDE else f"APCER of {name}"


def rates_table(system: SystemScores) -> Table:
    """Tabulate the rates with intervals per presentation, by subject, and in the worst case."""
    errors = system.errors
    rows: list[TableRow] = []
    for name, figure in error_figures(errors).items():
        worst: tuple[float | None, float | None] = (None, None)
        if name in errors.subjects:
            wrong, trials = errors.subjects[name]
            worst = _ends(clustered_interval(wrong, trials, method="worst case"))
        by_subject = (None, None) if figure.subject is None else _ends(figure.subject)
        rows.append(
            [
                _rate_name(name),
                figure.counts,
                figure.n,
                figure.value,
                *_ends(figure.presentation),
                figure.subjects or None,
                *by_subject,
                *worst,
            ]
        )
    known = any(row[6] is not None for row in rows)
    used = (
        "Claims, headlines and figures use the one by subject."
        if known
        else "By subject is not possible: no subjects are known. Claims, headlines and figures use "
        "the one by presentation, which is too narrow if one person was presented several times."
    )
    return Table(
        name="rates",
        title="Error rates, by presentation and by subject",
        columns=[
            *("rate", "errors", "presented", "value", "presentation low", "presentation high"),
            *("subjects", "subject low", "subject high", "worst case low", "worst case high"),
        ],
        rows=rows,
        caption="95 % intervals. Presentation: exact if presentations are independent. Subject: "
        "for presentations of a subject that resemble each other, approximate; with no errors it "
        "counts subjects, and with one subject it is the worst case. Worst case: exact for "
        "subjects whose presentations depend on each other in any way; bounds the mean of their "
        f"own rates, in which every subject weighs the same. {used}",
    )


def reasons_table(reasons: Mapping[str, Mapping[str, Rate]]) -> Table:
    """Tabulate the shares of items without a score, by reason and class."""
    rows: list[TableRow] = [
        [reason, label, rate.errors, rate.trials, rate.value, *_ends(rate.interval())]
        for reason, rates in reasons.items()
        for label, rate in rates.items()
    ]
    return Table(
        name="reasons",
        title="Presentations without a score, by reason",
        columns=["reason", "class", "without", "presented", "share", "low", "high"],
        rows=rows,
        caption="Pictures, frames or clips; exact 95 % intervals. The error rates hold for those "
        "that are scored.",
    )


def _ends(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high


def _moved_table(evaluation: Evaluation) -> Table:
    return Table(
        name="where the threshold was chosen",
        title="The same rates where the threshold was chosen",
        columns=["rate", "there", "low", "high", "here", "low", "high"],
        rows=[
            [_rate_name(name), there.value, *_ends(there.interval), here.value,
             *_ends(here.interval)]
            for name, (here, there) in evaluation.moved().items()
        ],
        caption="95 % intervals, by subject where subjects are known. There the rates are "
        "optimistic: the threshold was fitted to these presentations, or to their bona fides.",
    )  # fmt: skip


def _cameras_tables(evaluation: Evaluation) -> list[Table]:
    """Rates per camera, where two or more are known."""
    test, threshold = evaluation.scored.test, evaluation.chosen.threshold
    scores, wrong = test.scores, threshold.accept(test.scores) != test.scores.label
    cameras = sorted(set(test.camera.tolist()) - {""})
    if len(cameras) < 2:
        return []
    rows: list[TableRow] = []
    for camera in cameras:
        cells: TableRow = [camera]
        for of_class in (scores.label, ~scores.label):
            own = np.flatnonzero((test.camera == camera) & of_class)
            if len(own):
                figure = events_figure(wrong[own], scores.subject[own])
                cells += [figure.n, figure.value, *_ends(figure.interval)]
            else:
                cells += [0, None, None, None]
        rows.append(cells)
    return [
        Table(
            name="cameras",
            title="Error rates per camera",
            columns=["camera", "bona fides", "BPCER", "low", "high", "attacks",
                     "APCER, all attacks", "low", "high"],
            rows=rows,
            caption="95 % intervals, by subject where subjects are known.",
        )
    ]  # fmt: skip


def _systems_table(systems: Sequence[SystemScores]) -> Table:
    rows: list[TableRow] = [
        [
            system.name,
            system.errors.apcer_max.value,
            system.errors.bpcer.value,
            system.errors.acer,
            system.area.value,
        ]
        for system in systems
    ]
    return Table(
        name="systems",
        title="Next to the trivial baseline",
        columns=["system", "worst APCER", "BPCER", "ACER", "AUC"],
        rows=rows,
        caption="Each at its own threshold, chosen on other presentations.",
    )


def _guarantee_table(guarantee: Guarantee) -> Table:
    return Table(
        name="guarantee",
        title="What the threshold promises",
        columns=["what", "value"],
        rows=guarantee.rows(),
    )


def _facts_table(facts: Mapping[str, Any], threshold: Threshold) -> Table:
    at_or = "at or above it" if threshold.direction == "up" else "at or below it"
    origin = threshold.source + (f" (n = {threshold.n})" if threshold.n else "")
    chosen = {
        "threshold": f"{threshold.value:.6g}; {at_or} means bona fide",
        "threshold rule": threshold.rule,
        "threshold chosen on": origin,
    }
    return Table(
        name="item under test",
        title="Item under test",
        columns=["what", "value"],
        rows=[
            [name, None if value is None else str(value)]
            for name, value in {**facts, **chosen}.items()
        ],
    )


def detector_facts(detector: DetectorBase) -> dict[str, Any]:
    """Return what is known of a detector, by name, for `evaluation_findings`."""
    card = detector.card()
    facts: dict[str, Any] = {
        **card["model"],
        **card["preprocessing"],
        **{
            key: card["provenance"][key]
            for key in ("data", "licence", "items", "digest")
            if key in card["provenance"]
        },
    }
    if detector.reference is not None:
        alpha, known = detector.reference.alpha, len(detector.reference.distances)
        facts["refused as unfamiliar"] = f"at most {alpha:g} of what is like {known} presentations"
    facts |= {f"limit {name}": value for name, value in (card["limits"] or {}).items()}
    if "checked" in card:
        facts["checked on a bona fide photograph"] = card["checked"] or "no"
    if detector.caution:
        facts["caution"] = detector.caution
    return facts


def _det(systems: Sequence[SystemScores]) -> Figure:
    return Figure(
        name="det",
        title="Detection error trade-off",
        kind="det",
        caption="Dots: at the threshold. Band: exact 95 % interval of the BPCER, by presentation.",
        data={"scores": SCORES_FILE, "systems": [system.name for system in systems]},
    )


def _species_figure(system: SystemScores) -> Figure:
    figures = species_figures(system.errors)
    bars = Table(
        name="species",
        title="Worst species first",
        columns=["", "APCER", "low", "high"],
        rows=[[name, one.value, *_ends(one.interval)] for name, one in figures.items()],
    )
    units = " or ".join(dict.fromkeys(one.unit for one in figures.values()))
    caption = f"APCER per species with 95 % intervals: {units}."
    return bars_of_table(bars, caption, value_label="APCER")


def _gallery() -> Figure:
    return Figure(
        name="worst errors",
        title="The worst errors",
        kind="gallery",
        caption=f"At most {MOST} presentations that were judged wrongly, the farthest beyond the "
        "threshold first. A picture that could not be read is named without a thumbnail.",
        data={"items": ERRORS_FILE},
    )
