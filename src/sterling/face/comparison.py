"""Systems trained, thresholded and tested on the same faces, seed after seed, and their tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from sterling.face.capture import KINDS
from sterling.face.data import Faces, LabelKind, label_maps
from sterling.face.evaluation import score_table
from sterling.face.pad import (
    Detector,
    Network,
    Preprocessing,
    Provenance,
    TrainConfig,
    score_thumbnails,
    train,
)
from sterling.measure import (
    Interval,
    Rate,
    Scores,
    Threshold,
    auc,
    evaluate,
    mean_interval,
    threshold_at_eer,
)
from sterling.study import Claim, Figure, Metric, Table, metric_of_rate, metric_over_seeds

__all__ = [
    "Seed",
    "acer_bar_claim",
    "acer_gains",
    "acers",
    "auc_gains",
    "aucs",
    "bars_figure",
    "baseline",
    "det_figure",
    "items_of",
    "kinds_table",
    "pooled_rates",
    "score_tables",
    "species_figure",
    "species_table",
    "system_metrics",
    "systems_table",
    "train_and_score",
    "training_figure",
]

Row = list[str | int | float | None]


def train_and_score(
    network: Network,
    faces: Faces,
    config: TrainConfig,
    *,
    label: LabelKind = "depth",
    data: str = "simulated captures",
    checkpoint: Path | None = None,
) -> tuple[Detector, dict[str, Any]]:
    """Train a network on the training split and score the other two.

    Args:
        network: Its initial weights; trained in place.
        faces: Simulated captures with the splits train, dev and test.
        config: How to train.
        label: Label maps that the network is taught; a network without maps is taught one pixel.
        data: What the faces are, for the detector's provenance.
        checkpoint: File that a killed training goes on from.

    Returns:
        The detector without a threshold, and a JSON object with "dev" and "test" (scores),
        "training_auc", "collapsed" and "history".
    """
    parts = {split: faces.split(split) for split in ("train", "dev", "test")}
    training, size = parts["train"], faces.images.shape[-1]
    maps = (
        label_maps(training, label, network.map_shape(size)[-1])
        if network.has_map
        else _one_pixel(training)
    )
    history = train(
        network, training.images, maps, config, present=training.present, checkpoint=checkpoint
    )
    detector = Detector(
        network,
        Preprocessing(size=size, crop_scale=1.3, face_detector="simulated face box"),
        Provenance(data, True, "Apache-2.0", config.seed, history.items, history.digest),
    )
    scores = {
        split: detector.score(part.images, present=part.present) for split, part in parts.items()
    }
    return detector, {
        "dev": scores["dev"].tolist(),
        "test": scores["test"].tolist(),
        "training_auc": auc(Scores(scores["train"], training.manifest.bona_fide)).value,
        "collapsed": history.collapsed,
        "history": [
            {"bona fide": epoch.bona_fide_score, "attack": epoch.attack_score, "loss": epoch.loss}
            for epoch in history.epochs
        ],
    }


def _one_pixel(faces: Faces) -> Tensor:
    return torch.from_numpy(faces.manifest.bona_fide).float()[:, None, None]


def baseline(faces: Faces) -> dict[str, Any]:
    """The trivial baseline's scores, as `train_and_score` gives a network's."""
    training = faces.split("train")
    return {
        split: score_thumbnails(
            training.images, training.manifest.bona_fide, faces.split(split).images
        ).tolist()
        for split in ("dev", "test")
    }


def items_of(faces: Faces) -> dict[str, Any]:
    """What the scores are of, as JSON: items of dev and test, species that were trained on."""
    manifest = faces.manifest
    described: dict[str, Any] = {
        split: {
            name: manifest.where(split=split).column(name).tolist()
            for name in ("item", "subject", "species")
        }
        for split in ("dev", "test")
    }
    seen = manifest.where(split="train").column("species").tolist()
    return {**described, "seen_species": sorted(set(seen))}


@dataclass(frozen=True, eq=False)
class Seed:
    """Scores of all systems on the development and test captures of one seed.

    Attributes:
        dev: Development scores by system.
        test: Test scores by system.
        thresholds: Each system's, at equal error on its development scores.
        results: By system, what `train_and_score` or `baseline` gave.
        seen_species: Attack species that were trained on.
        subsets: Named subsets of the test captures, bool (N,) each.
    """

    dev: dict[str, Scores]
    test: dict[str, Scores]
    thresholds: dict[str, Threshold]
    results: Mapping[str, Mapping[str, Any]]
    seen_species: list[str]
    subsets: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        results: Mapping[str, Mapping[str, Any]],
        items: Mapping[str, Any],
        *,
        source: str,
        subsets: Mapping[str, NDArray[np.bool_]] | None = None,
    ) -> "Seed":
        """Put scores by system and `items_of` together; `source` is the thresholds' origin."""
        dev = {name: _scores(result["dev"], items["dev"]) for name, result in results.items()}
        return cls(
            dev=dev,
            test={name: _scores(result["test"], items["test"]) for name, result in results.items()},
            thresholds={
                name: threshold_at_eer(scores, source=source) for name, scores in dev.items()
            },
            results=results,
            seen_species=items["seen_species"],
            subsets=subsets or {},
        )

    def acer(self, system: str, subset: str | None = None) -> float | None:
        """ACER (worst species) on the test captures; None when a class is missing in the subset."""
        scores = self.test[system]
        if subset is not None:
            scores = scores.select(self.subsets[subset])
        if scores.label.all() or not scores.label.any():
            return None
        return evaluate(scores, self.thresholds[system]).acer

    def auc(self, system: str, species: Sequence[str] | None = None) -> float | None:
        """AUC on the test captures, against some species only; None when none was presented."""
        scores = self.test[system]
        if species is not None:
            scores = scores.select(scores.label | np.isin(scores.group, species))
        return None if scores.label.all() else auc(scores).value


