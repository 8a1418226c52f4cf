"""Evidence of `sterling gaze evaluate`: metrics with ceilings, by viewer group, and pictures."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from sterling.gaze import Evaluation, Fixations
from sterling.gaze.evaluation import METRICS
from sterling.measure import Estimate
from sterling.pictures import read_pixels
from sterling.storage import write_atomically
from sterling.study import Figure, Findings, Metric, Table

SHOWN = 6
"""Stimuli whose maps the report shows: those with the lowest, median and highest NSS."""


def gaze_findings(
    evaluation: Evaluation,
    fixations: Fixations,
    groups: Mapping[str, Evaluation],
    figures: list[Figure],
) -> Findings:
    """Turn an evaluation of maps into findings.

    Args:
        evaluation: Evaluation over all viewers.
        fixations: All of them, for what was left out.
        groups: Evaluations of groups of viewers, by the group's name.
        figures: Figures of maps.
    """
    summary = evaluation.summary()
    stimuli = evaluation.values["stimulus"].n_unique()
    viewers = evaluation.values["viewer"].n_unique()
    left_out = f"{fixations.missing} fixations without a place and {fixations.outside} outside of "
    return Findings(
        scope=f"{stimuli} stimuli and {viewers} viewers of the user's own data. {left_out}the "
        f"screen were left out; {len(evaluation.unused)} stimuli have fixations and no map.",
        not_scored=fixations.missing + fixations.outside,
        metrics=[
            _metric(f"{name}, {column.replace('_', ' ')}", estimate, evaluation)
            for name, columns in summary.items()
            for column, estimate in columns.items()
        ],
        claims=[],
        tables=[
            _table("metrics", "Metrics beside the human ceiling", evaluation),
            *(_table(f"group {name}", f"Viewers with {name}", one) for name, one in groups.items()),
        ],
        figures=figures,
    )


def gallery(
    maps: Mapping[str, NDArray[np.float64]],
    fixations: Fixations,
    evaluation: Evaluation,
    stimuli: Path | None,
    out: Path,
) -> Figure:
    """Draw maps over their stimuli, with fixations, into ``out/maps``.

    Args:
        maps: Predicted maps by stimulus.
        fixations: Drawn as dots.
        evaluation: Tells the NSS of each map.
        stimuli: Folder with the stimuli's pictures; None draws on grey.
        out: Run folder.
    """
    scored = evaluation.pooled.filter(metric="NSS").sort("predicted")
    rows = np.unique(np.linspace(0, scored.height - 1, SHOWN).round().astype(int)).tolist()
    items = []
    (out / "maps").mkdir(parents=True, exist_ok=True)
    for index, row in enumerate(rows):
        name, value = scored["stimulus"][row], scored["predicted"][row]
        picture = None if stimuli is None else stimuli / name
        drawn = overlay(maps[name], fixations.points(name), picture)
        file = f"maps/{index}.png"
        cv2.imwrite(str(out / file), drawn[..., ::-1])
        items.append({"images": [file], "text": f"{name}: NSS {value:.2f}"})
    write_atomically(out / "maps.json", json.dumps(items))
    return Figure(
        name="maps",
        title="Maps over stimuli",
        kind="gallery",
        caption="Predicted maps in colour and fixations as white dots, from the lowest NSS to the "
        "highest.",
        data={"items": "maps.json"},
    )


def overlay(
    values: NDArray[np.float64], points: NDArray[np.float64], picture: Path | None
) -> NDArray[np.uint8]:
    """A map in colour over its stimulus, with fixations; uint8 (H, W, 3), RGB."""
    height, width = values.shape
    grey: NDArray[Any] = np.full((height, width, 3), 128, np.uint8)
    if picture is not None and picture.exists():
        whole = np.ascontiguousarray(read_pixels(picture).transpose(1, 2, 0))
        grey = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    scaled = (values - values.min()) / (np.ptp(values) or 1)
    heat = cv2.applyColorMap((255 * scaled).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    share = 0.75 * scaled[..., None]
    drawn = np.ascontiguousarray((1 - share) * grey + share * heat, dtype=np.uint8)
    for x, y in points.astype(int).tolist():
        cv2.circle(drawn, (x, y), max(2, width // 200), (0, 0, 0), -1, cv2.LINE_AA)
        cv2.circle(drawn, (x, y), max(1, width // 300), (255, 255, 255), -1, cv2.LINE_AA)
    return np.asarray(drawn, dtype=np.uint8)


def _metric(name: str, estimate: Estimate, evaluation: Evaluation) -> Metric:
    return Metric(
        name=name,
        value=estimate.value,
        low=estimate.interval.low,
        high=estimate.interval.high,
        n=evaluation.values["stimulus"].n_unique(),
        unit=estimate.method,
    )


def _table(name: str, title: str, evaluation: Evaluation) -> Table:
    means = evaluation.pooled.group_by("metric").agg(pl.col("predicted").mean())
    pooled = dict(means.rows())
    rows = [
        [
            metric,
            METRICS[metric],
            *(_cell(columns[one]) for one in ("predicted", "ceiling", "centre_bias")),
            _cell(columns["below ceiling"]),
            pooled[metric],
        ]
        for metric, columns in evaluation.summary().items()
    ]
    return Table(
        name=name,
        title=title,
        columns=["metric", "better", "map", "ceiling", "centre bias", "below ceiling", "pooled"],
        rows=rows,
        caption="Means over viewers and stimuli with 95 % intervals clustered by both. Ceiling: "
        "all other viewers predict the one left out. Pooled: against all viewers at once, as "
        "benchmarks print it.",
    )


def _cell(estimate: Estimate) -> str:
    interval = estimate.interval
    return f"{estimate.value:.3f} ({interval.low:.3f} … {interval.high:.3f})"
