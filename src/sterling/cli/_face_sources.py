"""Sources of `sterling face evaluate` and `calibrate`: a detector on pictures, or its scores."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sterling.cli._crops import crops_of, judged_crops
from sterling.errors import InputError
from sterling.shown import shown

if TYPE_CHECKING:
    from sterling.cli._face_report import Views
    from sterling.face.evaluation.bounded_threshold import Promise
    from sterling.face.evaluation.chosen_threshold import ChosenThreshold
    from sterling.face.evaluation.evaluate import Scored
    from sterling.face.evaluation.requirement import Requirement
    from sterling.face.evaluation.score_file import ScoreFile
    from sterling.measure import Threshold
    from sterling.study import Claim

ANY_DETECTOR = (
    "Folder of a trained detector, .onnx file, .yaml card, package.module:callable, http:// "
    "address, or compact."
)
AnyDetectorArgument = Annotated[str | None, typer.Argument(help=ANY_DETECTOR)]
DataOption = Annotated[
    Path,
    typer.Option(
        help="Folder with live/ and spoof/<species>/, of a public data set (see: sterling face "
        "data check), or a manifest (.csv, .parquet)."
    ),
]
DetectorDataOption = Annotated[
    Path | None,
    typer.Option(
        help="With a detector: folder with live/ and spoof/<species>/, of a public data set (see: "
        "sterling face data check), or a manifest (.csv, .parquet)."
    ),
]
ProtocolOption = Annotated[
    str | None, typer.Option(help="Official protocol of the public data set in --data, as 4.1.")
]
ResearchFlag = Annotated[
    bool, typer.Option("--research-use", help="Attack a detector that you trained yourself.")
]
ScoresOption = Annotated[
    Path | None,
    typer.Option(
        help="Instead of a detector: its scores, one row per presentation (.csv, .parquet, .jsonl)."
    ),
]
ColumnOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Column of --scores, as score=confidence; also label, item, species, subject, camera, "
        "split, path. split= takes none."
    ),
]
BonaFideOption = Annotated[
    str | None, typer.Option(help="Label of bona fides in --scores, where it is no known word.")
]
HigherOption = Annotated[
    Literal["bona-fide", "attack"] | None,
    typer.Option(help="Class that a higher score means; --scores asks for it."),
]


CALIBRATION_FILE = "calibration.json"


@dataclass(frozen=True)
class Source:
    """Presentations to evaluate, checked but not yet searched or scored.

    Attributes:
        data: Name of the data.
        scope: Presentations that the figures hold for.
        facts: Facts known of the item under test.
        read: Gives scores, and the further views of a threshold that were asked for.
        own: The threshold given, or the detector's own; None if the split dev has to choose it.
        held_out: Check that development presentations did not train; None if there was none.
        claims: Claims about the data.
        caution: Caution about the item under test, ``""`` without one.
    """

    data: str
    scope: str
    facts: Mapping[str, Any]
    read: Callable[[], "tuple[Scored, Callable[[Threshold], Views]]"]
    own: "ChosenThreshold | None" = None
    held_out: str | None = None
    claims: "Sequence[Claim]" = ()
    caution: str = ""


@dataclass(frozen=True)
class Extras:
    """Further views of a detector.

    Attributes:
        robustness: Error rates on degraded copies and other crops.
        interventions: Error rates on crops from which one cue is taken.
        patch: Side of an adversarial patch, as a share of the crop's; None for none.
        research_use: Whether attacks are allowed.
    """

    robustness: bool = False
    interventions: bool = False
    patch: float | None = None
    research_use: bool = False


def read_threshold(given: str) -> "ChosenThreshold | float":
    """Read the value of --threshold: a number, or a file."""
    from sterling.face.evaluation.chosen_threshold import ChosenThreshold

    try:
        return float(given)
    except ValueError:
        return ChosenThreshold.read(Path(given))


def _by_hand(value: float, direction: Literal["up", "down"]) -> "ChosenThreshold":
    from sterling.face.evaluation.chosen_threshold import ChosenThreshold
    from sterling.measure import Threshold

    return ChosenThreshold(Threshold(value, direction, source="--threshold"))


def _own_threshold(detector: Path, trained: Any) -> "ChosenThreshold | None":
    """A detector's own threshold, with what `face calibrate` wrote about it."""
    from sterling.face.evaluation.chosen_threshold import ChosenThreshold

    if trained.threshold is None:
        return None
    plain = ChosenThreshold(trained.threshold)
    try:
        recorded = ChosenThreshold.read(detector / CALIBRATION_FILE)
    except InputError:  # never calibrated, or by a version that recorded less
        return plain
    return recorded if recorded.threshold == trained.threshold else plain