def _scores(values: Sequence[float], items: Mapping[str, Sequence[str]]) -> Scores:
    species = np.array(items["species"])
    return Scores(
        values, species == "bona_fide", item=items["item"], subject=items["subject"], group=species
    )


def acers(seeds: Sequence[Seed], system: str, subset: str | None = None) -> list[float]:
    """ACER of a system, one per seed that has one."""
    return _known(seed.acer(system, subset) for seed in seeds)


def aucs(seeds: Sequence[Seed], system: str, species: Sequence[str] | None = None) -> list[float]:
    """AUC of a system, one per seed that has one."""
    return _known(seed.auc(system, species) for seed in seeds)


def _known(values: Any) -> list[float]:
    return [value for value in values if value is not None]


def acer_gains(
    seeds: Sequence[Seed], better: str, worse: str, subset: str | None = None
) -> list[float]:
    """By how much the ACER of `better` is lower, paired by seed."""
    pairs = [(seed.acer(worse, subset), seed.acer(better, subset)) for seed in seeds]
    return [high - low for high, low in pairs if high is not None and low is not None]


def auc_gains(
    seeds: Sequence[Seed], better: str, worse: str, species: Sequence[str] | None = None
) -> list[float]:
    """By how much the AUC of `better` is higher, paired by seed."""
    pairs = [(seed.auc(better, species), seed.auc(worse, species)) for seed in seeds]
    return [high - low for high, low in pairs if high is not None and low is not None]


def acer_bar_claim(seeds: Sequence[Seed], system: str, bar: float) -> Claim:
    """The claim that a system's ACER lies below a bar of ours."""
    values = acers(seeds, system)
    interval: Interval | None = mean_interval(values) if len(values) > 1 else None
    return Claim(
        id="acer_below_bar",
        claim=f"ACER on unseen subjects, sessions, sensors and species is below {bar:.0%}.",
        measured=float(np.mean(values)) if values else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        holds=interval.high < bar if interval else None,
        test=f"{len(values)} seeds; holds if the 95 % Student-t interval lies below {bar:g} "
        "(our bar, not the paper's)",
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


def systems_table(
    seeds: Sequence[Seed], systems: Sequence[str], *, caption: str, subsets: Mapping[str, str] = {}
) -> Table:
    """All systems beside each other; `subsets` gives the title of a subset's ACER by its name."""

    def mean(values: Sequence[float]) -> float | None:
        return float(np.mean(values)) if values else None

    def row(system: str) -> Row:
        found = [seed.results[system] for seed in seeds]
        return [
            system,
            mean(acers(seeds, system)),
            *(mean(acers(seeds, system, name)) for name in subsets),
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
            *subsets.values(),
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
