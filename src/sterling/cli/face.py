"""`sterling face …`: liveness detection on the user's own photographs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sterling.cli.studies import JsonFlag, show_json
from sterling.errors import InputError

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, help="Liveness of faces: train, evaluate, predict, export, attack."
)

DetectorArgument = Annotated[Path, typer.Argument(help="Folder of a trained detector.")]
DataOption = Annotated[
    Path,
    typer.Option(help="Folder with live/ and spoof/<species>/, or a manifest (.csv, .parquet)."),
]
PatternOption = Annotated[
    str | None, typer.Option(help="Regular expression on the path, with a group named 'subject'.")
]


def _manifest(data: Path, subject_pattern: str | None) -> Any:
    from sterling.face.data import Manifest, read_folder

    if data.is_file():
        return Manifest.read(data)
    return read_folder(data, subject_pattern=subject_pattern)


def _crops(manifest: Any, size: int, scale: float) -> Any:
    from sterling.face.data import CropSpec, load_faces
    from sterling.runs import track

    with track("finding faces", len(manifest)) as advance:
        return load_faces(
            manifest, CropSpec(size=size, scale=scale), progress=lambda _done, _total: advance()
        )


@app.command()
def train(
    data: DataOption,
    out: Annotated[Path, typer.Option(help="Folder that receives the detector.")],
    subject_pattern: PatternOption = None,
    size: Annotated[int, typer.Option(help="Side of the face crop, divisible by 8.")] = 64,
    width: Annotated[int, typer.Option(help="Channels of the stem; the paper has 64.")] = 16,
    epochs: Annotated[int, typer.Option(min=1)] = 15,
    learning_rate: Annotated[float, typer.Option()] = 1e-3,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Train CDCN on labelled photographs; the threshold is chosen on held-out subjects."""
    from dataclasses import replace

    from sterling.face.data import FaceDetector, label_maps, split_by_subject
    from sterling.face.evaluation import count_reasons, scores_of
    from sterling.face.pad import (
        CDCN,
        Detector,
        Preprocessing,
        Provenance,
        TrainConfig,
        TrainingError,
    )
    from sterling.face.pad import train as train_network
    from sterling.measure import threshold_at_eer
    from sterling.runs import track

    manifest = _manifest(data, subject_pattern)
    if not manifest.matches(split=("train", "dev")).any():
        manifest = split_by_subject(manifest, seed=seed)
    preprocessing = Preprocessing(
        size=size, crop_scale=1.3, face_detector=FaceDetector().name, alignment="none"
    )
    loaded = _crops(manifest.where(split=("train", "dev")), size, 1.3)
    training, development = loaded.faces.split("train"), loaded.faces.split("dev")
    model = CDCN(width=width, seed=seed)
    config = TrainConfig(epochs=epochs, learning_rate=learning_rate, seed=seed)
    with track("training", epochs) as advance:
        history = train_network(
            model,
            training.images,
            label_maps(training, "ellipsoid", size // 8),
            config,
            checkpoint=out / "training.safetensors",
            progress=lambda _record: advance(),
        )
    if history.collapsed:
        raise TrainingError(
            "training ended with maps of 0, of no use: lower --learning-rate or change --seed"
        )
    provenance = Provenance(str(data), False, "unknown", seed, history.items, history.digest)
    detector = Detector(model, preprocessing, provenance)
    scores = scores_of(detector.score(development.images), development.manifest)
    threshold = threshold_at_eer(scores, source=f"{data}, development subjects")
    replace(detector, threshold=threshold).save_pretrained(out)
    manifest.write(out / "manifest.csv")
    typer.echo(f"not scored: {count_reasons(loaded.non_responses)}")
    typer.echo(f"next: sterling face evaluate {out} --data {out / 'manifest.csv'}")


@app.command()
def evaluate(
    detector: DetectorArgument,
    data: DataOption,
    subject_pattern: PatternOption = None,
    degraded: Annotated[bool, typer.Option(help="Also on degraded copies.")] = False,
    guarantee: Annotated[
        str | None,
        typer.Option(
            help="bpcer=0.05[,confidence=0.95][,unit=subject]: choose the threshold on the split "
            "dev so that the BPCER is bounded with confidence."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    out: Annotated[Path, typer.Option(help="Run folder for evidence and report.")] = Path(
        "runs/face-evaluate"
    ),
    as_json: JsonFlag = False,
) -> None:
    """Error rates per attack species with exact intervals, and a report.

    Of a manifest with splits the test split is evaluated; otherwise everything is.
    """
    from dataclasses import replace

    from sterling.face.bounded_threshold import Promise, bounded_threshold
    from sterling.face.data import CropSpec, load_faces
    from sterling.face.evaluation import detector_findings, scores_of
    from sterling.face.pad import Detector
    from sterling.report import render_report
    from sterling.runs import open_run
    from sterling.study import Evidence

    judge = Detector.from_pretrained(detector)
    everything = _manifest(data, subject_pattern)
    has_test = everything.matches(split="test").any()
    manifest = everything.where(split="test") if has_test else everything
    scale = judge.preprocessing.crop_scale or 1.3
    spec = CropSpec(size=judge.preprocessing.size, scale=scale)
    config = {
        "detector": str(detector),
        "data": str(data),
        "degraded": degraded,
        "guarantee": guarantee,
    }
    wanted = None if guarantee is None else Promise.parse(guarantee)
    if wanted and not (has_test and everything.matches(split="dev").any()):
        raise InputError(
            f"--guarantee: {data} needs captures of split 'dev' to calibrate on and of split "
            "'test'; give a manifest with both"
        )
    identity = {"study": "face-evaluate", "seed": seed, "config": config}
    with open_run(out, identity=identity, seed=seed) as run:
        loaded = _crops(manifest, spec.size, spec.scale)
        development = None
        if has_test and everything.matches(split="train").any():
            known = load_faces(everything.where(split=("train", "dev")), spec).faces
            development = (known.split("train"), known.split("dev"))
        promise = None
        if wanted:
            held_out = load_faces(everything.where(split="dev"), spec).faces
            scores = scores_of(judge.score(held_out.images), held_out.manifest)
            threshold, promise = bounded_threshold(
                scores, wanted, source=f"{data}, split dev", seed=seed
            )
            judge = replace(judge, threshold=threshold)
        findings = detector_findings(
            judge,
            loaded.faces,
            non_responses=loaded.non_responses,
            manifest=manifest,
            folder=out,
            development=development,
            degraded=degraded,
            seed=seed,
            guarantee=promise,
        )
        evidence = Evidence(
            **dict(findings),
            study="face-evaluate",
            preset="own data",
            seed=seed,
            command=f"sterling face evaluate {detector} --data {data} --seed {seed}"
            + (" --degraded" if degraded else "")
            + (f" --guarantee {guarantee}" if guarantee else ""),
            config=config,
            versions=dict(run.versions),
            started=run.started,
            wall_s=round(run.elapsed(), 3),
        )
        run.finish(evidence.model_dump_json(indent=1))
    render_report([out], out / "report.html")
    if as_json:
        typer.echo(evidence.model_dump_json(indent=1))
        return
    for metric in evidence.metrics:
        interval = "" if metric.low is None else f" ({metric.low:.4f} … {metric.high:.4f})"
        typer.echo(f"{metric.name}: {metric.value:.4f}{interval}, n = {metric.n}")
    for claim in evidence.claims:
        verdict = {True: "agree", False: "DISAGREE", None: "cannot tell"}[claim.holds]
        typer.echo(f"{claim.claim} Test captures: {verdict}.")
    typer.echo(f"report: {out / 'report.html'}")


@app.command()
def predict(
    sources: Annotated[
        list[str], typer.Argument(help="Photographs, folders, videos, or a camera's number.")
    ],
    detector: Annotated[Path, typer.Option(help="Folder of a trained detector.")],
    boxes: Annotated[Path | None, typer.Option(help="Folder for pictures with boxes.")] = None,
    frames: Annotated[int, typer.Option(min=1, help="Frames read of a video or camera.")] = 8,
    as_json: JsonFlag = False,
) -> int:
    """Bona fide, attack, or cannot tell, with the reason, the score and the threshold."""
    from sterling.face.pad import Detector
    from sterling.face.prediction import predict_sources

    judge = Detector.from_pretrained(detector)
    answers = predict_sources(judge, sources, frames=frames, boxes=boxes)
    threshold = judge.threshold
    if as_json:
        origin = {} if threshold is None else {"rule": threshold.rule, "source": threshold.source}
        show_json({"threshold": origin, "answers": [answer.to_dict() for answer in answers]})
    else:
        for answer in answers:
            typer.echo(answer.line())
        if threshold is not None:
            typer.echo(f"threshold: {threshold.value:.4f}, {threshold.rule}, {threshold.source}")
    return 0 if any(answer.score is not None for answer in answers) else 3


@app.command()
def export(
    detector: DetectorArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="The ONNX file.")],
    int8: Annotated[bool, typer.Option(help="Quantise; needs --calibration.")] = False,
    calibration: Annotated[
        Path | None, typer.Option(help="Folder or manifest of photographs to calibrate on.")
    ] = None,
) -> None:
    """One ONNX file with preprocessing inside, checked against PyTorch before it appears."""
    from sterling.face.pad import Detector, export_onnx

    judge = Detector.from_pretrained(detector)
    if int8 and calibration is None:
        raise InputError("--int8 needs --calibration with photographs of the kind to be judged")
    images = None
    if calibration is not None:
        size, scale = judge.preprocessing.size, judge.preprocessing.crop_scale or 1.3
        images = _crops(_manifest(calibration, None), size, scale).faces.images
    report = export_onnx(judge, out, int8=int8, calibration=images)
    typer.echo(
        f"{report.path}: {report.size / 1e6:.2f} MB, largest score difference to PyTorch "
        f"{report.max_difference:.2g} on {report.compared} images"
    )


@app.command()
def attack(
    photographs: Annotated[
        Path, typer.Argument(help="Folder with live/, or a manifest; only bona fide rows are used.")
    ],
    out: Annotated[Path, typer.Option(help="New folder that receives crops and attacks.")],
    species: Annotated[
        str, typer.Option(help="Instruments, comma-separated: print, poster, portrait, replay.")
    ] = "print,replay",
    subject_pattern: PatternOption = None,
    size: Annotated[int, typer.Option(min=32, help="Side of the written crops in pixels.")] = 256,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Simulate prints and replays of your own bona fide photographs, ready to train on."""
    from sterling.face.attack import make_attacks
    from sterling.face.evaluation import count_reasons
    from sterling.runs import track

    manifest = _manifest(photographs, subject_pattern)
    names = [name.strip() for name in species.split(",")]
    with track("faces, then instruments", int(manifest.bona_fide.sum()) + len(names)) as advance:
        made = make_attacks(manifest, names, out, size=size, seed=seed, progress=advance)
    live = int(made.manifest.bona_fide.sum())
    typer.echo(f"{out}: {live} bona fide crops, {len(made.manifest) - live} SIMULATED attacks")
    typer.echo(f"not used: {count_reasons(made.non_responses)}")
    typer.echo(f"next: sterling face train --data {out / 'manifest.csv'} --out detector")
