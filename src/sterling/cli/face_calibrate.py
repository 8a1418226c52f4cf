"""`sterling face calibrate`: a threshold with a bounded BPCER, for a detector or its scores."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sterling.cli._crops import PatternOption, judged_crops
from sterling.cli._face_sources import (
    CALIBRATION_FILE,
    AnyDetectorArgument,
    BonaFideOption,
    ColumnOption,
    DetectorDataOption,
    HigherOption,
    ScoresOption,
    read_scores,
    subjects_of,
)
from sterling.cli.studies import JsonFlag, show_json
from sterling.errors import InputError

if TYPE_CHECKING:
    from sterling.face.evaluation.bounded_threshold import Promise


def calibrate(
    out: Annotated[
        Path,
        typer.Option(help="Folder that receives the calibrated detector; of --scores, a file."),
    ],
    detector: AnyDetectorArgument = None,
    data: DetectorDataOption = None,
    scores: ScoresOption = None,
    column: ColumnOption = None,
    bona_fide: BonaFideOption = None,
    higher_is: HigherOption = None,
    bpcer: Annotated[float, typer.Option(help="Share of bona fides rejected, at most.")] = 0.05,
    confidence: Annotated[
        float, typer.Option(help="Probability that the bound holds, over the draw of recordings.")
    ] = 0.95,
    unit: Annotated[
        Literal["capture", "subject"],
        typer.Option(help="Unit of a trial: each recording, or one of each subject."),
    ] = "capture",
    subject_pattern: PatternOption = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    as_json: JsonFlag = False,
) -> int:
    """A threshold for your own camera: a bound on its BPCER, and the APCER to expect.

    Give a detector and --data recorded with that camera, or --scores that any detector gave; of
    data with splits the split dev is taken. Status 1: the bound rests on an assumption that these
    recordings do not meet.
    """
    from sterling.face.evaluation.bounded_threshold import Promise

    promise = Promise(bpcer, confidence, unit)
    if scores is not None:
        if detector is not None or data is not None or subject_pattern is not None:
            raise InputError("--scores takes no detector, no --data and no --subject-pattern")
        document, lines, met = _on_scores(scores, column, bona_fide, higher_is, promise, out, seed)
    elif detector is None or data is None:
        raise InputError("give a detector and --data, or --scores")
    else:
        document, lines, met = _on_pictures(detector, data, subject_pattern, promise, out, seed)
    if as_json:
        show_json(document)
    else:
        for line in lines:
            typer.echo(line)
    return 0 if met else 1


_Said = tuple[dict[str, Any], list[str], bool]
"""A JSON document, the same for people, and whether every assumption that was checked is met."""


def _on_scores(
    scores: Path,
    column: list[str] | None,
    bona_fide: str | None,
    higher_is: Literal["bona-fide", "attack"] | None,
    promise: "Promise",
    out: Path,
    seed: int,
) -> _Said:
    from sterling.face.evaluation.bounded_threshold import require_enough
    from sterling.face.evaluation.calibration import calibrate as choose
    from sterling.storage import write_atomically

    found = read_scores(scores, column, bona_fide, higher_is)
    if found.has_splits and not (found.split == "dev").any():
        raise InputError(f"{scores} has splits and none is 'dev', which calibration takes")
    own = found.part("dev") if found.has_splits else found.presentations
    source = f"{scores}, split dev" if found.has_splits else str(scores)
    require_enough(promise, own.scores.subject[own.scores.label], source)
    calibration = choose(own.scores, promise, source=source, seed=seed)
    document = calibration.to_dict()
    write_atomically(out, json.dumps(document, indent=1) + "\n")
    following = f"next: sterling face evaluate --scores OTHER_SCORES --threshold {out}"
    return document, [*calibration.lines(any_scale=True), following], calibration.rests


def _on_pictures(
    detector: str,
    data: Path,
    subject_pattern: str | None,
    promise: "Promise",
    out: Path,
    seed: int,
) -> _Said:
    from dataclasses import replace

    from sterling.face.data.source import read_source
    from sterling.face.evaluation.bounded_threshold import require_enough
    from sterling.face.evaluation.calibration import calibrate as choose
    from sterling.face.evaluation.evaluate import count_reasons, rates_by_reason, scored, scores_of
    from sterling.face.pad import load_detector
    from sterling.storage import write_atomically

    trained = load_detector(detector)
    manifest = read_source(data, subject_pattern=subject_pattern, clips=trained.model.frames > 1)
    if any(manifest.column("split")):
        if not manifest.matches(split="dev").any():
            raise InputError(f"{data} has splits and none is 'dev', which calibration takes")
        manifest = manifest.where(split="dev")
    require_enough(promise, subjects_of(manifest), str(data))
    loaded = judged_crops(manifest, trained)
    faces = loaded.faces
    scores = scores_of(scored(trained, faces), faces.manifest)
    found = choose(scores, promise, source=str(data), before=trained.threshold, seed=seed)
    missing = rates_by_reason(loaded.non_responses, faces.manifest, manifest)
    document = {
        **found.to_dict(),
        "not scored": count_reasons(loaded.non_responses),
        "not scored by reason": {reason: _shares(rates) for reason, rates in missing.items()},
        "caution": trained.caution or None,
    }
    # The record first: no calibrated detector lies there without it.
    write_atomically(out / CALIBRATION_FILE, json.dumps(document, indent=1) + "\n")
    calibrated = replace(trained, threshold=found.threshold, promise=found.guarantee.statement)
    calibrated.save_pretrained(out)
    lines = [*found.lines(), f"not scored: {count_reasons(loaded.non_responses)}"]
    for reason, rates in missing.items():
        for label, rate in rates.items():
            low, high = rate.interval().low, rate.interval().high
            lines.append(
                f"  {reason}: {rate.errors} of {rate.trials} {label}, a share of {rate.value:.3f} "
                f"({low:.3f} … {high:.3f})"
            )
    if missing:
        lines.append("  the promise holds for presentations that are scored")
    if trained.caution:
        lines.append(trained.caution)
    next_one = f"next: sterling face predict PHOTOGRAPH --detector {out}{trained.consent}"
    return document, [*lines, next_one], found.rests


def _shares(rates: Any) -> dict[str, Any]:
    """Shares of one reason by class, as JSON."""
    return {
        label: {
            "count": rate.errors,
            "presented": rate.trials,
            "share": rate.value,
            "low": rate.interval().low,
            "high": rate.interval().high,
        }
        for label, rate in rates.items()
    }
