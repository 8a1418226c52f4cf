"""Tables, figures and metrics of a comparison of detectors."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from sterling.face.capture import KINDS
from sterling.face.evaluation.evaluate import score_table
from sterling.measure import Rate, auc
from sterling.studies.face._old_harness import Seed, acers, aucs
from sterling.study import Claim, Figure, Findings, Metric, Table, metric_of_rate, metric_over_seeds

Row = list[str | int | float | None]

SIMULATED = "SIMULATED captures: these error rates say nothing about real cameras and attacks."


def comparison_findings(
    seeds: Sequence[Seed],
    systems: Sequence[str],
    claims: Sequence[Claim],
    *,
    caption: str,
    trained: Sequence[str],
    scope: str = SIMULATED,
    kinds: Mapping[str, Sequence[str]] = KINDS,
    tables: Sequence[Table] = (),
    figures: Sequence[Figure] = (),
) -> Findings:
    """What every comparison reports, the study's own claims, tables and figures first.

    Args:
        seeds: The results.
        systems: Those to show; species are shown for the first one.
        claims: The study's.
        caption: What each system is.
        trained: Systems whose training is drawn.
        scope: What the figures hold for.
        kinds: Species by kind of instrument.
        tables: The study's own.
        figures: The study's own.
    """
    species, by_kind = species_table(seeds, systems[0]), kinds_table(seeds, systems, kinds)
    return Findings(
        scope=scope,
        not_scored=0,
        metrics=system_metrics(seeds, systems),
        claims=list(claims),
        tables=[*tables, systems_table(seeds, systems, caption=caption), by_kind, species],
        figures=[
            *figures,
            det_figure(systems),
            bars_figure(by_kind),
            species_figure(species),
            training_figure(seeds, trained),
        ],
    )


def system_metrics(seeds: Sequence[Seed], systems: Sequence[str]) -> list[Metric]:
    """ACER and AUC of every system over seeds, and the pooled BPCER of the first."""
    metrics = []
    for system in systems:
        title = f"ACER of {system} (worst species; for comparison with papers)"
        metrics += [
            metric_over_seeds(title, "rate", acers(seeds, system)),
            metric_over_seeds(f"AUC of {system}", "area", aucs(seeds, system)),
        ]
    rate = pooled_rates(seeds, systems[0])["bona_fide"]
    return [*metrics, metric_of_rate(f"BPCER of {systems[0]}, all seeds", rate)]


def pooled_rates(seeds: Sequence[Seed], system: str) -> dict[str, Rate]:
    """Errors per species over all seeds, each at its own threshold; "bona_fide" holds the BPCER."""
    counts: dict[str, list[int]] = {}
    for seed in seeds:
        scores = seed.test[system]
        wrong = seed.thresholds[system].accept(scores) != scores.label
        for name in np.unique(scores.group).tolist():
            rows = scores.group == name
            errors, trials = counts.setdefault(name, [0, 0])
            counts[name] = [errors + int(wrong[rows].sum()), trials + int(rows.sum())]
    return {name: Rate(errors, trials) for name, (errors, trials) in counts.items()}


def species_table(seeds: Sequence[Seed], system: str) -> Table:
    """APCER per attack instrument species of one system, worst first."""
    attacks = sorted(
        (entry for entry in pooled_rates(seeds, system).items() if entry[0] != "bona_fide"),
        key=lambda entry: -entry[1].value,
    )
    rows: list[Row] = []
    for rank, (name, rate) in enumerate(attacks):
        interval = rate.interval()
        title = name.replace("_", " ") + (" (worst)" if rank == 0 else "")
        seen = "seen" if name in seeds[0].seen_species else "unseen"
        rows.append(
            [title, seen, rate.errors, rate.trials, rate.value, interval.low, interval.high]
        )
    return Table(
        name="species",
        title="APCER per attack instrument species",
        columns=["species", "in training", "accepted", "presented", "APCER", "low", "high"],
        rows=rows,
        caption=f"System {system}, all seeds, exact 95 % intervals. Presentations of one simulated "
        "subject are not independent: the intervals over seeds are the ones that claims use.",
    )


def systems_table(seeds: Sequence[Seed], systems: Sequence[str], *, caption: str) -> Table:
    """All systems beside each other; `caption` says what each is."""

    def mean(values: Sequence[float]) -> float | None:
        return float(np.mean(values)) if values else None

    def row(system: str) -> Row:
        found = [seed.results[system] for seed in seeds]
        return [
            system,
            mean(acers(seeds, system)),
            mean(acers(seeds, system, unseen_domain=True)),
            mean(aucs(seeds, system)),
            mean([auc(seed.dev[system]).value for seed in seeds]),
            mean([result["training_auc"] for result in found if "training_auc" in result]),
            sum(result.get("collapsed", False) for result in found),
        ]

    return Table(
        name="systems",
        title="All systems",
        columns=[
            "system",
            "ACER, all test captures",
            "ACER, unseen domain, seen species",
            "AUC, test",
            "AUC, development",
            "AUC, training",
            "collapsed",
        ],
        rows=[row(system) for system in systems],
        caption="Means over seeds, each system at its own development threshold. An AUC that falls "
        "from training to test is memorising; one that is low in training is too little learning. "
        f"{caption} collapsed: seeds in which training ended with scores of 0; they count as they "
        "are.",
    )


def kinds_table(
    seeds: Sequence[Seed], systems: Sequence[str], kinds: Mapping[str, Sequence[str]] = KINDS
) -> Table:
    """AUC of every system against each kind of instrument that was presented."""
    rows: list[Row] = []
    for kind, species in kinds.items():
        for system in systems:
            values = aucs(seeds, system, species)
            if values:
                found = metric_over_seeds("", "area", values)
                rows.append([kind, system, found.value, found.low, found.high])
    return Table(
        name="kinds",
        title="What each system tells apart, by kind of instrument",
        columns=["kind", "system", "AUC", "low", "high"],
        rows=rows,
        caption="Means over seeds with Student-t intervals; 0.5 is chance.",
    )


def det_figure(systems: Sequence[str]) -> Figure:
    """Detection error trade-off of the first seed's test captures."""
    return Figure(
        name="det",
        title="Detection error trade-off",
        kind="det",
        caption="Test captures of the first seed. Dots: the threshold chosen on development "
        "captures. Band: exact 95 % interval of the BPCER.",
        data={"scores": "scores.parquet", "systems": list(systems)},
    )


