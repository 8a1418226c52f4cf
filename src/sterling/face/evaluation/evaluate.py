"""From a detector and labelled crops to findings, in the vocabulary of ISO/IEC 30107-3."""

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.face.data import Faces, Manifest, NonResponse
from sterling.face.evaluation.bounded_threshold import bpcer_claim
from sterling.face.pad import DetectorBase, score_thumbnails
from sterling.guarantee import Guarantee
from sterling.measure import (
    BONA_FIDE,
    PadErrors,
    Scores,
    Threshold,
    aggregate,
    auc,
    evaluate,
    non_response_rates,
    threshold_at_eer,
)
from sterling.runs import write_atomically
from sterling.study import Figure, Findings, Metric, Table, metric_of_rate

SCORES_FILE = "scores.parquet"


def scores_of(values: NDArray[np.float64], manifest: Manifest) -> Scores:
    """One score per presentation, higher meaning bona fide, from those of a manifest's N rows.

    The frames of a video are averaged, as the papers do: the video is what is presented.
    """
    scores = Scores(
        values,
        manifest.bona_fide,
        item=manifest.column("item"),
        subject=manifest.column("subject"),
        group=manifest.column("species"),
    )
    return aggregate(scores, manifest.presentation) if manifest.column("video").any() else scores


@dataclass(frozen=True)
class _System:
    """One row of the comparison: a scorer on some version of the same test crops."""

    name: str
    scores: Scores
    threshold: Threshold

    @property
    def errors(self) -> PadErrors:
        return evaluate(self.scores, self.threshold)


def detector_findings(
    detector: DetectorBase,
    test: Faces,
    *,
    non_responses: Sequence[NonResponse],
    manifest: Manifest,
    folder: Path,
    development: tuple[Faces, Faces] | None = None,
    guarantee: Guarantee | None = None,
) -> Findings:
    """Evaluate a detector at its own threshold.

    Args:
        detector: With a threshold, chosen on other items than those of `test`.
        test: The crops to evaluate on, both classes present.
        non_responses: Test presentations without a crop; they count into the non-response rates.
        manifest: All test presentations, those without a crop included.
        folder: Receives ``scores.parquet``.
        development: Training and development crops; when given, the trivial baseline is fitted on
            them and stands beside the detector.
        guarantee: What the threshold promises about the BPCER, when it promises something; it
            becomes a table, and a claim that the test captures are held against.

    Raises:
        InputError: The detector has no threshold, or it was chosen on items of `test`.
    """
    if detector.threshold is None:
        raise InputError("this detector has no threshold; train it with development data first")
    threshold = detector.threshold
    values = detector.score(test.images, present=test.present)
    main = _System("detector", scores_of(values, test.manifest), threshold)
    systems = [main]
    if development is not None:
        systems.append(_baseline(*development, test))
    tables = [score_table(one.scores, one.threshold, system=one.name) for one in systems]
    write_scores(tables, folder)
    simulated = "SIMULATED captures" if detector.provenance.simulated else "Recorded captures"
    return Findings(
        scope=f"Test data: {manifest.source}. Detector trained on: {detector.provenance.data} "
        f"({simulated}). The figures hold for presentations like these, and for no others.",
        not_scored=len(non_responses),
        metrics=[*_error_metrics(main), *_non_response_metrics(non_responses, manifest)],
        claims=[bpcer_claim(guarantee, main.errors)] if guarantee else [],
        tables=[
            _species_table(main),
            _systems_table(systems),
            *([_guarantee_table(guarantee)] if guarantee else []),
            _origin_table(detector),
        ],
        figures=_figures(main, systems),
    )


def _baseline(training: Faces, development: Faces, test: Faces) -> _System:
    labels = training.manifest.bona_fide
    dev, values = (
        scores_of(score_thumbnails(training.images, labels, faces.images), faces.manifest)
        for faces in (development, test)
    )
    return _System("thumbnails", values, threshold_at_eer(dev, source="development crops"))


def _error_metrics(system: _System) -> list[Metric]:
    errors = system.errors
    area = auc(system.scores)
    return [
        metric_of_rate(f"APCER of the worst species ({errors.worst})", errors.apcer_max),
        metric_of_rate("BPCER", errors.bpcer),
        Metric(
            name="ACER (for comparison with papers)",
            value=errors.acer,
            low=errors.acer_interval().low,
            high=errors.acer_interval().high,
            n=len(system.scores),
            unit="rate",
        ),
        Metric(
            name="AUC",
            value=area.value,
            low=area.interval.low,
            high=area.interval.high,
            n=len(system.scores),
            unit="area",
        ),
    ]