def detector_source(
    detector: str,
    data: Path,
    protocol: str | None,
    subject_pattern: str | None,
    *,
    threshold: "ChosenThreshold | float | None",
    promise: "Promise | None",
    extras: Extras,
    seed: int,
) -> Source:
    """Prepare a detector on pictures; classes and splits are counted before faces are searched."""
    from sterling.cli._face_report import detector_facts
    from sterling.face.data.source import read_source
    from sterling.face.evaluation.bounded_threshold import require_enough
    from sterling.face.evaluation.evaluate import score_detector
    from sterling.face.evaluation.presentations import require_both
    from sterling.face.pad import load_detector
    from sterling.research_use import require_research_use

    trained = load_detector(detector)
    everything = read_source(
        data, protocol, subject_pattern=subject_pattern, clips=trained.model.frames > 1
    )
    has = {name: bool(everything.matches(split=name).any()) for name in ("train", "dev", "test")}
    manifest = everything.where(split="test") if has["test"] else everything
    require_both(manifest.bona_fide, f"{data}, split test" if has["test"] else str(data))
    if extras.patch is not None:
        require_research_use(extras.research_use)
        if not all(has.values()):
            raise InputError(f"--patch: {data} needs captures of splits 'train', 'dev' and 'test'")
    if promise is not None:
        if not (has["test"] and has["dev"]):
            raise InputError(
                f"--guarantee: {data} needs captures of split 'dev' to calibrate on and of split "
                "'test'; give a manifest with both"
            )
        require_enough(promise, subjects_of(everything.where(split="dev")), f"{data}, split dev")

    own = _by_hand(threshold, "up") if isinstance(threshold, float) else threshold
    if own is None and promise is None:
        own = _own_threshold(Path(detector), trained)
        if own is None:
            raise InputError(
                "this detector has no threshold; give --threshold, or train it with development "
                "data first"
            )
    if own is not None:
        own.threshold.require_unseen(set(manifest.presentation.tolist()))

    def read() -> "tuple[Scored, Callable[[Threshold], Views]]":
        loaded = judged_crops(manifest, trained)
        training = development = None
        if has["test"] and has["train"]:
            known = judged_crops(everything.where(split=("train", "dev")), trained).faces
            training, development = known.split("train"), known.split("dev")
        elif promise is not None:
            development = judged_crops(everything.where(split="dev"), trained).faces
        scored = score_detector(
            trained,
            loaded.faces,
            non_responses=loaded.non_responses,
            manifest=manifest,
            training=training,
            development=development,
        )

        def views(threshold: "Threshold") -> "Views":
            judging = trained.with_threshold(threshold)
            return detector_views(judging, loaded.faces, development, manifest, extras, seed)

        return scored, views

    captures = "SIMULATED captures" if trained.provenance.simulated else "Recorded captures"
    return Source(
        data=str(data),
        scope=f"Test data: {manifest.source}. Detector trained on: {trained.provenance.data} "
        f"({captures}). The figures hold for presentations like these, and for no others."
        + (f" Caution: {trained.caution}." if trained.caution else ""),
        facts=detector_facts(trained),
        read=read,
        own=own,
        held_out="they are of the split 'dev'",
        caution=trained.caution,
    )


def subjects_of(manifest: Any) -> Any:
    """Subject of each bona fide presentation of a manifest; a video is one presentation."""
    import numpy as np

    live = manifest.select(manifest.bona_fide)
    _, first = np.unique(live.presentation, return_index=True)
    return live.column("subject")[first]


def detector_views(
    detector: Any, faces: Any, development: Any, manifest: Any, extras: Extras, seed: int
) -> "Views":
    """Measure what was asked for beside the rates."""
    from sterling.cli._face_report import Views
    from sterling.cli._face_robustness import (
        interventions_table,
        patch_table,
        robustness_figures,
        robustness_table,
    )
    from sterling.face.evaluation.robustness import patch_points

    tables, figures = [], []
    if extras.robustness:
        points = _degraded(detector, faces, manifest, seed)
        tables.append(robustness_table(points))
        figures += robustness_figures(points)
    if extras.interventions:
        tables.append(interventions_table(changed(detector, faces, seed)))
    if extras.patch is not None:
        worn = patch_points(
            detector,
            development,
            faces,
            share=extras.patch,
            research_use=extras.research_use,
            seed=seed,
        )
        tables.append(patch_table(worn, detector.preprocessing.size))
    return Views(tables, figures)


def _degraded(detector: Any, faces: Any, manifest: Any, seed: int) -> Any:
    """Error rates on degraded copies of the test pictures, and on wider and narrower crops."""
    from sterling.face.evaluation.robustness import CROP_FACTORS, STRENGTHS, recropped, sweep
    from sterling.runs import track

    with track("degraded copies", sum(map(len, STRENGTHS.values()))) as advance:
        points = sweep(detector, faces, seed=seed, progress=advance)
    own = detector.preprocessing
    if own.crop_scale is None:  # pictures that are crops already cannot be cut otherwise
        return points
    crops = {
        factor: crops_of(manifest, detector.model, own.scaled(factor)).faces
        for factor in CROP_FACTORS
    }
    return points + recropped(detector, crops)


