"""Evidence and reports of `sterling face threshold` and `sterling face identify`."""

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.face.data import FaceDetector
from sterling.face.recognition import (
    Embedding,
    Gallery,
    GroupRates,
    Identification,
    MatchThreshold,
)
from sterling.face.recognition.match_threshold import percent
from sterling.measure import Estimate
from sterling.pictures import read_pixels
from sterling.runs import open_run
from sterling.storage import write_atomically
from sterling.study import Evidence, Figure, Findings, Metric, Table, TableRow, finish_run, lines
from sterling.study.report import render_report

SHOWN = 12
"""Pairs of pictures, or probes, that a report shows."""

_SIDE = 120  # pixels of a face in a report
_POINTS = 60  # thresholds of the curve


def write_rates(
    out: Path,
    gallery: Gallery,
    measured: Sequence[MatchThreshold],
    groups: Sequence[GroupRates],
    checked: Estimate | None,
    *,
    seed: int,
    command: str,
) -> Evidence:
    """Write evidence and report of error rates.

    Args:
        out: Run folder.
        gallery: Faces that were compared.
        measured: Thresholds with their rates.
        groups: Rates of the first one by group.
        checked: FMR on people held out.
        seed: Seed of their choice.
        command: Command that repeats it.
    """
    config = {"command": command}
    identity = {"study": "face-threshold", "seed": seed, "config": config}
    with open_run(out, identity=identity, seed=seed) as run:
        figures = [_curve(gallery), _nearest_strangers(gallery, out)]
        findings = Findings(
            scope=f"{len(gallery.person)} pictures of {len(gallery.people)} people of the user's "
            "own. The rates hold for people and cameras like these, and count pairs among these.",
            not_scored=len(gallery.refused),
            metrics=_metrics(measured, checked),
            claims=[],
            tables=[_table(measured), *_groups_table(groups)],
            figures=figures,
        )
        evidence = finish_run(run, findings, study="face-threshold", command=command, config=config)
    render_report([out], out / "report.html")
    return evidence


def write_identifications(
    out: Path,
    answers: Sequence[Identification],
    found: Sequence[Embedding],
    gallery: Gallery,
    limit: MatchThreshold,
    fpir: Estimate | None,
    *,
    command: str,
) -> None:
    """Write evidence and a report that shows each probe beside its nearest candidate.

    Args:
        out: Run folder.
        answers: Answers by probe.
        found: Embeddings of the probes.
        gallery: Known people.
        limit: Threshold of the answers.
        fpir: FPIR on the gallery.
        command: Command that repeats it.
    """
    config = {"command": command}
    identity = {"study": "face-identify", "seed": 0, "config": config}
    with open_run(out, identity=identity, seed=0) as run:
        metrics = [] if fpir is None else [_metric("FPIR", fpir, len(gallery.person))]
        findings = Findings(
            scope=f"{len(answers)} pictures against {len(gallery.people)} people. {limit.line()}",
            not_scored=sum(one.vector is None for one in found),
            metrics=metrics,
            claims=[],
            tables=[_answers_table(answers)],
            figures=[_answers_figure(answers, out)],
        )
        finish_run(run, findings, study="face-identify", command=command, config=config)
    render_report([out], out / "report.html")


def _metrics(measured: Sequence[MatchThreshold], checked: Estimate | None) -> list[Metric]:
    metrics = []
    for one in measured:
        if one.rates is None:
            continue
        named = {"FMR": one.rates.fmr, "FNMR": one.rates.fnmr}
        named |= {"FPIR": one.rates.fpir, "TPIR": one.rates.tpir}
        metrics += [
            _metric(f"{name}, {one.threshold.rule}", estimate, one.rates.people)
            for name, estimate in named.items()
            if estimate is not None
        ]
    if checked is not None:
        metrics.append(_metric("FMR on people held out", checked, measured[0].threshold.n))
    return metrics


def _metric(name: str, estimate: Estimate, n: int) -> Metric:
    interval = estimate.interval
    return Metric(
        name=name,
        value=estimate.value,
        low=interval.low,
        high=interval.high,
        n=n,
        unit=estimate.method,
    )


def _table(measured: Sequence[MatchThreshold]) -> Table:
    rows: list[TableRow] = []
    for one in measured:
        if (rates := one.rates) is None:
            continue
        rows.append(
            [
                one.threshold.rule,
                one.threshold.value,
                percent(rates.fmr),
                f"{100 * rates.fmr_limit.high:.2f} %",
                *("-" if e is None else percent(e) for e in (rates.fnmr, rates.fpir, rates.tpir)),
            ]
        )
    return Table(
        name="rates",
        title="Error rates",
        columns=["threshold", "distance", "FMR", "exact limit", "FNMR", "FPIR", "TPIR"],
        rows=rows,
        caption="FMR: pairs of two people that match; the exact limit holds whatever resemblance "
        "people share. FNMR: pairs of one person that do not match. FPIR: pictures that match "
        "somebody else of the gallery. TPIR: pictures whose nearest other picture is of the same "
        "person and matches. 95 % intervals over people.",
    )


