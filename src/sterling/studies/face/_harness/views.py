"""Tables, figures and metrics of a face study."""

from collections.abc import Mapping, Sequence

from sterling.face.capture import KINDS
from sterling.studies.face._harness.gallery import gallery_figure
from sterling.studies.face._harness.repetition import kinds_of
from sterling.study import Column, Figure, Metric, Results, Series, Table, Views, bars_of_table, det


def face_views(
    results: Results,
    systems: Sequence[str],
    *,
    caption: str,
    trained: Sequence[str],
    kinds: Mapping[str, Sequence[str]] = KINDS,
    gallery: bool = False,
) -> Views:
    """Views that every comparison has.

    Args:
        results: Results of one setting.
        systems: Systems to show, the main one first: species are shown for it.
        caption: Description of each system.
        trained: Systems with a training history.
        kinds: Species by kind of instrument.
        gallery: Whether a gallery was kept.
    """
    by_kind = kinds_table(results, systems, kinds)
    by_species = species_table(results, systems[0])
    return Views(
        system_metrics(results, systems),
        [systems_table(results, systems, caption=caption), by_kind, by_species],
        [
            *([gallery_figure()] if gallery else []),
            det(systems),
            bars_of_table(
                by_kind.model_copy(update={"title": "By kind of instrument"}),
                "AUC, means over repetitions with 95 % intervals; 0.5 is chance.",
                value_label="AUC",
            ),
            species_figure(by_species),
            *([training_figure(results, trained)] if trained else []),
        ],
    )


def system_metrics(results: Results, systems: Sequence[str]) -> list[Metric]:
    """ACER and AUC of every system over repetitions, and the pooled BPCER of the first."""
    metrics = []
    for system in systems:
        title = f"ACER of {system} (worst species; for comparison with papers)"
        metrics += [
            results.metric(title, "acer", "rate", system=system),
            results.metric(f"AUC of {system}", "auc", "area", system=system),
        ]
    title = f"BPCER of {systems[0]}, all repetitions"
    return [*metrics, results.counted(title, "bpcer", system=systems[0])]


def species_table(results: Results, system: str) -> Table:
    """APCER per attack instrument species of one system, worst first."""
    own = results.select(system=system)
    table = own.table(
        "species",
        "APCER per attack instrument species",
        ("species", "seen"),
        [Column("APCER", "apcer", show="counts")],
        headings=("species", "in training"),
        caption=f"System {system}, all repetitions, exact 95 % intervals. Presentations of one "
        "subject are not independent: the intervals over repetitions are the ones that claims use.",
    )
    rows = sorted(table.rows, key=lambda each: -float(each[4] or 0))
    named = [
        [str(name).replace("_", " ") + (" (worst)" if rank == 0 else ""), *rest]
        for rank, (name, *rest) in enumerate(rows)
    ]
    return table.model_copy(
        update={
            "columns": ["species", "in training", "accepted", "presented", "APCER", "low", "high"],
            "rows": named,
        }
    )


def systems_table(results: Results, systems: Sequence[str], *, caption: str) -> Table:
    """All systems beside each other; `caption` says what each is."""
    return results.table(
        "systems",
        "All systems",
        "system",
        [
            Column("ACER, all test captures", "acer"),
            Column("ACER, unseen domain, seen species", "acer", {"subset": "unseen domain"}),
            Column("AUC, test", "auc"),
            Column("AUC, development", "auc", {"subset": "development"}),
            Column("AUC, training", "auc", {"subset": "training"}),
            Column("collapsed", "collapsed", show="sum"),
        ],
        order=systems,
        caption="Means over repetitions, each system at its own development threshold. An AUC that "
        "falls from training to test is memorising; one that is low in training is too little "
        f"learning. {caption} collapsed: repetitions in which training ended with scores of 0; "
        "they count as they are.",
    )


def kinds_table(
    results: Results, systems: Sequence[str], kinds: Mapping[str, Sequence[str]] = KINDS
) -> Table:
    """AUC of every system against each kind of instrument that was presented."""
    return results.select(system=systems).table(
        "kinds",
        "AUC of each system, by kind of instrument",
        ("kind", "system"),
        [Column("AUC", "auc", show="interval")],
        order=[*kinds, *kinds_of(results.names("species"), kinds)],
        caption="Means over repetitions with Student-t intervals; 0.5 is chance.",
    )


def settings_table(results: Results, better: str, worse: str, *, title: str, caption: str) -> Table:
    """AUC and ACER of two systems in each setting, and the gain in AUC.

    Args:
        results: Results of all settings.
        better: The system of interest.
        worse: System that it is compared with.
        title: Title of the table.
        caption: Description of the settings.
    """
    asked = {"subset": "asked"}
    areas = [
        Column(f"{s}: AUC", "auc", {**asked, "system": s}, "interval") for s in (better, worse)
    ]
    gain = [Column("gain in AUC", "auc", {**asked, "system": better}, "interval")]
    errors = [Column(f"{s}: ACER", "acer", {"system": s}) for s in (better, worse)]
    gains = results.relative_to(system=worse)
    return Table(
        name="settings",
        title=title,
        columns=["setting", *(name for one in (*areas, *gain, *errors) for name in one.headings)],
        rows=[
            [
                name,
                *results.select(setting=name).line(areas),
                *gains.select(setting=name).line(gain),
                *results.select(setting=name).line(errors),
            ]
            for name in results.names("setting")
        ],
        caption=f"Means over repetitions with 95 % Student-t intervals. {caption}",
    )


def in_setting(results: Results, name: str) -> Series:
    """AUC by system in one setting, against the species that it asks about."""
    return results.select(setting=name).series("auc", subset="asked")


def species_figure(table: Table) -> Figure:
    """Bars of a `species_table`."""
    bars = bars_of_table(
        table.model_copy(update={"title": "Worst species first"}),
        "APCER per species with exact 95 % intervals, all repetitions.",
        value_label="APCER",
    )
    return bars.model_copy(update={"data": {**bars.data, "names": [row[0] for row in table.rows]}})


def training_figure(results: Results, systems: Sequence[str]) -> Figure:
    """Mean scores on training captures by epoch, first repetition."""
    first = results.select("score", repetition=0)
    epochs = sorted(first.names("epoch"))
    series = {
        f"{system}, {label}": [
            next(iter(first.values("score", system=system, label=label, epoch=epoch)), None)
            for epoch in epochs
        ]
        for system in systems
        for label in ("bona fide", "attack")
    }
    return Figure(
        name="training",
        title="Training",
        kind="lines",
        caption="Mean score on training captures of the first repetition: a network that learns "
        "moves bona fide captures and attacks apart.",
        data={"x": epochs, "series": series, "x_label": "epoch", "y_label": "score"},
    )