def changed(detector: Any, faces: Any, seed: int) -> Any:
    """Error rates on crops from which one cue is taken."""
    from sterling.face.evaluation.robustness import interventions, possible
    from sterling.runs import track

    with track("interventions", len(possible(detector))) as advance:
        return interventions(detector, faces, seed=seed, progress=advance)


def read_scores(
    scores: Path,
    columns: Sequence[str] | None,
    bona_fide: str | None,
    higher_is: Literal["bona-fide", "attack"] | None,
) -> "ScoreFile":
    """Read a file of scores and say on standard error what was taken for what."""
    from sterling.face.evaluation.score_file import read_score_file

    named = {}
    for assignment in columns or ():
        role, sign, name = assignment.partition("=")
        if not sign:
            raise InputError(f"--column {assignment}: write it as score=confidence")
        named[role] = name
    found = read_score_file(scores, higher_is=higher_is, columns=named, bona_fide=bona_fide)
    for note in found.notes:
        typer.echo(shown(note), err=True)
    return found


def score_source(
    scores: Path,
    columns: Sequence[str] | None,
    bona_fide: str | None,
    higher_is: Literal["bona-fide", "attack"] | None,
    *,
    threshold: "ChosenThreshold | float | None",
    promise: "Promise | None",
    requirements: "Sequence[Requirement]",
) -> Source:
    """Read a file of scores; a saved threshold knows the direction, if none is given."""
    from sterling.cli._face_report import Views
    from sterling.face.evaluation.bounded_threshold import require_enough
    from sterling.face.evaluation.chosen_threshold import ChosenThreshold
    from sterling.face.evaluation.evaluate import Scored
    from sterling.face.evaluation.presentations import require_both

    for one in requirements:
        if one.metric in ("apnrr", "bpnrr"):
            raise InputError(
                f"--require {one}: a file of scores has no presentations without a score"
            )
    if higher_is is None and isinstance(threshold, ChosenThreshold):
        higher_is = "bona-fide" if threshold.threshold.direction == "up" else "attack"
    found = read_scores(scores, columns, bona_fide, higher_is)
    direction = found.presentations.scores.direction
    own = _by_hand(threshold, direction) if isinstance(threshold, float) else threshold
    splits, data = set(found.split.tolist()), str(scores)
    if found.has_splits and "test" not in splits:
        raise InputError(f"{data} has splits and none is test; mend the column, or leave it out")
    if own is None and "dev" not in splits:
        wanted = "--guarantee" if promise else "no threshold"
        raise InputError(
            f"{data}: {wanted}, and no split dev to choose one on; give --threshold NUMBER, "
            "--threshold FILE (from: sterling face calibrate --scores), or a column split with dev "
            "and test"
        )
    test = found.part("test") if found.has_splits else found.presentations
    place = f"{data}, split test" if found.has_splits else data
    require_both(test.scores.label, place)
    if own is not None:
        own.threshold.accept(test.scores)  # refuses items that chose it
    development = found.part("dev").scores if "dev" in splits else None
    if development is not None and own is None:
        live = development.select(development.label)
        if promise is not None:
            require_enough(promise, live.subject, f"{data}, split dev")
        else:
            require_both(development.label, f"{data}, split dev")
    chosen_on_dev = development is not None and (
        own is None or own.threshold.overlap(development) > 0
    )
    scored = Scored("scores", test, development)
    facts = dict(note.split(": ", 1) for note in found.notes)
    turned = " scores.parquet holds the scores negated." if test.scores.direction == "down" else ""
    return Source(
        data=data,
        scope=f"Test data: {place}. The scores are the user's own; nothing is known of the "
        "detector that gave them. The figures hold for presentations like these, and for no "
        f"others.{turned}",
        facts={"scores": data, **facts, "rows": len(found.split)},
        read=lambda: (scored, lambda _threshold: Views()),
        own=own,
        claims=_subjects_apart(found) if chosen_on_dev else [],
    )


def _subjects_apart(found: "ScoreFile") -> "list[Claim]":
    """Claim that dev and test share no subject, where they do."""
    from sterling.study import Claim

    shared = found.shared_subjects()
    if not shared:
        return []
    some = ", ".join(shared[:6]) + (", ..." if len(shared) > 6 else "")
    return [
        Claim(
            id="subjects_apart",
            claim="No subject is both in dev, which chose the threshold, and in test.",
            estimand=f"{len(shared)} subjects are in both: {some}",
            measured=None,
            bar="none",
            verdict="does not hold",
        )
    ]