def species_figure(table: Table) -> Figure:
    """Bars of a `species_table`."""
    return Figure(
        name="species",
        title="Worst species first",
        kind="bars",
        caption="APCER per species with exact 95 % intervals, all seeds.",
        data={
            "names": [row[0] for row in table.rows],
            "values": [row[4] for row in table.rows],
            "low": [row[5] for row in table.rows],
            "high": [row[6] for row in table.rows],
            "value_label": "APCER",
        },
    )


def bars_figure(table: Table) -> Figure:
    """Bars of a `kinds_table`."""
    return Figure(
        name="kinds",
        title="By kind of instrument",
        kind="bars",
        caption="AUC, means over seeds with 95 % intervals; 0.5 is chance.",
        data={
            "names": [f"{row[0]}: {row[1]}" for row in table.rows],
            "values": [row[2] for row in table.rows],
            "low": [row[3] for row in table.rows],
            "high": [row[4] for row in table.rows],
            "value_label": "AUC",
        },
    )


def training_figure(seeds: Sequence[Seed], systems: Sequence[str]) -> Figure:
    """Mean scores on training captures by epoch, first seed."""
    histories = {system: seeds[0].results[system]["history"] for system in systems}
    return Figure(
        name="training",
        title="Training",
        kind="lines",
        caption="Mean score on training captures of the first seed: a network that learns moves "
        "bona fide captures and attacks apart.",
        data={
            "x": list(range(1, max(len(history) for history in histories.values()) + 1)),
            "series": {
                f"{system}, {name}": [epoch[name] for epoch in history]
                for system, history in histories.items()
                for name in ("bona fide", "attack")
            },
            "x_label": "epoch",
            "y_label": "score",
        },
    )


def score_tables(seeds: Sequence[Seed]) -> list[pl.DataFrame]:
    """All scores of all seeds, for `write_scores`."""
    return [
        score_table(scores, seed.thresholds[system], system=system, split=split, seed=index)
        for index, seed in enumerate(seeds)
        for split, systems in (("dev", seed.dev), ("test", seed.test))
        for system, scores in systems.items()
    ]