def _non_response_metrics(missing: Sequence[NonResponse], manifest: Manifest) -> list[Metric]:
    scored = ~manifest.matches(item={entry.item for entry in missing})
    # A video responds when one of its frames does.
    presented, first = np.unique(manifest.presentation, return_index=True)
    responded = np.isin(presented, manifest.presentation[scored])
    rates = non_response_rates(manifest.column("species")[first], responded)
    return [
        metric_of_rate(
            "BPNRR (no score)" if name == BONA_FIDE else f"APNRR of {name} (no score)", rate
        )
        for name, rate in rates.items()
    ]


def _species_table(system: _System) -> Table:
    rows: list[list[str | int | float | None]] = []
    for name, rate in sorted(system.errors.apcer.items(), key=lambda entry: -entry[1].value):
        interval = rate.interval()
        rows.append([name, rate.errors, rate.trials, rate.value, interval.low, interval.high])
    return Table(
        name="species",
        title="APCER per attack instrument species",
        columns=["species", "accepted", "presented", "APCER", "low", "high"],
        rows=rows,
        caption="Exact 95 % intervals for independent presentations; several presentations of one "
        "subject are not independent.",
    )


def _systems_table(systems: Sequence[_System]) -> Table:
    return Table(
        name="systems",
        title="Beside the trivial baseline",
        columns=["system", "worst APCER", "BPCER", "ACER", "AUC"],
        rows=[
            [
                system.name,
                system.errors.apcer_max.value,
                system.errors.bpcer.value,
                system.errors.acer,
                auc(system.scores).value,
            ]
            for system in systems
        ],
        caption="Each at its own threshold, chosen on other presentations.",
    )


def _guarantee_table(guarantee: Guarantee) -> Table:
    return Table(
        name="guarantee",
        title="What the threshold promises",
        columns=["what", "value"],
        rows=guarantee.rows(),
    )


def _origin_table(detector: DetectorBase) -> Table:
    card = detector.card()
    facts: dict[str, Any] = {
        **card["model"],
        **card["preprocessing"],
        **{key: card["provenance"][key] for key in ("data", "licence", "items", "digest")},
    }
    if detector.threshold is not None:
        facts |= {
            "threshold": detector.threshold.value,
            "threshold rule": detector.threshold.rule,
            "threshold chosen on": f"{detector.threshold.source} (n = {detector.threshold.n})",
        }
    return Table(
        name="item under test",
        title="Item under test",
        columns=["what", "value"],
        rows=[[name, None if value is None else str(value)] for name, value in facts.items()],
    )


def _figures(main: _System, systems: Sequence[_System]) -> list[Figure]:
    species = _species_table(main).rows
    names = [system.name for system in systems]
    return [
        Figure(
            name="det",
            title="Detection error trade-off",
            kind="det",
            caption="Dots: at the threshold. Band: exact 95 % interval of the BPCER.",
            data={"scores": SCORES_FILE, "systems": names},
        ),
        Figure(
            name="species",
            title="Worst species first",
            kind="bars",
            caption="APCER per species with exact 95 % intervals.",
            data={
                "names": [row[0] for row in species],
                "values": [row[3] for row in species],
                "low": [row[4] for row in species],
                "high": [row[5] for row in species],
                "value_label": "APCER",
            },
        ),
    ]


def score_table(
    scores: Scores, threshold: Threshold, *, system: str, split: str = "test", seed: int = 0
) -> pl.DataFrame:
    """Per-item scores as rows of ``scores.parquet``, which reports and comparisons read.

    Args:
        scores: Of one system on one split.
        threshold: The one applied to them.
        system: Name of the system.
        split: "dev" or "test"; the column is called ``set``.
        seed: Which repetition.
    """
    return pl.DataFrame(
        {
            "item": scores.item.tolist(),
            "subject": scores.subject.tolist(),
            "group": scores.group.tolist(),
            "label": scores.label,
            "value": scores.values,
        }
    ).with_columns(
        set=pl.lit(split),
        system=pl.lit(system),
        seed=pl.lit(seed),
        threshold=pl.lit(threshold.value),
    )


def write_scores(tables: Sequence[pl.DataFrame], folder: Path) -> None:
    """Write ``scores.parquet`` into a run folder, whole or not at all."""
    buffer = io.BytesIO()
    pl.concat(tables).write_parquet(buffer)
    write_atomically(folder / SCORES_FILE, buffer.getvalue())


def count_reasons(missing: Sequence[NonResponse]) -> str:
    """For people, as: 3 no_face, 1 unreadable; or: none."""
    counts = Counter(entry.reason for entry in missing)
    return ", ".join(f"{count} {reason}" for reason, count in counts.most_common()) or "none"