def _groups_table(groups: Sequence[GroupRates]) -> list[Table]:
    rows: list[TableRow] = [
        [
            one.group,
            one.people,
            one.pictures,
            *("-" if rate is None else percent(rate) for rate in (one.fmr, one.fnmr)),
        ]
        for one in groups
    ]
    if not rows:
        return []
    return [
        Table(
            name="groups",
            title="Error rates by group",
            columns=["group", "people", "pictures", "FMR", "FNMR"],
            rows=rows,
            caption="At the first threshold above; both pictures of a pair are in the group.",
        )
    ]


def _curve(gallery: Gallery) -> Figure:
    """FMR and FNMR over the threshold."""
    pairs = gallery.comparisons()
    genuine, impostor = np.sort(-pairs.genuine), np.sort(-pairs.impostor)
    places = np.linspace(float(min(impostor[0], 0.3)), float(np.quantile(impostor, 0.5)), _POINTS)
    series: dict[str, list[float | None]] = {
        "FMR": (np.searchsorted(impostor, places, "right") / len(impostor)).tolist()
    }
    if len(genuine):
        series["FNMR"] = (1 - np.searchsorted(genuine, places, "right") / len(genuine)).tolist()
    return lines(
        "rates",
        "Error rates over the threshold",
        "A lower threshold matches fewer pairs of two people and misses more of one.",
        places.tolist(),
        series,
        labels=("distance", "rate"),
    )


def _nearest_strangers(gallery: Gallery, out: Path) -> Figure:
    """Pairs of different people that look most alike."""
    rows, distances = gallery.strangers()
    pairs: dict[tuple[int, int], float] = {}
    for row in np.argsort(distances, kind="stable").tolist():
        first, second = sorted((row, int(rows[row])))
        pairs.setdefault((first, second), float(distances[row]))
        if len(pairs) == SHOWN:
            break
    items = [
        (
            [str(gallery.source[row]) for row in both],
            f"{gallery.person[both[0]]} and {gallery.person[both[1]]}: {distance:.3f}",
        )
        for both, distance in pairs.items()
    ]
    return _gallery_figure(
        "strangers",
        "Different people who look most alike",
        "Pairs of two names with the smallest distance. One person under two names raises the FMR.",
        items,
        out,
    )


def _answers_table(answers: Sequence[Identification]) -> Table:
    return Table(
        name="answers",
        title="Answers",
        columns=["picture", "answer", "nearest", "distance"],
        rows=[
            [
                answer.source,
                answer.person or answer.reason.replace("_", " "),
                answer.candidates[0].person if answer.candidates else "-",
                answer.candidates[0].distance if answer.candidates else None,
            ]
            for answer in answers
        ],
    )


def _answers_figure(answers: Sequence[Identification], out: Path) -> Figure:
    items = [
        (
            [answer.source, answer.candidates[0].source],
            f"{answer.person or 'unknown'}: nearest {answer.candidates[0].person}, "
            f"{answer.candidates[0].distance:.3f}",
        )
        for answer in answers
        if answer.candidates
    ]
    title = "Probes beside their nearest candidate"
    return _gallery_figure("answers", title, f"The first {SHOWN} at most.", items[:SHOWN], out)


def _gallery_figure(
    name: str, title: str, caption: str, items: Sequence[tuple[list[str], str]], out: Path
) -> Figure:
    """Write small faces of pictures, and the figure that shows them."""
    folder = out / "faces"
    folder.mkdir(parents=True, exist_ok=True)
    finder = FaceDetector()
    written = []
    for number, (sources, text) in enumerate(items):
        images = []
        for place, source in enumerate(sources):
            file = f"faces/{name}-{number}-{place}.png"
            cv2.imwrite(str(out / file), _thumbnail(source, finder)[..., ::-1])
            images.append(file)
        written.append({"images": images, "text": text})
    write_atomically(out / f"{name}.json", json.dumps(written))
    data = {"items": f"{name}.json"}
    return Figure(name=name, title=title, kind="gallery", caption=caption, data=data)


def _thumbnail(source: str, finder: FaceDetector) -> NDArray[np.uint8]:
    """The face of a picture, uint8 (120, 120, 3); grey where the picture is not there any more."""
    from sterling.face.data import CropSpec, crop_pixels

    try:
        picture = read_pixels(source)
    except InputError:
        return np.full((_SIDE, _SIDE, 3), 128, np.uint8)
    face = finder.largest(picture)
    if face is None:
        return np.full((_SIDE, _SIDE, 3), 128, np.uint8)
    return np.ascontiguousarray(crop_pixels(picture, face, CropSpec(_SIDE)).transpose(1, 2, 0))
